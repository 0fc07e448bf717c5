#include "dwarf_scope.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct dwarf_scope {
	Dwarf_Off offset;           /* of the DIE in .debug_info */
	const char *name;           /* lives as long as the Dwarf */
	struct dwarf_scope *parent; /* NULL: top of a compile unit */
	UT_hash_handle hh;          /* keyed by offset */
};

struct dwarf_scopes {
	struct dwarf_scope *by_offset; /* owned */
};

struct dwarf_scopes *dwarf_scopes_new(void)
{
	return calloc(1, sizeof(struct dwarf_scopes));
}

void dwarf_scopes_free(struct dwarf_scopes *scopes)
{
	struct dwarf_scope *scope;
	struct dwarf_scope *next;

	if (!scopes)
		return;
	HASH_ITER(hh, scopes->by_offset, scope, next) {
		HASH_DEL(scopes->by_offset, scope);
		free(scope);
	}
	free(scopes);
}

struct dwarf_scope *dwarf_scopes_add(struct dwarf_scopes *scopes, Dwarf_Die *die,
				     struct dwarf_scope *parent)
{
	struct dwarf_scope *scope = calloc(1, sizeof(*scope));
	const char *name = dwarf_diename(die);

	if (!scope)
		return NULL;
	scope->offset = dwarf_dieoffset(die);
	scope->name = name ? name : "{anonymous}";
	scope->parent = parent;
	HASH_ADD(hh, scopes->by_offset, offset, sizeof(scope->offset), scope);
	return scope;
}

/* `path::name` in a new string. */
static char *join(char *path, const char *name)
{
	size_t length = path ? strlen(path) : 0;
	char *joined = realloc(path, length + strlen(name) + 3);

	if (!joined) {
		free(path);
		return NULL;
	}
	strcpy(joined + length, length ? "::" : "");
	strcat(joined, name);
	return joined;
}

char *dwarf_scope_path(const struct dwarf_scope *scope)
{
	char *path;

	if (!scope)
		return strdup("");
	path = dwarf_scope_path(scope->parent);
	return path ? join(path, scope->name) : NULL;
}

char *dwarf_scopes_path(const struct dwarf_scopes *scopes, Dwarf_Die *die)
{
	Dwarf_Off offset = dwarf_dieoffset(die);
	const struct dwarf_scope *scope;
	const char *name;

	HASH_FIND(hh, scopes->by_offset, &offset, sizeof(offset), scope);
	if (scope)
		return dwarf_scope_path(scope);
	/* Base types and pointers stand at the top and carry their whole name. */
	name = dwarf_diename(die);
	return strdup(name ? name : "{anonymous}");
}

struct dwarf_scope *dwarf_scope_parent(const struct dwarf_scope *scope)
{
	return scope->parent;
}

const char *dwarf_scope_name(const struct dwarf_scope *scope)
{
	return scope->name;
}
