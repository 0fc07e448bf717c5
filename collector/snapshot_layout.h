/* Makes the snapshot plan of a future type from its debug information. */
#ifndef SNAPSHOT_LAYOUT_H
#define SNAPSHOT_LAYOUT_H

#include <elfutils/libdw.h>
#include <stddef.h>

#include "snapshot_plan.h"

struct dwarf_scopes;
struct snapshot_layout;

/*
 * Index of the future type that die describes, SNAPSHOT_NONE if it is none. Called with
 * the context that snapshot_layout_new got.
 */
typedef size_t snapshot_type_of(void *context, Dwarf_Die *die);

/* A type of future that may lie behind a `Box<dyn Future>`. */
struct snapshot_dyn {
	Dwarf_Die die;      /* that describes it */
	uint64_t vtable;    /* virtual address as linked */
	const char *output; /* borrowed: name of the type that it gives; NULL: unknown */
};

/*
 * What is learnt of types serves all plans. dyns[0..dyn_count) are the types with
 * vtables. All is borrowed. Returns NULL when memory ran out.
 */
struct snapshot_layout *snapshot_layout_new(const struct dwarf_scopes *scopes,
					    snapshot_type_of *type_of, void *context,
					    const struct snapshot_dyn *dyns, size_t dyn_count);
void snapshot_layout_free(struct snapshot_layout *layout);

/*
 * Plan the snapshot of the future type that die describes, or of one that holds futures.
 * Returns 0 and fills *plan, to
 * be released with snapshot_plan_free, without nodes if no future can be told inside
 * it; or -1 when memory ran out.
 */
int snapshot_layout_plan(struct snapshot_layout *layout, Dwarf_Die *die,
			 struct snapshot_plan *plan);

#endif
