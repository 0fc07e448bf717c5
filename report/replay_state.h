/*
 * What a replay knows, for the replay_*.c: replay_events.c takes the events of polls,
 * replay_calls.c those of other functions that tell of tasks and futures.
 */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

#include "call_stack.h"
#include "cancels.h"
#include "replay_events.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

/* Columns of replay_input. */
enum input_column {
	IN_EVENT,
	IN_TIME,
	IN_PID,
	IN_TID,
	IN_ADDRESS,
	IN_SP,
	IN_SELF,
	IN_STATE,
	IN_RESULT,
	IN_KIND,
	IN_ENTRY_PROBE,
	IN_TYPE,
	IN_SELF_KNOWN,
	IN_STATE_KNOWN,
	IN_EXITS,
	IN_RESULT_IS,
	IN_RESULT_VALUE,
	IN_TAIL_ADDRESS,
	IN_LINKED_ADDRESS,
	IN_SIZE,
	IN_RUNS_TASK,
	IN_IDLE,
	IN_IMAGE,
	IN_RETURN_ADDRESS,
	IN_BIAS,
	IN_SNAPSHOT,
	IN_BLOCKS_ON,
	IN_FUNCTION_SIZE,
	IN_RESULT_OTHER,
	IN_IS_SUSPEND,
};

/*
 * A hit of a probe of the user's own, which is given out as a row, like a poll. One that
 * comes just before the entry of a poll in the same function is in that poll: the traps
 * are of one instruction, or one is a little into the function.
 */
struct hit {
	struct poll row;   /* the poll it is in as its parent; first: it is released as one */
	struct hit *older; /* that waits for the same entry */
};

struct thread {
	int64_t tid;
	struct call_stack stack;
	struct drop_stack drops;
	struct hit *hits;  /* owned; not given out yet, the youngest */
	UT_hash_handle hh; /* keyed by tid */
};

/* A stretch of time in which samples were lost. */
struct loss {
	int64_t since_ns;
	int64_t until_ns;
};

struct replay {
	sqlite3 *db;
	sqlite3_stmt *input;       /* owned */
	struct thread *threads;    /* owned */
	struct thread *thread;     /* the one that the current event is of */
	struct futures *futures;   /* owned */
	struct inferred *inferred; /* owned */
	struct cancels *cancels;   /* owned */
	struct stores *stores;     /* owned */
	struct loss *losses;       /* owned */
	size_t loss_count;
	int64_t poll_count; /* polls begun so far */
	struct poll **rows; /* owned with its polls; done, to give out, oldest first */
	size_t row_count;
	size_t row_room;
	size_t row; /* the current one */
	bool input_ended;
	bool out_of_memory;
};

/* Give out poll, or what else its row says, which then is the replay's. */
void replay_add_row(struct replay *replay, struct poll *poll);

/* A call_stack_closed; context is the replay. */
void replay_closed(void *context, struct poll *poll);

/* Hits that are in the poll which begins now. */
void replay_claim_hits(const struct thread *thread, const struct poll *poll);

/* Give out the hits that wait: the entry they may have been before has not come. */
void replay_give_hits(struct replay *replay, struct thread *thread);

/* Take the current event: a hit of a probe of the user's own, ... */
void replay_hit(struct replay *replay, struct thread *thread);
/* ... a task that is spawned, ... */
void replay_spawn(struct replay *replay, struct thread *thread);
/* ... a waker that is called, ... */
void replay_wake(struct replay *replay, struct thread *thread);
/* ... a future that is dropped. */
void replay_drop(struct replay *replay, struct thread *thread);

#endif
