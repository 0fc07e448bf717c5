#include "store_sites.h"

#include "asyncrec/array.h"
#include "call_kinds.h"
#include "coroutine_copies.h"
#include "dwarf_pass.h"
#include "flow_graph.h"
#include "image.h"
#include "landing_pads.h"
#include "poll_sites.h"
#include "state_stores.h"
#include "store_probes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A function in the linked file that polls, or that polls were inlined into. */
struct polling {
	Dwarf_Die die;
	uint64_t entry; /* virtual address */
};

/* The index into poll_sites.inlined of an inlined copy, by its DIE. */
struct inlined_index {
	void *die; /* its bytes */
	size_t index;
	UT_hash_handle hh; /* keyed by die */
};

struct finder {
	struct poll_sites *sites; /* the result */
	const struct image *image;
	const struct dwarf_pass *pass;
	snapshot_type_of *type_of;
	void *context;
	struct inlined_index *inlined; /* owned */
	bool *is_seen;                 /* owned; by inlined poll */
	struct landing_pads *pads;     /* owned */
	struct call_kinds *calls;      /* owned */
	uint64_t *tables;              /* owned; jump tables, sorted */
	size_t table_count;
	size_t store_room;
};

/* The copies of one function as state_stores.h takes them, and what it found. */
struct attempt {
	struct coroutine_copies copies;    /* owned */
	struct flow_coroutine *coroutines; /* owned; those of a copy in a row */
	struct coroutine_stores *results;  /* owned */
	size_t count;
};

/* The count of that type's polls is not proven exact, for this reason if for no other. */
static void doubt(struct finder *finder, size_t type, enum stores_verdict verdict,
		  uint64_t where)
{
	struct future_type *doubted = &finder->sites->types[type];

	if (!doubted->stores_proven)
		return;
	doubted->stores_proven = false;
	doubted->stores_verdict = verdict;
	doubted->stores_where = where;
}

static void doubt_all(struct finder *finder, const struct coroutine_copies *copies,
		      enum stores_verdict verdict, uint64_t where)
{
	for (size_t i = 0; i < copies->count; i++)
		doubt(finder, copies->copies[i].type, verdict, where);
}

static int compare_functions(const void *left, const void *right)
{
	const struct polling *a = left;
	const struct polling *b = right;

	if (a->entry != b->entry)
		return a->entry < b->entry ? -1 : 1;
	return a->die.addr < b->die.addr ? -1 : a->die.addr > b->die.addr;
}

/* All functions to look at, by address, each once; malloc'd. NULL: out of memory. */
static struct polling *find_functions(const struct finder *finder, size_t *count)
{
	const struct dwarf_pass *pass = finder->pass;
	struct polling *functions =
		malloc((pass->function_count + pass->copy_count + 1) * sizeof(*functions));
	size_t found = 0;

	if (!functions)
		return NULL;
	for (size_t i = 0; i < pass->function_count + pass->copy_count; i++) {
		struct polling function = {
			.die = i < pass->function_count
				       ? pass->functions[i]
				       : pass->copies[i - pass->function_count].function};

		if (image_has_code_of(finder->image, &function.die, &function.entry))
			functions[found++] = function;
	}
	if (found)
		qsort(functions, found, sizeof(*functions), compare_functions);
	*count = 0;
	for (size_t i = 0; i < found; i++)
		if (!*count || functions[*count - 1].die.addr != functions[i].die.addr)
			functions[(*count)++] = functions[i];
	return functions;
}

/* The index of an inlined copy, INLINED_POLL_NONE if it is none that is known. */
static size_t inlined_index(const struct finder *finder, const struct coroutine_copy *copy)
{
	const void *die = copy->die.addr;
	struct inlined_index *known;

	HASH_FIND_PTR(finder->inlined, &die, known);
	return known ? known->index : INLINED_POLL_NONE;
}

static int add_store(struct finder *finder, const struct coroutine_copy *copy,
		     uint64_t function, const struct state_store *store)
{
	struct poll_sites *sites = finder->sites;
	struct store_site *grown;
	struct store_site site = {
		.type = copy->type,
		.inlined = inlined_index(finder, copy),
		.function = function,
		.address = store->address,
		.probed = store->probed,
		.reg = store->from_register ? store->reg : -1,
		.shift = store->shift,
		.value = store->value,
		.is_reuse = store->is_reuse,
		.shared = store->shared,
	};

	if (!image_file_offset(finder->image, store->probed, &site.offset))
		return 0;
	grown = array_room(sites->stores, sites->store_count, &finder->store_room,
			   sizeof(*grown));
	if (!grown)
		return -1;
	sites->stores = grown;
	grown[sites->store_count++] = site;
	return 0;
}

