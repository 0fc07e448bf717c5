#include "replay_state.h"

#include "cancels.h"
#include "futures.h"
#include "hosting.h"
#include "inferred.h"
#include "schema_sql.h"
#include "stores.h"

#include <stdlib.h>
#include <string.h>

/* A futures_done. */
static void take_done(void *context, struct poll *poll, const struct poll *next)
{
	struct replay *replay = context;

	if (inferred_settle(replay->inferred, poll, next))
		replay->out_of_memory = true;
	inferred_forget(poll);
	replay_add_row(replay, poll);
}

/* If a function that blocks on a future made this poll, it is of that future. */
static void note_blocked(struct thread *thread, const struct poll *poll)
{
	struct poll *executor;

	if (poll->parent && poll->parent->type_id)
		return;
	executor = call_stack_executor(&thread->stack);
	if (executor && executor->blocks_on)
		executor->blocked = poll->future;
}

/* The executor's function that runs the task whose root poll, just begun, polls. */
static void find_runner(const struct call_stack *stack, struct poll *poll)
{
	const struct poll *runner = poll->runs_task ? poll : call_stack_executor(stack);

	if (runner && !runner->blocks_on)
		poll->runner_event_id = runner->event_id;
}

/* An inferred_begin. */
static int begin_inferred(void *context, struct poll *poll)
{
	struct replay *replay = context;

	poll->id = ++replay->poll_count;
	find_runner(&replay->thread->stack, poll);
	if (futures_begin(replay->futures, poll))
		return -1;
	note_blocked(replay->thread, poll);
	return 0;
}

/* An inferred_end. */
static void end_inferred(void *context, struct poll *poll)
{
	struct replay *replay = context;

	futures_end(replay->futures, poll);
}

static struct thread *thread_of(struct replay *replay, int64_t tid)
{
	struct thread *thread;

	HASH_FIND(hh, replay->threads, &tid, sizeof(tid), thread);
	if (thread)
		return thread;
	thread = calloc(1, sizeof(*thread));
	if (!thread) {
		replay->out_of_memory = true;
		return NULL;
	}
	thread->tid = tid;
	HASH_ADD(hh, replay->threads, tid, sizeof(thread->tid), thread);
	return thread;
}

static struct poll *outer_of_last(const struct call_stack *stack)
{
	return stack->count > 1 ? stack->polls[stack->count - 2] : NULL;
}

/* The poll, which has just begun, is of a task: so is the executor's function around it. */
static void name_executor(const struct call_stack *stack, const struct poll *poll)
{
	struct poll *outer = outer_of_last(stack);

	if (outer && !outer->type_id && !poll->parent)
		outer->task_id = poll->task_id;
}

/* A function that runs a task was entered: the poll around it, if any, is an executor's. */
static void note_executor(struct replay *replay, struct thread *thread)
{
	struct poll *outer = outer_of_last(&thread->stack);
	struct poll *executor;

	if (!outer || !outer->type_id || outer->executes)
		return;
	outer->executes = true;
	executor = calloc(1, sizeof(*executor));
	if (!executor) {
		replay->out_of_memory = true;
		return;
	}
	executor->row = ROW_EXECUTOR;
	executor->event_id = outer->event_id;
	executor->future_id = outer->future_id;
	replay_add_row(replay, executor);
}

static struct hosting hosting_on(struct replay *replay, struct thread *thread)
{
	return (struct hosting){replay->inferred, &thread->stack, replay_closed, replay};
}

