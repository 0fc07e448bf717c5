/*
 * Where in a type, or in what its pointers lead to, the type of a future lies: in debug
 * information.
 */
#ifndef TYPE_SEARCH_H
#define TYPE_SEARCH_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow_graph.h"
#include "snapshot_layout.h"

struct dwarf_scopes;

enum {
	TYPE_SEARCH_PLACES = 16,  /* with more, they are not told apart anyway */
	TYPE_SEARCH_TARGETS = 64, /* types that pointers lead to */
};

/* A type that a pointer leads to. */
struct type_target {
	Dwarf_Die type;
	size_t from;    /* index of the target that holds the pointer */
	int64_t offset; /* bytes from the start of that to it */
	int object;     /* for the searcher's use; FLOW_NO_OBJECT at first */
	bool several;   /* more than one pointer leads to its like, equally far away */
};

/* What is looked for, and what was found of it; to be made by hand. */
struct type_search {
	const struct dwarf_scopes *scopes;
	snapshot_type_of *type_of;
	void *context;      /* for type_of */
	const char *name;   /* of the type looked for, without namespaces */
	size_t type;        /* likewise: what type_of tells of it */
	uint64_t size;      /* likewise: bytes */
	bool awaited;       /* it must be what the coroutine searched awaits */
	unsigned looked_at; /* members, so far */
	int64_t places[TYPE_SEARCH_PLACES];
	size_t place_count;
	int64_t pointers[TYPE_SEARCH_PLACES]; /* where addresses of such a type lie */
	size_t pointer_count;
	struct type_target *targets; /* or NULL; where all pointers lead, each type once.
				      * Borrowed, has room for TYPE_SEARCH_TARGETS */
	size_t target_count;
	size_t target;    /* index of the one that is searched */
	size_t next_away; /* index of the first that is one pointer further away */
};

/* Search a type, and add to what was found. */
void type_search_run(struct type_search *search, Dwarf_Die *type);

/* Search targets[index], for that alone. Does the type lie there, or is it that? */
bool type_search_target(struct type_search *search, size_t index);

#endif
