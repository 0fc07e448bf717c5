/*
 * What the functions do that a program calls, as far as it matters for the flow of
 * control: whether they return, and whether they may unwind. Told by their names and by
 * the debug information.
 */
#ifndef CALL_KINDS_H
#define CALL_KINDS_H

#include "flow_graph.h"

struct call_kinds;
struct dwarf_pass;
struct image;

/*
 * Learn what the functions of image do, and those it imports; both must outlive the
 * result. Returns it, to be released with call_kinds_free, or NULL when memory ran out.
 */
struct call_kinds *call_kinds_new(const struct image *image, const struct dwarf_pass *pass);
void call_kinds_free(struct call_kinds *kinds);

/* What a call does: the `call` of struct flow_function, with the call_kinds as context. */
enum flow_call call_kinds_of(void *context, uint64_t target, bool through_slot,
			     uint64_t argument);

/* Copy bytes of the image: the `read` of struct flow_function, likewise. */
bool call_kinds_read(void *context, uint64_t address, void *bytes, size_t size);

#endif
