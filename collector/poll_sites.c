/*
 * Find the poll functions of a binary in one pass over its DWARF.
 *
 * A poll function is (rustc 1.63 to 1.96, DWARF 4 and 5)
 *  - `poll` or `poll<..>`, first parameter `Pin<&mut T>`, second `&mut Context`, which
 *    returns `Poll<..>`: the `Future::poll` of T;
 *  - `{async_fn#0}`, `{async_block#0}`, `{async_closure#0}`, whose one
 *    parameter is `Pin<&mut T>`: the resume function of the coroutine T.
 * Before 1.67 resume functions return `GeneratorState` and lie behind
 * `<GenFuture<T> as Future>::poll`; those polls stand for them.
 */
#include "poll_sites.h"

#include "asyncrec/message.h"
#include "asyncrec/strings.h"
#include "dwarf_pass.h"
#include "dwarf_scope.h"
#include "drop_sites.h"
#include "executors.h"
#include "functions.h"
#include "image.h"
#include "insn.h"
#include "layout.h"
#include "root_sites.h"
#include "snapshot_layout.h"
#include "spawn_sites.h"
#include "store_sites.h"
#include "symbol_sites.h"
#include "task_layout.h"
#include "type_name.h"
#include "wake_sites.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* What is known of a function that polls, by its DIE. */
struct polling_function {
	void *die;         /* its bytes; of inlined copies the abstract instance's */
	unsigned inlined;  /* live inlined copies */
	size_t type;       /* index into poll_sites.types, or POLL_SITE_NO_TYPE */
	UT_hash_handle hh; /* keyed by die */
};

/* Index of a future type by its name in the compiler's words. */
struct type_index {
	char *raw;         /* owned */
	Dwarf_Die die;     /* that describes it */
	char *output;      /* name of the type that it gives; NULL: unknown; owned */
	size_t index;      /* into poll_sites.types */
	UT_hash_handle hh; /* keyed by raw */
};

struct finder {
	const struct image *image;
	struct dwarf_pass pass;             /* owned */
	struct polling_function *functions; /* owned; those with inlined copies */
	struct type_index *type_indexes;    /* owned */
	struct poll_sites *sites;           /* the result */
	size_t *inlined_of;                 /* owned; by copy of the pass: the index in
					     * poll_sites.inlined or INLINED_POLL_NONE */
	bool with_stores;                   /* find store sites, too */
	bool untyped;                       /* a poll function has no parameters */
	bool out_of_memory;
};

static int count_inlined(struct finder *finder)
{
	for (size_t i = 0; i < finder->pass.copy_count; i++) {
		void *origin = finder->pass.copies[i].origin;
		struct polling_function *function;

		HASH_FIND_PTR(finder->functions, &origin, function);
		if (!function) {
			function = calloc(1, sizeof(*function));
			if (!function)
				return -1;
			function->die = origin;
			function->type = POLL_SITE_NO_TYPE;
			HASH_ADD_PTR(finder->functions, die, function);
		}
		function->inlined++;
	}
	return 0;
}

/* The index of the future type that die describes, or NULL if it is none so far. */
static struct type_index *find_type(struct finder *finder, Dwarf_Die *die)
{
	char *raw = dwarf_scopes_path(finder->pass.scopes, die);
	struct type_index *known = NULL;

	if (raw)
		HASH_FIND_STR(finder->type_indexes, raw, known);
	else
		finder->out_of_memory = true;
	free(raw);
	return known;
}

/*
 * The future type that die describes, made on first sight; poll: its poll function, or
 * NULL. Index into types, or -1.
 */
