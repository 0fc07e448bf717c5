#include "dwarf_scope.h"

#include <stdlib.h>
#include <string.h>

struct scope {
	Dwarf_Off offset;   /* of the DIE in .debug_info */
	dwarf_scope parent; /* DWARF_SCOPE_NONE: top of a compile unit */
};

struct dwarf_scopes {
	Dwarf *dwarf;         /* borrowed */
	struct scope *scopes; /* owned; sorted by offset, for the tree is stored so */
	size_t count;
	size_t room;
};

static const char anonymous[] = "{anonymous}";

struct dwarf_scopes *dwarf_scopes_new(Dwarf *dwarf)
{
	struct dwarf_scopes *scopes = calloc(1, sizeof(*scopes));

	if (scopes)
		scopes->dwarf = dwarf;
	return scopes;
}

void dwarf_scopes_free(struct dwarf_scopes *scopes)
{
	if (!scopes)
		return;
	free(scopes->scopes);
	free(scopes);
}

dwarf_scope dwarf_scopes_add(struct dwarf_scopes *scopes, Dwarf_Die *die, dwarf_scope parent)
{
	if (scopes->count == scopes->room) {
		size_t room = scopes->room ? scopes->room * 2 : 4096;
		struct scope *grown = room < DWARF_SCOPE_NONE
					      ? realloc(scopes->scopes, room * sizeof(*grown))
					      : NULL;

		if (!grown)
			return DWARF_SCOPE_NONE;
		scopes->scopes = grown;
		scopes->room = room;
	}
	scopes->scopes[scopes->count] = (struct scope){dwarf_dieoffset(die), parent};
	return (dwarf_scope)scopes->count++;
}

dwarf_scope dwarf_scope_parent(const struct dwarf_scopes *scopes, dwarf_scope scope)
{
	return scopes->scopes[scope].parent;
}

const char *dwarf_scope_name(const struct dwarf_scopes *scopes, dwarf_scope scope)
{
	const char *name;
	Dwarf_Die die;

	if (!dwarf_offdie(scopes->dwarf, scopes->scopes[scope].offset, &die))
		return anonymous;
	name = dwarf_diename(&die);
	return name ? name : anonymous;
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

char *dwarf_scope_path(const struct dwarf_scopes *scopes, dwarf_scope scope)
{
	char *path;

	if (scope == DWARF_SCOPE_NONE)
		return strdup("");
	path = dwarf_scope_path(scopes, dwarf_scope_parent(scopes, scope));
	return path ? join(path, dwarf_scope_name(scopes, scope)) : NULL;
}

static int compare_offset(const void *key, const void *element)
{
	Dwarf_Off offset = *(const Dwarf_Off *)key;
	const struct scope *scope = element;

	return offset < scope->offset ? -1 : offset > scope->offset;
}

char *dwarf_scopes_path(const struct dwarf_scopes *scopes, Dwarf_Die *die)
{
	Dwarf_Off offset = dwarf_dieoffset(die);
	const struct scope *scope = scopes->count
					    ? bsearch(&offset, scopes->scopes, scopes->count,
						      sizeof(*scopes->scopes), compare_offset)
					    : NULL;
	const char *name;

	if (scope)
		return dwarf_scope_path(scopes, (dwarf_scope)(scope - scopes->scopes));
	/* Base types and pointers stand at the top and carry their whole name. */
	name = dwarf_diename(die);
	return strdup(name ? name : anonymous);
}