/* Take over what was found of a copy; results are of the places where it may lie. */
static int take_result(struct finder *finder, const struct coroutine_copy *copy,
		       const struct coroutine_stores *results, uint64_t function)
{
	const struct coroutine_stores *chosen = NULL;
	size_t inlined = inlined_index(finder, copy);

	for (size_t i = 0; i < copy->offset_count && !chosen; i++)
		if (results[i].chosen)
			chosen = &results[i];
	if (!chosen) {
		doubt(finder, copy->type, STORES_UNKNOWN_PLACE, function);
		return 0;
	}
	if (!stores_proven(chosen)) {
		doubt(finder, copy->type, chosen->verdict,
		      chosen->where ? chosen->where : function);
		return 0;
	}
	if (inlined != INLINED_POLL_NONE) {
		finder->is_seen[inlined] = true;
	} else if (!copy->is_function) {
		doubt(finder, copy->type, STORES_NOT_FOLLOWED, function);
		return 0;
	}
	for (size_t i = 0; i < chosen->store_count; i++)
		if (add_store(finder, copy, function, &chosen->stores[i]))
			return -1;
	return 0;
}

/* One coroutine for each place where a copy may lie. */
static int make_coroutines(const struct finder *finder, struct attempt *attempt)
{
	const struct coroutine_copies *copies = &attempt->copies;
	size_t count = 0;

	for (size_t i = 0; i < copies->count; i++)
		count += copies->copies[i].offset_count;
	attempt->coroutines = calloc(count + 1, sizeof(*attempt->coroutines));
	attempt->results = calloc(count + 1, sizeof(*attempt->results));
	if (!attempt->coroutines || !attempt->results)
		return -1;
	for (size_t i = 0; i < copies->count; i++) {
		const struct coroutine_copy *copy = &copies->copies[i];
		const struct future_type *type = &finder->sites->types[copy->type];

		for (size_t j = 0; j < copy->offset_count; j++)
			attempt->coroutines[attempt->count++] = (struct flow_coroutine){
				.copy = (unsigned)i,
				.type = (unsigned)copy->type,
				.object = copy->object,
				.state_offset = copy->offsets[j] + type->state_offset,
				.ranges = copy->ranges,
				.range_count = copy->range_count,
				.depth = copy->depth,
				.is_outer = copy->is_function,
			};
	}
	return 0;
}

/* Find the stores in the graph of the function that begins at entry. */
static int find_stores(struct finder *finder, struct attempt *attempt,
		       const struct flow_graph *graph, uint64_t entry)
{
	size_t first = 0;
	int status = make_coroutines(finder, attempt) ||
		     state_stores_find(graph, attempt->coroutines, attempt->count,
				       attempt->results) ||
		     store_probes_choose(graph, attempt->results, attempt->count);

	for (size_t i = 0; i < attempt->copies.count && !status; i++) {
		const struct coroutine_copy *copy = &attempt->copies.copies[i];

		status = take_result(finder, copy, &attempt->results[first], entry);
		first += copy->offset_count;
	}
	return status ? -1 : 0;
}

static int follow_function(struct finder *finder, const struct polling *polling,
			   struct attempt *attempt)
{
	Dwarf_Die die = polling->die;
	struct flow_call_site *call_sites = NULL;
	struct flow_graph graph;
	uint64_t offset;
	Dwarf_Addr end;
	int status = 0;
	struct flow_function function = {
		.address = polling->entry,
		.anchors = attempt->copies.anchors,
		.anchor_count = attempt->copies.anchor_count,
		.hops = attempt->copies.hops,
		.hop_count = attempt->copies.hop_count,
		.tables = finder->tables,
		.table_count = finder->table_count,
		.call = call_kinds_of,
		.read = call_kinds_read,
		.context = finder->calls,
	};

	if (dwarf_highpc(&die, &end) || end <= polling->entry ||
	    !image_code_offset(finder->image, polling->entry, end - polling->entry, &offset) ||
	    landing_pads_find(finder->pads, polling->entry, &call_sites,
			      &function.call_site_count)) {
		doubt_all(finder, &attempt->copies, STORES_NOT_FOLLOWED, polling->entry);
		return 0;
	}
	function.code = finder->image->data + offset;
	function.size = end - polling->entry;
	function.call_sites = call_sites;
	if (flow_graph_make(&function, &graph)) {
		doubt_all(finder, &attempt->copies, STORES_NOT_FOLLOWED, polling->entry);
	} else {
		status = find_stores(finder, attempt, &graph, polling->entry);
		flow_graph_free(&graph);
	}
	free(call_sites);
	return status;
}