static ssize_t intern_type(struct finder *finder, Dwarf_Die *die, Dwarf_Die *poll)
{
	struct poll_sites *sites = finder->sites;
	char *raw = dwarf_scopes_path(finder->pass.scopes, die);
	struct type_index *known = NULL;
	struct future_type *grown;
	struct future_type *type;
	int line = 0;

	if (!raw)
		goto fail;
	HASH_FIND_STR(finder->type_indexes, raw, known);
	if (known) {
		free(raw);
		return (ssize_t)known->index;
	}
	known = calloc(1, sizeof(*known));
	grown = realloc(sites->types, (sites->type_count + 1) * sizeof(*grown));
	if (grown)
		sites->types = grown;
	if (!known || !grown)
		goto fail;
	type = &grown[sites->type_count];
	*type = (struct future_type){.kind = layout_future_kind(dwarf_diename(die))};
	type->name = type_names_author(finder->pass.names, raw);
	known->raw = raw;
	known->die = *die;
	known->index = sites->type_count++;
	HASH_ADD_KEYPTR(hh, finder->type_indexes, raw, strlen(raw), known);
	if (!type->name || layout_describe(type, die, finder->pass.scopes, finder->pass.names))
		finder->out_of_memory = true;
	if (!type->file && poll) {
		type->file = layout_decl_file(poll);
		type->line = dwarf_decl_line(poll, &line) ? 0 : (unsigned)line;
	}
	return (ssize_t)known->index;
fail:
	free(raw);
	free(known);
	finder->out_of_memory = true;
	return -1;
}

/* DWARF register that holds the variable at the function's first instruction, or -1. */
static int register_at_entry(const struct finder *finder, Dwarf_Die *function,
			     Dwarf_Die *variable, const struct poll_site *site)
{
	Dwarf_Attribute attribute;
	Dwarf_Op *operations;
	Dwarf_Op *base;
	size_t count;

	if (!dwarf_attr_integrate(variable, DW_AT_location, &attribute) ||
	    dwarf_getlocation_addr(&attribute, site->address, &operations, &count, 1) != 1 ||
	    count == 0)
		return -1;
	if (operations[0].atom >= DW_OP_reg0 && operations[0].atom <= DW_OP_reg31)
		return operations[0].atom - DW_OP_reg0;
	/* Unoptimised: the variable has a slot on the stack that the prologue fills. In a
	 * frame that is aligned to more than the stack is, it counts from the stack pointer.
	 */
	if (operations[0].atom == DW_OP_breg7 && count == 1)
		return insn_register_stored(finder->image->data + site->offset,
					    site->end - site->address, true,
					    (int64_t)operations[0].number);
	if (operations[0].atom != DW_OP_fbreg || count != 1 ||
	    !dwarf_attr_integrate(function, DW_AT_frame_base, &attribute) ||
	    dwarf_getlocation_addr(&attribute, site->address, &base, &count, 1) != 1 ||
	    count != 1)
		return -1;
	if (base[0].atom != DW_OP_reg7 && base[0].atom != DW_OP_reg6)
		return -1;
	return insn_register_stored(finder->image->data + site->offset,
				    site->end - site->address, base[0].atom == DW_OP_reg7,
				    (int64_t)operations[0].number);
}

static void find_registers(const struct finder *finder, Dwarf_Die *function, Dwarf_Die *self,
			   Dwarf_Die *context, Dwarf_Die *returned, struct poll_site *site)
{
	uint64_t size = 0;
	Dwarf_Attribute attribute;
	bool in_memory;

	if (dwarf_attr(returned, DW_AT_byte_size, &attribute))
		dwarf_formudata(&attribute, &size);
	site->self_register = register_at_entry(finder, function, self, site);
	/* A result in memory takes the first argument register for its address. */
	in_memory = site->self_register >= 0 ? site->self_register == insn_argument_register(1)
					     : size > 16;
	site->context_register =
		context ? register_at_entry(finder, function, context, site) : -1;
	if (site->context_register < 0 && site->self_register >= 0)
		site->context_register = insn_argument_register(in_memory ? 2 : 1);
	site->result = layout_poll_result(returned, in_memory);
}

/* Where the code of the function die is; false, and site->end 0, if it has none. */
static bool code_range(const struct finder *finder, Dwarf_Die *die, struct poll_site *site)
{
	struct image_code code;

	if (!image_find_code(finder->image, die, &code))
		return false;
	site->address = code.address;
	site->end = code.end;
	site->offset = code.offset;
	return true;
}

static bool next_parameter(Dwarf_Die *parameter)
{
	while (dwarf_siblingof(parameter, parameter) == 0)
		if (dwarf_tag(parameter) == DW_TAG_formal_parameter)
			return true;
	return false;
}

