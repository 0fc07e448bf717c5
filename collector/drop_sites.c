/*
 * `core::ptr::drop_in_place<T>` gets the address of the T that it drops. Where the glue
 * of a future is inlined, the function around it may get what holds the future: glue too,
 * of a `Stage<T>` or `(A, B)`, or a function of an executor. With the future's place in
 * that known, it tells as much. What is left is inlined into polls.
 */
#include "drop_sites.h"

#include "asyncrec/strings.h"
#include "dwarf_pass.h"
#include "dwarf_scope.h"
#include "executors.h"
#include "image.h"
#include "insn.h"
#include "layout.h"
#include "life_sites.h"
#include "poll_sites.h"
#include "task_layout.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A function that drops what its first argument points to. */
struct dropper {
	void *die;                 /* its bytes */
	Dwarf_Die function;        /* it */
	size_t type;               /* index into poll_sites.types, or SNAPSHOT_NONE */
	bool is_glue;              /* else a function of an executor */
	bool is_planned;           /* plan was made */
	struct snapshot_plan plan; /* owned; what futures lie in it */
	UT_hash_handle hh;         /* keyed by die */
};

struct drop_finder {
	struct poll_sites *sites;
	const struct dwarf_pass *pass;
	struct dropper *droppers; /* owned */
	snapshot_type_of *type_of;
	drop_type_named *type_named;
	void *context;                  /* of both */
	struct snapshot_layout *layout; /* owned */
};

static struct dropper *dropper_at(const struct drop_finder *finder, void *die)
{
	struct dropper *dropper;

	HASH_FIND_PTR(finder->droppers, &die, dropper);
	return dropper;
}

/*
 * Type of what the function's first argument points to. A slice or `dyn` is behind a wide
 * pointer, which is a struct; and the glue of coroutines has no arguments in DWARF.
 */
static bool pointee(const struct drop_finder *finder, Dwarf_Die *function, Dwarf_Die *type)
{
	const struct dwarf_scopes *scopes = finder->pass->scopes;
	Dwarf_Die parameter;
	Dwarf_Die pointer;

	return layout_child(function, DW_TAG_formal_parameter, NULL, &parameter) &&
	       layout_type_of(scopes, &parameter, &pointer) &&
	       dwarf_tag(&pointer) == DW_TAG_pointer_type &&
	       layout_type_of(scopes, &pointer, type);
}

/* The future type that the glue of that name drops, `drop_in_place<T>`, or SNAPSHOT_NONE. */
static size_t dropped_type(const struct drop_finder *finder, const char *name)
{
	static const char wrapper[] = "core::future::from_generator::GenFuture<";
	const char *begin = strchr(name, '<') + 1;
	const char *end = begin + strlen(begin) - 1;
	size_t type = SNAPSHOT_NONE;
	char *raw;

	if (starts_with(begin, wrapper)) {
		begin += sizeof(wrapper) - 1;
		end--;
	}
	raw = begin < end ? strndup(begin, (size_t)(end - begin)) : NULL;
	if (raw)
		type = finder->type_named(finder->context, raw);
	free(raw);
	return type;
}

static int note_dropper(struct drop_finder *finder, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);
	struct dropper *dropper = calloc(1, sizeof(*dropper));

	if (!dropper)
		return -1;
	dropper->die = die->addr;
	dropper->function = *die;
	dropper->is_glue = dwarf_pass_is_glue(name);
	dropper->type = dropper->is_glue ? dropped_type(finder, name) : SNAPSHOT_NONE;
	HASH_ADD_PTR(finder->droppers, die, dropper);
	return 0;
}

/* Let life lie at that function. False if it has no code. */
static bool place(const struct image *image, Dwarf_Die *function, struct life_site *life)
{
	struct image_code code;

	if (!image_find_code(image, function, &code))
		return false;
	life->address = code.address;
	life->end = code.end;
	life->offset = code.offset;
	return true;
}

/*
 * Does the function get its argument where the calling convention has it? The optimiser
 * may pass something else in its place; then DWARF has no location for it. (Of glue of
 * coroutines DWARF tells nothing.)
 */
static bool gets_argument(Dwarf_Die *function, uint64_t address)
{
	Dwarf_Attribute attribute;
	Dwarf_Die parameter;
	Dwarf_Op *operations;
	size_t count;

	if (!layout_child(function, DW_TAG_formal_parameter, NULL, &parameter))
		return true;
	return dwarf_attr_integrate(&parameter, DW_AT_location, &attribute) &&
	       dwarf_getlocation_addr(&attribute, address, &operations, &count, 1) == 1 &&
	       count == 1 &&
	       (operations[0].atom == DW_OP_fbreg || operations[0].atom == DW_OP_breg7 ||
		operations[0].atom == DW_OP_reg0 + insn_argument_register(0));
}

/* Add life, whose type and offsets are filled in, at that function. 0: done, 1: it cannot
 * be, -1: no memory. */
static int add_site(struct drop_finder *finder, Dwarf_Die *function, struct life_site *life)
{
	life->kind = LIFE_DROP;
	if (!place(finder->sites->image, function, life) ||
	    !gets_argument(function, life->address))
		return 1;
	return life_sites_add(finder->sites, life, dwarf_linkage_name(function));
}

/*
 * When does the node, of a future in what is dropped, live? If it lies in variants of
 * enums: those that share their discriminant with the future, whose state then tells, or
 * one, whose discriminant is 0. False if it cannot be said so.
 */
