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

#include "dwarf_scope.h"
#include "executors.h"
#include "image.h"
#include "insn.h"
#include "layout.h"
#include "symbol_sites.h"
#include "asyncrec/message.h"
#include "type_name.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A subprogram that has the name of a poll function. */
struct candidate {
	Dwarf_Die die; /* lives as long as the Dwarf */
};

/* Live inlined copies of one subprogram. */
struct inlined_copies {
	void *origin;      /* bytes of the abstract instance's DIE */
	unsigned count;    /* live copies */
	UT_hash_handle hh; /* keyed by origin */
};

/* Index of a future type by its name in the compiler's words. */
struct type_index {
	char *raw;         /* owned */
	size_t index;      /* into poll_sites.types */
	UT_hash_handle hh; /* keyed by raw */
};

struct finder {
	const struct image *image;
	struct dwarf_scopes *scopes;  /* owned */
	struct type_names *names;     /* owned */
	struct candidate *candidates; /* owned */
	size_t candidate_count;
	size_t candidate_room;
	struct inlined_copies *inlined;  /* owned */
	struct type_index *type_indexes; /* owned */
	struct poll_sites *sites;        /* the result */
	bool untyped;                    /* a poll function has no parameters */
	bool out_of_memory;
};

const char *future_kind_name(enum future_kind kind)
{
	static const char *const names[] = {
		[FUTURE_ASYNC_FN] = "async_fn",
		[FUTURE_ASYNC_BLOCK] = "async_block",
		[FUTURE_ASYNC_CLOSURE] = "async_closure",
		[FUTURE_HANDWRITTEN] = "future",
	};

	return names[kind];
}

/* Is the code of die still in the linked file? Removed functions keep a DIE at 0. */
static bool is_live(const struct finder *finder, Dwarf_Die *die, Dwarf_Addr *entry)
{
	Dwarf_Addr base;
	Dwarf_Addr end;
	uint64_t offset;

	if (dwarf_lowpc(die, entry) && dwarf_ranges(die, 0, &base, entry, &end) <= 0)
		return false;
	return *entry && image_file_offset(finder->image, *entry, &offset);
}

static void count_inlined(struct finder *finder, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Die origin;
	Dwarf_Addr entry;
	struct inlined_copies *copies;

	if (!dwarf_attr(die, DW_AT_abstract_origin, &attribute) ||
	    !dwarf_formref_die(&attribute, &origin) || !is_live(finder, die, &entry))
		return;
	HASH_FIND_PTR(finder->inlined, &origin.addr, copies);
	if (!copies) {
		copies = calloc(1, sizeof(*copies));
		if (!copies) {
			finder->out_of_memory = true;
			return;
		}
		copies->origin = origin.addr;
		HASH_ADD_PTR(finder->inlined, origin, copies);
	}
	copies->count++;
}

static void find_inlined(struct finder *finder, Dwarf_Die *parent)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_inlined_subroutine)
			count_inlined(finder, &die);
		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block)
			find_inlined(finder, &die);
	} while (dwarf_siblingof(&die, &die) == 0);
}

/* If the function stands in `{impl#N}`, learn from its symbol what that impl is of. */
static void learn_impl(struct finder *finder, Dwarf_Die *die, dwarf_scope scope,
		       const char *name)
{
	Dwarf_Attribute attribute;
	const char *linkage_name;
	char *inner = NULL;

	for (dwarf_scope s = scope; s != DWARF_SCOPE_NONE;
	     s = dwarf_scope_parent(finder->scopes, s)) {
		const char *scope_name = dwarf_scope_name(finder->scopes, s);
		char *longer;
		char *path;

		if (strncmp(scope_name, "{impl#", 6) != 0) {
			const char *rest = inner ? inner : name;

			longer = malloc(strlen(scope_name) + strlen(rest) + 3);
			if (!longer)
				break;
			strcpy(longer, scope_name);
			strcat(longer, "::");
			strcat(longer, rest);
			free(inner);
			inner = longer;
			continue;
		}
		linkage_name = dwarf_formstring(
			dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
		path = dwarf_scope_path(finder->scopes, s);
		if (linkage_name && path)
			type_names_learn_impl(finder->names, path, inner ? inner : name,
					      linkage_name);
		free(path);
		break;
	}
	free(inner);
}

/* `poll`, or `poll<T>` in an impl for a generic type. */
static bool is_poll_name(const char *name)
{
	return strncmp(name, "poll", 4) == 0 && (name[4] == '\0' || name[4] == '<');
}

static bool is_resume_name(const char *name)
{
	return strncmp(name, "{async_", 7) == 0;
}

static void visit_function(struct finder *finder, Dwarf_Die *die, dwarf_scope scope)
{
	const char *name = dwarf_diename(die);
	Dwarf_Addr entry;

	if (name)
		learn_impl(finder, die, scope, name);
	if (name && (is_resume_name(name) || is_poll_name(name))) {
		if (finder->candidate_count == finder->candidate_room) {
			size_t room = finder->candidate_room ? finder->candidate_room * 2 : 256;
			struct candidate *grown =
				realloc(finder->candidates, room * sizeof(*grown));

			if (!grown) {
				finder->out_of_memory = true;
				return;
			}
			finder->candidates = grown;
			finder->candidate_room = room;
		}
		finder->candidates[finder->candidate_count++].die = *die;
	}
	if (is_live(finder, die, &entry))
		find_inlined(finder, die);
}

static void visit(struct finder *finder, Dwarf_Die *parent, dwarf_scope scope)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return;
	do {
		dwarf_scope inner;

		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			visit_function(finder, &die, scope);
			break;
		case DW_TAG_structure_type:
		case DW_TAG_namespace:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
			inner = dwarf_scopes_add(finder->scopes, &die, scope);
			if (inner != DWARF_SCOPE_NONE)
				visit(finder, &die, inner);
			else
				finder->out_of_memory = true;
			break;
		default:
			break;
		}
	} while (!finder->out_of_memory && dwarf_siblingof(&die, &die) == 0);
}