/* Add a copy of site, with its symbol, which may be NULL. */
static void add_site(struct finder *finder, const struct poll_site *site, const char *symbol)
{
	struct poll_sites *sites = finder->sites;
	struct poll_site *grown =
		realloc(sites->sites, (sites->site_count + 1) * sizeof(*grown));

	if (!grown) {
		finder->out_of_memory = true;
		return;
	}
	sites->sites = grown;
	grown[sites->site_count] = *site;
	grown[sites->site_count++].symbol = symbol ? strdup(symbol) : NULL;
}

/* The poll of the type polled returns the type `Poll<T>`: it gives a T. */
static void learn_output(struct finder *finder, Dwarf_Die *polled, Dwarf_Die *returned)
{
	struct type_index *known = find_type(finder, polled);
	const char *name = dwarf_diename(returned) + strlen("Poll<");

	if (known && !known->output && strlen(name) > 1)
		known->output = strndup(name, strlen(name) - 1);
}

static void consider(struct finder *finder, Dwarf_Die *die)
{
	struct poll_sites *sites = finder->sites;
	bool is_resume = dwarf_pass_is_resume(dwarf_diename(die));
	struct poll_site site = {0};
	struct polling_function *function;
	const char *type_name;
	Dwarf_Die returned;
	Dwarf_Die self;
	Dwarf_Die context;
	Dwarf_Die context_type;
	Dwarf_Die pin;
	Dwarf_Die polled;
	bool has_context = false;
	ssize_t type;

	HASH_FIND_PTR(finder->functions, &die->addr, function);
	/* Of one without code the type is worth knowing: the memory of others may show it. */
	if (!function)
		code_range(finder, die, &site);
	/* With line tables only, functions have no parameters and no types. */
	if (!layout_child(die, DW_TAG_formal_parameter, NULL, &self)) {
		finder->untyped = true;
		return;
	}
	if (!layout_type_of(finder->pass.scopes, die, &returned))
		return;
	type_name = dwarf_diename(&returned);
	if (!type_name || strncmp(type_name, "Poll<", 5) != 0)
		return;
	if (!layout_type_of(finder->pass.scopes, &self, &pin) ||
	    !layout_polled_type(finder->pass.scopes, &pin, &polled))
		return;
	context = self;
	if (is_resume) {
		has_context = layout_child(die, DW_TAG_variable, "_task_context", &context) &&
			      layout_type_of(finder->pass.scopes, &context, &context_type);
	} else {
		if (!next_parameter(&context) ||
		    !layout_type_of(finder->pass.scopes, &context, &context_type))
			return;
		type_name = dwarf_diename(&context_type);
		if (!type_name || !strstr(type_name, "task::wake::Context"))
			return;
		has_context = true;
	}
	type = intern_type(finder, &polled, die);
	if (type < 0)
		return;
	learn_output(finder, &polled, &returned);
	if (function) {
		sites->types[type].inlined += function->inlined;
		function->type = (size_t)type;
	}
	if (!site.end)
		return;
	site.type = (size_t)type;
	if (!sites->waker.known && has_context)
		sites->waker = layout_waker(finder->pass.scopes, &context_type);
	find_registers(finder, die, &self, has_context ? &context : NULL, &returned, &site);
	add_site(finder, &site, dwarf_linkage_name(die));
}

/* The function die has the name of an executor's: learn what it polls. */
static void consider_executor(struct finder *finder, Dwarf_Die *die,
			      const struct executor *executor)
{
	struct poll_site site = {
		.type = POLL_SITE_NO_TYPE,
		.runs_task = true,
		.self_register = -1,
		.context_register = -1,
	};
	struct task_layout layout;
	Dwarf_Die future;
	ssize_t type;

	bool has_code = code_range(finder, die, &site);

	if ((executor->role == EXECUTOR_RUNS_TASK && !has_code) ||
	    !task_layout_future(finder->pass.scopes, die, executor, &future))
		return;
	if (executor->role == EXECUTOR_BLOCKS_ON) {
		struct type_index *known = find_type(finder, &future);

		if (known)
			finder->sites->types[known->index].blocked_on = true;
		site.blocks_on = true;
		if (has_code)
			add_site(finder, &site, dwarf_linkage_name(die));
		return;
	}
	type = task_layout_find(&finder->pass, die, executor, &future, &layout)
		       ? intern_type(finder, &future, NULL)
		       : -1;
	if (type >= 0) {
		site.type = (size_t)type;
		site.self_register = insn_argument_register(0);
		site.self_offset = layout.future;
		site.task_state = layout.state;
		site.task_idle = executor->idle;
	}
	add_site(finder, &site, dwarf_linkage_name(die));
}