static bool find_guard(const struct drop_finder *finder, const struct snapshot_plan *plan,
		       const struct snapshot_node *node, struct life_site *life)
{
	uint64_t size = finder->sites->types[node->type].size;

	for (const struct snapshot_node *inner = node; inner->parent != SNAPSHOT_NONE;) {
		const struct snapshot_node *outer = &plan->nodes[inner->parent];
		const struct snapshot_word *word =
			outer->word == SNAPSHOT_NONE ? NULL : &plan->words[outer->word];
		uint64_t byte = word ? word->offset + outer->shift / 8 : 0;

		if (outer->vtable != SNAPSHOT_NONE || (word && word->base != SNAPSHOT_NONE))
			return false;
		if (word && byte - node->offset >= size) {
			if (life->guard_bits || inner->excluded || inner->value_count != 1 ||
			    inner->values[0] != 0)
				return false;
			life->guard_offset = byte;
			life->guard_bits = 0xff;
		}
		inner = outer;
	}
	return true;
}

/* Add sites for all places of the type in what the dropper gets. As add_site. */
static int add_held(struct drop_finder *finder, struct dropper *dropper, size_t type)
{
	int status = 1;
	Dwarf_Die dropped;

	if (!dropper->is_planned && pointee(finder, &dropper->function, &dropped) &&
	    snapshot_layout_plan(finder->layout, &dropped, &dropper->plan))
		return -1;
	dropper->is_planned = true;
	for (size_t i = 0; i < dropper->plan.node_count; i++) {
		const struct snapshot_node *node = &dropper->plan.nodes[i];
		struct life_site life = {
			.type = type,
			.self_offset = node->offset,
			.is_executor = !dropper->is_glue,
		};

		if (node->type != type)
			continue;
		if (node->base != SNAPSHOT_NONE ||
		    !find_guard(finder, &dropper->plan, node, &life))
			return 1;
		status = add_site(finder, &dropper->function, &life);
		if (status)
			return status;
	}
	return status;
}

/* Of a future in a coroutine the coroutine's own trap tells, if its polls are known. */
static bool is_coroutine(const struct drop_finder *finder, const struct dropper *dropper)
{
	return dropper->type != SNAPSHOT_NONE &&
	       finder->sites->types[dropper->type].kind != FUTURE_HANDWRITTEN;
}

static int consider_copy(struct drop_finder *finder, const struct dropping_copy *copy)
{
	const struct dropper *glue = dropper_at(finder, copy->origin);
	struct dropper *around = dropper_at(finder, copy->function);
	int status = 1;

	if (!glue || glue->type == SNAPSHOT_NONE)
		return 0;
	if (around && !is_coroutine(finder, around))
		status = add_held(finder, around, glue->type);
	if (status == 1)
		finder->sites->types[glue->type].drops_inlined++;
	return status < 0 ? -1 : 0;
}

/* A function in which an executor ends a task. */
static int consider_executor(struct drop_finder *finder, Dwarf_Die *function,
			     const struct executor *executor)
{
	const struct dwarf_pass *pass = finder->pass;
	struct life_site life = {.kind = LIFE_DROP, .is_executor = true};
	struct task_layout layout;
	Dwarf_Die future;

	if (!place(finder->sites->image, function, &life) ||
	    !task_layout_future(pass->scopes, function, executor, &future) ||
	    !task_layout_find(pass, function, executor, &future, &layout))
		return 0;
	life.type = finder->type_of(finder->context, &future);
	if (life.type == SNAPSHOT_NONE)
		return 0;
	life.self_offset = layout.future;
	life.guard_offset = layout.state;
	life.guard_bits = executor->idle;
	life.guard_value = executor->cancelled;
	return life_sites_add(finder->sites, &life, dwarf_linkage_name(function));
}

static int consider_executors(struct drop_finder *finder)
{
	const struct dwarf_pass *pass = finder->pass;

	for (size_t i = 0; i < pass->function_count; i++) {
		const char *symbol = dwarf_linkage_name(&pass->functions[i]);
		const struct executor *executor = symbol ? executor_of(symbol) : NULL;

		if (executor && executor->role == EXECUTOR_DROPS_TASK &&
		    consider_executor(finder, &pass->functions[i], executor))
			return -1;
	}
	return 0;
}

static int find_sites(struct drop_finder *finder)
{
	const struct dwarf_pass *pass = finder->pass;

	for (size_t i = 0; i < pass->drop_count; i++)
		if (note_dropper(finder, &pass->drops[i]))
			return -1;
	for (struct dropper *dropper = finder->droppers; dropper; dropper = dropper->hh.next) {
		struct life_site life = {.type = dropper->type};

		if (dropper->type != SNAPSHOT_NONE &&
		    add_site(finder, &dropper->function, &life) < 0)
			return -1;
	}
	for (size_t i = 0; i < pass->drop_copy_count; i++)
		if (consider_copy(finder, &pass->drop_copies[i]))
			return -1;
	return consider_executors(finder);
}

int drop_sites_find(struct poll_sites *sites, const struct dwarf_pass *pass,
		    snapshot_type_of *type_of, drop_type_named *type_named, void *context)
{
	struct drop_finder finder = {
		.sites = sites,
		.pass = pass,
		.type_of = type_of,
		.type_named = type_named,
		.context = context,
		.layout = snapshot_layout_new(pass->scopes, type_of, context, NULL, 0),
	};
	int status = finder.layout ? find_sites(&finder) : -1;
	struct dropper *dropper;
	struct dropper *next;

	HASH_ITER(hh, finder.droppers, dropper, next)
	{
		HASH_DEL(finder.droppers, dropper);
		snapshot_plan_free(&dropper->plan);
		free(dropper);
	}
	snapshot_layout_free(finder.layout);
	return status;
}
