#include "dwarf_scope.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct scope {
	void *address;      /* of the DIE's bytes: unlike its offset, unique over split files */
	Dwarf_CU *unit;     /* that it stands in */
	dwarf_scope parent; /* DWARF_SCOPE_NONE: top of a compile unit */
	bool is_struct;
	bool is_declaration; /* of a struct that is defined elsewhere */
};

/* The structs of one full name. */
struct definition {
	char *path;          /* owned */
	dwarf_scope defined; /* one that is defined; DWARF_SCOPE_NONE: none was seen */
	UT_hash_handle hh;   /* keyed by path */
};

struct dwarf_scopes {
	struct scope *scopes; /* owned */
	size_t count;
	size_t room;
	dwarf_scope *by_address; /* owned; once the tree is done: the scopes by address */
	struct definition *definitions; /* owned; then also: of what is declared somewhere */
};

static const char anonymous[] = "{anonymous}";

struct dwarf_scopes *dwarf_scopes_new(void)
{
	return calloc(1, sizeof(struct dwarf_scopes));
}

void dwarf_scopes_free(struct dwarf_scopes *scopes)
{
	struct definition *definition;
	struct definition *next;

	if (!scopes)
		return;
	HASH_ITER(hh, scopes->definitions, definition, next)
	{
		HASH_DEL(scopes->definitions, definition);
		free(definition->path);
		free(definition);
	}
	free(scopes->scopes);
	free(scopes->by_address);
	free(scopes);
}

dwarf_scope dwarf_scopes_add(struct dwarf_scopes *scopes, Dwarf_Die *die, dwarf_scope parent)
{
	bool is_struct;

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
	is_struct = dwarf_tag(die) == DW_TAG_structure_type;
	scopes->scopes[scopes->count] = (struct scope){
		.address = die->addr,
		.unit = die->cu,
		.parent = parent,
		.is_struct = is_struct,
		.is_declaration = is_struct && dwarf_hasattr(die, DW_AT_declaration),
	};
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

static struct definition *find_definition(const struct dwarf_scopes *scopes, dwarf_scope scope)
{
	char *path = dwarf_scope_path(scopes, scope);
	struct definition *definition = NULL;

	if (path)
		HASH_FIND_STR(scopes->definitions, path, definition);
	free(path);
	return definition;
}

static int add_declaration(struct dwarf_scopes *scopes, dwarf_scope scope)
{
	struct definition *definition = find_definition(scopes, scope);

	if (definition)
		return 0;
	definition = calloc(1, sizeof(*definition));
	if (definition)
		definition->path = dwarf_scope_path(scopes, scope);
	if (!definition || !definition->path) {
		free(definition);
		return -1;
	}
	definition->defined = DWARF_SCOPE_NONE;
	HASH_ADD_KEYPTR(hh, scopes->definitions, definition->path, strlen(definition->path),
			definition);
	return 0;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/*
 * The last names, sorted, that structs are declared by: most others then need no look at
 * their whole path. Returns a malloc'd array, or NULL when memory ran out.
 */
static const char **declared_names(const struct dwarf_scopes *scopes, size_t *count)
{
	const char **names;

	*count = 0;
	for (size_t i = 0; i < scopes->count; i++)
		*count += scopes->scopes[i].is_declaration;
	names = calloc(*count + 1, sizeof(*names));
	if (!names)
		return NULL;
	*count = 0;
	for (size_t i = 0; i < scopes->count; i++)
		if (scopes->scopes[i].is_declaration)
			names[(*count)++] = dwarf_scope_name(scopes, (dwarf_scope)i);
	qsort(names, *count, sizeof(*names), compare_names);
	return names;
}

/* Find the definitions of the structs that are declared. */
static int find_definitions(struct dwarf_scopes *scopes)
{
	size_t count;
	const char **names = declared_names(scopes, &count);
	int status = names ? 0 : -1;

	for (size_t i = 0; i < scopes->count && !status; i++)
		if (scopes->scopes[i].is_declaration)
			status = add_declaration(scopes, (dwarf_scope)i);
	for (size_t i = 0; count && i < scopes->count && !status; i++) {
		const char *name = dwarf_scope_name(scopes, (dwarf_scope)i);
		struct definition *definition;

		if (!scopes->scopes[i].is_struct || scopes->scopes[i].is_declaration ||
		    !bsearch(&name, names, count, sizeof(*names), compare_names))
			continue;
		definition = find_definition(scopes, (dwarf_scope)i);
		if (definition)
			definition->defined = (dwarf_scope)i;
	}
	free(names);
	return status;
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
	return find_definitions(scopes);
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

void dwarf_scopes_define(const struct dwarf_scopes *scopes, Dwarf_Die *die)
{
	dwarf_scope scope = scopes->definitions ? find(scopes, die->addr) : DWARF_SCOPE_NONE;
	const struct definition *definition;
	const struct scope *defined;

	if (scope == DWARF_SCOPE_NONE || !scopes->scopes[scope].is_declaration)
		return;
	definition = find_definition(scopes, scope);
	if (!definition || definition->defined == DWARF_SCOPE_NONE)
		return;
	defined = &scopes->scopes[definition->defined];
	*die = (Dwarf_Die){.addr = defined->address, .cu = defined->unit};
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

const char *dwarf_linkage_name(Dwarf_Die *function)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr_integrate(function, DW_AT_linkage_name, &attribute));
}
