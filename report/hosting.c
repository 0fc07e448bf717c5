#include "hosting.h"

#include <stdlib.h>

/* Put the function that event is in on the stack; its frame reaches up to sp. */
static struct poll *push(const struct hosting *hosting, const struct poll *event,
			 uint64_t function_address, uint64_t sp)
{
	struct poll *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	*host = (struct poll){
		.event_id = event->event_id,
		.image_id = event->image_id,
		.pid = event->pid,
		.tid = event->tid,
		.start_ns = event->start_ns,
		.function_address = function_address,
		.sp = sp,
		.runs_task = true,
		.hosts = true,
	};
	if (call_stack_enter(hosting->stack, host, function_address, 0, hosting->closed,
			     hosting->context)) {
		free(host);
		return NULL;
	}
	return host;
}

/* The next poll in host begins with event. */
static int begin_next(const struct hosting *hosting, struct poll *host,
		      const struct poll *event)
{
	if (inferred_settle(hosting->inferred, host, event))
		return -1;
	host->event_id = event->event_id;
	host->start_ns = event->start_ns;
	host->end_ns = 0;
	host->children = 0;
	host->trapped_count = 0;
	return 0;
}

int hosting_enter(const struct hosting *hosting, const struct poll *poll, uint64_t address,
		  uint64_t loaded_address)
{
	/* As it is in the caller, whose call has pushed the return address. */
	uint64_t sp = poll->sp + sizeof(uint64_t);
	uint64_t function;
	struct poll *outer =
		call_stack_leave(hosting->stack, poll->sp, poll->start_ns, address,
				 loaded_address, hosting->closed, hosting->context);

	/* Most polls are made by another. */
	if (outer && outer->type_id)
		return 0;
	function = inferred_host(hosting->inferred, poll->image_id, poll->return_address);
	if (!function)
		return 0;
	if (outer && outer->hosts && outer->function_address != function && outer->sp == sp) {
		call_stack_unwind(hosting->stack, poll->start_ns, hosting->closed,
				  hosting->context);
		outer = NULL;
	}
	if (outer && outer->function_address == function)
		outer->hosts = true;
	if (!outer || !outer->hosts) {
		outer = push(hosting, poll, function, sp);
		return outer ? 0 : -1;
	}
	if (!outer->inner_count)
		outer->start_ns = poll->start_ns;
	switch (inferred_over(hosting->inferred, outer, poll)) {
	case INFERRED_GOES_ON:
		return 0;
	case INFERRED_MAY_BE_OVER:
		outer->doubtful = true;
		break;
	case INFERRED_IS_OVER:
		outer->doubtful = false;
		break;
	}
	return begin_next(hosting, outer, poll);
}

struct poll *hosting_store(const struct hosting *hosting, const struct poll *event)
{
	struct poll *outer =
		call_stack_find(hosting->stack, event->function_address, event->sp);

	if (outer && outer->type_id)
		return outer;
	if (!outer || outer->function_address != event->function_address) {
		outer = push(hosting, event, event->function_address, event->sp);
		if (!outer)
			return NULL;
	}
	outer->hosts = true;
	/* Of the poll that the store ends this is all that is known, unless it made a call. */
	if (!outer->inner_count) {
		outer->event_id = event->event_id;
		outer->start_ns = event->start_ns;
	}
	return outer;
}