static void add_ranges(struct finder *finder, Dwarf_Die *die, size_t poll)
{
	struct poll_sites *sites = finder->sites;
	Dwarf_Addr base;
	Dwarf_Addr start;
	Dwarf_Addr end;
	ptrdiff_t next = 0;

	while ((next = dwarf_ranges(die, next, &base, &start, &end)) > 0) {
		struct inlined_range *grown =
			realloc(sites->ranges, (sites->range_count + 1) * sizeof(*grown));

		if (!grown) {
			finder->out_of_memory = true;
			return;
		}
		sites->ranges = grown;
		if (start < end)
			grown[sites->range_count++] = (struct inlined_range){start, end, poll};
	}
}

/*
 * Of the copies that the pass found, keep those of functions that poll. Which one became
 * which is left in finder->inlined_of.
 */
static int keep_inlined(struct finder *finder)
{
	const struct dwarf_pass *pass = &finder->pass;
	struct poll_sites *sites = finder->sites;
	size_t *kept = calloc(pass->copy_count + 1, sizeof(*kept));

	finder->inlined_of = calloc(pass->copy_count + 1, sizeof(*finder->inlined_of));
	sites->inlined = calloc(pass->copy_count + 1, sizeof(*sites->inlined));
	if (!kept || !sites->inlined || !finder->inlined_of) {
		free(kept);
		return -1;
	}
	for (size_t i = 0; i < pass->copy_count; i++) {
		struct inlined_copy copy = pass->copies[i];
		size_t parent = copy.parent == INLINED_COPY_NONE ? INLINED_POLL_NONE
								 : kept[copy.parent];
		struct polling_function *function;
		Dwarf_Attribute attribute;
		Dwarf_Word line = 0;
		Dwarf_Addr entry;

		HASH_FIND_PTR(finder->functions, &copy.origin, function);
		kept[i] = parent;
		finder->inlined_of[i] = INLINED_POLL_NONE;
		if (!function || function->type == POLL_SITE_NO_TYPE ||
		    !image_has_code_of(finder->image, &copy.function, &entry))
			continue;
		if (dwarf_attr(&copy.die, DW_AT_call_line, &attribute))
			dwarf_formudata(&attribute, &line);
		kept[i] = finder->inlined_of[i] = sites->inlined_count++;
		sites->inlined[kept[i]] = (struct inlined_poll){
			.type = function->type,
			.parent = parent,
			.function = entry,
			.line = (unsigned)line,
		};
		add_ranges(finder, &copy.die, kept[i]);
	}
	free(kept);
	return 0;
}

static int compare_sites(const void *left, const void *right)
{
	const struct poll_site *a = left;
	const struct poll_site *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->type < b->type ? -1 : a->type > b->type;
}

/* Two sites are one function: no trap can tell them apart. */
static void fold(struct poll_sites *sites, struct poll_site *kept,
		 const struct poll_site *other)
{
	if (kept->type == other->type)
		return;
	if (kept->runs_task) {
		kept->type = POLL_SITE_NO_TYPE;
		kept->self_register = -1;
		return;
	}
	sites->types[kept->type].inlined++;
	sites->types[other->type].inlined++;
}

/*
 * Order the sites and keep one an address. Where the linker or compiler folded
 * the polls of two types into one function, no trap can tell them apart: then
 * neither type is completely seen.
 */
static void finish_sites(struct poll_sites *sites)
{
	size_t kept = 0;

	if (!sites->site_count)
		return;
	qsort(sites->sites, sites->site_count, sizeof(*sites->sites), compare_sites);
	for (size_t i = 0; i < sites->site_count; i++) {
		struct poll_site *site = &sites->sites[i];
		struct poll_site *last = kept ? &sites->sites[kept - 1] : NULL;

		if (last && last->address == site->address) {
			fold(sites, last, site);
			free(site->symbol);
			continue;
		}
		if (!site->runs_task)
			sites->types[site->type].physical++;
		sites->sites[kept++] = *site;
	}
	sites->site_count = kept;
}

