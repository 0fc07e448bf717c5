#include "coroutine_copies.h"

#include "asyncrec/strings.h"
#include "dwarf_pass.h"
#include "dwarf_scope.h"
#include "layout.h"
#include "type_search.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEEPEST_WRAPPER = 10, /* types around a pointer that is all there is in them */
	MOST_ARGUMENTS = 6,   /* that come in registers */
	DEEPEST_POINTER = 4,  /* pointers to follow one after the other */
};

/*
 * A parameter that holds the address of a future, of a function that was inlined around
 * the poll of that future: `Pin::as_mut` and the like.
 */
struct known_pointer {
	Dwarf_Die parameter;
	size_t type; /* of the future */
	const struct known_pointer *next;
};

/* A function or block around a copy, up to the next copy around it. */
struct scope {
	Dwarf_Die die;
	const struct known_pointer *pointers; /* of the functions from here on */
	const struct scope *around;
};

struct finder {
	struct coroutine_copies *copies; /* the result */
	const struct dwarf_scopes *scopes;
	snapshot_type_of *type_of;
	void *context;
	struct type_target
		arguments[MOST_ARGUMENTS]; /* what a function that polls by hand gets */
	size_t argument_count;
	bool out_of_memory;
};

static void *grown(struct finder *finder, void *array, size_t count, size_t size)
{
	/* Room is made for a power of two. */
	void *room =
		count & (count - 1) ? array : realloc(array, (count ? count * 2 : 1) * size);

	if (!room)
		finder->out_of_memory = true;
	return room;
}

static bool is_coroutine(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	return name && layout_future_kind(name) != FUTURE_HANDWRITTEN;
}

/* The abstract instance of a function, which has its parameters and their types. */
static Dwarf_Die origin_of(const Dwarf_Die *die)
{
	static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
	Dwarf_Die origin = *die;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		Dwarf_Attribute attribute;
		Dwarf_Die linked;

		if (dwarf_attr(&origin, links[i], &attribute) &&
		    dwarf_formref_die(&attribute, &linked))
			origin = linked;
	}
	return origin;
}

/* Is the function the poll of a coroutine? Then that is its type. */
static bool polled_coroutine(const struct finder *finder, Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Die origin = origin_of(die);
	const char *name = dwarf_diename(&origin);
	Dwarf_Die self;
	Dwarf_Die pin;

	return name && dwarf_pass_is_poll(name) &&
	       layout_child(&origin, DW_TAG_formal_parameter, NULL, &self) &&
	       layout_type_of(finder->scopes, &self, &pin) &&
	       layout_polled_type(finder->scopes, &pin, type) && is_coroutine(type);
}

/* What the parameter points to: `Pin<&mut T>` or `&mut T`. */
static bool pointed_type(const struct finder *finder, Dwarf_Die *parameter, Dwarf_Die *type)
{
	Dwarf_Die pointer;

	return layout_type_of(finder->scopes, parameter, &pointer) &&
	       (layout_polled_type(finder->scopes, &pointer, type) ||
		(dwarf_tag(&pointer) == DW_TAG_pointer_type &&
		 layout_type_of(finder->scopes, &pointer, type)));
}

static void add_anchor(struct finder *finder, const struct flow_anchor *anchor)
{
	struct coroutine_copies *copies = finder->copies;
	struct flow_anchor *anchors =
		grown(finder, copies->anchors, copies->anchor_count, sizeof(*anchors));

	if (!anchors)
		return;
	copies->anchors = anchors;
	anchors[copies->anchor_count++] = *anchor;
}

/*
 * The register that holds the word at byte `at` of a variable, or -1; *added is what it
 * holds more than that.
 */
