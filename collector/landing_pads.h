/*
 * Where calls continue when they unwind: the call site tables of .gcc_except_table,
 * found through .eh_frame (Itanium C++ ABI: Exception Handling; Linux Standard Base,
 * "Exception Frames").
 */
#ifndef LANDING_PADS_H
#define LANDING_PADS_H

#include "flow_graph.h"

#include <gelf.h>

struct landing_pads;

/*
 * Read the frame descriptions of the file, which must outlive the result. Returns
 * NULL when memory ran out; a file without any gives an empty one.
 */
struct landing_pads *landing_pads_open(Elf *elf);
void landing_pads_close(struct landing_pads *pads);

/*
 * The call sites of the function that begins at the virtual address, sorted and not
 * overlapping. Returns 0 and a malloc'd array in *sites (may be NULL when *count is 0:
 * the function has none), or -1 if its table cannot be read or memory ran out.
 */
int landing_pads_find(const struct landing_pads *pads, uint64_t address,
		      struct flow_call_site **sites, size_t *count);

#endif
