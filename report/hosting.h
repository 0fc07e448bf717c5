/*
 * Functions that are no polls but have polls inlined: a `block_on`, mostly, whose future
 * lies in its own frame. Nothing but the calls that such a function makes, and the stores
 * in it, tells of those polls, and nothing of where one ends and the next begins; the
 * function stands on the call stack for what is around them (poll.hosts).
 *
 * The frame could be read at those calls, at offsets that the debug information has for
 * each place of a call. But LLVM keeps the parts of a future whose address goes nowhere in
 * registers, and its state in the place that runs: memory then holds an old one, or none.
 */
#ifndef HOSTING_H
#define HOSTING_H

#include "call_stack.h"
#include "inferred.h"

/* What the functions here work on; all borrowed. */
struct hosting {
	struct inferred *inferred;
	struct call_stack *stack;  /* of the thread that the event is of */
	call_stack_closed *closed; /* for polls that are shown to have been left */
	void *context;             /* of closed */
};

/*
 * Before poll is entered (address, loaded_address: as call_stack_enter): if it is called
 * from code of a poll that is inlined into a function which is no poll, let that be on the
 * stack, and begin the next poll in it if this cannot be of the one before. Returns 0, or -1
 * when memory ran out.
 */
int hosting_enter(const struct hosting *hosting, const struct poll *poll, uint64_t address,
		  uint64_t loaded_address);

/*
 * Before a store at stack pointer event->sp in the function event->function_address, which
 * tells of a poll, is taken: the poll it is in, or the function, put on the stack if need
 * be; event has what such a function takes over: event_id, image_id, pid, tid, start_ns.
 * NULL when memory ran out.
 */
struct poll *hosting_store(const struct hosting *hosting, const struct poll *event);

#endif
