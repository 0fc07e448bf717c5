#include "replay_state.h"

#include "cancels.h"
#include "inferred.h"

#include <stdlib.h>

/* The hit was in that poll; NULL: in none. */
static void place_hit(struct hit *hit, const struct poll *poll)
{
	hit->row.parent_id = poll ? poll->id : 0;
	hit->row.future_id = poll ? poll->future_id : 0;
	hit->row.task_id = poll ? poll->task_id : 0;
}

/* Hits that are in the poll which begins now. */
void replay_claim_hits(const struct thread *thread, const struct poll *poll)
{
	for (struct hit *hit = thread->hits; hit; hit = hit->older)
		if (hit->row.function_address == poll->function_address &&
		    hit->row.sp == poll->sp)
			place_hit(hit, poll->type_id ? poll : NULL);
}

void replay_give_hits(struct replay *replay, struct thread *thread)
{
	while (thread->hits) {
		struct hit *hit = thread->hits;

		thread->hits = hit->older;
		replay_add_row(replay, &hit->row);
	}
}

void replay_hit(struct replay *replay, struct thread *thread)
{
	sqlite3_stmt *row = replay->input;
	struct hit *hit = calloc(1, sizeof(*hit));
	const struct poll *around;

	if (!hit) {
		replay->out_of_memory = true;
		return;
	}
	hit->row = (struct poll){
		.row = ROW_HIT,
		.event_id = sqlite3_column_int64(row, IN_EVENT),
		.probe_id = sqlite3_column_int64(row, IN_ENTRY_PROBE),
		.function_address = (uint64_t)sqlite3_column_int64(row, IN_LINKED_ADDRESS),
		.sp = (uint64_t)sqlite3_column_int64(row, IN_SP),
	};
	around = call_stack_find(&thread->stack, hit->row.function_address, hit->row.sp);
	place_hit(hit, around && around->type_id ? around : NULL);
	/* On the way to one entry the probes, numbered by address, go up. */
	if (thread->hits && (thread->hits->row.function_address != hit->row.function_address ||
			     thread->hits->row.sp != hit->row.sp ||
			     thread->hits->row.probe_id >= hit->row.probe_id))
		replay_give_hits(replay, thread);
	hit->older = thread->hits;
	thread->hits = hit;
}

/* The poll, inlined into host, from whose code what the row tells of was called; or NULL. */
static const struct poll *hosted(struct replay *replay, const struct poll *host)
{
	sqlite3_stmt *row = replay->input;
	uint64_t function =
		inferred_host(replay->inferred, sqlite3_column_int64(row, IN_IMAGE),
			      (uint64_t)sqlite3_column_int64(row, IN_RETURN_ADDRESS));

	return function == host->function_address && host->inner_count
		       ? host->inner[host->inner_count - 1]
		       : NULL;
}

/* The innermost poll, or executor's function, in which what the row tells of was called. */
static const struct poll *caller_of(struct replay *replay, const struct thread *thread)
{
	sqlite3_stmt *row = replay->input;
	const struct poll *around = call_stack_find(
		&thread->stack, (uint64_t)sqlite3_column_int64(row, IN_LINKED_ADDRESS),
		(uint64_t)sqlite3_column_int64(row, IN_SP));

	if (around && around->hosts)
		around = hosted(replay, around);
	/* One whose end no probe tells may be over; a block_on does much besides polls. */
	return around && (around->exits_known || around->is_inferred) && !around->blocks_on
		       ? around
		       : NULL;
}

/*
 * A row for a trap that tells of a wake or spawn, in which poll, or on behalf of which
 * task; NULL: out of memory.
 */
static struct poll *add_call(struct replay *replay, const struct thread *thread,
			     enum row_kind kind)
{
	struct poll *call = calloc(1, sizeof(*call));
	const struct poll *around = caller_of(replay, thread);

	if (!call) {
		replay->out_of_memory = true;
		return NULL;
	}
	call->row = kind;
	call->event_id = sqlite3_column_int64(replay->input, IN_EVENT);
	if (around) {
		call->task_id = around->task_id;
		call->parent_id = around->type_id ? around->id : 0;
		call->future_id = around->type_id ? around->future_id : 0;
	}
	replay_add_row(replay, call);
	return call;
}

void replay_spawn(struct replay *replay, struct thread *thread)
{
	add_call(replay, thread, ROW_SPAWN);
}

void replay_wake(struct replay *replay, struct thread *thread)
{
	add_call(replay, thread, ROW_WAKE);
}

/* A future is dropped. */
void replay_drop(struct replay *replay, struct thread *thread)
{
	sqlite3_stmt *row = replay->input;
	struct drop_trap trap = {
		.words = sqlite3_column_blob(row, IN_SNAPSHOT),
		.word_count = (size_t)sqlite3_column_bytes(row, IN_SNAPSHOT) / sizeof(uint64_t),
		.bias = (uint64_t)sqlite3_column_int64(row, IN_BIAS),
		.is_suspend = sqlite3_column_int(row, IN_IS_SUSPEND),
		.is_executor = sqlite3_column_int(row, IN_RUNS_TASK),
	};
	struct poll *drop;
	int taken;

	/* What could hold a future holds none. */
	if (sqlite3_column_int(row, IN_IDLE))
		return;
	drop = calloc(1, sizeof(*drop));
	if (!drop) {
		replay->out_of_memory = true;
		return;
	}
	*drop = (struct poll){
		.row = ROW_DROP,
		.event_id = sqlite3_column_int64(row, IN_EVENT),
		.type_id = sqlite3_column_int64(row, IN_TYPE),
		.pid = sqlite3_column_int64(row, IN_PID),
		.tid = thread->tid,
		.probe_id = sqlite3_column_int64(row, IN_ENTRY_PROBE),
		.sp = (uint64_t)sqlite3_column_int64(row, IN_SP),
		.self = (uint64_t)sqlite3_column_int64(row, IN_SELF),
		.self_known = true,
		.size = (uint64_t)sqlite3_column_int64(row, IN_SIZE),
		.start_ns = sqlite3_column_int64(row, IN_TIME),
		.state_before = sqlite3_column_int64(row, IN_STATE),
		.state_known = sqlite3_column_int(row, IN_STATE_KNOWN),
		.wait_ns = -1,
		.state_after = -1,
	};
	call_stack_leave(&thread->stack, drop->sp, drop->start_ns, CALL_STACK_NO_POLL,
			 CALL_STACK_NO_POLL, replay_closed, replay);
	taken = cancels_take(replay->cancels, &thread->drops, &thread->stack, drop, &trap);
	if (taken < 0)
		replay->out_of_memory = true;
	if (taken > 0)
		replay_add_row(replay, drop);
	else
		free(drop);
}
