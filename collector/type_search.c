#include "type_search.h"

#include "layout.h"

#include <dwarf.h>
#include <string.h>

enum {
	DEEPEST_MEMBER = 40,   /* types in types to search */
	MOST_MEMBERS = 200000, /* to look at in one search */
};

/* Is it the type looked for? Most others have another name. */
static bool is_sought(const struct type_search *search, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	return name && strcmp(name, search->name) == 0 &&
	       search->type_of(search->context, type) == search->type;
}

static void add_place(int64_t *places, size_t *count, int64_t place)
{
	for (size_t i = 0; i < *count; i++)
		if (places[i] == place)
			return;
	if (*count < TYPE_SEARCH_PLACES)
		places[(*count)++] = place;
}

/* Each type is followed once, on the shortest way to it. */
static void add_target(struct type_search *search, Dwarf_Die *type, int64_t offset)
{
	if (!search->targets || search->target_count == TYPE_SEARCH_TARGETS ||
	    dwarf_tag(type) != DW_TAG_structure_type)
		return;
	for (size_t i = 0; i < search->target_count; i++) {
		if (search->targets[i].type.addr != type->addr)
			continue;
		search->targets[i].several |= i >= search->next_away;
		return;
	}
	search->targets[search->target_count++] = (struct type_target){
		.type = *type,
		.object = FLOW_NO_OBJECT,
		.from = search->target,
		.offset = offset,
		.several = search->targets[search->target].several,
	};
}

static void search_type(struct type_search *search, Dwarf_Die *type, int64_t offset, int depth);

static void search_member(struct type_search *search, Dwarf_Die *member, int64_t offset,
			  int depth)
{
	const char *name = dwarf_diename(member);
	uint64_t place = 0;
	Dwarf_Die type;

	/* Members of the variants of a coroutine are one deep. */
	if (search->awaited && depth == 1 && (!name || strcmp(name, "__awaitee") != 0))
		return;
	if (!layout_type_of(search->scopes, member, &type))
		return;
	layout_member_offset(member, &place);
	/* What is smaller holds no such thing, and no pointer. */
	if (layout_size(&type) >= search->size || layout_size(&type) >= sizeof(void *) ||
	    dwarf_tag(&type) == DW_TAG_pointer_type)
		search_type(search, &type, offset + (int64_t)place, depth + 1);
}

/* Members of the struct, or of a part of it, at offset. */
static void search_members(struct type_search *search, Dwarf_Die *type, int64_t offset,
			   int depth)
{
	Dwarf_Die child;

	if (dwarf_child(type, &child))
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_member)
			search_member(search, &child, offset, depth);
		else if (tag == DW_TAG_variant_part || tag == DW_TAG_variant)
			search_members(search, &child, offset, depth);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void search_type(struct type_search *search, Dwarf_Die *type, int64_t offset, int depth)
{
	int tag = dwarf_tag(type);
	Dwarf_Die target;

	if (depth > DEEPEST_MEMBER || search->looked_at == MOST_MEMBERS)
		return;
	search->looked_at++;
	if (tag == DW_TAG_pointer_type) {
		if (!layout_type_of(search->scopes, type, &target))
			return;
		layout_skip_wrapper(search->scopes, &target);
		if (is_sought(search, &target))
			add_place(search->pointers, &search->pointer_count, offset);
		add_target(search, &target, offset);
	} else if (depth && is_sought(search, type)) {
		add_place(search->places, &search->place_count, offset);
	} else if (tag == DW_TAG_structure_type || tag == DW_TAG_union_type) {
		search_members(search, type, offset, depth);
	}
}

void type_search_run(struct type_search *search, Dwarf_Die *type)
{
	search_type(search, type, 0, 0);
}

bool type_search_target(struct type_search *search, size_t index)
{
	Dwarf_Die type = search->targets[index].type;

	search->target = index;
	search->place_count = 0;
	if (is_sought(search, &type))
		add_place(search->places, &search->place_count, 0);
	search_type(search, &type, 0, 0);
	return search->place_count;
}
