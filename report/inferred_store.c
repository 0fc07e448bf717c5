#include "inferred_polls.h"

#include <stdlib.h>

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
		if (ended[i] != poll && ended[i]->result == POLL_UNKNOWN &&
		    (poll->result == POLL_PENDING ||
		     (poll->result == POLL_READY && ended[i]->ordinal == 1)))
			ended[i]->result = poll->result;
	for (size_t i = ended_count; i-- > 0;)
		if (ended[i]->result == POLL_PENDING)
			ended[i]->parent->child_pending = true;
	for (size_t i = 0; i < ended_count; i++)
		inferred_close(inferred, ended[i]);
	free(ended);
	return 0;
}

/* Poll, inferred in outer, polled what it awaits in that state, with that result. */
static int add_awaitee(struct inferred *inferred, struct poll *outer, struct poll *poll,
		       const struct stores *stores, int64_t state, enum poll_result result)
{
	int64_t type_id = stores_awaitee(stores, poll->type_id, state);
	struct poll *awaitee;

	if (!type_id)
		return 0;
	awaitee = inferred_poll(inferred, outer, poll, type_id, 0, LIVING_NONE, STATE_UNKNOWN);
	if (!awaitee)
		return -1;
	awaitee->certain = true;
	awaitee->result = result;
	return 0;
}

/*
 * A store of state ended poll. A coroutine first polls what it was suspended at, and is
 * suspended where what it awaits is pending; what else it polled nobody knows.
 */
static int add_awaitees(struct inferred *inferred, struct poll *outer, struct poll *poll,
			const struct stores *stores, int64_t state)
{
	int64_t before = poll->state_known ? poll->state_before : STATE_UNKNOWN;
	enum poll_result result = state == before           ? POLL_PENDING
				  : state == STATE_PANICKED ? POLL_UNKNOWN
							    : POLL_READY;

	return add_awaitee(inferred, outer, poll, stores, before, result) ||
			       (state != before &&
				add_awaitee(inferred, outer, poll, stores, state, POLL_PENDING))
		       ? -1
		       : 0;
}

int inferred_store(struct inferred *inferred, struct poll *outer, const struct stores *stores,
		   const struct store_end *end, int64_t state, int64_t now)
{
	static const struct poll unknown; /* where the future lies nobody knows */
	int64_t types[MOST_INLINED];
	size_t first;
	size_t count = 0;
	struct poll *poll;

	for (size_t i = 0; i < end->around_count && count < MOST_INLINED - 1; i++)
		types[count++] = end->around[i];
	types[count++] = end->type_id;
	first = inferred_stands_for(outer, types, count);
	poll = inferred_place_types(inferred, outer, &unknown, types + first, count - first);
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
	poll->later_state = state;
	poll->end_ns = now;
	if (add_awaitees(inferred, outer, poll, stores, state))
		return -1;
	return end_at_store(inferred, outer, poll);
}
