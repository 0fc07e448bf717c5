#include "call_stack.h"

#include "asyncrec/array.h"

#include <stdlib.h>

static struct poll *innermost(const struct call_stack *stack)
{
	return stack->count ? stack->polls[stack->count - 1] : NULL;
}

static void close_innermost(struct call_stack *stack, call_stack_closed *closed, void *context)
{
	struct poll *poll = stack->polls[--stack->count];

	poll->closed = true;
	if (poll->parent && poll->result == POLL_PENDING)
		poll->parent->child_pending = true;
	/* An inferred poll around it has no time of its own. */
	for (struct poll *outer = poll->parent; outer && poll->end_ns; outer = outer->parent) {
		outer->children_ns += poll->end_ns - poll->start_ns;
		/* What is inlined into a function that is no poll has no end but this. */
		if (outer->hosts)
			outer->end_ns = poll->end_ns;
		if (!outer->is_inferred)
			break;
	}
	/* What encloses it may be gone from now on. */
	poll->parent = NULL;
	poll->container = NULL;
	closed(context, poll);
}

void call_stack_unwind(struct call_stack *stack, int64_t now, call_stack_closed *closed,
		       void *context)
{
	struct poll *poll = innermost(stack);

	if (!poll->in_tail_call && poll->exits_known)
		poll->unwound_ns = now;
	close_innermost(stack, closed, context);
}

static void find_place(const struct call_stack *stack, struct poll *poll)
{
	for (size_t i = stack->count; i-- > 0;) {
		struct poll *outer = stack->polls[i];

		if (!outer->type_id && !outer->hosts)
			return;
		if (!poll->parent) {
			poll->parent = outer;
			poll->parent_id = outer->id;
			poll->ordinal = ++outer->children;
		}
		if (outer->state_known && outer->self_known && poll->self_known &&
		    poll->self - outer->self < outer->size) {
			poll->container = outer;
			return;
		}
		if (outer->runs_task || outer->hosts)
			return;
	}
}

struct poll *call_stack_leave(struct call_stack *stack, uint64_t sp, int64_t now,
			      uint64_t address, uint64_t loaded_address,
			      call_stack_closed *closed, void *context)
{
	struct poll *outer;

	while ((outer = innermost(stack)) && outer->sp <= sp) {
		if (outer->in_tail_call && outer->sp == sp &&
		    outer->tail_target == (outer->tail_is_linked ? address : loaded_address))
			break;
		call_stack_unwind(stack, now, closed, context);
	}
	return outer;
}

int call_stack_enter(struct call_stack *stack, struct poll *poll, uint64_t address,
		     uint64_t loaded_address, call_stack_closed *closed, void *context)
{
	struct poll **grown;

	call_stack_leave(stack, poll->sp, poll->start_ns, address, loaded_address, closed,
			 context);
	grown = array_room(stack->polls, stack->count, &stack->room, sizeof(*grown));
	if (!grown)
		return -1;
	stack->polls = grown;
	if (!poll->runs_task)
		find_place(stack, poll);
	stack->polls[stack->count++] = poll;
	return 0;
}

bool call_stack_is_same(const struct call_stack *stack, const struct poll *poll)
{
	const struct poll *outer = innermost(stack);

	return outer && outer->runs_task && outer->sp > poll->sp && !poll->runs_task &&
	       outer->type_id == poll->type_id && outer->self_known && poll->self_known &&
	       outer->self == poll->self && outer->tid == poll->tid;
}

void call_stack_tail_call(struct poll *poll, int64_t now, uint64_t target, bool is_linked)
{
	poll->end_ns = now;
	poll->in_tail_call = true;
	poll->tail_is_linked = is_linked;
	poll->tail_target = target;
}

struct poll *call_stack_exit(struct call_stack *stack, uint64_t sp, int64_t now,
			     int64_t probe_id, call_stack_closed *closed, void *context)
{
	struct poll *poll;

	while ((poll = innermost(stack)) && poll->sp < sp)
		call_stack_unwind(stack, now, closed, context);
	return poll && poll->sp == sp && poll->probe_id == probe_id && !poll->in_tail_call
		       ? poll
		       : NULL;
}

void call_stack_return(struct call_stack *stack, int64_t now, enum poll_result result,
		       call_stack_closed *closed, void *context)
{
	struct poll *poll = innermost(stack);
	uint64_t sp = poll->sp;

	do {
		poll->end_ns = now;
		/* The store that ended it may have told. */
		if (result != POLL_UNKNOWN)
			poll->result = result;
		close_innermost(stack, closed, context);
		poll = innermost(stack);
	} while (poll && poll->sp == sp && poll->in_tail_call);
}

struct poll *call_stack_executor(const struct call_stack *stack)
{
	for (size_t i = stack->count; i-- > 0;)
		if (stack->polls[i]->runs_task && stack->polls[i]->probe_id)
			return stack->polls[i];
	return NULL;
}

struct poll *call_stack_find(const struct call_stack *stack, uint64_t address, uint64_t sp)
{
	for (size_t i = stack->count; i-- > 0;) {
		struct poll *poll = stack->polls[i];

		if (poll->sp < sp)
			continue;
		/* At the depth of its entry is the function itself, or one called later. */
		if (poll->sp == sp && poll->function_address != address &&
		    !(poll->in_tail_call && poll->tail_is_linked &&
		      poll->tail_target == address))
			continue;
		return poll;
	}
	return NULL;
}

void call_stack_end(struct call_stack *stack, call_stack_closed *closed, void *context)
{
	struct poll *poll;

	while ((poll = innermost(stack))) {
		poll->running = !poll->in_tail_call && poll->exits_known;
		close_innermost(stack, closed, context);
	}
}

void call_stack_free(struct call_stack *stack)
{
	free(stack->polls);
	*stack = (struct call_stack){0};
}