static void finder_free(struct finder *finder)
{
	struct polling_function *function;
	struct polling_function *next_function;
	struct type_index *index;
	struct type_index *next_index;

	HASH_ITER(hh, finder->functions, function, next_function)
	{
		HASH_DEL(finder->functions, function);
		free(function);
	}
	HASH_ITER(hh, finder->type_indexes, index, next_index)
	{
		HASH_DEL(finder->type_indexes, index);
		free(index->raw);
		free(index->output);
		free(index);
	}
	free(finder->inlined_of);
	dwarf_pass_free(&finder->pass);
}

static void add_vtable(struct finder *finder, Dwarf_Die *variable)
{
	struct poll_sites *sites = finder->sites;
	Dwarf_Attribute attribute;
	struct future_vtable *grown;
	struct type_index *known;
	Dwarf_Op *operations;
	Dwarf_Die vtable;
	Dwarf_Die type;
	size_t count;

	if (!layout_type_of(finder->pass.scopes, variable, &vtable) ||
	    !dwarf_attr(&vtable, DW_AT_containing_type, &attribute) ||
	    !dwarf_formref_die(&attribute, &type) ||
	    !dwarf_attr(variable, DW_AT_location, &attribute) ||
	    dwarf_getlocation(&attribute, &operations, &count) || count != 1 ||
	    operations[0].atom != DW_OP_addr)
		return;
	dwarf_scopes_define(finder->pass.scopes, &type);
	layout_skip_wrapper(finder->pass.scopes, &type);
	known = find_type(finder, &type);
	if (!known)
		return;
	grown = realloc(sites->vtables, (sites->vtable_count + 1) * sizeof(*grown));
	if (!grown) {
		finder->out_of_memory = true;
		return;
	}
	sites->vtables = grown;
	grown[sites->vtable_count++] =
		(struct future_vtable){operations[0].number, known->index};
}

/* A snapshot_type_of. */
static size_t type_of(void *context, Dwarf_Die *die)
{
	const struct type_index *known = find_type(context, die);

	return known ? known->index : SNAPSHOT_NONE;
}

/* A drop_type_named. */
static size_t type_named(void *context, const char *raw)
{
	const struct finder *finder = context;
	const struct type_index *known;

	HASH_FIND_STR(finder->type_indexes, raw, known);
	return known ? known->index : SNAPSHOT_NONE;
}

/*
 * A coroutine that nobody polls, as when `.await` was forgotten, has no poll function; but
 * it is dropped.
 */
static void add_unpolled(struct finder *finder, Dwarf_Die *glue)
{
	Dwarf_Die parameter;
	Dwarf_Die type;

	if (!layout_child(glue, DW_TAG_template_type_parameter, NULL, &parameter) ||
	    !layout_type_of(finder->pass.scopes, &parameter, &type))
		return;
	layout_skip_wrapper(finder->pass.scopes, &type);
	if (layout_future_kind(dwarf_diename(&type)) != FUTURE_HANDWRITTEN)
		intern_type(finder, &type, NULL);
}

/* The types with vtables, by their DIEs; malloc'd, NULL: no memory. */
static struct snapshot_dyn *dyn_types(const struct finder *finder)
{
	const struct poll_sites *sites = finder->sites;
	struct snapshot_dyn *dyns = calloc(sites->vtable_count + 1, sizeof(*dyns));

	for (const struct type_index *index = finder->type_indexes; index && dyns;
	     index = index->hh.next)
		for (size_t i = 0; i < sites->vtable_count; i++)
			if (sites->vtables[i].type == index->index)
				dyns[i] = (struct snapshot_dyn){
					.die = index->die,
					.vtable = sites->vtables[i].address,
					.output = index->output,
				};
	return dyns;
}