static void enter(struct replay *replay, struct thread *thread)
{
	sqlite3_stmt *row = replay->input;
	uint64_t address = (uint64_t)sqlite3_column_int64(row, IN_LINKED_ADDRESS);
	uint64_t loaded_address = (uint64_t)sqlite3_column_int64(row, IN_ADDRESS);
	const struct hosting hosting = hosting_on(replay, thread);
	struct poll *poll = calloc(1, sizeof(*poll));

	if (!poll) {
		replay->out_of_memory = true;
		return;
	}
	*poll = (struct poll){
		.event_id = sqlite3_column_int64(row, IN_EVENT),
		.type_id = sqlite3_column_int64(row, IN_TYPE),
		.pid = sqlite3_column_int64(row, IN_PID),
		.tid = thread->tid,
		.probe_id = sqlite3_column_int64(row, IN_ENTRY_PROBE),
		.sp = (uint64_t)sqlite3_column_int64(row, IN_SP),
		.self = (uint64_t)sqlite3_column_int64(row, IN_SELF),
		.size = (uint64_t)sqlite3_column_int64(row, IN_SIZE),
		.start_ns = sqlite3_column_int64(row, IN_TIME),
		.state_before = sqlite3_column_int64(row, IN_STATE),
		.self_known = sqlite3_column_int(row, IN_SELF_KNOWN),
		.state_known = sqlite3_column_int(row, IN_STATE_KNOWN),
		.exits_known = sqlite3_column_int(row, IN_EXITS),
		.runs_task = sqlite3_column_int(row, IN_RUNS_TASK),
		.blocks_on = sqlite3_column_int(row, IN_BLOCKS_ON),
		.image_id = sqlite3_column_int64(row, IN_IMAGE),
		.function_address = address,
		.function_size = (uint64_t)sqlite3_column_int64(row, IN_FUNCTION_SIZE),
		.return_address = (uint64_t)sqlite3_column_int64(row, IN_RETURN_ADDRESS),
	};
	/* The executor found the task done or cancelled: no poll, but still a task's bound.
	 */
	if (sqlite3_column_int(row, IN_IDLE))
		poll->type_id = 0;
	/* The poll that an executor's function stands for has a function of its own. */
	if (call_stack_is_same(&thread->stack, poll)) {
		free(poll);
		return;
	}
	if ((poll->type_id && !poll->runs_task &&
	     hosting_enter(&hosting, poll, address, loaded_address)) ||
	    call_stack_enter(&thread->stack, poll, address, loaded_address, replay_closed,
			     replay)) {
		replay->out_of_memory = true;
		free(poll);
		return;
	}
	if (sqlite3_column_type(row, IN_TAIL_ADDRESS) != SQLITE_NULL)
		call_stack_tail_call(poll, poll->start_ns,
				     (uint64_t)sqlite3_column_int64(row, IN_TAIL_ADDRESS),
				     true);
	if (poll->runs_task && !poll->blocks_on)
		note_executor(replay, thread);
	if (poll->type_id) {
		poll->id = ++replay->poll_count;
		find_runner(&thread->stack, poll);
		if (inferred_read(
			    replay->inferred, poll, sqlite3_column_blob(row, IN_SNAPSHOT),
			    (size_t)sqlite3_column_bytes(row, IN_SNAPSHOT) / sizeof(uint64_t),
			    (uint64_t)sqlite3_column_int64(row, IN_BIAS), &poll->living) ||
		    inferred_place(replay->inferred, poll) ||
		    futures_begin(replay->futures, poll))
			replay->out_of_memory = true;
		name_executor(&thread->stack, poll);
		note_blocked(thread, poll);
	}
	replay_claim_hits(thread, poll);
}

static enum poll_result result_of(sqlite3_stmt *row)
{
	const char *is = (const char *)sqlite3_column_text(row, IN_RESULT_IS);
	int64_t result = sqlite3_column_int64(row, IN_RESULT);
	bool equal = result == sqlite3_column_int64(row, IN_RESULT_VALUE);

	if (!is || (!equal && sqlite3_column_type(row, IN_RESULT_OTHER) != SQLITE_NULL &&
		    result != sqlite3_column_int64(row, IN_RESULT_OTHER)))
		return POLL_UNKNOWN;
	return (is[0] == 'p') == equal ? POLL_PENDING : POLL_READY;
}

static void leave(struct replay *replay, struct thread *thread, bool tail_call)
{
	sqlite3_stmt *row = replay->input;
	int64_t now = sqlite3_column_int64(row, IN_TIME);
	bool is_linked = sqlite3_column_type(row, IN_TAIL_ADDRESS) != SQLITE_NULL;
	struct poll *poll = call_stack_exit(
		&thread->stack, (uint64_t)sqlite3_column_int64(row, IN_SP), now,
		sqlite3_column_int64(row, IN_ENTRY_PROBE), replay_closed, replay);

	if (!poll)
		return;
	if (tail_call)
		call_stack_tail_call(poll, now,
				     (uint64_t)sqlite3_column_int64(
					     row, is_linked ? IN_TAIL_ADDRESS : IN_RESULT),
				     is_linked);
	else
		call_stack_return(&thread->stack, now, result_of(row), replay_closed, replay);
}

