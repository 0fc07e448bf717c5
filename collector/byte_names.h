/* One byte of memory by all its names, that is, where it lies in objects of a flow graph. */
#ifndef BYTE_NAMES_H
#define BYTE_NAMES_H

#include "flow_graph.h"

struct byte_names {
	struct {
		int object;
		int64_t offset; /* bytes from its start */
	} names[32];
	size_t count;
	bool in_frame; /* of the function: it dies with that */
	bool doubtful; /* two names in one object, or too many */
};

/* All names of the byte at offset in object. */
struct byte_names byte_names_find(const struct flow_graph *graph, int object, int64_t offset);

/* Does the access cover the byte? Then *index tells which of its bytes that is. */
bool byte_names_covered(const struct flow_access *access, const struct byte_names *byte,
			unsigned *index);

/* Do they name the same byte? */
bool byte_names_meet(const struct byte_names *a, const struct byte_names *b);

#endif
