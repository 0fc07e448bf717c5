#include "state_stores.h"

#include "asyncrec/coroutine.h"
#include "byte_names.h"

#include <stdlib.h>
#include <string.h>

/* What an instruction does to the state of one coroutine. */
enum event {
	EVENT_NONE,
	EVENT_LOAD,
	EVENT_STORE,
	EVENT_NEW,       /* the bytes become those of a coroutine not polled yet */
	EVENT_OVERWRITE, /* code of others puts something unknown there */
	EVENT_TAKEN,     /* the state of a sibling in the same bytes is read or stored */
	EVENT_STRAY,     /* a store in code of no coroutine whose state this can be */
	EVENT_UNKNOWN_VALUE,
};

struct step {
	uint8_t event;
	bool is_own; /* the instruction belongs to this coroutine's code */
};

/* Where a path is in the life of one coroutine; a set of them is a mask. */
enum phase {
	PHASE_IDLE = 1 << 0,      /* not being polled */
	PHASE_NEW = 1 << 1,       /* made, its code not reached yet */
	PHASE_BEGUN = 1 << 2,     /* being polled, its state not read yet */
	PHASE_POLLING = 1 << 3,   /* being polled, its state read */
	PHASE_DONE = 1 << 4,      /* its new state stored */
	PHASE_MAYBE_NEW = 1 << 5, /* as PHASE_NEW, or its bytes are used for something else */
};

enum { PHASES = 6, PHASES_POLLING = PHASE_BEGUN | PHASE_POLLING };

struct prover {
	const struct flow_graph *graph;
	const struct flow_coroutine *coroutines;
	struct byte_names *states; /* owned; by coroutine */
	size_t count;
	const struct flow_coroutine *coroutine; /* whose turn it is */
	bool *chosen;  /* owned; by coroutine: no other place was chosen for it */
	bool *is_mate; /* owned; by coroutine: another copy, of the same type in the same bytes
			*/
	bool has_mates;
	bool is_group;                  /* it and its mates are looked at as one */
	const struct byte_names *state; /* its state's */
	struct step *steps;             /* owned; by node: of this coroutine */
	uint8_t *phases;                /* owned; by node: those possible before it */
	bool *group_polled; /* owned; by node: before it just one of the group is polled */
	uint32_t *queue;    /* owned */
	size_t queued;
	struct coroutine_stores *result;
};

const char *stores_verdict_text(enum stores_verdict verdict)
{
	static const char *const texts[] = {
		[STORES_PROVEN] = "is proven exact",
		[STORES_NOT_POLLED] = "is not polled here",
		[STORES_NO_STORE] = "has no store to its state",
		[STORES_NO_LOAD] = "is polled without its state being read",
		[STORES_PATH_WITHOUT] = "has a path without a store to its state",
		[STORES_PATH_WITH_TWO] = "has a path with two stores to its state",
		[STORES_WITHOUT_BEGIN] = "has a store on a path where no poll begins",
		[STORES_UNKNOWN_VALUE] = "has its state changed in a way not understood",
		[STORES_UNKNOWN_JUMP] =
			"shares its function with a jump that is not understood",
		[STORES_UNKNOWN_PLACE] = "lies at a place that is not known for certain",
		[STORES_NO_PROBE] = "has a store that no probe can be put on",
		[STORES_NOT_FOLLOWED] = "is polled in code that cannot be followed",
		[STORES_FOLDED] = "shares its code with another function",
	};

	return texts[verdict];
}

static bool contains(const struct flow_coroutine *coroutine, uint64_t address)
{
	for (size_t i = 0; i < coroutine->range_count; i++)
		if (address >= coroutine->ranges[i].start && address < coroutine->ranges[i].end)
			return true;
	return false;
}

/* Is that coroutine what is looked at, or part of it? */
static bool is_member(const struct prover *prover, size_t index)
{
	return &prover->coroutines[index] == prover->coroutine ||
	       (prover->is_group && prover->is_mate[index]);
}

