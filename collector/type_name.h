/*
 * Names as their authors would write them.
 *
 * rustc names compiler-made types and scopes in DWARF with words of its own:
 * `{async_fn_env#0}` for the coroutine of an async fn, `{impl#3}` for the third
 * impl block of a module, `GenFuture<..>` around coroutines (before 1.67). A
 * path in those words is turned into the source's: `app::Pool::get`.
 */
#ifndef TYPE_NAME_H
#define TYPE_NAME_H

struct type_names;

/* Returns an empty set of known impl blocks, or NULL when memory ran out. */
struct type_names *type_names_new(void);
void type_names_free(struct type_names *names);

/*
 * Learn what the impl block at path (`app::{impl#0}`) is an impl of, from the
 * linkage name of a function that lies `inner` (`get::{async_fn#0}`) inside it.
 * Legacy and v0 mangling; does nothing if it cannot be demangled.
 */
void type_names_learn_impl(struct type_names *names, const char *path, const char *inner,
			   const char *linkage_name);

/* Move what other knows, and names does not, to names. */
void type_names_take(struct type_names *names, struct type_names *other);

/*
 * The author's name of the DWARF path raw (`app::{impl#0}::get::{async_fn_env#0}`).
 * Returns a malloc'd string, or NULL when memory ran out.
 */
char *type_names_author(const struct type_names *names, const char *raw);

#endif