static int word_register(const Dwarf_Op *operations, size_t count, int64_t at, int64_t *added)
{
	int64_t byte = 0;
	int reg = -1;

	*added = 0;
	for (size_t i = 0; i < count; i++) {
		const Dwarf_Op *operation = &operations[i];

		if (operation->atom == DW_OP_piece) {
			if (byte == at)
				return operation->number == sizeof(void *) ? reg : -1;
			byte += (int64_t)operation->number;
			reg = -1;
		} else if (operation->atom >= DW_OP_reg0 && operation->atom <= DW_OP_reg15) {
			reg = operation->atom - DW_OP_reg0;
			*added = 0;
		} else if (operation->atom >= DW_OP_breg0 && operation->atom <= DW_OP_breg15 &&
			   i + 1 < count && operations[i + 1].atom == DW_OP_stack_value) {
			reg = operation->atom - DW_OP_breg0;
			*added = -(int64_t)operation->number;
			i++;
		} else {
			return -1;
		}
	}
	return byte == 0 && at == 0 ? reg : -1;
}

/* While byte `at` of the variable is in a register, that holds the address of offset in
 * object. */
static void add_anchors(struct finder *finder, Dwarf_Die *variable, int64_t at, int object,
			int64_t offset)
{
	struct flow_anchor anchor = {.object = object};
	Dwarf_Attribute attribute;
	ptrdiff_t next = 0;
	Dwarf_Addr base;
	Dwarf_Op *operations;
	size_t count;

	if (!dwarf_attr(variable, DW_AT_location, &attribute))
		return;
	while ((next = dwarf_getlocations(&attribute, next, &base, &anchor.from, &anchor.to,
					  &operations, &count)) > 0) {
		anchor.reg = word_register(operations, count, at, &anchor.offset);
		anchor.offset += offset;
		if (anchor.reg >= 0)
			add_anchor(finder, &anchor);
	}
}

static void add_hop(struct finder *finder, const struct flow_hop *hop)
{
	struct coroutine_copies *copies = finder->copies;
	struct flow_hop *hops = grown(finder, copies->hops, copies->hop_count, sizeof(*hops));

	if (!hops)
		return;
	copies->hops = hops;
	hops[copies->hop_count++] = *hop;
}

static void add_ranges(struct finder *finder, struct coroutine_copy *copy)
{
	Dwarf_Addr base;
	Dwarf_Addr start;
	Dwarf_Addr end;
	ptrdiff_t next = 0;

	while ((next = dwarf_ranges(&copy->die, next, &base, &start, &end)) > 0) {
		struct code_range *ranges =
			grown(finder, copy->ranges, copy->range_count, sizeof(*ranges));

		if (!ranges)
			return;
		copy->ranges = ranges;
		ranges[copy->range_count++] = (struct code_range){start, end};
	}
}

static struct type_search search_for(const struct finder *finder, struct coroutine_copy *copy)
{
	return (struct type_search){
		.scopes = finder->scopes,
		.type_of = finder->type_of,
		.context = finder->context,
		.name = dwarf_diename(&copy->layout),
		.type = copy->type,
		.size = layout_size(&copy->layout),
	};
}

/* The places of copy that follow from those of what is around it. */
static void take_places(struct finder *finder, struct coroutine_copy *copy,
			const struct type_search *search, int object, const int64_t *bases,
			size_t base_count)
{
	int64_t *offsets = calloc(TYPE_SEARCH_PLACES, sizeof(*offsets));

	if (!offsets) {
		finder->out_of_memory = true;
		return;
	}
	copy->object = object;
	copy->offsets = offsets;
	for (size_t i = 0; i < search->place_count; i++)
		for (size_t j = 0; j < base_count && copy->offset_count < TYPE_SEARCH_PLACES;
		     j++)
			offsets[copy->offset_count++] = bases[j] + search->places[i];
}

/* Place the copy at the start of an object of its own. */
static void place_alone(struct finder *finder, struct coroutine_copy *copy)
{
	copy->object = finder->copies->object_count++;
	copy->offsets = calloc(1, sizeof(*copy->offsets));
	if (!copy->offsets)
		finder->out_of_memory = true;
	else
		copy->offset_count = 1;
}

/*
 * Look for the copy in a type that is around it and lies at one of bases in object:
 * first as what is awaited, then anywhere, then behind a pointer.
 */
