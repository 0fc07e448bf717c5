#include "futures.h"

#include "asyncrec/coroutine.h"

#include <stdlib.h>
#include <uthash.h>

struct future_key {
	int64_t pid;
	uint64_t address; /* or the id of the future that polls it */
	int64_t type_id;
	int64_t address_known;
};

/* The youngest future of its key. */
struct future {
	struct future_key key;
	int64_t id;
	int64_t task_id;             /* 0: no task's root */
	int64_t container_future_id; /* of the coroutine that holds it; 0: none */
	struct poll *last;           /* its last poll, not done yet; NULL: done */
	struct poll *final; /* the one that was done when the recording ended, or NULL */
	enum poll_result last_result;
	bool dropped;      /* a trap told so: the next poll is of another one */
	UT_hash_handle hh; /* keyed by key */
};

/* A chain is its last type and the chain that polls it. */
struct chain_key {
	int64_t parent_id;
	int64_t type_id;
};

struct chain {
	struct chain_key key;
	int64_t id;
	UT_hash_handle hh; /* keyed by key */
};

struct futures {
	struct future *by_key; /* owned */
	struct chain *chains;  /* owned */
	int64_t future_count;
	int64_t task_count;
	futures_done *done;
	void *context;
};

struct futures *futures_new(futures_done *done, void *context)
{
	struct futures *futures = calloc(1, sizeof(*futures));

	if (futures) {
		futures->done = done;
		futures->context = context;
	}
	return futures;
}

void futures_free(struct futures *futures)
{
	struct future *future;
	struct future *next_future;
	struct chain *chain;
	struct chain *next_chain;

	if (!futures)
		return;
	HASH_ITER(hh, futures->by_key, future, next_future)
	{
		HASH_DEL(futures->by_key, future);
		free(future);
	}
	HASH_ITER(hh, futures->chains, chain, next_chain)
	{
		HASH_DEL(futures->chains, chain);
		free(chain);
	}
	free(futures);
}

static int64_t chain_of(struct futures *futures, int64_t parent_id, int64_t type_id)
{
	struct chain_key key = {parent_id, type_id};
	struct chain *chain;

	HASH_FIND(hh, futures->chains, &key, sizeof(key), chain);
	if (chain)
		return chain->id;
	chain = calloc(1, sizeof(*chain));
	if (!chain)
		return 0;
	chain->key = key;
	chain->id = HASH_COUNT(futures->chains) + 1;
	HASH_ADD(hh, futures->chains, key, sizeof(chain->key), chain);
	return chain->id;
}

/* Is poll of a younger future than the one that had its key until now? */
static bool begins_future(const struct future *future, const struct poll *poll)
{
	bool ended = future->last_result == POLL_READY || future->last_result == POLL_PANICKED;

	if (!future->id || future->dropped)
		return true;
	/* Two polls of one future cannot overlap: its end was lost. */
	if (future->last && !future->last->closed && !future->last->runs_task)
		return true;
	if (!poll->state_known)
		return ended || future->container_future_id != poll->container_future_id;
	if (poll->state_before == STATE_UNRESUMED)
		return true;
	return ended && poll->state_before >= STATE_SUSPENDED;
}

/* What the state in which a future was dropped tells of its last poll. */
static void apply_drop(struct poll *poll)
{
	if (!poll->drop_seen)
		return;
	if (poll->drop_state >= STATE_SUSPENDED)
		poll->result = POLL_PENDING;
	else if ((poll->result == POLL_UNKNOWN || poll->is_inferred) &&
		 poll->drop_state >= STATE_RETURNED)
		poll->result = poll->drop_state == STATE_RETURNED ? POLL_READY : POLL_PANICKED;
	poll->dropped = poll->result == POLL_PENDING;
}

