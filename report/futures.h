/*
 * The identity rule: which polls are of the same future.
 *
 * A future is known by process, address and type. A coroutine whose state is 0
 * (Unresumed) begins a new one at an old address. Other futures end when they were
 * ready, and with the coroutine that holds them in its memory. Where the address is
 * not known, the future that polls it stands for it.
 */
#ifndef FUTURES_H
#define FUTURES_H

#include "call_stack.h"

struct futures;

/*
 * Called for each poll when all is known of it, which then belongs to the callee; next
 * is the next poll of the same future, or NULL.
 */
typedef void futures_done(void *context, struct poll *poll, const struct poll *next);

/* Returns an empty set, or NULL when memory ran out. done gets context. */
struct futures *futures_new(futures_done *done, void *context);
void futures_free(struct futures *futures);

/*
 * The poll, which call_stack_enter has placed, begins: fill in its future, task and
 * chain. Returns 0, or -1 when memory ran out.
 */
int futures_begin(struct futures *futures, struct poll *poll);

/*
 * The last poll so far of the future of that type at that address, if it may be pending,
 * or NULL.
 */
struct poll *futures_last(struct futures *futures, int64_t pid, uint64_t address,
			  int64_t type_id);

/* The poll is closed, with its final result. */
void futures_end(struct futures *futures, struct poll *poll);

/*
 * The future is ready: what blocked on it has returned. all_seen: every poll of it has
 * trapped.
 */
void futures_finished(struct future *future, bool all_seen);

/* Its type: id in future_type. */
int64_t futures_type(const struct future *future);

/*
 * The future that a ROW_DROP is about, by its process, address and type: the last poll of
 * it that is not done, or NULL. Is one known at all that has not ended?
 */
struct poll *futures_last_poll(struct futures *futures, const struct poll *drop);
bool futures_knows(const struct futures *futures, const struct poll *drop);

/*
 * That future ends. Fills in its id and task, and the result of its last poll; not, and
 * what was known ends unseen, if the one dropped was never polled.
 */
void futures_dropped(struct futures *futures, struct poll *drop);

/* The recording ended: no poll will follow. */
void futures_finish(struct futures *futures);

#endif