static bool place_in(struct finder *finder, struct coroutine_copy *copy, Dwarf_Die *type,
		     int object, const int64_t *bases, size_t base_count)
{
	for (int awaited = 1; awaited >= 0; awaited--) {
		struct type_search search = search_for(finder, copy);

		search.awaited = awaited;
		type_search_run(&search, type);
		if (search.place_count) {
			take_places(finder, copy, &search, object, bases, base_count);
			return true;
		}
		if (search.pointer_count == 1 && base_count == 1) {
			place_alone(finder, copy);
			add_hop(finder,
				&(struct flow_hop){object, bases[0] + search.pointers[0],
						   copy->object});
			return true;
		}
	}
	return false;
}

/* The object of a target; all that lead to it get theirs, too. */
static int target_object(struct finder *finder, struct type_target *targets, size_t index)
{
	struct type_target *target = &targets[index];

	if (target->object == FLOW_NO_OBJECT) {
		int from = target_object(finder, targets, target->from);

		target->object = finder->copies->object_count++;
		add_hop(finder, &(struct flow_hop){from, target->offset, target->object});
	}
	return target->object;
}

/*
 * Look for the copy in what the function's arguments lead to, nearer ones first: that
 * which runs an executor may get a closure that has the address of a pointer to it.
 */
static bool place_behind_arguments(struct finder *finder, struct coroutine_copy *copy)
{
	static const int64_t start[] = {0};
	struct type_target targets[TYPE_SEARCH_TARGETS];
	struct type_search search = search_for(finder, copy);
	size_t hits = 0;
	size_t hit = 0;
	size_t first = 0;

	memcpy(targets, finder->arguments, sizeof(finder->arguments));
	search.targets = targets;
	search.target_count = finder->argument_count;
	for (int away = 0; away <= DEEPEST_POINTER && !hits; away++) {
		search.next_away = search.target_count;
		for (size_t i = first; i < search.next_away; i++) {
			if (!type_search_target(&search, i))
				continue;
			hits++;
			hit = i;
		}
		first = search.next_away;
	}
	if (hits != 1 || targets[hit].several)
		return false;
	type_search_target(&search, hit);
	take_places(finder, copy, &search, target_object(finder, targets, hit), start, 1);
	return true;
}

/*
 * The words of the variable that lead to what the copy lies in, which has no other name:
 * of the local that holds a task, say.
 */
static void anchor_by_variable(struct finder *finder, struct type_search *search,
			       struct coroutine_copy *copy, Dwarf_Die *variable)
{
	struct type_target targets[TYPE_SEARCH_TARGETS];
	Dwarf_Die type;
	size_t count;

	if (!dwarf_hasattr(variable, DW_AT_location) ||
	    !layout_type_of(finder->scopes, variable, &type))
		return;
	targets[0] = (struct type_target){.type = type, .object = FLOW_NO_OBJECT};
	search->targets = targets;
	search->target_count = 1;
	search->target = 0;
	search->next_away = 1;
	type_search_run(search, &type);
	count = search->target_count;
	for (size_t i = 1; i < count; i++)
		if (type_search_target(search, i) && search->place_count == 1 &&
		    !targets[i].several)
			add_anchors(finder, variable, targets[i].offset, copy->object,
				    copy->offsets[0] - search->places[0]);
}

static void anchor_by_scopes(struct finder *finder, struct coroutine_copy *copy,
			     const struct scope *scope)
{
	struct type_search search = search_for(finder, copy);

	for (; scope; scope = scope->around) {
		Dwarf_Die around = scope->die;
		Dwarf_Die child;

		if (dwarf_child(&around, &child))
			continue;
		do {
			int tag = dwarf_tag(&child);

			if (tag == DW_TAG_variable || tag == DW_TAG_formal_parameter)
				anchor_by_variable(finder, &search, copy, &child);
		} while (dwarf_siblingof(&child, &child) == 0);
	}
}

