/*
 * Where the types of a binary stand: the namespaces around each type, which
 * DWARF keeps only in the shape of its tree. Filled during the one pass over
 * the tree, then asked for full names.
 */
#ifndef DWARF_SCOPE_H
#define DWARF_SCOPE_H

#include <elfutils/libdw.h>
#include <stdint.h>

struct dwarf_scopes;

/* A namespace or type: its number in its dwarf_scopes. */
typedef uint32_t dwarf_scope;
#define DWARF_SCOPE_NONE UINT32_MAX

/* Returns an empty set, or NULL when memory ran out. It refers to the DIEs it is given. */
struct dwarf_scopes *dwarf_scopes_new(void);
void dwarf_scopes_free(struct dwarf_scopes *scopes);

/*
 * Add the namespace or type die, which stands in parent (DWARF_SCOPE_NONE: at the
 * top). They must come in the order of the tree, parents before their children.
 * Returns DWARF_SCOPE_NONE when memory ran out.
 */
dwarf_scope dwarf_scopes_add(struct dwarf_scopes *scopes, Dwarf_Die *die, dwarf_scope parent);

/* Append the scopes of other, of other units. Returns 0, or -1 when memory ran out. */
int dwarf_scopes_append(struct dwarf_scopes *scopes, const struct dwarf_scopes *other);

/*
 * The tree is done: from now on there may be asked for paths. Returns 0, or -1 when
 * memory ran out.
 */
int dwarf_scopes_finish(struct dwarf_scopes *scopes);

/*
 * Full name of the type die in the compiler's words, `app::{impl#0}::get::{async_fn_env#0}`.
 * Returns a malloc'd string, or NULL when memory ran out.
 */
char *dwarf_scopes_path(const struct dwarf_scopes *scopes, Dwarf_Die *die);

/*
 * If die only declares a struct, as rustc 1.63 does with some that another unit uses too,
 * and one defines it, let *die be that.
 */
void dwarf_scopes_define(const struct dwarf_scopes *scopes, Dwarf_Die *die);

/* The path of a scope itself; DWARF_SCOPE_NONE: the empty path. */
char *dwarf_scope_path(const struct dwarf_scopes *scopes, dwarf_scope scope);

/* The scope around this one; its own name, never NULL. */
dwarf_scope dwarf_scope_parent(const struct dwarf_scopes *scopes, dwarf_scope scope);
const char *dwarf_scope_name(const struct dwarf_scopes *scopes, dwarf_scope scope);

/* The mangled name of the function die, of libdw; NULL: it has none. */
const char *dwarf_linkage_name(Dwarf_Die *function);

#endif
