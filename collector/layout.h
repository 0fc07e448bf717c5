/*
 * Memory layout of futures and of what their polls return, from DWARF type
 * entries as rustc 1.63 and later write them.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "dwarf_scope.h"
#include "poll_sites.h"
#include "type_name.h"

/* Type of die, its definition if that is known, into *type; false if it has none. */
bool layout_type_of(const struct dwarf_scopes *scopes, Dwarf_Die *die, Dwarf_Die *type);

/* First child of die with this tag and (unless NULL) this name. */
bool layout_child(Dwarf_Die *die, int tag, const char *name, Dwarf_Die *child);

/* Size of the type, bytes; 0: it has none. */
uint64_t layout_size(Dwarf_Die *type);

/* Alignment of the type, bytes; at least 1. */
uint64_t layout_alignment(Dwarf_Die *type);

/* Bytes from the start of a struct, or variant, to its member. False if not constant. */
bool layout_member_offset(Dwarf_Die *member, uint64_t *offset);

/*
 * Offset and width, bytes, of the discriminant of a variant part. False if it has none:
 * then just one variant can be.
 */
bool layout_discriminant(Dwarf_Die *variant_part, uint64_t *offset, uint64_t *width);

/* The discriminant's value that means variant; false: that is every other value. */
bool layout_discriminant_value(Dwarf_Die *variant, uint64_t *value);

/* If type is `GenFuture<T>`, let it be the coroutine T, which begins where that does. */
void layout_skip_wrapper(const struct dwarf_scopes *scopes, Dwarf_Die *type);

/*
 * The type T that a poll polls, given the type of its first parameter,
 * `Pin<&mut T>`; around a coroutine, `GenFuture<..>` is taken off. False if the
 * type is not of that form or T has no size of its own (`dyn Future`).
 */
bool layout_polled_type(const struct dwarf_scopes *scopes, Dwarf_Die *pin, Dwarf_Die *polled);

/* The file in which die is declared, malloc'd, or NULL if that is not known. */
char *layout_decl_file(Dwarf_Die *die);

/* The kind that the compiler's name of a future type tells. */
enum future_kind layout_future_kind(const char *name);

/*
 * Fill in size, state and await points (and, for a coroutine, its place) of
 * the future type that die describes. Returns 0, or -1 when memory ran out.
 */
int layout_describe(struct future_type *type, Dwarf_Die *die, const struct dwarf_scopes *scopes,
		    const struct type_names *names);

/*
 * How to read the discriminant of the `Poll<..>` type returned. in_memory: the
 * caller passes the address of the result, which comes back in the result
 * register; else it is returned in registers.
 */
struct poll_result layout_poll_result(Dwarf_Die *poll, bool in_memory);

/* Where a Context, given the type `&mut Context`, keeps its waker. */
struct waker_layout layout_waker(const struct dwarf_scopes *scopes, Dwarf_Die *context_pointer);

#endif
