/*
 * The store sites of a binary: the instructions at which polls of its coroutines end by a
 * store to their state, inlined polls too; and for which types the hits of these are
 * proven to be an exact count of the polls (see state_stores.h).
 */
#ifndef STORE_SITES_H
#define STORE_SITES_H

#include "snapshot_layout.h"

struct dwarf_pass;
struct image;
struct poll_sites;

/*
 * Add the store sites to *sites, which has its types and inlined polls, and say for each
 * type what is proven of it. pass is of the debug information of image; inlined_of tells
 * for each of its copies the index into sites->inlined, or INLINED_POLL_NONE; type_of the
 * type that a DIE describes. Returns 0, or -1 when memory ran out.
 */
int store_sites_find(struct poll_sites *sites, const struct image *image,
		     const struct dwarf_pass *pass, const size_t *inlined_of,
		     snapshot_type_of *type_of, void *context);

#endif
