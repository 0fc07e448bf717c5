/*
 * The plan grows breadth first: when the room for words is used up, what is missing is
 * what lies deepest. Source of the shapes: DWARF as rustc 1.63 to 1.96 write it, see
 * layout.c; a sized Box<T> is a pointer type of that name, a Box<dyn T> a struct of
 * `pointer` and `vtable`.
 */
#include "snapshot_layout.h"

#include "asyncrec/coroutine.h"
#include "asyncrec/array.h"
#include "asyncrec/strings.h"
#include "layout.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum {
	MOST_NODES = 512,
	DEEPEST = 24,      /* types inside types; deeper is a type that holds itself */
	MOST_POINTERS = 8, /* between the polled future and another */
	MOST_ELEMENTS = 8, /* of a slice */
	MOST_DYNS = 1,     /* of these, that may point to one of several types */
};

/* Does a type hold futures? */
struct known_type {
	void *die;   /* its bytes */
	size_t type; /* index into poll_sites.types, or SNAPSHOT_NONE */
	bool holds_futures;
	UT_hash_handle hh; /* keyed by die */
};

struct snapshot_layout {
	const struct dwarf_scopes *scopes;
	snapshot_type_of *type_of;
	void *context;
	const struct snapshot_dyn *dyns; /* borrowed */
	size_t dyn_count;
	struct known_type *known; /* owned */
	bool out_of_memory;
};

/* A type at a place, whose futures are to be added to the plan. */
struct place {
	Dwarf_Die type;
	size_t parent;   /* node that it lies in */
	size_t base;     /* word that offset counts from, or SNAPSHOT_NONE */
	uint64_t offset; /* bytes */
	unsigned pointers;
	unsigned dyns; /* of them */
	bool awaited;
	/* when it lives, as in struct snapshot_node */
	uint64_t *values; /* owned */
	size_t value_count;
	bool excluded;
};

struct planner {
	struct snapshot_layout *layout;
	struct snapshot_plan *plan;
	struct place *queue; /* owned; from first on still to be looked at */
	size_t first;
	size_t count;
	size_t room;
};

struct snapshot_layout *snapshot_layout_new(const struct dwarf_scopes *scopes,
					    snapshot_type_of *type_of, void *context,
					    const struct snapshot_dyn *dyns, size_t dyn_count)
{
	struct snapshot_layout *layout = calloc(1, sizeof(*layout));

	if (layout)
		*layout = (struct snapshot_layout){
			.scopes = scopes,
			.type_of = type_of,
			.context = context,
			.dyns = dyns,
			.dyn_count = dyn_count,
		};
	return layout;
}

void snapshot_layout_free(struct snapshot_layout *layout)
{
	struct known_type *known;
	struct known_type *next;

	if (!layout)
		return;
	HASH_ITER(hh, layout->known, known, next)
	{
		HASH_DEL(layout->known, known);
		free(known);
	}
	free(layout);
}

/*
 * Through which pointers can a future be found? It must be known what they point to. The
 * last two link the futures of a FuturesUnordered.
 */
static bool points_to(const struct dwarf_scopes *scopes, Dwarf_Die *pointer, Dwarf_Die *target)
{
	static const char *const followed[] = {
		"alloc::boxed::Box<",
		"&mut ",
		"*mut futures_util::stream::futures_unordered::task::Task<",
		"*const futures_util::stream::futures_unordered::task::Task<",
	};
	const char *name = dwarf_diename(pointer);

	for (size_t i = 0; name && i < sizeof(followed) / sizeof(followed[0]); i++)
		if (starts_with(name, followed[i]))
			return dwarf_tag(pointer) == DW_TAG_pointer_type &&
			       layout_type_of(scopes, pointer, target);
	return false;
}

/* Is it a `Box<[T]>`, as join_all has? Then T, and where its parts are, bytes. */
static bool is_slice(const struct dwarf_scopes *scopes, Dwarf_Die *type, Dwarf_Die *element,
		     uint64_t *pointer, uint64_t *length)
{
	const char *name = dwarf_diename(type);
	Dwarf_Die member;
	Dwarf_Die target;

	return name && starts_with(name, "alloc::boxed::Box<[") &&
	       layout_child(type, DW_TAG_member, "length", &member) &&
	       layout_member_offset(&member, length) &&
	       layout_child(type, DW_TAG_member, "data_ptr", &member) &&
	       layout_member_offset(&member, pointer) &&
	       layout_type_of(scopes, &member, &target) &&
	       layout_type_of(scopes, &target, element);
}