/* A store ended a poll of a coroutine. */
static void take_store(struct replay *replay, struct thread *thread)
{
	sqlite3_stmt *row = replay->input;
	const struct hosting hosting = hosting_on(replay, thread);
	const struct poll event = {
		.event_id = sqlite3_column_int64(row, IN_EVENT),
		.pid = sqlite3_column_int64(row, IN_PID),
		.tid = thread->tid,
		.sp = (uint64_t)sqlite3_column_int64(row, IN_SP),
		.start_ns = sqlite3_column_int64(row, IN_TIME),
		.image_id = sqlite3_column_int64(row, IN_IMAGE),
		.function_address = (uint64_t)sqlite3_column_int64(row, IN_LINKED_ADDRESS),
	};
	int64_t last_type = 0;
	size_t count;
	const struct store_end *ends =
		stores_find(replay->stores, sqlite3_column_int64(row, IN_ENTRY_PROBE), &count);

	for (size_t i = 0; i < count; i++) {
		const struct store_end *end = &ends[i];
		struct poll *outer;
		int64_t state =
			end->value >= 0
				? end->value
				: sqlite3_column_int64(row, IN_RESULT) >> end->shift & 0xff;

		/* Copies of a type that share the store were polled once. */
		if (state == 0 || end->is_own || end->type_id == last_type)
			continue;
		last_type = end->type_id;
		outer = hosting_store(&hosting, &event);
		if (!outer || inferred_store(replay->inferred, outer, replay->stores, end,
					     state, event.start_ns))
			replay->out_of_memory = true;
	}
}

/* A thread begins; its id may be that of one that has ended. */
static void start_thread(struct replay *replay, struct thread *thread)
{
	call_stack_end(&thread->stack, replay_closed, replay);
	cancels_pass(&thread->drops, UINT64_MAX);
}

static void leave_by_return(struct replay *replay, struct thread *thread)
{
	leave(replay, thread, false);
}

static void leave_by_jump(struct replay *replay, struct thread *thread)
{
	leave(replay, thread, true);
}

static void take_row(struct replay *replay)
{
	static const struct {
		const char *kind;
		void (*take)(struct replay *replay, struct thread *thread);
	} takers[] = {
		{"entry", enter},      {"exit", leave_by_return}, {"tail", leave_by_jump},
		{"store", take_store}, {"start", start_thread},   {"user", replay_hit},
		{"wake", replay_wake}, {"spawn", replay_spawn},   {"drop", replay_drop},
	};
	const char *kind = (const char *)sqlite3_column_text(replay->input, IN_KIND);
	struct thread *thread = thread_of(replay, sqlite3_column_int64(replay->input, IN_TID));

	replay->thread = thread;
	for (size_t i = 0; thread && kind && i < sizeof(takers) / sizeof(takers[0]); i++) {
		if (strcmp(kind, takers[i].kind) != 0)
			continue;
		if (takers[i].take != replay_drop)
			cancels_pass(&thread->drops,
				     (uint64_t)sqlite3_column_int64(replay->input, IN_SP));
		takers[i].take(replay, thread);
		/* A hit may be in the poll whose entry comes next. */
		if (takers[i].take != replay_hit)
			replay_give_hits(replay, thread);
	}
}

/* Columns of replay_final. */
enum final_column {
	FINAL_TIME,
	FINAL_PID,
	FINAL_TYPE,
	FINAL_SELF,
	FINAL_BIAS,
	FINAL_SNAPSHOT,
};