static bool is_own_code(const struct prover *prover, uint64_t address)
{
	for (size_t i = 0; i < prover->count; i++)
		if (is_member(prover, i) && contains(&prover->coroutines[i], address))
			return true;
	return false;
}

/* In the first round, in which places are chosen, each copy stands for itself. */
static void find_mates(struct prover *prover, bool alone)
{
	prover->has_mates = false;
	for (size_t i = 0; i < prover->count; i++) {
		const struct flow_coroutine *other = &prover->coroutines[i];

		prover->is_mate[i] = !alone && other != prover->coroutine &&
				     prover->chosen[i] &&
				     other->type == prover->coroutine->type &&
				     byte_names_meet(&prover->states[i], prover->state);
		prover->has_mates |= prover->is_mate[i];
	}
}

/* The coroutine whose code the access is in, of those whose state it covers, or NULL. */
static const struct flow_coroutine *owner(const struct prover *prover,
					  const struct flow_node *node)
{
	const struct flow_coroutine *deepest = NULL;
	unsigned byte;

	for (size_t i = 0; i < prover->count; i++) {
		const struct flow_coroutine *candidate = &prover->coroutines[i];

		if (prover->chosen[i] && contains(candidate, node->address) &&
		    (!deepest || candidate->depth > deepest->depth) &&
		    byte_names_covered(&node->access, &prover->states[i], &byte))
			deepest = candidate;
	}
	return deepest;
}

/* What the access writes as state, if its byte `byte` is the state. */
static struct state_store store_of(const struct flow_node *node, unsigned byte)
{
	const struct flow_access *access = &node->access;
	struct state_store store = {
		.address = node->address,
		.from_register = access->from_register,
		.reg = access->reg,
		.shift = access->shift + byte * 8,
	};

	if (access->from_immediate)
		store.value = (uint8_t)(access->value >> byte * 8);
	else if (!byte)
		store.bytes = access->bytes;
	return store;
}

static enum event event_of(const struct prover *prover, const struct flow_node *node)
{
	const struct flow_access *access = &node->access;
	const struct flow_coroutine *of;
	struct state_store store;
	unsigned byte;
	bool is_panic;
	bool is_own;

	if (!byte_names_covered(access, prover->state, &byte))
		return EVENT_NONE;
	of = owner(prover, node);
	is_panic = access->writes && access->from_immediate &&
		   store_of(node, byte).value == STATE_PANICKED;
	/*
	 * Landing pads are merged into one that counts as the code of one of those that
	 * come there: copies of one coroutine, or, if the store is through either of two
	 * pointers, any.
	 */
	if (is_panic &&
	    (access->offset != access->other_offset ||
	     (of && (of == prover->coroutine ? prover->has_mates
					     : prover->is_mate[of - prover->coroutines]))))
		return EVENT_STRAY;
	if (of && !is_member(prover, (size_t)(of - prover->coroutines)))
		return EVENT_TAKEN;
	is_own = of;
	if (!access->writes)
		return is_own && access->reads && access->size == 1 ? EVENT_LOAD : EVENT_NONE;
	store = store_of(node, byte);
	if (access->reads || (!access->from_immediate && !access->from_register))
		return is_own ? EVENT_UNKNOWN_VALUE : EVENT_NEW;
	if (access->from_immediate ? !store.value : store.bytes == 1)
		return EVENT_NEW;
	if (access->from_register && !is_own)
		return EVENT_OVERWRITE;
	return is_own ? EVENT_STORE : EVENT_STRAY;
}