/* All is known of the last poll of future; next is the one after it, or NULL. */
static void settle(struct futures *futures, struct future *future, const struct poll *next)
{
	struct poll *poll = future->last;

	future->last = NULL;
	if (!poll)
		return;
	apply_drop(poll);
	/* A coroutine that is polled while suspended had returned Pending. */
	if (poll->result == POLL_UNKNOWN && next && next->state_known &&
	    next->state_before >= STATE_SUSPENDED)
		poll->result = POLL_PENDING;
	/* So did one that is found suspended at the end. */
	if (poll->result == POLL_UNKNOWN && !next && poll->final.count &&
	    poll->final.futures[0].state >= STATE_SUSPENDED)
		poll->result = POLL_PENDING;
	poll->state_after = -1;
	if (poll->state_known && poll->result == POLL_READY)
		poll->state_after = STATE_RETURNED;
	else if (poll->state_known && poll->result == POLL_PANICKED)
		poll->state_after = STATE_PANICKED;
	else if (next && next->state_known)
		poll->state_after = next->state_before;
	else if (poll->drop_seen)
		poll->state_after = poll->drop_state;
	else if (poll->later_state)
		poll->state_after = poll->later_state;
	else if (!next && poll->final.count)
		poll->state_after = poll->final.futures[0].state;
	/* What is inferred waits from poll to poll of the one that shows it. */
	if (!poll->is_inferred || poll->by_store)
		poll->wait_ns = poll->result == POLL_PENDING && next && poll->end_ns
					? next->start_ns - poll->end_ns
					: -1;
	poll->is_last = !next;
	poll->future = NULL;
	futures->done(futures->context, poll, next);
}

/*
 * An executor's function goes on for a moment after the poll that it stands for, when
 * another thread may already poll again. Returns that poll, as ended now; what is left
 * on the stack is just the function. NULL: out of memory.
 */
static struct poll *overtaken(struct poll *open, int64_t now)
{
	struct poll *ended = malloc(sizeof(*ended));

	if (!ended)
		return NULL;
	*ended = *open;
	ended->end_ns = now;
	ended->closed = true;
	for (size_t i = 0; i < ended->inner_count; i++)
		if (ended->inner[i]->parent == open)
			ended->inner[i]->parent = ended;
	open->type_id = 0;
	open->future = NULL;
	open->living = (struct living_set){0};
	open->inner = NULL;
	open->inner_count = 0;
	open->trapped = NULL;
	open->trapped_count = 0;
	return ended;
}

/* A younger future takes the key of future. */
static void replace(struct futures *futures, struct future *future)
{
	if (future->last) {
		future->last->dropped = future->last->result == POLL_PENDING;
		/* One that is still open settles itself when it is closed. */
		if (future->last->closed) {
			settle(futures, future, NULL);
		} else {
			future->last->future = NULL;
			future->last = NULL;
		}
	}
	future->id = ++futures->future_count;
	future->task_id = 0;
	future->dropped = false;
}

/* Does another poll make this one? An executor's function is none. */
static bool is_awaited(const struct poll *poll)
{
	return poll->parent && poll->parent->type_id;
}

static struct future *future_of(struct futures *futures, const struct poll *poll)
{
	struct future_key key = {
		.pid = poll->pid,
		.address = poll->self_known   ? poll->self
			   : is_awaited(poll) ? (uint64_t)poll->parent->future_id
					      : (uint64_t)poll->tid,
		.type_id = poll->type_id,
		.address_known = poll->self_known,
	};
	struct future *future;

	HASH_FIND(hh, futures->by_key, &key, sizeof(key), future);
	if (future)
		return future;
	future = calloc(1, sizeof(*future));
	if (!future)
		return NULL;
	future->key = key;
	HASH_ADD(hh, futures->by_key, key, sizeof(future->key), future);
	return future;
}