/* What the memory of futures held at the end, to their last polls. */
static void read_final(struct replay *replay)
{
	sqlite3_stmt *row;

	if (sqlite3_prepare_v2(replay->db, sql_replay_final, -1, &row, NULL) != SQLITE_OK)
		return;
	while (sqlite3_step(row) == SQLITE_ROW) {
		struct poll *last =
			futures_last(replay->futures, sqlite3_column_int64(row, FINAL_PID),
				     (uint64_t)sqlite3_column_int64(row, FINAL_SELF),
				     sqlite3_column_int64(row, FINAL_TYPE));

		if (last && !last->final.count && !last->is_inferred &&
		    last->start_ns <= sqlite3_column_int64(row, FINAL_TIME) &&
		    inferred_read(
			    replay->inferred, last, sqlite3_column_blob(row, FINAL_SNAPSHOT),
			    (size_t)sqlite3_column_bytes(row, FINAL_SNAPSHOT) /
				    sizeof(uint64_t),
			    (uint64_t)sqlite3_column_int64(row, FINAL_BIAS), &last->final))
			replay->out_of_memory = true;
	}
	sqlite3_finalize(row);
}

static void finish(struct replay *replay)
{
	struct thread *thread;

	replay->input_ended = true;
	for (thread = replay->threads; thread; thread = thread->hh.next) {
		replay->thread = thread;
		replay_give_hits(replay, thread);
		call_stack_end(&thread->stack, replay_closed, replay);
	}
	read_final(replay);
	futures_finish(replay->futures);
}

static void drop_rows(struct replay *replay)
{
	for (size_t i = 0; i < replay->row_count; i++)
		free(replay->rows[i]);
	replay->row = 0;
	replay->row_count = 0;
}

/* Read events until there is a row to give out. */
static int next_row(struct replay *replay)
{
	while (replay->row == replay->row_count && !replay->input_ended) {
		int status = sqlite3_step(replay->input);

		drop_rows(replay);
		if (status == SQLITE_ROW)
			take_row(replay);
		else if (status == SQLITE_DONE)
			finish(replay);
		else
			return status;
		if (replay->out_of_memory)
			return SQLITE_NOMEM;
	}
	return SQLITE_OK;
}

static int load_losses(struct replay *replay)
{
	sqlite3_stmt *statement;
	int status = sqlite3_prepare_v2(replay->db, sql_replay_losses, -1, &statement, NULL);

	while (status == SQLITE_OK && (status = sqlite3_step(statement)) == SQLITE_ROW) {
		struct loss *grown =
			realloc(replay->losses, (replay->loss_count + 1) * sizeof(*grown));

		status = SQLITE_NOMEM;
		if (!grown)
			break;
		replay->losses = grown;
		grown[replay->loss_count++] = (struct loss){sqlite3_column_int64(statement, 0),
							    sqlite3_column_int64(statement, 1)};
		status = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return status == SQLITE_DONE ? SQLITE_OK : status;
}

struct replay *replay_new(sqlite3 *db)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	if (replay)
		replay->db = db;
	return replay;
}

/* Forget all, but the database. */
static void clear(struct replay *replay)
{
	struct thread *thread;
	struct thread *next;

	/* A replay that is broken off still owns its open polls. */
	if (replay->futures && !replay->input_ended)
		finish(replay);
	drop_rows(replay);
	HASH_ITER(hh, replay->threads, thread, next)
	{
		HASH_DEL(replay->threads, thread);
		call_stack_free(&thread->stack);
		cancels_forget(&thread->drops);
		free(thread);
	}
	futures_free(replay->futures);
	inferred_free(replay->inferred);
	cancels_free(replay->cancels);
	stores_free(replay->stores);
	free(replay->losses);
	free(replay->rows);
	sqlite3_finalize(replay->input);
	*replay = (struct replay){.db = replay->db};
}

void replay_free(struct replay *replay)
{
	clear(replay);
	free(replay);
}

int replay_start(struct replay *replay)
{
	int status;

	clear(replay);
	replay->futures = futures_new(take_done, replay);
	replay->inferred = inferred_load(replay->db, begin_inferred, end_inferred, replay);
	replay->cancels = cancels_load(replay->db, replay->futures, replay->inferred);
	replay->stores = stores_load(replay->db);
	if (!replay->futures || !replay->inferred || !replay->cancels || !replay->stores)
		return SQLITE_NOMEM;
	status = load_losses(replay);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(replay->db, sql_replay_input, -1, &replay->input,
					    NULL);
	return status == SQLITE_OK ? next_row(replay) : status;
}

int replay_next(struct replay *replay)
{
	replay->row++;
	return next_row(replay);
}

const struct poll *replay_row(const struct replay *replay)
{
	return replay->row < replay->row_count ? replay->rows[replay->row] : NULL;
}
