#include "inferred_polls.h"

#include "inlining.h"
#include "noted.h"

#include <stdlib.h>

struct inferred *inferred_load(sqlite3 *db, inferred_begin *begin, inferred_end *end,
			       void *context)
{
	struct inferred *inferred = calloc(1, sizeof(*inferred));

	if (!inferred)
		return NULL;
	*inferred = (struct inferred){
		.snapshots = snapshots_load(db),
		.inlining = inlining_load(db),
		.begin = begin,
		.end = end,
		.context = context,
	};
	if (!inferred->snapshots || !inferred->inlining) {
		inferred_free(inferred);
		return NULL;
	}
	return inferred;
}

void inferred_free(struct inferred *inferred)
{
	if (!inferred)
		return;
	snapshots_free(inferred->snapshots);
	inlining_free(inferred->inlining);
	free(inferred);
}

int inferred_read(const struct inferred *inferred, const struct poll *poll, const void *words,
		  size_t count, uint64_t bias, struct living_set *living)
{
	return snapshots_read(inferred->snapshots, poll->type_id, words, count, poll->self,
			      bias, living);
}

void inferred_forget(struct poll *poll)
{
	free(poll->living.futures);
	free(poll->final.futures);
	free(poll->inner);
	free(poll->trapped);
	free(poll->drops);
	poll->living = (struct living_set){0};
	poll->final = (struct living_set){0};
	poll->inner = NULL;
	poll->inner_count = 0;
	poll->trapped = NULL;
	poll->trapped_count = 0;
	poll->drops = NULL;
	poll->drop_count = 0;
}

/* The nearest coroutine from around outwards that holds what lies at the address. */
static struct poll *container_of(struct poll *around, const struct poll *poll)
{
	for (struct poll *outer = around; outer; outer = outer->parent)
		if (outer->state_known && outer->self_known && poll->self_known &&
		    poll->self - outer->self < outer->size)
			return outer;
	return NULL;
}

void inferred_put(struct poll *poll, struct poll *around)
{
	struct poll *container = container_of(around, poll);

	poll->parent = around;
	/* What lies in code of no poll an executor polls. */
	poll->parent_id = around->type_id ? around->id : 0;
	poll->ordinal = ++around->children;
	if (container)
		poll->container = container;
}

/* Where the address is not known, here or there, the type must do. */
static struct poll *find_inner(const struct poll *outer, const struct poll *around,
			       int64_t type_id, uint64_t address)
{
	struct poll *found = NULL;

	for (size_t i = 0; i < outer->inner_count; i++) {
		struct poll *poll = outer->inner[i];

		if (poll->parent != around || poll->type_id != type_id)
			continue;
		if (poll->self == address)
			return poll;
		if (!poll->self || !address)
			found = poll;
	}
	return found;
}

struct poll *inferred_poll(struct inferred *inferred, struct poll *outer, struct poll *around,
			   int64_t type_id, uint64_t address, size_t node, int64_t state)
{
	struct snapshot_type type = snapshots_type(inferred->snapshots, type_id);
	struct poll *poll = find_inner(outer, around, type_id, address);
	struct poll **grown;

	if (poll)
		return poll;
	grown = realloc(outer->inner, (outer->inner_count + 1) * sizeof(*grown));
	if (grown)
		outer->inner = grown;
	poll = grown ? calloc(1, sizeof(*poll)) : NULL;
	if (!poll)
		return NULL;
	*poll = (struct poll){
		.event_id = outer->event_id,
		.type_id = type_id,
		.pid = outer->pid,
		.tid = outer->tid,
		.self = address,
		.self_known = address != 0,
		.size = type.size,
		.start_ns = outer->start_ns,
		.state_before = state,
		.state_known = type.is_coroutine && state >= 0,
		.is_inferred = true,
		.wait_ns = -1,
		.node = node,
	};
	inferred_put(poll, around);
	outer->inner[outer->inner_count++] = poll;
	return inferred->begin(inferred->context, poll) ? NULL : poll;
}

struct poll *inferred_living(struct inferred *inferred, struct poll *outer,
			     const struct living_set *set, size_t index, bool is_new)
{
	const struct living *future = &set->futures[index];
	struct poll *around = outer;

	if (future->parent != LIVING_NONE && future->parent != 0)
		around = inferred_living(inferred, outer, set, future->parent, is_new);
	return around ? inferred_poll(inferred, outer, around, future->type_id, future->address,
				      future->node,
				      is_new || !future->begun ? STATE_UNRESUMED
							       : future->state)
		      : NULL;
}

