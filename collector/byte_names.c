#include "byte_names.h"

static void add_name(struct byte_names *byte, int object, int64_t offset)
{
	for (size_t i = 0; i < byte->count; i++) {
		if (byte->names[i].object != object)
			continue;
		byte->doubtful |= byte->names[i].offset != offset;
		return;
	}
	if (byte->count == sizeof(byte->names) / sizeof(byte->names[0])) {
		byte->doubtful = true;
		return;
	}
	byte->in_frame |= object == FLOW_FRAME || object == FLOW_ALIGNED_FRAME;
	byte->names[byte->count].object = object;
	byte->names[byte->count++].offset = offset;
}

struct byte_names byte_names_find(const struct flow_graph *graph, int object, int64_t offset)
{
	struct byte_names byte = {0};

	add_name(&byte, object, offset);
	for (size_t i = 0; i < byte.count; i++) {
		int known = byte.names[i].object;
		int64_t at = byte.names[i].offset;

		for (size_t j = 0; j < graph->place_count; j++) {
			const struct flow_place *place = &graph->places[j];

			if (place->object == known)
				add_name(&byte, place->in, at + place->offset);
			if (place->in == known)
				add_name(&byte, place->object, at - place->offset);
		}
	}
	return byte;
}

bool byte_names_covered(const struct flow_access *access, const struct byte_names *byte,
			unsigned *index)
{
	for (size_t i = 0; access->object != FLOW_NO_OBJECT && i < byte->count; i++) {
		int64_t distance = byte->names[i].offset - access->offset;

		if (byte->names[i].object != access->object)
			continue;
		if (distance < 0 || distance >= (int64_t)access->size)
			distance = byte->names[i].offset - access->other_offset;
		if (distance < 0 || distance >= (int64_t)access->size)
			continue;
		*index = (unsigned)distance;
		return true;
	}
	return false;
}

bool byte_names_meet(const struct byte_names *a, const struct byte_names *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t j = 0; j < b->count; j++)
			if (a->names[i].object == b->names[j].object &&
			    a->names[i].offset == b->names[j].offset)
				return true;
	return false;
}