/* Plan the snapshots of all types that are polled or dropped where a probe can be. */
static int plan_snapshots(struct finder *finder)
{
	struct poll_sites *sites = finder->sites;
	struct snapshot_dyn *dyns = dyn_types(finder);
	struct snapshot_layout *layout = snapshot_layout_new(finder->pass.scopes, type_of,
							     finder, dyns, sites->vtable_count);
	bool *polled = calloc(sites->type_count + 1, sizeof(*polled));
	int status = layout && polled && dyns ? 0 : -1;

	for (size_t i = 0; i < sites->site_count && !status; i++)
		if (sites->sites[i].type != POLL_SITE_NO_TYPE)
			polled[sites->sites[i].type] = true;
	/* Likewise of what is dropped where a probe can be. */
	for (size_t i = 0; i < sites->life_count && !status; i++)
		if (sites->lives[i].kind == LIFE_DROP)
			polled[sites->lives[i].type] = true;
	for (struct type_index *index = finder->type_indexes; index && !status;
	     index = index->hh.next)
		if (polled[index->index])
			status = snapshot_layout_plan(layout, &index->die,
						      &sites->types[index->index].snapshot);
	free(polled);
	snapshot_layout_free(layout);
	free(dyns);
	return status;
}

/* Find the store sites, if they are wanted. */
static int find_stores(struct finder *finder)
{
	if (!finder->with_stores)
		return 0;
	finder->sites->stores_known = true;
	return store_sites_find(finder->sites, finder->image, &finder->pass, finder->inlined_of,
				type_of, finder);
}

/* Find the sites that the debug information tells. Returns 0, or -1: no memory. */
static int find_by_dwarf(struct finder *finder)
{
	struct dwarf_pass *pass = &finder->pass;

	if (dwarf_pass_run(pass, finder->image) || count_inlined(finder))
		return -1;
	finder->sites->split_missing = pass->split_missing;
	for (size_t i = 0; i < pass->function_count && !finder->out_of_memory; i++)
		if (dwarf_pass_is_poll(dwarf_diename(&pass->functions[i])))
			consider(finder, &pass->functions[i]);
	/* Executors come last: what they poll has its place from its own poll function. */
	for (size_t i = 0; i < pass->function_count && !finder->out_of_memory; i++) {
		const char *symbol = dwarf_linkage_name(&pass->functions[i]);
		const struct executor *executor = symbol ? executor_of(symbol) : NULL;

		if (executor && executor->role != EXECUTOR_DROPS_TASK)
			consider_executor(finder, &pass->functions[i], executor);
	}
	for (size_t i = 0; i < pass->drop_count && !finder->out_of_memory; i++)
		if (dwarf_pass_is_glue(dwarf_diename(&pass->drops[i])))
			add_unpolled(finder, &pass->drops[i]);
	for (size_t i = 0; i < pass->vtable_count && !finder->out_of_memory; i++)
		add_vtable(finder, &pass->vtables[i]);
	return finder->out_of_memory || keep_inlined(finder) ||
			       drop_sites_find(finder->sites, pass, type_of, type_named,
					       finder) ||
			       plan_snapshots(finder) || find_stores(finder) ||
			       finder->out_of_memory
		       ? -1
		       : 0;
}

int poll_sites_find(const struct image *image, bool with_stores, struct poll_sites *sites)
{
	struct finder finder = {.image = image, .sites = sites, .with_stores = with_stores};
	struct functions functions;
	int status = functions_read(&functions, image);

	*sites = (struct poll_sites){.image = image};
	if (!status && image->dwarf)
		status = find_by_dwarf(&finder);
	/* `debug = 1` and line tables have functions without types. */
	if (!status && !sites->site_count && (!image->dwarf || finder.untyped)) {
		status = symbol_sites_find(image, &functions, sites);
		sites->from_symbols = true;
	}
	if (!status && sites->site_count)
		status = executors_find(image, &functions, sites) ||
			 wake_sites_find(image, &functions, &finder.pass.wakers, sites) ||
			 spawn_sites_find(image, &functions, image->dwarf ? &finder.pass : NULL,
					  sites);
	if (status) {
		message_error("%s: finding its poll functions: out of memory", image->path);
	} else {
		finish_sites(sites);
		root_sites_mark(sites);
	}
	if (!status && sites->site_count && sites->from_symbols)
		message_note(
			"%s: no %s, so futures are told by symbols alone: there are names and "
			"counts, but no lines, and what was inlined is missing; build it with "
			"`debug = 2` for more",
			image->path,
			image->dwarf ? "types in its debug information" : "debug information");
	functions_free(&functions);
	finder_free(&finder);
	if (status)
		poll_sites_free(sites);
	return status;
}