bool inferred_has_trapped(const struct poll *outer, int64_t type_id, uint64_t address)
{
	return noted_find(outer->trapped, outer->trapped_count, type_id, address);
}

/*
 * The future in set that has this place in the plan of the one around, and its type and
 * address. What lives in different variants of an enum or coroutine may have the latter
 * two in common.
 */
static const struct living *find_living(const struct living_set *set, size_t node,
					int64_t type_id, uint64_t address)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->futures[i].begun && set->futures[i].type_id == type_id &&
		    set->futures[i].address == address &&
		    (node == LIVING_NONE || set->futures[i].node == node))
			return &set->futures[i];
	return NULL;
}

/*
 * The future in set that the one at index of other still is, in the same futures, or
 * LIVING_NONE: another one may have taken its memory in another one's.
 */
static size_t same_future(const struct living_set *set, const struct living_set *other,
			  size_t index)
{
	const struct living *future = &other->futures[index];
	const struct living *same =
		find_living(set, future->node, future->type_id, future->address);

	if (!same || (future->parent != LIVING_NONE &&
		      same_future(set, other, future->parent) == LIVING_NONE))
		return LIVING_NONE;
	return (size_t)(same - set->futures);
}

/* The future of an inferred poll. */
static const struct living *future_of(const struct living_set *set, const struct poll *poll)
{
	if (!set || (poll->parent->is_inferred && !future_of(set, poll->parent)))
		return NULL;
	return find_living(set, poll->node, poll->type_id, poll->self);
}

/* The drop in outer of that future. */
static const struct trapped *drop_of(const struct poll *outer, const struct living *future)
{
	return noted_find(outer->drops, outer->drop_count, future->type_id, future->address);
}

/* Was it done as it was dropped? Then a poll came before that ended it. */
static bool is_done(const struct trapped *drop)
{
	return drop && (drop->state == STATE_RETURNED || drop->state == STATE_PANICKED);
}

int inferred_begun(struct inferred *inferred, struct poll *around, const struct poll *drop)
{
	struct poll *poll;

	/* A poll of it would have trapped; it was before the recording began. */
	if (snapshots_type(inferred->snapshots, drop->type_id).complete)
		return 0;
	poll = inferred_poll(inferred, around, around, drop->type_id, drop->self, LIVING_NONE,
			     STATE_UNRESUMED);
	if (!poll)
		return -1;
	/* It did not live there before this poll. */
	poll->certain = around->living.count && drop->self - around->self < around->size;
	return 0;
}

/* Do traps tell of the future at index, or of one around it? */
static bool is_told(const struct inferred *inferred, const struct poll *outer,
		    const struct living_set *set, size_t index)
{
	for (; index && index != LIVING_NONE; index = set->futures[index].parent) {
		struct snapshot_type type =
			snapshots_type(inferred->snapshots, set->futures[index].type_id);

		if (type.complete || type.by_stores ||
		    inferred_has_trapped(outer, set->futures[index].type_id,
					 set->futures[index].address))
			return true;
	}
	return false;
}

/*
 * Polls of what lived before outer: it polls what it surely awaits, and what changed.
 * What is gone may have been polled to its end, or dropped. after: what lives then, or
 * NULL.
 */
static int infer_before(struct inferred *inferred, struct poll *outer,
			const struct living_set *after)
{
	for (size_t i = 1; i < outer->living.count; i++) {
		const struct living *future = &outer->living.futures[i];
		size_t later = after ? same_future(after, &outer->living, i) : LIVING_NONE;
		const struct trapped *drop = drop_of(outer, future);
		bool certain =
			future->certain || is_done(drop) ||
			(later != LIVING_NONE && after->futures[later].state != future->state);
		bool is_gone = after ? later == LIVING_NONE : outer->result == POLL_READY;
		struct poll *poll;

		/* What was dropped in it may have been polled before; nobody knows. */
		if (!future->begun || (!certain && !is_gone) || (drop && !is_done(drop)) ||
		    is_told(inferred, outer, &outer->living, i))
			continue;
		poll = inferred_living(inferred, outer, &outer->living, i, false);
		if (!poll)
			return -1;
		poll->certain |= certain;
		if (is_done(drop)) {
			poll->drop_seen = true;
			poll->drop_state = drop->state;
		}
	}
	return 0;
}

/*
 * Polls of what lives after outer, which is then suspended: a coroutine was polled if it
 * did not live before, another future if it surely is awaited. That those which are
 * merely held were polled is likely; the await chain is not whole without them.
 */