/* The future type that die describes, made on first sight. Index into types, or -1. */
static ssize_t intern_type(struct finder *finder, Dwarf_Die *die, Dwarf_Die *poll)
{
	struct poll_sites *sites = finder->sites;
	char *raw = dwarf_scopes_path(finder->scopes, die);
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
	type->name = type_names_author(finder->names, raw);
	known->raw = raw;
	known->index = sites->type_count++;
	HASH_ADD_KEYPTR(hh, finder->type_indexes, raw, strlen(raw), known);
	if (!type->name || layout_describe(type, die, finder->scopes, finder->names))
		finder->out_of_memory = true;
	if (!type->file) {
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
	/* Unoptimised: the variable has a slot on the stack that the prologue fills. */
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

static bool code_range(const struct finder *finder, Dwarf_Die *die, struct poll_site *site)
{
	Dwarf_Addr entry;
	Dwarf_Addr end;

	if (!is_live(finder, die, &entry) || dwarf_highpc(die, &end) || end <= entry ||
	    !image_file_offset(finder->image, entry, &site->offset) ||
	    end - entry > finder->image->size - site->offset)
		return false;
	site->address = entry;
	site->end = end;
	return true;
}

static bool next_parameter(Dwarf_Die *parameter)
{
	while (dwarf_siblingof(parameter, parameter) == 0)
		if (dwarf_tag(parameter) == DW_TAG_formal_parameter)
			return true;
	return false;
}

static void consider(struct finder *finder, Dwarf_Die *die)
{
	struct poll_sites *sites = finder->sites;
	bool is_resume = is_resume_name(dwarf_diename(die));
	struct poll_site site = {.is_resume = is_resume};
	struct inlined_copies *copies;
	struct poll_site *grown;
	Dwarf_Attribute attribute;
	const char *linkage_name;
	const char *type_name;
	Dwarf_Die returned;
	Dwarf_Die self;
	Dwarf_Die context;
	Dwarf_Die context_type;
	Dwarf_Die pin;
	Dwarf_Die polled;
	bool has_context = false;
	ssize_t type;

	HASH_FIND_PTR(finder->inlined, &die->addr, copies);
	if (!copies && !code_range(finder, die, &site))
		return;
	/* With line tables only, functions have no parameters and no types. */
	if (!layout_child(die, DW_TAG_formal_parameter, NULL, &self)) {
		finder->untyped = true;
		return;
	}
	if (!layout_type_of(die, &returned))
		return;
	type_name = dwarf_diename(&returned);
	if (!type_name || strncmp(type_name, "Poll<", 5) != 0)
		return;
	if (!layout_type_of(&self, &pin) || !layout_polled_type(&pin, &polled))
		return;
	context = self;
	if (is_resume) {
		has_context = layout_child(die, DW_TAG_variable, "_task_context", &context) &&
			      layout_type_of(&context, &context_type);
	} else {
		if (!next_parameter(&context) || !layout_type_of(&context, &context_type))
			return;
		type_name = dwarf_diename(&context_type);
		if (!type_name || !strstr(type_name, "task::wake::Context"))
			return;
		has_context = true;
	}
	type = intern_type(finder, &polled, die);
	if (type < 0)
		return;
	if (copies)
		sites->types[type].inlined += copies->count;
	if (!site.end)
		return;
	site.type = (size_t)type;
	if (!sites->waker.known && has_context)
		sites->waker = layout_waker(&context_type);
	find_registers(finder, die, &self, has_context ? &context : NULL, &returned, &site);
	linkage_name =
		dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
	site.symbol = linkage_name ? strdup(linkage_name) : NULL;
	grown = realloc(sites->sites, (sites->site_count + 1) * sizeof(*grown));
	if (!grown) {
		free(site.symbol);
		finder->out_of_memory = true;
		return;
	}
	sites->sites = grown;
	sites->sites[sites->site_count++] = site;
}

static int compare_sites(const void *left, const void *right)
{
	const struct poll_site *a = left;
	const struct poll_site *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->type < b->type ? -1 : a->type > b->type;
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
			if (last->type != site->type && last->type != POLL_SITE_RUNS_TASKS &&
			    site->type != POLL_SITE_RUNS_TASKS) {
				sites->types[last->type].inlined++;
				sites->types[site->type].inlined++;
			}
			free(site->symbol);
			continue;
		}
		if (site->type != POLL_SITE_RUNS_TASKS)
			sites->types[site->type].physical++;
		sites->sites[kept++] = *site;
	}
	sites->site_count = kept;
}

