#include "inferred.h"

#include "inlining.h"
#include "noted.h"

#include <stdlib.h>
#include <string.h>

enum {
	MOST_INLINED = 32,
	STATE_UNKNOWN = -1,
	STATE_UNRESUMED = 0,
	STATE_RETURNED = 1,
	STATE_PANICKED = 2
};

struct inferred {
	struct snapshots *snapshots; /* owned */
	struct inlining *inlining;   /* owned */
	inferred_begin *begin;
	inferred_end *end;
	void *context;
};

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

/* Put poll into the poll around it. */
static void put_into(struct poll *poll, struct poll *around)
{
	struct poll *container = container_of(around, poll);

	poll->parent = around;
	/* What lies in code of no poll an executor polls. */
	poll->parent_id = around->type_id ? around->id : 0;
	poll->ordinal = ++around->children;
	if (container)
		poll->container = container;
}

static struct poll *find_inner(const struct poll *outer, const struct poll *around,
			       int64_t type_id, uint64_t address)
{
	for (size_t i = 0; i < outer->inner_count; i++) {
		struct poll *poll = outer->inner[i];

		if (poll->parent == around && poll->type_id == type_id && poll->self == address)
			return poll;
	}
	return NULL;
}

/*
 * The poll in `around` of a future of that type at address (0: unknown), inferred in
 * outer; node is its node, state the state it was in before. NULL: out of memory.
 */
static struct poll *inner_poll(struct inferred *inferred, struct poll *outer,
			       struct poll *around, int64_t type_id, uint64_t address,
			       size_t node, int64_t state)
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
	put_into(poll, around);
	outer->inner[outer->inner_count++] = poll;
	return inferred->begin(inferred->context, poll) ? NULL : poll;
}

static struct poll *living_poll(struct inferred *inferred, struct poll *outer,
				const struct living_set *set, size_t index, bool is_new)
{
	const struct living *future = &set->futures[index];
	struct poll *around = outer;

	if (future->parent != LIVING_NONE && future->parent != 0)
		around = living_poll(inferred, outer, set, future->parent, is_new);
	return around ? inner_poll(inferred, outer, around, future->type_id, future->address,
				   future->node,
				   is_new || !future->begun ? STATE_UNRESUMED : future->state)
		      : NULL;
}

/* The future of that type that the one at index holds, or LIVING_NONE. */
static size_t held_by(const struct living_set *set, size_t index, int64_t type_id)
{
	for (size_t i = 1; i < set->count; i++)
		if (set->futures[i].parent == index && set->futures[i].type_id == type_id)
			return i;
	return LIVING_NONE;
}

/* The polls inlined around the call in outer that began poll, as types: outermost first. */
static struct poll *place_by_types(struct inferred *inferred, struct poll *outer,
				   const struct poll *poll, const int64_t *types, size_t count)
{
	struct poll *around = outer;
	size_t living = outer->living.count ? 0 : LIVING_NONE;
	size_t node = 0;

	for (size_t i = 0; i < count && around; i++) {
		uint64_t address = 0;
		/* What does not live where that was read begins. */
		int64_t state = outer->living.count ? STATE_UNRESUMED : STATE_UNKNOWN;

		if (living != LIVING_NONE)
			living = held_by(&outer->living, living, types[i]);
		if (living != LIVING_NONE) {
			const struct living *future = &outer->living.futures[living];

			address = future->address;
			state = future->begun ? future->state : STATE_UNRESUMED;
			node = future->node;
		} else if (outer->self_known && node != LIVING_NONE) {
			node = snapshots_place(inferred->snapshots, outer->type_id, node,
					       types[i], around->self,
					       poll->self_known ? poll->self : 0, &address);
		}
		around = inner_poll(inferred, outer, around, types[i], address, node, state);
		if (around)
			around->certain |= !outer->doubtful;
	}
	return around;
}