/* Find where the inlined copy lies: in the nearest one around it that has its type inside. */
static void place_copy(struct finder *finder, struct coroutine_copy *copy,
		       const struct scope *scope)
{
	size_t around = copy->parent;

	while (around != COROUTINE_COPY_NONE) {
		struct coroutine_copy *outer = &finder->copies->copies[around];

		if (place_in(finder, copy, &outer->layout, outer->object, outer->offsets,
			     outer->offset_count))
			return;
		around = outer->parent;
	}
	if (!place_behind_arguments(finder, copy))
		place_alone(finder, copy);
	if (copy->offset_count == 1)
		anchor_by_scopes(finder, copy, scope);
}

/* Returns the index of the new copy, or COROUTINE_COPY_NONE. */
static size_t add_copy(struct finder *finder, Dwarf_Die *die, Dwarf_Die *layout, size_t parent,
		       const struct scope *scope, bool is_function)
{
	struct coroutine_copies *copies = finder->copies;
	Dwarf_Die origin = origin_of(die);
	struct coroutine_copy *array;
	struct coroutine_copy copy = {
		.type = finder->type_of(finder->context, layout),
		.die = *die,
		.layout = *layout,
		.parent = parent,
		.is_function = is_function,
		.depth = parent == COROUTINE_COPY_NONE ? 0 : copies->copies[parent].depth + 1,
		.awaits_resume = !dwarf_pass_is_resume(dwarf_diename(&origin)),
	};

	if (copy.type == SNAPSHOT_NONE)
		return COROUTINE_COPY_NONE;
	array = grown(finder, copies->copies, copies->count, sizeof(*array));
	if (!array)
		return COROUTINE_COPY_NONE;
	copies->copies = array;
	if (is_function)
		place_alone(finder, &copy);
	else
		place_copy(finder, &copy, scope);
	add_ranges(finder, &copy);
	array[copies->count] = copy;
	return copies->count++;
}

/* The parameters that hold the address of a copy whose place is certain. */
static void anchor_copy(struct finder *finder, size_t index,
			const struct known_pointer *pointers)
{
	struct coroutine_copy *copy = &finder->copies->copies[index];
	Dwarf_Die self;

	if (copy->offset_count != 1)
		return;
	if (layout_child(&copy->die, DW_TAG_formal_parameter, NULL, &self))
		add_anchors(finder, &self, 0, copy->object, copy->offsets[0]);
	for (; pointers; pointers = pointers->next) {
		Dwarf_Die parameter = pointers->parameter;

		if (pointers->type == copy->type)
			add_anchors(finder, &parameter, 0, copy->object, copy->offsets[0]);
	}
}

static void visit_children(struct finder *finder, Dwarf_Die *around, size_t parent,
			   const struct scope *scope);

/* A function that polls a coroutine. Before rustc 1.67 a poll was around its resume function.
 */
static void visit_poll(struct finder *finder, Dwarf_Die *die, Dwarf_Die *layout, size_t parent,
		       const struct scope *scope, bool is_function)
{
	struct coroutine_copy *outer =
		parent == COROUTINE_COPY_NONE ? NULL : &finder->copies->copies[parent];
	Dwarf_Die origin = origin_of(die);
	size_t copy = parent;
	Dwarf_Die self;

	if (outer && outer->awaits_resume && dwarf_pass_is_resume(dwarf_diename(&origin)) &&
	    finder->type_of(finder->context, layout) == outer->type) {
		outer->awaits_resume = false;
		if (outer->offset_count == 1 &&
		    layout_child(die, DW_TAG_formal_parameter, NULL, &self))
			add_anchors(finder, &self, 0, outer->object, outer->offsets[0]);
	} else {
		copy = add_copy(finder, die, layout, parent, scope, is_function);
		if (copy == COROUTINE_COPY_NONE)
			copy = parent;
		else
			anchor_copy(finder, copy, scope ? scope->pointers : NULL);
	}
	visit_children(finder, die, copy, NULL);
}

