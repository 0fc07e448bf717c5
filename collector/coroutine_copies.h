/*
 * The coroutines that one physical function polls, itself and inlined, and what its
 * debug information tells of where each of them lies in memory: as what flow_graph.h and
 * state_stores.h work on.
 */
#ifndef COROUTINE_COPIES_H
#define COROUTINE_COPIES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow_graph.h"
#include "snapshot_layout.h"
#include "state_stores.h"

struct dwarf_scopes;

#define COROUTINE_COPY_NONE SIZE_MAX

/* One coroutine, as it is polled in the function. */
struct coroutine_copy {
	size_t type;         /* index into poll_sites.types */
	Dwarf_Die die;       /* of the function, or of the inlined copy */
	Dwarf_Die layout;    /* of the coroutine's type */
	size_t parent;       /* index of the copy around it, or COROUTINE_COPY_NONE */
	bool is_function;    /* calling the function polls it; else it is inlined there */
	unsigned depth;      /* how many copies are around it */
	bool awaits_resume;  /* so far it is a poll that has yet to call the coroutine */
	int object;          /* that it lies in: see struct flow_anchor */
	int64_t *offsets;    /* owned; bytes from there to it: the places that are possible */
	size_t offset_count; /* at least 1 */
	struct code_range *ranges; /* owned */
	size_t range_count;
};

struct coroutine_copies {
	struct coroutine_copy *copies; /* owned; outer before inner */
	size_t count;
	struct flow_anchor *anchors; /* owned */
	size_t anchor_count;
	struct flow_hop *hops; /* owned */
	size_t hop_count;
	int object_count;
};

/*
 * Find the coroutines that function (DW_TAG_subprogram) polls; type_of tells their
 * types. Returns 0 and fills *copies, to be released with coroutine_copies_free in both
 * cases; or -1 when memory ran out.
 */
int coroutine_copies_find(struct coroutine_copies *copies, Dwarf_Die *function,
			  const struct dwarf_scopes *scopes, snapshot_type_of *type_of,
			  void *context);
void coroutine_copies_free(struct coroutine_copies *copies);

#endif