static void attempt_free(struct attempt *attempt)
{
	for (size_t i = 0; i < attempt->count; i++)
		state_stores_free(&attempt->results[i]);
	free(attempt->coroutines);
	free(attempt->results);
	coroutine_copies_free(&attempt->copies);
}

/* is_folded: there is another function at its address. */
static int look_at(struct finder *finder, const struct polling *polling, bool is_folded)
{
	struct attempt attempt = {0};
	Dwarf_Die die = polling->die;
	int status = coroutine_copies_find(&attempt.copies, &die, finder->pass->scopes,
					   finder->type_of, finder->context);

	if (!status && is_folded)
		doubt_all(finder, &attempt.copies, STORES_FOLDED, polling->entry);
	else if (!status && attempt.copies.count)
		status = follow_function(finder, polling, &attempt);
	attempt_free(&attempt);
	return status;
}

static int look_at_all(struct finder *finder)
{
	size_t count;
	struct polling *functions = find_functions(finder, &count);
	int status = functions ? 0 : -1;

	for (size_t i = 0; i < count && !status; i++) {
		uint64_t entry = functions[i].entry;

		status = look_at(finder, &functions[i],
				 (i && functions[i - 1].entry == entry) ||
					 (i + 1 < count && functions[i + 1].entry == entry));
	}
	free(functions);
	return status;
}

static int index_inlined(struct finder *finder, const size_t *inlined_of)
{
	for (size_t i = 0; i < finder->pass->copy_count; i++) {
		struct inlined_index *index;

		if (inlined_of[i] == INLINED_POLL_NONE)
			continue;
		index = calloc(1, sizeof(*index));
		if (!index)
			return -1;
		index->die = finder->pass->copies[i].die.addr;
		index->index = inlined_of[i];
		HASH_ADD_PTR(finder->inlined, die, index);
	}
	return 0;
}

/* The jump tables of a segment of code: an image_segment_seen. */
static int find_tables(void *context, uint64_t address, const uint8_t *code, size_t size)
{
	struct finder *finder = context;
	uint64_t *tables;
	uint64_t *grown;
	size_t count;

	if (flow_find_tables(code, size, address, &tables, &count))
		return -1;
	grown = realloc(finder->tables, (finder->table_count + count + 1) * sizeof(*grown));
	if (!grown) {
		free(tables);
		return -1;
	}
	finder->tables = grown;
	if (count)
		memcpy(grown + finder->table_count, tables, count * sizeof(*grown));
	finder->table_count += count;
	free(tables);
	return 0;
}

/*
 * Of probes on one instruction the last traps first: what comes first in the code is
 * last.
 */
static int compare_stores(const void *left, const void *right)
{
	const struct store_site *a = left;
	const struct store_site *b = right;

	if (a->probed != b->probed)
		return a->probed < b->probed ? -1 : 1;
	if (a->address != b->address)
		return a->address > b->address ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->inlined < b->inlined ? -1 : a->inlined > b->inlined;
}

static int find(struct finder *finder, const size_t *inlined_of)
{
	struct poll_sites *sites = finder->sites;

	if (!finder->is_seen || !finder->pads || !finder->calls ||
	    index_inlined(finder, inlined_of) ||
	    image_each_segment(finder->image, true, find_tables, finder))
		return -1;
	/* Until there is a doubt. */
	for (size_t i = 0; i < sites->type_count; i++)
		sites->types[i].stores_proven =
			sites->types[i].state_offset >= 0 && sites->types[i].state_width == 1;
	if (look_at_all(finder))
		return -1;
	for (size_t i = 0; i < sites->inlined_count; i++)
		if (!finder->is_seen[i])
			doubt(finder, sites->inlined[i].type, STORES_NOT_FOLLOWED,
			      sites->inlined[i].function);
	if (sites->store_count)
		qsort(sites->stores, sites->store_count, sizeof(*sites->stores),
		      compare_stores);
	return 0;
}

int store_sites_find(struct poll_sites *sites, const struct image *image,
		     const struct dwarf_pass *pass, const size_t *inlined_of,
		     snapshot_type_of *type_of, void *context)
{
	struct finder finder = {
		.sites = sites,
		.image = image,
		.pass = pass,
		.type_of = type_of,
		.context = context,
		.is_seen = calloc(sites->inlined_count + 1, sizeof(*finder.is_seen)),
		.pads = landing_pads_open(image->elf),
		.calls = call_kinds_new(image, pass),
	};
	struct inlined_index *index;
	struct inlined_index *next;
	int status = find(&finder, inlined_of);

	HASH_ITER(hh, finder.inlined, index, next)
	{
		HASH_DEL(finder.inlined, index);
		free(index);
	}
	landing_pads_close(finder.pads);
	call_kinds_free(finder.calls);
	free(finder.is_seen);
	free(finder.tables);
	return status;
}