static bool is_dyn_future(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);
	Dwarf_Die member;

	return name && starts_with(name, "alloc::boxed::Box<") && strstr(name, "dyn ") &&
	       strstr(name, "future::Future<") &&
	       layout_child(type, DW_TAG_member, "vtable", &member);
}

static bool holds_futures(struct snapshot_layout *layout, Dwarf_Die *type, int depth);

static bool members_hold_futures(struct snapshot_layout *layout, Dwarf_Die *type, int depth)
{
	Dwarf_Die child;

	if (dwarf_child(type, &child))
		return false;
	do {
		int tag = dwarf_tag(&child);
		Dwarf_Die member;

		if (tag == DW_TAG_variant_part || tag == DW_TAG_variant) {
			if (members_hold_futures(layout, &child, depth))
				return true;
		} else if (tag == DW_TAG_member &&
			   layout_type_of(layout->scopes, &child, &member) &&
			   holds_futures(layout, &member, depth + 1)) {
			return true;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* Is the type a future, or is there one in it? */
static bool holds_futures(struct snapshot_layout *layout, Dwarf_Die *type, int depth)
{
	struct known_type *known;
	Dwarf_Die target;
	uint64_t offset;
	bool found;

	if (points_to(layout->scopes, type, &target) ||
	    is_slice(layout->scopes, type, &target, &offset, &offset))
		type = &target;
	if (depth > DEEPEST ||
	    (dwarf_tag(type) != DW_TAG_structure_type && dwarf_tag(type) != DW_TAG_union_type))
		return false;
	HASH_FIND_PTR(layout->known, &type->addr, known);
	if (known)
		return known->holds_futures;
	known = calloc(1, sizeof(*known));
	if (!known) {
		layout->out_of_memory = true;
		return false;
	}
	/* While it is looked at, a type that holds itself holds nothing. */
	known->die = type->addr;
	known->type = layout->type_of(layout->context, type);
	HASH_ADD_PTR(layout->known, die, known);
	found = known->type != SNAPSHOT_NONE || is_dyn_future(type) ||
		members_hold_futures(layout, type, depth);
	known->holds_futures = found;
	return found;
}

static size_t future_type(struct snapshot_layout *layout, Dwarf_Die *type)
{
	struct known_type *known;

	HASH_FIND_PTR(layout->known, &type->addr, known);
	return known ? known->type : layout->type_of(layout->context, type);
}

/* Index of the word at that place, made on first use; SNAPSHOT_NONE: no room or memory. */
static size_t word_at(struct planner *planner, size_t base, uint64_t offset)
{
	struct snapshot_plan *plan = planner->plan;
	struct snapshot_word *grown;

	for (size_t i = 0; i < plan->word_count; i++)
		if (plan->words[i].base == base && plan->words[i].offset == offset)
			return i;
	if (plan->word_count == SNAPSHOT_MOST_WORDS)
		return SNAPSHOT_NONE;
	grown = realloc(plan->words, (plan->word_count + 1) * sizeof(*grown));
	if (!grown) {
		planner->layout->out_of_memory = true;
		return SNAPSHOT_NONE;
	}
	plan->words = grown;
	grown[plan->word_count] = (struct snapshot_word){base, offset};
	return plan->word_count++;
}

/*
 * Where the discriminant of variant part, of a type at place, is read. Aligned words:
 * they never cross into a page that may not be there, and neighbours share them.
 */
static bool read_discriminant(struct planner *planner, Dwarf_Die *variant_part,
			      const struct place *place, struct snapshot_node *node)
{
	enum { WORD = 8 };
	uint64_t offset;
	uint64_t width;
	unsigned inside;

	if (!layout_discriminant(variant_part, &offset, &width))
		return false;
	if (width > WORD)
		width = WORD; /* of sixteen bytes the lower half tells */
	offset += place->offset;
	inside = (unsigned)(offset % WORD);
	if (inside + width > WORD)
		inside = 0;
	node->word = word_at(planner, place->base, offset - inside);
	node->shift = inside * 8;
	node->width = (unsigned)width * 8;
	return node->word != SNAPSHOT_NONE;
}

/* There is no room for what node needs. */
static size_t leave_out(struct planner *planner, struct snapshot_node *node)
{
	planner->plan->left_out++;
	free(node->values);
	return SNAPSHOT_NONE;
}

/* Index of the node in the plan, which takes over its values; SNAPSHOT_NONE: no memory. */
static size_t add_node(struct planner *planner, struct snapshot_node *node)
{
	struct snapshot_plan *plan = planner->plan;
	struct snapshot_node *grown =
		realloc(plan->nodes, (plan->node_count + 1) * sizeof(*grown));

	if (!grown) {
		planner->layout->out_of_memory = true;
		free(node->values);
		return SNAPSHOT_NONE;
	}
	plan->nodes = grown;
	grown[plan->node_count] = *node;
	return plan->node_count++;
}

/* To be looked at later; takes over place->values. */
static void push(struct planner *planner, const struct place *place)
{
	struct place *grown =
		array_room(planner->queue, planner->count, &planner->room, sizeof(*grown));

	if (!grown) {
		planner->layout->out_of_memory = true;
		free(place->values);
		return;
	}
	planner->queue = grown;
	planner->queue[planner->count++] = *place;
}

/* A copy of inner's conditions, so that it has its own. */
static bool own_values(struct planner *planner, struct place *place)
{
	uint64_t *values = malloc((place->value_count + 1) * sizeof(*values));

	if (!values) {
		planner->layout->out_of_memory = true;
		return false;
	}
	if (place->value_count)
		memcpy(values, place->values, place->value_count * sizeof(*values));
	place->values = values;
	return true;
}

/* The members of a struct, or of a variant: when they live is what place says. */
static void push_members(struct planner *planner, Dwarf_Die *type, const struct place *place)
{
	Dwarf_Die child;

	if (dwarf_child(type, &child))
		return;
	do {
		struct place inner = *place;
		const char *name = dwarf_diename(&child);
		uint64_t offset;

		if (dwarf_tag(&child) != DW_TAG_member ||
		    !layout_type_of(planner->layout->scopes, &child, &inner.type) ||
		    !layout_member_offset(&child, &offset) ||
		    !holds_futures(planner->layout, &inner.type, 0))
			continue;
		inner.offset += offset;
		if (name && strcmp(name, "__awaitee") == 0)
			inner.awaited = true;
		if (own_values(planner, &inner))
			push(planner, &inner);
	} while (dwarf_siblingof(&child, &child) == 0);
}

/* All values of the discriminant that the variants have; the default variant has none. */
static size_t all_values(Dwarf_Die *variant_part, uint64_t *values, size_t most)
{
	Dwarf_Die variant;
	size_t count = 0;

	if (dwarf_child(variant_part, &variant))
		return 0;
	do
		if (dwarf_tag(&variant) == DW_TAG_variant && count < most &&
		    layout_discriminant_value(&variant, &values[count]))
			count++;
	while (dwarf_siblingof(&variant, &variant) == 0);
	return count;
}

/* The variants of an enum, or of a coroutine, that hold futures; node has its discriminant. */
static void push_variants(struct planner *planner, Dwarf_Die *variant_part, size_t node,
			  const struct place *around, bool is_coroutine)
{
	enum { MOST_VALUES = 256 };
	uint64_t all[MOST_VALUES];
	size_t count = all_values(variant_part, all, MOST_VALUES);
	Dwarf_Die variant;
	Dwarf_Die member;

	if (dwarf_child(variant_part, &variant))
		return;
	do {
		struct place place = *around;
		uint64_t value;
		uint64_t offset = 0;

		if (dwarf_tag(&variant) != DW_TAG_variant ||
		    !layout_child(&variant, DW_TAG_member, NULL, &member) ||
		    !layout_type_of(planner->layout->scopes, &member, &place.type))
			continue;
		place.excluded = !layout_discriminant_value(&variant, &value);
		/* Before the first poll and after the last no future inside is awaited. */
		if (is_coroutine && (place.excluded || value < STATE_SUSPENDED))
			continue;
		layout_member_offset(&member, &offset);
		place.offset += offset;
		place.parent = node;
		place.awaited = is_coroutine ? false : around->awaited;
		place.values = place.excluded ? all : &value;
		place.value_count = place.excluded ? count : 1;
		push_members(planner, &place.type, &place);
	} while (dwarf_siblingof(&variant, &variant) == 0);
}

/* A node for what lies at place, which takes over its conditions. */
static struct snapshot_node node_of(struct place *place, size_t type)
{
	struct snapshot_node node = {
		.parent = place->parent,
		.type = type,
		.awaited = place->awaited,
		.base = place->base,
		.offset = place->offset,
		.vtable = SNAPSHOT_NONE,
		.word = SNAPSHOT_NONE,
		.values = place->values,
		.value_count = place->value_count,
		.excluded = place->excluded,
	};

	place->values = NULL;
	return node;
}

/* Behind a node everything lives that its own discriminant does not rule out. */
static struct place inside(const struct place *place, size_t node)
{
	struct place inner = *place;

	inner.parent = node;
	inner.awaited = false;
	inner.values = NULL;
	inner.value_count = 0;
	inner.excluded = true;
	return inner;
}

/*
 * The members of what is no node itself, or has no discriminant: they live when place
 * does. An enum with one variant that can be has no discriminant either.
 */
static void push_contents(struct planner *planner, struct place *place)
{
	Dwarf_Die part;
	Dwarf_Die variant;
	Dwarf_Die member;
	uint64_t offset = 0;

	if (layout_child(&place->type, DW_TAG_variant_part, NULL, &part)) {
		if (!layout_child(&part, DW_TAG_variant, NULL, &variant) ||
		    !layout_child(&variant, DW_TAG_member, NULL, &member) ||
		    !layout_type_of(planner->layout->scopes, &member, &place->type))
			return;
		layout_member_offset(&member, &offset);
		place->offset += offset;
	}
	push_members(planner, &place->type, place);
}

/* What lies in a future, or in an enum (type is SNAPSHOT_NONE). */
static void look_at_node(struct planner *planner, struct place *place, size_t type)
{
	struct snapshot_node node = node_of(place, type);
	bool is_coroutine =
		type != SNAPSHOT_NONE &&
		layout_future_kind(dwarf_diename(&place->type)) != FUTURE_HANDWRITTEN;
	Dwarf_Die part;
	bool has_discriminant = layout_child(&place->type, DW_TAG_variant_part, NULL, &part) &&
				dwarf_hasattr(&part, DW_AT_discr);
	struct place inner;
	size_t index;

	if (has_discriminant && !read_discriminant(planner, &part, place, &node)) {
		leave_out(planner, &node);
		return;
	}
	index = add_node(planner, &node);
	if (index == SNAPSHOT_NONE)
		return;
	inner = inside(place, index);
	/* What a coroutine awaits through an enum it awaits. */
	inner.awaited = type == SNAPSHOT_NONE && node.awaited;
	if (has_discriminant)
		push_variants(planner, &part, index, &inner, is_coroutine);
	else
		push_contents(planner, &inner);
}

/* May the future lie behind a pointer of that name? `..Future<Output=T>..` names T. */
static bool gives_output(const struct snapshot_dyn *dyn, const char *pointer)
{
	static const char mark[] = "Output=";
	const char *output = strstr(pointer, mark);
	size_t length = dyn->output ? strlen(dyn->output) : 0;

	return !output || !dyn->output ||
	       (strncmp(output + sizeof(mark) - 1, dyn->output, length) == 0 &&
		output[sizeof(mark) - 1 + length] == '>');
}

/*
 * Of a future behind `dyn` the vtable tells the type; what each of those that it may be
 * holds lives only with that vtable.
 */
static void look_at_dyn(struct planner *planner, struct place *place)
{
	const struct snapshot_layout *layout = planner->layout;
	struct snapshot_node node = node_of(place, SNAPSHOT_NONE);
	uint64_t pointer = 0;
	uint64_t vtable = 0;
	struct place inner;
	Dwarf_Die member;
	size_t index;

	if (layout_child(&place->type, DW_TAG_member, "pointer", &member))
		layout_member_offset(&member, &pointer);
	if (layout_child(&place->type, DW_TAG_member, "vtable", &member))
		layout_member_offset(&member, &vtable);
	node.base = word_at(planner, place->base, place->offset + pointer);
	node.offset = 0;
	node.vtable = word_at(planner, place->base, place->offset + vtable);
	index = node.base == SNAPSHOT_NONE || node.vtable == SNAPSHOT_NONE
			? leave_out(planner, &node)
			: add_node(planner, &node);
	if (index == SNAPSHOT_NONE)
		return;
	if (place->dyns == MOST_DYNS || place->pointers == MOST_POINTERS)
		return;
	inner = inside(place, index);
	inner.base = node.base;
	inner.offset = 0;
	inner.awaited = node.awaited;
	inner.pointers++;
	inner.dyns++;
	inner.excluded = false;
	inner.value_count = 1;
	for (size_t i = 0; i < layout->dyn_count; i++) {
		struct place candidate = inner;
		uint64_t address = layout->dyns[i].vtable;

		if (!gives_output(&layout->dyns[i], dwarf_diename(&place->type)))
			continue;
		candidate.type = layout->dyns[i].die;
		candidate.values = &address;
		if (own_values(planner, &candidate))
			push(planner, &candidate);
	}
}

/* Each element lives if the length, which stands for a discriminant, is above its index. */
static void look_at_slice(struct planner *planner, struct place *place, Dwarf_Die *element,
			  uint64_t pointer, uint64_t length)
{
	struct snapshot_node node = node_of(place, SNAPSHOT_NONE);
	uint64_t shorter[MOST_ELEMENTS];
	size_t base = word_at(planner, place->base, place->offset + pointer);
	struct place inner;
	size_t index;

	node.word = word_at(planner, place->base, place->offset + length);
	node.width = 64;
	index = base == SNAPSHOT_NONE || node.word == SNAPSHOT_NONE ||
				place->pointers == MOST_POINTERS
			? leave_out(planner, &node)
			: add_node(planner, &node);
	if (index == SNAPSHOT_NONE)
		return;
	inner = inside(place, index);
	inner.type = *element;
	inner.base = base;
	inner.awaited = node.awaited;
	inner.pointers++;
	for (size_t i = 0; i < MOST_ELEMENTS; i++) {
		struct place one = inner;

		shorter[i] = i;
		one.offset = i * layout_size(element);
		one.values = shorter;
		one.value_count = i + 1;
		if (own_values(planner, &one))
			push(planner, &one);
	}
}

/* A pointer that is polled itself, as `Pin<Box<T>>` polls `Box<T>`. */
static bool look_at_polled_pointer(struct planner *planner, struct place *place)
{
	size_t type = future_type(planner->layout, &place->type);
	struct snapshot_node node;
	size_t index;

	if (type == SNAPSHOT_NONE)
		return true;
	node = node_of(place, type);
	index = add_node(planner, &node);
	if (index == SNAPSHOT_NONE)
		return false;
	*place = inside(place, index);
	return true;
}

/* Let place be what the pointer there points to. False if that is not to be looked at. */
static bool follow(struct planner *planner, struct place *place, const Dwarf_Die *target)
{
	if (place->pointers == MOST_POINTERS || !look_at_polled_pointer(planner, place))
		return false;
	place->base = word_at(planner, place->base, place->offset);
	if (place->base == SNAPSHOT_NONE) {
		planner->plan->left_out++;
		return false;
	}
	place->type = *target;
	place->offset = 0;
	place->pointers++;
	return true;
}

static void look_at(struct planner *planner, struct place *place)
{
	Dwarf_Die target;
	Dwarf_Die part;
	uint64_t pointer;
	uint64_t length;
	size_t type;

	if (planner->plan->node_count >= MOST_NODES) {
		planner->plan->left_out++;
		return;
	}
	if (points_to(planner->layout->scopes, &place->type, &target) &&
	    !follow(planner, place, &target))
		return;
	layout_skip_wrapper(planner->layout->scopes, &place->type);
	type = future_type(planner->layout, &place->type);
	if (type != SNAPSHOT_NONE)
		look_at_node(planner, place, type);
	else if (is_dyn_future(&place->type))
		look_at_dyn(planner, place);
	else if (is_slice(planner->layout->scopes, &place->type, &target, &pointer, &length))
		look_at_slice(planner, place, &target, pointer, length);
	else if (layout_child(&place->type, DW_TAG_variant_part, NULL, &part) &&
		 dwarf_hasattr(&part, DW_AT_discr))
		look_at_node(planner, place, SNAPSHOT_NONE);
	else
		push_contents(planner, place);
}

int snapshot_layout_plan(struct snapshot_layout *layout, Dwarf_Die *die,
			 struct snapshot_plan *plan)
{
	struct planner planner = {.layout = layout, .plan = plan};
	struct place root = {
		.type = *die, .parent = SNAPSHOT_NONE, .base = SNAPSHOT_NONE, .excluded = true};

	*plan = (struct snapshot_plan){0};
	push(&planner, &root);
	while (planner.first < planner.count && !layout->out_of_memory) {
		/* The queue may move while it grows. */
		struct place place = planner.queue[planner.first++];

		look_at(&planner, &place);
		free(place.values);
	}
	while (planner.first < planner.count)
		free(planner.queue[planner.first++].values);
	free(planner.queue);
	/* The polled future alone tells nothing that its trap does not. */
	if ((plan->node_count == 1 && layout->type_of(layout->context, die) != SNAPSHOT_NONE) ||
	    layout->out_of_memory)
		snapshot_plan_free(plan);
	return layout->out_of_memory ? -1 : 0;
}

void snapshot_plan_free(struct snapshot_plan *plan)
{
	for (size_t i = 0; i < plan->node_count; i++)
		free(plan->nodes[i].values);
	free(plan->nodes);
	free(plan->words);
	*plan = (struct snapshot_plan){0};
}