static int infer_after(struct inferred *inferred, struct poll *outer,
		       const struct living_set *after)
{
	for (size_t i = 1; i < after->count; i++) {
		const struct living *future = &after->futures[i];
		size_t before = drop_of(outer, future) ? LIVING_NONE
						       : same_future(&outer->living, after, i);
		bool is_new = before == LIVING_NONE;
		struct poll *poll;

		if (!future->begun || is_told(inferred, outer, after, i))
			continue;
		poll = inferred_living(inferred, outer, is_new ? after : &outer->living,
				       is_new ? i : before, is_new);
		if (!poll)
			return -1;
		if (is_new && (future->certain || future->state >= 0))
			poll->certain = true;
	}
	return 0;
}

/* What became of poll, given what lives after the trapped poll around it; NULL: unknown. */
static enum poll_result result_of(const struct poll *poll, const struct living_set *after)
{
	const struct poll *around = poll->parent;
	const struct living *later;

	if (future_of(after, poll) || (poll->child_pending && !after))
		return POLL_PENDING;
	/* A coroutine goes on from where it awaits when that is ready. */
	if (!around->state_known || poll->ordinal != 1)
		return POLL_UNKNOWN;
	if (around->result == POLL_READY)
		return POLL_READY;
	if (around->is_inferred)
		later = future_of(after, around);
	else
		later = after ? &after->futures[0] : NULL;
	return later && later->state >= 0 && later->state != around->state_before
		       ? POLL_READY
		       : POLL_UNKNOWN;
}

/* A future that traps tell of waits for itself: what holds it is no leaf. */
static void mark_pending(const struct inferred *inferred, const struct poll *outer,
			 const struct living_set *after)
{
	for (size_t i = 1; i < after->count; i++) {
		size_t parent = after->futures[i].parent;
		struct poll *around;

		if (!parent || !after->futures[i].begun ||
		    !is_told(inferred, outer, after, i) ||
		    is_told(inferred, outer, after, parent))
			continue;
		around = NULL;
		for (size_t j = 0; j < outer->inner_count && !around; j++)
			if (outer->inner[j]->type_id == after->futures[parent].type_id &&
			    outer->inner[j]->self == after->futures[parent].address)
				around = outer->inner[j];
		if (around)
			around->child_pending = true;
	}
}

void inferred_close(struct inferred *inferred, struct poll *poll)
{
	/* Where a store would have ended a poll, none has: there was none. */
	if (!poll->by_store && snapshots_type(inferred->snapshots, poll->type_id).by_stores)
		poll->certain = false;
	poll->closed = true;
	poll->parent = NULL;
	poll->container = NULL;
	inferred->end(inferred->context, poll);
}

/* End the polls inferred in outer; next is the next poll of the same future, or NULL. */
static void end_inner(struct inferred *inferred, struct poll *outer,
		      const struct living_set *after, const struct poll *next)
{
	if (after)
		mark_pending(inferred, outer, after);
	/* Those inside first: what awaits a pending future is pending. */
	for (size_t i = outer->inner_count; i-- > 0;) {
		struct poll *poll = outer->inner[i];

		if (future_of(after, poll) || (poll->child_pending && !after))
			poll->parent->child_pending = true;
	}
	for (size_t i = 0; i < outer->inner_count; i++) {
		struct poll *poll = outer->inner[i];
		const struct living *later = future_of(after, poll);

		poll->result = result_of(poll, after);
		if (later && later->state > 0)
			poll->later_state = later->state;
		if (poll->result == POLL_PENDING && next && outer->end_ns)
			poll->wait_ns = next->start_ns - outer->end_ns;
	}
	for (size_t i = 0; i < outer->inner_count; i++)
		inferred_close(inferred, outer->inner[i]);
	outer->inner_count = 0;
	if (outer->runs_task && !outer->store_seen &&
	    snapshots_type(inferred->snapshots, outer->type_id).by_stores)
		outer->uncounted = true;
}

bool inferred_sees_all(const struct inferred *inferred, int64_t type_id)
{
	return snapshots_type(inferred->snapshots, type_id).complete;
}

int inferred_settle(struct inferred *inferred, struct poll *poll, const struct poll *next)
{
	const struct living_set *after = next ? &next->living : &poll->final;
	int status;

	/* Nothing was read in a poll that is itself inferred. */
	if (poll->is_inferred)
		return 0;
	if (!after->count)
		after = NULL;
	status = infer_before(inferred, poll, after) ||
		 (after && infer_after(inferred, poll, after));
	end_inner(inferred, poll, after, next);
	return status ? -1 : 0;
}
