#include "dwarf_scope.h"

#include <stdlib.h>
#include <string.h>

struct scope {
	void *address;      /* of the DIE's bytes: unlike its offset, unique over split files */
	Dwarf_CU *unit;     /* that it stands in */
	dwarf_scope parent; /* DWARF_SCOPE_NONE: top of a compile unit */
};

struct dwarf_scopes {
	struct scope *scopes; /* owned */
	size_t count;
	size_t room;
	dwarf_scope *by_address; /* owned; once the tree is done: the scopes by address */
};

static const char anonymous[] = "{anonymous}";

struct dwarf_scopes *dwarf_scopes_new(void)
{
	return calloc(1, sizeof(struct dwarf_scopes));
}

void dwarf_scopes_free(struct dwarf_scopes *scopes)
{
	if (!scopes)
		return;
	free(scopes->scopes);
	free(scopes->by_address);
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
	scopes->scopes[scopes->count] = (struct scope){die->addr, die->cu, parent};
	return (dwarf_scope)scopes->count++;
}

int dwarf_scopes_append(struct dwarf_scopes *scopes, const struct dwarf_scopes *other)
{
	size_t count = scopes->count + other->count;
	struct scope *grown = count < DWARF_SCOPE_NONE
				      ? realloc(scopes->scopes, (count + 1) * sizeof(*grown))
				      : NULL;

	if (!grown)
		return -1;
	scopes->scopes = grown;
	scopes->room = count + 1;
	for (size_t i = 0; i < other->count; i++) {
		struct scope *scope = &grown[scopes->count + i];

		*scope = other->scopes[i];
		if (scope->parent != DWARF_SCOPE_NONE)
			scope->parent += (dwarf_scope)scopes->count;
	}
	scopes->count = count;
	return 0;
}

dwarf_scope dwarf_scope_parent(const struct dwarf_scopes *scopes, dwarf_scope scope)
{
	return scopes->scopes[scope].parent;
}

const char *dwarf_scope_name(const struct dwarf_scopes *scopes, dwarf_scope scope)
{
	Dwarf_Die die = {.addr = scopes->scopes[scope].address,
			 .cu = scopes->scopes[scope].unit};
	const char *name = dwarf_diename(&die);

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

/* Orders numbers of scopes by the address of their DIEs. */
static int compare_address(const void *left, const void *right, void *context)
{
	const struct scope *scopes = context;
	const void *a = scopes[*(const dwarf_scope *)left].address;
	const void *b = scopes[*(const dwarf_scope *)right].address;

	return a < b ? -1 : a > b;
}

int dwarf_scopes_finish(struct dwarf_scopes *scopes)
{
	scopes->by_address = malloc((scopes->count + 1) * sizeof(*scopes->by_address));
	if (!scopes->by_address)
		return -1;
	for (size_t i = 0; i < scopes->count; i++)
		scopes->by_address[i] = (dwarf_scope)i;
	/* In one file the tree has them in this order already. */
	for (size_t i = 1; i < scopes->count; i++) {
		if (scopes->scopes[i - 1].address <= scopes->scopes[i].address)
			continue;
		qsort_r(scopes->by_address, scopes->count, sizeof(*scopes->by_address),
			compare_address, scopes->scopes);
		break;
	}
	return 0;
}

static dwarf_scope find(const struct dwarf_scopes *scopes, const void *address)
{
	size_t low = 0;
	size_t high = scopes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct scope *scope = &scopes->scopes[scopes->by_address[middle]];

		if (scope->address == address)
			return scopes->by_address[middle];
		if (scope->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return DWARF_SCOPE_NONE;
}

char *dwarf_scopes_path(const struct dwarf_scopes *scopes, Dwarf_Die *die)
{
	dwarf_scope scope = find(scopes, die->addr);
	const char *name;

	if (scope != DWARF_SCOPE_NONE)
		return dwarf_scope_path(scopes, scope);
	/* Base types and pointers stand at the top and carry their whole name. */
	name = dwarf_diename(die);
	return strdup(name ? name : anonymous);
}
