/* Rust names for narrow terminals. */
#ifndef SHORT_NAME_H
#define SHORT_NAME_H

/*
 * name without the module paths of generic arguments and of the standard library,
 * and without its default allocator: `core::pin::Pin<alloc::boxed::Box<app::Job,
 * alloc::alloc::Global>>` becomes `Pin<Box<Job>>`. Of a chain, each name for itself.
 * Returns a malloc'd string, or NULL when memory ran out.
 */
char *short_name(const char *name);

/*
 * name with `<..>` in the place of generic arguments: `app::retry<Job, u8>` becomes
 * `app::retry<..>`; `<Pool as Store>::get` stays. Returns a malloc'd string, or NULL
 * when memory ran out.
 */
char *short_name_no_arguments(const char *name);

#endif