/* The innermost future living in outer's memory in which poll's future lies. */
static struct poll *place_by_memory(struct inferred *inferred, struct poll *outer,
				    const struct poll *poll)
{
	const struct living_set *set = &outer->living;
	struct poll *around;
	size_t found = 0;

	for (size_t i = 1; i < set->count; i++) {
		const struct living *future = &set->futures[i];
		struct snapshot_type type =
			snapshots_type(inferred->snapshots, future->type_id);

		/* One that has not begun has now. */
		if (poll->self_known && poll->self - future->address < type.size &&
		    future->parent == found && !type.complete &&
		    (future->type_id != poll->type_id || future->address != poll->self))
			found = i;
	}
	if (!found)
		return outer;
	around = living_poll(inferred, outer, set, found, false);
	for (struct poll *certain = around; certain && certain != outer;
	     certain = certain->parent)
		certain->certain = true;
	return around;
}

static bool has_trapped(const struct poll *outer, int64_t type_id, uint64_t address)
{
	return noted_find(outer->trapped, outer->trapped_count, type_id, address);
}

static int note_trapped(struct poll *outer, const struct poll *poll)
{
	/* It may go on for as long as the program does. */
	if (outer->hosts && has_trapped(outer, poll->type_id, poll->self))
		return 0;
	return noted_add(&outer->trapped, &outer->trapped_count, poll);
}

uint64_t inferred_host(const struct inferred *inferred, int64_t image_id,
		       uint64_t return_address)
{
	return inlining_function(inferred->inlining, image_id, return_address);
}

/* Are all the polls from poll out to host of coroutines? */
static bool are_coroutines(const struct inferred *inferred, const struct poll *poll,
			   const struct poll *host)
{
	for (; poll != host; poll = poll->parent)
		if (!snapshots_type(inferred->snapshots, poll->type_id).is_coroutine)
			return false;
	return true;
}

enum inferred_over inferred_over(const struct inferred *inferred, const struct poll *host,
				 const struct poll *poll)
{
	bool pending = false;

	for (size_t i = 0; i < host->inner_count; i++) {
		const struct poll *inner = host->inner[i];

		/* Combinators poll the next, or the same again. */
		if (inner->child_pending && !host->hidden &&
		    are_coroutines(inferred, inner, host))
			return INFERRED_IS_OVER;
		pending |= inner->child_pending;
	}
	return pending && has_trapped(host, poll->type_id, poll->self) ? INFERRED_MAY_BE_OVER
								       : INFERRED_GOES_ON;
}

/*
 * How many of the polls inlined around something in outer, types outermost first, are
 * outer itself: a function that runs a task has the poll of its future inlined.
 */
static size_t stands_for(const struct poll *outer, const int64_t *types, size_t count)
{
	return outer->runs_task && count && types[0] == outer->type_id;
}

/*
 * Between poll and outer there may be a function that is no poll, with polls inlined: a
 * closure, mostly. Put those in.
 */
static struct poll *place_by_host(struct inferred *inferred, struct poll *outer,
				  const struct poll *poll)
{
	int64_t types[2 * MOST_INLINED];
	uint64_t host = inferred_host(inferred, poll->image_id, poll->return_address);
	int64_t *found = types + MOST_INLINED;
	size_t around = 0;
	size_t count;

	if (!host)
		return outer;
	count = inlining_find(inferred->inlining, poll->image_id, host, poll->return_address,
			      found, MOST_INLINED, &outer->hidden);
	if (stands_for(outer, found, count))
		found++, count--;
	/* What is inlined into outer around its call of that function no address tells. */
	else if (count && outer->type_id)
		around = outer->self_known && poll->self_known
				 ? snapshots_path(inferred->snapshots, outer->type_id, found[0],
						  poll->self - outer->self, types, MOST_INLINED)
				 : LIVING_NONE;
	if (around == LIVING_NONE)
		return outer;
	memmove(types + around, found, count * sizeof(*found));
	return place_by_types(inferred, outer, poll, types, around + count);
}

/* Is poll called from the very function of outer? */
static bool calls_itself(const struct poll *outer, const struct poll *poll)
{
	/* The call ends where it returns to. */
	return poll->return_address - 1 - outer->function_address < outer->function_size;
}