static int add_store(struct coroutine_stores *result, const struct flow_node *node,
		     const struct state_store *store)
{
	struct state_store *grown =
		realloc(result->stores, (result->store_count + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	result->stores = grown;
	grown[result->store_count] = *store;
	grown[result->store_count++].probed = store->address;
	if (!node->can_probe) {
		result->verdict = STORES_NO_PROBE;
		result->where = node->address;
	}
	return 0;
}

static int add_load(struct coroutine_stores *result, uint64_t address)
{
	uint64_t *grown = realloc(result->loads, (result->load_count + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	result->loads = grown;
	grown[result->load_count++] = address;
	return 0;
}

/* Fill in the steps, and the stores and loads among them. */
static int find_steps(struct prover *prover)
{
	for (size_t i = 0; i < prover->graph->count; i++) {
		const struct flow_node *node = &prover->graph->nodes[i];
		struct step *step = &prover->steps[i];
		struct state_store store;
		unsigned byte = 0;

		*step = (struct step){EVENT_NONE, false};
		if (!node->reached)
			continue;
		step->is_own = is_own_code(prover, node->address);
		step->event = (uint8_t)event_of(prover, node);
		if (step->event == EVENT_LOAD && add_load(prover->result, node->address))
			return -1;
		if (step->event != EVENT_STORE)
			continue;
		byte_names_covered(&node->access, prover->state, &byte);
		store = store_of(node, byte);
		if (add_store(prover->result, node, &store))
			return -1;
	}
	return 0;
}

static void fail(struct prover *prover, enum stores_verdict verdict, uint64_t where)
{
	if (prover->result->verdict != STORES_PROVEN)
		return;
	prover->result->verdict = verdict;
	prover->result->where = where;
}

/* One path in one phase comes to the node: in which phase does it leave it? */
static unsigned next_phase(struct prover *prover, uint32_t node, unsigned phase)
{
	const struct step *step = &prover->steps[node];
	uint64_t address = prover->graph->nodes[node].address;
	bool is_polling;

	if (phase & (PHASE_NEW | PHASE_MAYBE_NEW) && step->is_own)
		phase = PHASE_BEGUN;
	is_polling = phase & PHASES_POLLING;
	switch ((enum event)step->event) {
	case EVENT_NONE:
		break;
	case EVENT_LOAD:
		if (phase == PHASE_POLLING)
			fail(prover, STORES_PATH_WITHOUT, address);
		return PHASE_POLLING;
	case EVENT_STORE:
		if (!is_polling)
			fail(prover,
			     phase == PHASE_DONE ? STORES_PATH_WITH_TWO : STORES_WITHOUT_BEGIN,
			     address);
		return PHASE_DONE;
	case EVENT_NEW:
		return PHASE_NEW;
	case EVENT_OVERWRITE:
		return PHASE_MAYBE_NEW;
	case EVENT_TAKEN:
		return phase & (PHASE_NEW | PHASE_MAYBE_NEW) ? PHASE_IDLE : phase;
	case EVENT_STRAY:
		if (phase == PHASE_MAYBE_NEW)
			return PHASE_IDLE;
		return is_polling || phase == PHASE_NEW ? PHASE_DONE : phase;
	case EVENT_UNKNOWN_VALUE:
		fail(prover, STORES_UNKNOWN_VALUE, address);
		break;
	}
	return phase;
}

static void spread(struct prover *prover, uint32_t node, unsigned phases)
{
	if (node == FLOW_NONE || !(phases & ~prover->phases[node]))
		return;
	/* In the queue already, if it has phases that are not worked off. */
	prover->phases[node] |= (uint8_t)phases;
	prover->queue[prover->queued++] = node;
}

static void visit(struct prover *prover, uint32_t index)
{
	const struct flow_node *node = &prover->graph->nodes[index];
	unsigned after = 0;

	for (unsigned i = 0; i < PHASES; i++)
		if (prover->phases[index] >> i & 1)
			after |= next_phase(prover, index, 1U << i);
	/*
	 * A coroutine that is unwound through stores that it panicked, and has a landing pad
	 * for it; but to bytes that die with the frame, LLVM drops the store.
	 */
	if (after & PHASES_POLLING &&
	    (node->leaves || (node->unwinds_out && prover->state->in_frame)))
		fail(prover, STORES_PATH_WITHOUT, node->address);
	spread(prover, node->next, after);
	spread(prover, node->jump, after);
	/* A poll does not begin by unwinding: then the bytes were something else's. */
	if (after & PHASE_MAYBE_NEW)
		spread(prover, node->pad, (after & ~(unsigned)PHASE_MAYBE_NEW) | PHASE_IDLE);
	else
		spread(prover, node->pad, after);
	for (uint32_t i = 0; i < node->table_count; i++)
		spread(prover, prover->graph->targets[node->table + i], after);
}

/* May another coroutine have its state where the access of node is? */
static bool is_ambiguous(const struct prover *prover, const struct flow_node *node)
{
	unsigned byte;

	for (size_t i = 0; i < prover->count; i++)
		if (prover->chosen[i] && &prover->coroutines[i] != prover->coroutine &&
		    !prover->is_mate[i] &&
		    byte_names_covered(&node->access, &prover->states[i], &byte))
			return true;
	return false;
}

static int add_stray(struct prover *prover, const struct flow_node *node, unsigned phases)
{
	struct state_store store;
	unsigned byte = 0;

	if (!(phases & (PHASES_POLLING | PHASE_NEW)))
		return 0;
	byte_names_covered(&node->access, prover->state, &byte);
	store = store_of(node, byte);
	store.shared = (phases & ~PHASES_POLLING &&
			!prover->group_polled[node - prover->graph->nodes]) ||
		       is_ambiguous(prover, node) ||
		       node->access.offset != node->access.other_offset;
	return add_store(prover->result, node, &store);
}

static int add_reuse(struct prover *prover, const struct flow_node *node, unsigned phases)
{
	struct state_store store = {
		.address = node->address, .value = STATE_RETURNED, .is_reuse = true};

	if (!(phases & PHASES_POLLING))
		return 0;
	if (phases & ~PHASES_POLLING || node->access.offset != node->access.other_offset)
		fail(prover, STORES_PATH_WITHOUT, node->address);
	return add_store(prover->result, node, &store);
}

/*
 * What tells the end of a poll though it stands in code of no coroutine, or of another:
 *  - LLVM merges stores of two inlined coroutines into one that belongs to neither. Such
 *    a store is this one's where it is being polled;
 *  - it drops the store of a coroutine that is ready where the next thing that happens is
 *    that something else takes its bytes.
 */
static int find_foreign_stores(struct prover *prover)
{
	for (uint32_t i = 0; i < prover->graph->count; i++) {
		const struct flow_node *node = &prover->graph->nodes[i];
		unsigned phases = prover->phases[i];
		int status = 0;

		if (prover->steps[i].event == EVENT_STRAY)
			status = add_stray(prover, node, phases);
		else if (prover->steps[i].event == EVENT_NEW ||
			 prover->steps[i].event == EVENT_OVERWRITE)
			status = add_reuse(prover, node, phases);
		if (status)
			return -1;
	}
	return 0;
}

/*
 * Can control get from the coroutine's code to other code, as it must to poll it? Of some
 * inlined copies no more is left than the panics for those that are resumed too late.
 */
static bool is_left(const struct prover *prover)
{
	for (uint32_t i = 0; i < prover->graph->count; i++) {
		const struct flow_node *node = &prover->graph->nodes[i];

		if (!node->reached || !prover->steps[i].is_own)
			continue;
		if (node->leaves || node->table_count ||
		    (node->next != FLOW_NONE && !prover->steps[node->next].is_own) ||
		    (node->jump != FLOW_NONE && !prover->steps[node->jump].is_own) ||
		    (node->pad != FLOW_NONE && !prover->steps[node->pad].is_own))
			return true;
	}
	return false;
}

/* Is the coroutine's code reached by calls that unwind only? */
static bool only_unwinds(struct prover *prover)
{
	const struct flow_graph *graph = prover->graph;
	bool runs = false;

	memset(prover->phases, 0, graph->count);
	spread(prover, 0, PHASE_IDLE);
	while (prover->queued) {
		uint32_t index = prover->queue[--prover->queued];
		const struct flow_node *node = &graph->nodes[index];

		runs |= prover->steps[index].is_own;
		spread(prover, node->next, PHASE_IDLE);
		spread(prover, node->jump, PHASE_IDLE);
		for (uint32_t i = 0; i < node->table_count; i++)
			spread(prover, graph->targets[node->table + i], PHASE_IDLE);
	}
	return !runs;
}

/*
 * Where LLVM merges the landing pads of several copies, it makes the code one of a copy
 * that has nothing else. No poll begins there, and the stores are those of the others.
 */
static bool is_merged_pad(struct prover *prover)
{
	const struct coroutine_stores *result = prover->result;

	for (size_t i = 0; i < result->store_count; i++)
		if (result->stores[i].from_register ||
		    result->stores[i].value != STATE_PANICKED)
			return false;
	return prover->has_mates && !result->load_count && only_unwinds(prover);
}

/* Find the steps, and the phases possible before each node. */
static int follow(struct prover *prover)
{
	if (find_steps(prover))
		return -1;
	memset(prover->phases, 0, prover->graph->count);
	spread(prover, 0, prover->coroutine->is_outer ? PHASE_BEGUN : PHASE_IDLE);
	while (prover->queued)
		visit(prover, prover->queue[--prover->queued]);
	return 0;
}

/*
 * Where is it certain that one of the copies of a type in the same bytes is polled, no
 * matter which? A store that they share then ends a poll whenever it is hit.
 */
static int follow_group(struct prover *prover)
{
	struct coroutine_stores *result = prover->result;
	struct coroutine_stores of_group = {.verdict = STORES_PROVEN};
	int status = 0;

	memset(prover->group_polled, 0, prover->graph->count * sizeof(*prover->group_polled));
	if (!prover->has_mates)
		return 0;
	prover->is_group = true;
	prover->result = &of_group;
	status = follow(prover);
	for (size_t i = 0; !status && i < prover->graph->count; i++)
		prover->group_polled[i] = of_group.verdict == STORES_PROVEN &&
					  prover->phases[i] &&
					  !(prover->phases[i] & ~PHASES_POLLING);
	prover->is_group = false;
	prover->result = result;
	state_stores_free(&of_group);
	return status;
}

static int prove(struct prover *prover, bool alone)
{
	struct coroutine_stores *result = prover->result;

	find_mates(prover, alone);
	if (prover->state->doubtful)
		fail(prover, STORES_UNKNOWN_PLACE, 0);
	if (prover->graph->unbounded_jump)
		fail(prover, STORES_UNKNOWN_JUMP, prover->graph->unbounded_at);
	if (follow_group(prover) || follow(prover) || find_foreign_stores(prover))
		return -1;
	if (result->verdict == STORES_UNKNOWN_PLACE || result->verdict == STORES_UNKNOWN_JUMP ||
	    (result->store_count && result->load_count))
		return 0;
	result->verdict = result->store_count ? STORES_NO_LOAD : STORES_NO_STORE;
	result->where = 0;
	if (result->store_count && is_merged_pad(prover)) {
		result->verdict = STORES_NOT_POLLED;
		result->store_count = 0;
	}
	if (!result->store_count && !result->load_count && !is_left(prover))
		result->verdict = STORES_NOT_POLLED;
	return 0;
}

/* How well does a place fit its copy? 0: no code of the copy touches it. */
static unsigned fitness(const struct coroutine_stores *stores)
{
	if (stores->verdict == STORES_PROVEN)
		return 3;
	if (stores->load_count)
		return 2;
	return stores->store_count ? 1 : 0;
}

/*
 * Choose among the places where the copy that coroutine `first` is the first of may lie,
 * by what was found of each alone. None is chosen if several fit as well.
 */
static void choose(struct prover *prover, size_t first, const struct coroutine_stores *results)
{
	unsigned copy = prover->coroutines[first].copy;
	size_t best = first;
	bool tie = false;

	for (size_t i = first; i < prover->count; i++) {
		if (prover->coroutines[i].copy != copy)
			continue;
		prover->chosen[i] = false;
		if (i == first)
			continue;
		if (fitness(&results[i]) > fitness(&results[best])) {
			best = i;
			tie = false;
		} else if (fitness(&results[i]) == fitness(&results[best])) {
			tie = fitness(&results[i]);
		}
	}
	prover->chosen[best] = !tie;
}

static int prove_all(struct prover *prover, struct coroutine_stores *results, bool alone)
{
	for (size_t i = 0; i < prover->count; i++) {
		results[i] = (struct coroutine_stores){
			.chosen = prover->chosen[i],
			.verdict = prover->chosen[i] ? STORES_PROVEN : STORES_UNKNOWN_PLACE,
		};
		prover->coroutine = &prover->coroutines[i];
		prover->state = &prover->states[i];
		prover->result = &results[i];
		if (prover->chosen[i] && prove(prover, alone))
			return -1;
	}
	return 0;
}

static void free_all(struct coroutine_stores *results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		state_stores_free(&results[i]);
}

/* Two rounds: choose among the places that are possible, then try the proof. */
static int choose_and_prove(struct prover *prover, struct coroutine_stores *results)
{
	for (size_t i = 0; i < prover->count; i++) {
		prover->states[i] = byte_names_find(prover->graph, prover->coroutines[i].object,
						    prover->coroutines[i].state_offset);
		prover->chosen[i] = true;
	}
	if (prove_all(prover, results, true))
		return -1;
	for (size_t i = 0; i < prover->count; i++) {
		bool is_first = true;

		for (size_t j = 0; j < i; j++)
			is_first &= prover->coroutines[j].copy != prover->coroutines[i].copy;
		if (is_first)
			choose(prover, i, results);
	}
	free_all(results, prover->count);
	return prove_all(prover, results, false);
}

int state_stores_find(const struct flow_graph *graph, const struct flow_coroutine *coroutines,
		      size_t count, struct coroutine_stores *results)
{
	struct prover prover = {
		.graph = graph,
		.coroutines = coroutines,
		.count = count,
		.states = malloc((count + 1) * sizeof(*prover.states)),
		.chosen = malloc((count + 1) * sizeof(*prover.chosen)),
		.is_mate = malloc((count + 1) * sizeof(*prover.is_mate)),
		.steps = malloc(graph->count * sizeof(*prover.steps)),
		.phases = malloc(graph->count),
		.group_polled = malloc(graph->count * sizeof(*prover.group_polled)),
		/* A node is queued once for each phase that is new to it. */
		.queue = malloc(graph->count * PHASES * sizeof(*prover.queue)),
	};
	int status = -1;

	memset(results, 0, count * sizeof(*results));
	if (prover.states && prover.chosen && prover.is_mate && prover.steps && prover.phases &&
	    prover.group_polled && prover.queue)
		status = choose_and_prove(&prover, results);
	free(prover.states);
	free(prover.chosen);
	free(prover.is_mate);
	free(prover.steps);
	free(prover.phases);
	free(prover.group_polled);
	free(prover.queue);
	if (status)
		free_all(results, count);
	return status;
}

void state_stores_free(struct coroutine_stores *stores)
{
	free(stores->stores);
	free(stores->loads);
	*stores = (struct coroutine_stores){0};
}

bool stores_proven(const struct coroutine_stores *stores)
{
	return stores->verdict == STORES_PROVEN || stores->verdict == STORES_NOT_POLLED;
}
