/*
 * Where futures are dropped: their drop glue, and functions into which that was inlined
 * and that get what holds the future. Source: DWARF.
 */
#ifndef DROP_SITES_H
#define DROP_SITES_H

#include "snapshot_layout.h"

struct dwarf_pass;
struct poll_sites;

/*
 * Index of the future type of that name in the compiler's words, SNAPSHOT_NONE if there is
 * none. Called with the context that drop_sites_find got.
 */
typedef size_t drop_type_named(void *context, const char *raw);

/*
 * Add the drop sites of the types in *sites to sites->lives, and count for each type the
 * copies of its drop glue that none of them sees. Both callbacks get context. Returns 0, or -1
 * when memory ran out.
 */
int drop_sites_find(struct poll_sites *sites, const struct dwarf_pass *pass,
		    snapshot_type_of *type_of, drop_type_named *type_named, void *context);

#endif