static void finder_free(struct finder *finder)
{
	struct inlined_copies *copies;
	struct inlined_copies *next_copies;
	struct type_index *index;
	struct type_index *next_index;

	HASH_ITER(hh, finder->inlined, copies, next_copies)
	{
		HASH_DEL(finder->inlined, copies);
		free(copies);
	}
	HASH_ITER(hh, finder->type_indexes, index, next_index)
	{
		HASH_DEL(finder->type_indexes, index);
		free(index->raw);
		free(index);
	}
	free(finder->candidates);
	dwarf_scopes_free(finder->scopes);
	type_names_free(finder->names);
}

void poll_sites_explain_none(const struct poll_sites *sites)
{
	const char *path = sites->image->path;

	if (sites->split_missing)
		message_error(
			"%s: its debug information is split off into .dwo or .dwp files that "
			"libdw cannot find or read; build with split-debuginfo off",
			path);
	else
		message_error("%s: no async code in it: no function polls a future; name the "
			      "program that does with --exe",
			      path);
}

/* Visit every unit; of a split one the part that its skeleton leads to. */
static void visit_units(struct finder *finder)
{
	Dwarf_CU *unit = NULL;
	uint8_t type;
	Dwarf_Die die;
	Dwarf_Die split;

	while (!finder->out_of_memory && dwarf_get_units(finder->image->dwarf, unit, &unit,
							 NULL, &type, &die, &split) == 0) {
		Dwarf_Die *whole = split.addr ? &split : &die;

		if (type == DW_UT_skeleton && !split.addr) {
			finder->sites->split_missing = true;
			continue;
		}
		visit(finder, whole, DWARF_SCOPE_NONE);
	}
	if (!finder->out_of_memory && dwarf_scopes_finish(finder->scopes))
		finder->out_of_memory = true;
}

/* Find the sites that the debug information tells. Returns 0, or -1: no memory. */
static int find_by_dwarf(struct finder *finder)
{
	finder->scopes = dwarf_scopes_new();
	finder->names = type_names_new();
	finder->out_of_memory = !finder->scopes || !finder->names;
	visit_units(finder);
	for (size_t i = 0; i < finder->candidate_count && !finder->out_of_memory; i++)
		consider(finder, &finder->candidates[i].die);
	return finder->out_of_memory ? -1 : 0;
}

int poll_sites_find(const struct image *image, struct poll_sites *sites)
{
	struct finder finder = {.image = image, .sites = sites};
	int status = 0;

	*sites = (struct poll_sites){.image = image};
	if (image->dwarf)
		status = find_by_dwarf(&finder);
	/* `debug = 1` and line tables have functions without types. */
	if (!status && !sites->site_count && (!image->dwarf || finder.untyped)) {
		status = symbol_sites_find(image, sites);
		sites->from_symbols = true;
	}
	if (!status && sites->site_count)
		status = executors_find(image, sites);
	if (status)
		message_error("%s: finding its poll functions: out of memory", image->path);
	else
		finish_sites(sites);
	if (!status && sites->site_count && sites->from_symbols)
		message_note(
			"%s: no %s, so futures are told by symbols alone: there are names and "
			"counts, but no lines, and what was inlined is missing; build it with "
			"`debug = 2` for more",
			image->path,
			image->dwarf ? "types in its debug information" : "debug information");
	finder_free(&finder);
	if (status)
		poll_sites_free(sites);
	return status;
}

bool poll_site_has_state(const struct poll_site *site, const struct future_type *type)
{
	/* rustc 1.63 to 1.96 made the state one byte in every coroutine seen. */
	return type->state_offset >= 0 && type->state_width == 1 && site->self_register >= 0;
}

void poll_sites_free(struct poll_sites *sites)
{
	for (size_t i = 0; i < sites->type_count; i++) {
		struct future_type *type = &sites->types[i];

		for (size_t j = 0; j < type->await_point_count; j++) {
			free(type->await_points[j].file);
			free(type->await_points[j].awaitee);
		}
		free(type->await_points);
		free(type->name);
		free(type->file);
	}
	for (size_t i = 0; i < sites->site_count; i++)
		free(sites->sites[i].symbol);
	free(sites->types);
	free(sites->sites);
	*sites = (struct poll_sites){0};
}