int futures_begin(struct futures *futures, struct poll *poll)
{
	struct future *future = future_of(futures, poll);

	if (!future)
		return -1;
	if (future->last && !future->last->closed && future->last->runs_task) {
		future->last = overtaken(future->last, poll->start_ns);
		if (!future->last)
			return -1;
	}
	poll->container_future_id = poll->container ? poll->container->future_id : 0;
	if (begins_future(future, poll)) {
		replace(futures, future);
	} else {
		if (!poll->state_known && future->last && future->last->by_store &&
		    future->last->later_state >= STATE_SUSPENDED) {
			poll->state_before = future->last->later_state;
			poll->state_known = true;
		}
		settle(futures, future, poll);
	}
	/* Inferred in one that ended after the last of its own, which was none then. */
	if (future->final)
		future->final->is_last = false;
	future->final = NULL;
	future->container_future_id = poll->container_future_id;
	future->last = poll;
	future->last_result = POLL_UNKNOWN;
	poll->future = future;
	poll->future_id = future->id;
	if (is_awaited(poll)) {
		poll->task_id = poll->parent->task_id;
		poll->parent_chain_id = poll->parent->chain_id;
	} else {
		if (!future->task_id)
			future->task_id = ++futures->task_count;
		poll->task_id = future->task_id;
	}
	poll->chain_id = chain_of(futures, poll->parent_chain_id, poll->type_id);
	return poll->chain_id ? 0 : -1;
}

struct poll *futures_last(struct futures *futures, int64_t pid, uint64_t address,
			  int64_t type_id)
{
	struct future_key key = {
		.pid = pid, .address = address, .type_id = type_id, .address_known = true};
	struct future *future;

	HASH_FIND(hh, futures->by_key, &key, sizeof(key), future);
	return future && future->last && future->last->closed && !future->last->running &&
			       (future->last->result == POLL_PENDING ||
				future->last->result == POLL_UNKNOWN)
		       ? future->last
		       : NULL;
}

static struct future *known_future(const struct futures *futures, const struct poll *drop)
{
	struct future_key key = {.pid = drop->pid,
				 .address = drop->self,
				 .type_id = drop->type_id,
				 .address_known = true};
	struct future *future;

	HASH_FIND(hh, futures->by_key, &key, sizeof(key), future);
	return future && !future->dropped ? future : NULL;
}

struct poll *futures_last_poll(struct futures *futures, const struct poll *drop)
{
	const struct future *future = known_future(futures, drop);

	return future ? future->last : NULL;
}

bool futures_knows(const struct futures *futures, const struct poll *drop)
{
	return known_future(futures, drop) != NULL;
}

void futures_dropped(struct futures *futures, struct poll *drop)
{
	struct future *future = known_future(futures, drop);
	bool is_other = drop->state_known && drop->state_before == STATE_UNRESUMED;

	if (!future)
		return;
	/* It was done in a poll that did not trap, and that is yet to be inferred. */
	if (drop->state_known && drop->state_before > STATE_UNRESUMED &&
	    drop->state_before < STATE_SUSPENDED && future->last && future->last->closed &&
	    future->last_result == POLL_PENDING)
		return;
	future->dropped = true;
	if (!is_other) {
		drop->future_id = future->id;
		drop->task_id = future->last ? future->last->task_id : 0;
		drop->result = future->last_result;
	}
	if (!future->last)
		return;
	future->last->drop_seen = !is_other;
	future->last->drop_state = drop->state_known ? drop->state_before : -1;
	if (is_other)
		future->last->dropped = future->last->result == POLL_PENDING;
	/* One that is open, if only because what it was inferred from is, ends later. */
	if (future->last->closed)
		settle(futures, future, NULL);
}

void futures_end(struct futures *futures, struct poll *poll)
{
	struct future *future = poll->future;

	if (!future) {
		/* Its key went to a younger future while it was open. */
		struct future gone = {.last = poll};

		settle(futures, &gone, NULL);
		return;
	}
	apply_drop(poll);
	future->last_result = poll->result;
}

int64_t futures_type(const struct future *future)
{
	return future->key.type_id;
}

void futures_finished(struct future *future, bool all_seen)
{
	if (!future->last)
		return;
	future->last->finished = true;
	if (all_seen && future->last->result == POLL_UNKNOWN)
		future->last->result = POLL_READY;
	future->last_result = POLL_READY;
}

void futures_finish(struct futures *futures)
{
	struct future *future;

	/* Polls inferred in others end with those, and new ones may yet be inferred. */
	for (future = futures->by_key; future; future = future->hh.next) {
		if (!future->last || future->last->is_inferred)
			continue;
		/* It is given out when all futures have finished. */
		future->final = future->last;
		settle(futures, future, NULL);
	}
	for (future = futures->by_key; future; future = future->hh.next)
		settle(futures, future, NULL);
}
