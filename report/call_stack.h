/*
 * The stack rule: which poll is inside which.
 *
 * Entries and exits carry the stack pointer as it is with the return address on
 * top. Stacks grow down, so a poll whose entry had a stack pointer at or below
 * that of a later entry on the same thread has been left, be it through an exit
 * or by an unwinding panic; and the two ends of one call have it equal. A poll that
 * leaves by a jump to another poll function stays open until that one returns.
 */
#ifndef CALL_STACK_H
#define CALL_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum poll_result {
	POLL_UNKNOWN,
	POLL_PENDING,
	POLL_READY,
	POLL_PANICKED,
};

#include "snapshot.h"

/* What a row of the replay is. */
enum row_kind {
	ROW_POLL,
	ROW_HIT,      /* of a probe of the user's own */
	ROW_SPAWN,    /* of a task */
	ROW_WAKE,     /* a call of a waker */
	ROW_EXECUTOR, /* of a poll that runs tasks: it is an executor's own */
	ROW_DROP,     /* of a future that was not done */
};

/* Who drops a future. */
enum dropper {
	DROPPED_BY_POLL,     /* the poll around it */
	DROPPED_BY_ABORT,    /* the executor, which found the task cancelled as it ran it */
	DROPPED_BY_EXECUTOR, /* another function of it, as when the runtime ends */
	DROPPED_OUTSIDE,     /* a thread in no poll */
};

struct future;

/* A poll that trapped, made by another. */
struct trapped {
	int64_t type_id;
	uint64_t address; /* of the future */
	int64_t state;    /* of one that was dropped: then; -1: not known */
};

/* One poll. An id of 0 means none; times are CLOCK_MONOTONIC ns, 0: not known. */
struct poll {
	enum row_kind row; /* what else it may be has few of its members */
	/* what the entry says */
	int64_t event_id;
	int64_t type_id; /* 0: no poll, but an executor's function that runs a task */
	int64_t pid;
	int64_t tid;
	int64_t probe_id; /* of the entry */
	uint64_t sp;
	uint64_t self;
	uint64_t size; /* bytes of the future; 0: unknown */
	int64_t start_ns;
	int64_t state_before;
	bool self_known;
	bool state_known;
	bool exits_known; /* every exit of the function is probed */
	bool runs_task; /* an executor's function that runs a task, itself awaited by nobody */
	bool hosts;     /* no poll, but polls are inlined into it: see inferred.h */
	bool blocks_on; /* an executor's function that returns when its one future is ready */
	bool executes; /* functions that run tasks were called in it: it is an executor's own */
	int64_t runner_event_id; /* entry of the executor's function that runs the task whose
				  * root this polls; 0: unknown, or it is no root */
	int64_t image_id;
	uint64_t function_address; /* of its poll function, as linked */
	uint64_t function_size;    /* bytes; 0: unknown */
	uint64_t return_address;   /* where the call came from, as linked */
	/* where it stands */
	int64_t id;             /* set by the caller */
	struct poll *parent;    /* the poll around it; NULL: an executor made it */
	struct poll *container; /* nearest poll around it whose coroutine holds this future */
	int64_t parent_id;      /* of parent, which may be gone before this poll */
	int64_t ordinal;        /* among its parent's children, from 1 */
	int64_t children;       /* polls it has made so far */
	int64_t children_ns;    /* spent in them */
	bool child_pending;     /* one of them returned Pending */
	/* how it ended */
	enum poll_result result;
	int64_t end_ns;
	int64_t unwound_ns; /* by this time it had been left without passing an exit */
	bool running;       /* it was open when the events ended */
	bool closed;
	/* a tail call that may still run */
	bool in_tail_call;
	bool tail_is_linked; /* tail_target is an address as linked, else as in the process */
	uint64_t tail_target;
	/* of inferred.c */
	struct living_set living; /* what lives in the future's memory before it */
	struct living_set final;  /* of a future's last poll: what lives there at the end */
	struct poll **inner;      /* owned array; polls inferred in it */
	size_t inner_count;
	struct trapped *trapped; /* owned; polls that trapped which it made */
	size_t trapped_count;
	struct trapped *drops; /* owned; futures that were dropped in it */
	size_t drop_count;
	bool is_inferred;    /* no trap of its own tells of it */
	bool certain;        /* inferred: it happened, else it is likely */
	bool by_store;       /* inferred: a trap at the store that ended it tells of it */
	bool store_seen;     /* there was such a trap */
	bool uncounted;      /* no store ended it, though one would have */
	bool doubtful;       /* hosts: the poll in it may be the one before, which goes on */
	bool hidden;         /* hosts: inlined polls around its calls were not chosen */
	size_t node;         /* inferred: as in struct living */
	int64_t later_state; /* inferred: in which it left a coroutine; 0: not known */
	/* of futures.c */
	struct future *future;
	int64_t future_id;
	int64_t container_future_id;
	int64_t task_id; /* of no poll: of the last one in it */
	int64_t chain_id;
	int64_t parent_chain_id;
	int64_t state_after; /* -1: not known */
	int64_t wait_ns;     /* -1: not known */
	bool is_last;        /* of its future */
	bool drop_seen;      /* there was a trap as the future was dropped after this poll, */
	int64_t drop_state;  /* in this state; -1: not known */
	bool dropped; /* the future was dropped, or gone when its memory was used again */
	enum dropper dropper; /* ROW_DROP: who does it */
	bool finished; /* the future was ready when the function that polled it returned */
	struct future *blocked; /* blocks_on: the future that it polls; NULL: not known */
};

