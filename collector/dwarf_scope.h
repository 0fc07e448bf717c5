/*
 * Where the types of a binary stand: the namespaces around each type, which
 * DWARF keeps only in the shape of its tree. Filled during the one pass over
 * the tree, then asked for full names.
 */
#ifndef DWARF_SCOPE_H
#define DWARF_SCOPE_H

#include <elfutils/libdw.h>

struct dwarf_scope;  /* a namespace or type, owned by its dwarf_scopes */
struct dwarf_scopes;

/* Returns an empty set, or NULL when memory ran out. */
struct dwarf_scopes *dwarf_scopes_new(void);
void dwarf_scopes_free(struct dwarf_scopes *scopes);

/*
 * Add the namespace or type die, which stands in parent (NULL: at the top).
 * Returns NULL when memory ran out.
 */
struct dwarf_scope *dwarf_scopes_add(struct dwarf_scopes *scopes, Dwarf_Die *die,
				     struct dwarf_scope *parent);

/*
 * Full name of the type die in the compiler's words, `app::{impl#0}::get::{async_fn_env#0}`.
 * Returns a malloc'd string, or NULL when memory ran out.
 */
char *dwarf_scopes_path(const struct dwarf_scopes *scopes, Dwarf_Die *die);

/* The same for a scope itself; NULL scope: the empty path. */
char *dwarf_scope_path(const struct dwarf_scope *scope);

/* The scope around this one, or NULL; its own name, never NULL. */
struct dwarf_scope *dwarf_scope_parent(const struct dwarf_scope *scope);
const char *dwarf_scope_name(const struct dwarf_scope *scope);

#endif
