#include "store_probes.h"

#include "insn.h"

#include <stdlib.h>

/* What there is at one instruction. */
struct place {
	bool is_target;     /* control may come from elsewhere than the one before it */
	bool is_store;      /* there is a store to be probed */
	uint32_t registers; /* that such stores have their state in: a bit for each */
	uint32_t probed;    /* node to probe for it */
};

static void mark_target(struct place *places, uint32_t node)
{
	if (node != FLOW_NONE)
		places[node].is_target = true;
}

static void mark_targets(const struct flow_graph *graph, struct place *places)
{
	for (uint32_t i = 0; i < graph->count; i++) {
		mark_target(places, graph->nodes[i].jump);
		mark_target(places, graph->nodes[i].pad);
	}
	for (size_t i = 0; i < graph->target_count; i++)
		places[graph->targets[i]].is_target = true;
}

static uint32_t node_at(const struct flow_graph *graph, uint64_t address)
{
	uint32_t low = 0;
	uint32_t high = (uint32_t)graph->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (graph->nodes[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The node to probe for the store at node; that of later stores is known. */
static uint32_t probed_for(const struct flow_graph *graph, const struct place *places,
			   uint32_t node)
{
	uint32_t kept = places[node].registers | 1U << insn_stack_register;

	for (uint32_t i = node; !graph->nodes[i].is_branch; i++) {
		if (graph->nodes[i].writes & kept || graph->nodes[i].next != i + 1 ||
		    places[i + 1].is_target)
			return node;
		if (graph->nodes[i + 1].is_cheap)
			return i + 1;
		/* What comes first must trap first. */
		if (places[i + 1].is_store && places[i + 1].probed == i + 1)
			return node;
	}
	return node;
}

static void choose(const struct flow_graph *graph, struct place *places,
		   struct coroutine_stores *results, size_t count)
{
	mark_targets(graph, places);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < results[i].store_count; j++) {
			const struct state_store *store = &results[i].stores[j];
			struct place *place = &places[node_at(graph, store->address)];

			place->is_store = true;
			if (store->from_register)
				place->registers |= 1U << store->reg;
		}
	}
	for (uint32_t i = (uint32_t)graph->count; i-- > 0;)
		if (places[i].is_store)
			places[i].probed = probed_for(graph, places, i);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < results[i].store_count; j++) {
			struct state_store *store = &results[i].stores[j];
			uint32_t node = node_at(graph, store->address);

			store->probed = graph->nodes[places[node].probed].address;
		}
	}
}

int store_probes_choose(const struct flow_graph *graph, struct coroutine_stores *results,
			size_t count)
{
	struct place *places = calloc(graph->count, sizeof(*places));

	if (!places)
		return -1;
	choose(graph, places, results, count);
	free(places);
	return 0;
}
