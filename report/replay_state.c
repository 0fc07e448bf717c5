#include "replay_state.h"

#include "asyncrec/array.h"
#include "futures.h"
#include "inferred.h"

#include <stdlib.h>

void replay_add_row(struct replay *replay, struct poll *poll)
{
	struct poll **grown =
		array_room(replay->rows, replay->row_count, &replay->row_room, sizeof(*grown));

	if (!grown) {
		replay->out_of_memory = true;
		free(poll);
		return;
	}
	replay->rows = grown;
	replay->rows[replay->row_count++] = poll;
}

/* May the exit of a poll between these times be among what was lost? */
static bool may_be_lost(const struct replay *replay, int64_t start_ns, int64_t end_ns)
{
	for (size_t i = 0; i < replay->loss_count; i++)
		if (replay->losses[i].until_ns >= start_ns &&
		    replay->losses[i].since_ns <= end_ns)
			return true;
	return false;
}

/* A call_stack_closed. */
void replay_closed(void *context, struct poll *poll)
{
	struct replay *replay = context;

	if (!poll->type_id) {
		if (inferred_settle(replay->inferred, poll, NULL))
			replay->out_of_memory = true;
		if (poll->blocked && poll->exits_known && !poll->running && !poll->unwound_ns)
			futures_finished(poll->blocked,
					 inferred_sees_all(replay->inferred,
							   futures_type(poll->blocked)));
		inferred_forget(poll);
		free(poll);
		return;
	}
	/* Left without passing an exit, all exits being probed: it panicked. */
	if (poll->unwound_ns && !may_be_lost(replay, poll->start_ns, poll->unwound_ns))
		poll->result = POLL_PANICKED;
	futures_end(replay->futures, poll);
}