int inferred_place(struct inferred *inferred, struct poll *poll)
{
	struct poll *outer = poll->parent;
	int64_t types[MOST_INLINED];
	size_t first;
	size_t count;
	struct poll *place;

	if (!outer)
		return 0;
	/* It may lie in the memory of any of those around it. */
	for (struct poll *around = outer; around; around = around->parent)
		if (!around->is_inferred && note_trapped(around, poll))
			return -1;
	count = inlining_find(inferred->inlining, outer->image_id, outer->function_address,
			      poll->return_address, types, MOST_INLINED, &outer->hidden);
	first = stands_for(outer, types, count);
	if (count > first)
		place = place_by_types(inferred, outer, poll, types + first, count - first);
	else if (calls_itself(outer, poll))
		place = outer;
	else
		place = place_by_memory(inferred, outer, poll);
	if (place == outer && !calls_itself(outer, poll))
		place = place_by_host(inferred, outer, poll);
	if (!place)
		return -1;
	if (place != outer) {
		outer->children--;
		put_into(poll, place);
	}
	return 0;
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
	poll = inner_poll(inferred, around, around, drop->type_id, drop->self, LIVING_NONE,
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
		    has_trapped(outer, set->futures[index].type_id,
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
		poll = living_poll(inferred, outer, &outer->living, i, false);
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
		poll = living_poll(inferred, outer, is_new ? after : &outer->living,
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

static void close_inner(struct inferred *inferred, struct poll *poll)
{
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
	for (size_t i = 0; i < outer->inner_count; i++) {
		struct poll *poll = outer->inner[i];

		/* Where a store would have ended a poll, none has: there was none. */
		if (snapshots_type(inferred->snapshots, poll->type_id).by_stores)
			poll->certain = false;
		close_inner(inferred, poll);
	}
	outer->inner_count = 0;
	if (outer->runs_task && !outer->store_seen &&
	    snapshots_type(inferred->snapshots, outer->type_id).by_stores)
		outer->uncounted = true;
}

static bool is_inside(const struct poll *poll, const struct poll *around)
{
	for (; poll; poll = poll->is_inferred ? poll->parent : NULL)
		if (poll == around)
			return true;
	return false;
}

/* Poll, inferred in outer, has ended, and with it what was inferred in it. */
static int end_at_store(struct inferred *inferred, struct poll *outer, struct poll *poll)
{
	struct poll **ended = malloc(outer->inner_count * sizeof(struct poll *));
	size_t ended_count = 0;
	size_t kept = 0;

	if (!ended)
		return -1;
	for (size_t i = 0; i < outer->inner_count; i++) {
		if (is_inside(outer->inner[i], poll))
			ended[ended_count++] = outer->inner[i];
		else
			outer->inner[kept++] = outer->inner[i];
	}
	outer->inner_count = kept;
	/* What is awaited first is pending, or ready, with what awaits it. */
	for (size_t i = 0; i < ended_count; i++)
		if (ended[i] != poll &&
		    (poll->result == POLL_PENDING || ended[i]->ordinal == 1))
			ended[i]->result = poll->result;
	for (size_t i = ended_count; i-- > 0;)
		if (ended[i]->result == POLL_PENDING)
			ended[i]->parent->child_pending = true;
	for (size_t i = 0; i < ended_count; i++)
		close_inner(inferred, ended[i]);
	free(ended);
	return 0;
}

int inferred_store(struct inferred *inferred, struct poll *outer, const struct store_end *end,
		   int64_t state, int64_t now)
{
	static const struct poll unknown; /* where the future lies nobody knows */
	int64_t types[MOST_INLINED];
	size_t first;
	size_t count = 0;
	struct poll *poll;

	for (size_t i = 0; i < end->around_count && count < MOST_INLINED - 1; i++)
		types[count++] = end->around[i];
	types[count++] = end->type_id;
	first = stands_for(outer, types, count);
	poll = place_by_types(inferred, outer, &unknown, types + first, count - first);
	if (!poll)
		return -1;
	poll->store_seen = true;
	poll->result = state == STATE_RETURNED   ? POLL_READY
		       : state == STATE_PANICKED ? POLL_PANICKED
						 : POLL_PENDING;
	/* The function itself ends it, and its time. */
	if (poll == outer)
		return 0;
	poll->certain = true;
	poll->by_store = true;
	poll->end_ns = now;
	poll->later_state = state;
	return end_at_store(inferred, outer, poll);
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