/* The open polls of one thread, outermost first. Zeroed: none. */
struct call_stack {
	struct poll **polls; /* owned array; the polls belong to who made them */
	size_t count;
	size_t room;
};

/* Called for each poll as it ends or is found to have ended. */
typedef void call_stack_closed(void *context, struct poll *poll);

/*
 * A poll begins, its first part filled in; address is its function's as linked,
 * loaded_address as in the process. Ends the polls that it shows to have been left
 * and fills in where it stands. Returns 0, or -1 when memory ran out.
 */
int call_stack_enter(struct call_stack *stack, struct poll *poll, uint64_t address,
		     uint64_t loaded_address, call_stack_closed *closed, void *context);

/* As address and loaded_address: of what is no poll, so no poll jumps to it. */
#define CALL_STACK_NO_POLL UINT64_MAX

/*
 * A poll, or what else is called, begins at stack pointer sp: end those that it shows to
 * have been left, and return the innermost that is open, or NULL. address and
 * loaded_address as above.
 */
struct poll *call_stack_leave(struct call_stack *stack, uint64_t sp, int64_t now,
			      uint64_t address, uint64_t loaded_address,
			      call_stack_closed *closed, void *context);

/* End the innermost, which has been left before now without passing an exit. */
void call_stack_unwind(struct call_stack *stack, int64_t now, call_stack_closed *closed,
		       void *context);

/*
 * Does poll, which begins, poll the future for whose poll the innermost one stands, an
 * executor's function?
 */
bool call_stack_is_same(const struct call_stack *stack, const struct poll *poll);

/* The poll leaves by a tail call to target. */
void call_stack_tail_call(struct poll *poll, int64_t now, uint64_t target, bool is_linked);

/*
 * The open poll whose exit a trap of entry probe probe_id's function at stack
 * pointer sp is, or NULL if its entry was not seen. Ends what is shown left.
 */
struct poll *call_stack_exit(struct call_stack *stack, uint64_t sp, int64_t now,
			     int64_t probe_id, call_stack_closed *closed, void *context);

/*
 * The poll, which call_stack_exit gave, returned. So do those that called it as
 * their last act.
 */
void call_stack_return(struct call_stack *stack, int64_t now, enum poll_result result,
		       call_stack_closed *closed, void *context);

/* The innermost function of an executor, which makes polls but hosts none alone; or NULL. */
struct poll *call_stack_executor(const struct call_stack *stack);

/*
 * The innermost open poll, or function of an executor, that a point in the function at
 * address was passed in, at stack pointer sp; NULL: none.
 */
struct poll *call_stack_find(const struct call_stack *stack, uint64_t address, uint64_t sp);

/* The thread or the recording ended: every open poll goes on, or nobody knows. */
void call_stack_end(struct call_stack *stack, call_stack_closed *closed, void *context);

void call_stack_free(struct call_stack *stack);

#endif