/* A function, or an inlined copy of one. */
static void visit(struct finder *finder, Dwarf_Die *die, size_t parent,
		  const struct scope *scope, bool is_function)
{
	struct known_pointer pointer = {.next = scope ? scope->pointers : NULL};
	struct scope here = {*die, pointer.next, scope};
	Dwarf_Die type;

	if (polled_coroutine(finder, die, &type)) {
		visit_poll(finder, die, &type, parent, scope, is_function);
		return;
	}
	if (layout_child(die, DW_TAG_formal_parameter, NULL, &pointer.parameter) &&
	    pointed_type(finder, &pointer.parameter, &type) && is_coroutine(&type)) {
		pointer.type = finder->type_of(finder->context, &type);
		here.pointers = &pointer;
	}
	visit_children(finder, die, parent, &here);
}

static void visit_children(struct finder *finder, Dwarf_Die *around, size_t parent,
			   const struct scope *scope)
{
	Dwarf_Die die;
	Dwarf_Addr start;
	Dwarf_Addr base;
	Dwarf_Addr end;

	if (dwarf_child(around, &die))
		return;
	do {
		struct scope block = {die, scope ? scope->pointers : NULL, scope};
		int tag = dwarf_tag(&die);

		/* Of some nothing but the entry is left, without code. */
		if (tag == DW_TAG_inlined_subroutine &&
		    dwarf_ranges(&die, 0, &base, &start, &end) > 0)
			visit(finder, &die, parent, scope, false);
		else if (tag == DW_TAG_lexical_block)
			visit_children(finder, &die, parent, &block);
	} while (!finder->out_of_memory && dwarf_siblingof(&die, &die) == 0);
}

/* Where a pointer leads that is all there is in the type: `Pin<Box<T>>`, a closure. */
static bool only_target(const struct finder *finder, Dwarf_Die *type, Dwarf_Die *target)
{
	Dwarf_Die member;

	for (int depth = 0; depth < DEEPEST_WRAPPER; depth++) {
		if (dwarf_tag(type) == DW_TAG_pointer_type)
			return layout_type_of(finder->scopes, type, target);
		if (layout_size(type) != sizeof(void *) ||
		    !layout_child(type, DW_TAG_member, NULL, &member) ||
		    !layout_type_of(finder->scopes, &member, type))
			return false;
	}
	return false;
}

/* Of a function that is no coroutine: what it polls is reached from its arguments. */
static void find_arguments(struct finder *finder, Dwarf_Die *function)
{
	Dwarf_Die child;
	Dwarf_Die type;

	if (polled_coroutine(finder, function, &type) || dwarf_child(function, &child))
		return;
	do {
		struct type_target argument = {.object = finder->copies->object_count};

		if (dwarf_tag(&child) != DW_TAG_formal_parameter ||
		    !layout_type_of(finder->scopes, &child, &type) ||
		    !only_target(finder, &type, &argument.type) ||
		    dwarf_tag(&argument.type) != DW_TAG_structure_type)
			continue;
		finder->arguments[finder->argument_count++] = argument;
		finder->copies->object_count++;
		add_anchors(finder, &child, 0, argument.object, 0);
	} while (finder->argument_count < MOST_ARGUMENTS &&
		 dwarf_siblingof(&child, &child) == 0);
}

int coroutine_copies_find(struct coroutine_copies *copies, Dwarf_Die *function,
			  const struct dwarf_scopes *scopes, snapshot_type_of *type_of,
			  void *context)
{
	struct finder finder = {
		.copies = copies, .scopes = scopes, .type_of = type_of, .context = context};

	*copies = (struct coroutine_copies){0};
	find_arguments(&finder, function);
	visit(&finder, function, COROUTINE_COPY_NONE, NULL, true);
	return finder.out_of_memory ? -1 : 0;
}

void coroutine_copies_free(struct coroutine_copies *copies)
{
	for (size_t i = 0; i < copies->count; i++) {
		free(copies->copies[i].offsets);
		free(copies->copies[i].ranges);
	}
	free(copies->copies);
	free(copies->anchors);
	free(copies->hops);
	*copies = (struct coroutine_copies){0};
}
