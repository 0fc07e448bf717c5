#include "replay.h"

#include "call_stack.h"
#include "futures.h"
#include "inferred.h"
#include "schema_sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
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
};

/* Columns of replay_columns. */
enum output_column {
	OUT_ID,
	OUT_EVENT,
	OUT_FUTURE,
	OUT_CONTAINER,
	OUT_PARENT,
	OUT_TASK,
	OUT_CHAIN,
	OUT_PARENT_CHAIN,
	OUT_ORDINAL,
	OUT_TYPE,
	OUT_PID,
	OUT_TID,
	OUT_SELF,
	OUT_START,
	OUT_END,
	OUT_STATE_BEFORE,
	OUT_STATE_AFTER,
	OUT_RESULT,
	OUT_SELF_NS,
	OUT_WAIT,
	OUT_CHILD_PENDING,
	OUT_IS_LAST,
	OUT_DROPPED,
	OUT_RUNNING,
	OUT_SOURCE,
	OUT_CERTAIN,
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
	struct hit *hits;  /* owned; not given out yet, the youngest */
	UT_hash_handle hh; /* keyed by tid */
};

/* A stretch of time in which samples were lost. */
struct loss {
	int64_t since_ns;
	int64_t until_ns;
};

struct replay_table {
	sqlite3_vtab base;
	sqlite3 *db;
};

struct replay_cursor {
	sqlite3_vtab_cursor base;
	sqlite3 *db;
	sqlite3_stmt *input;       /* owned */
	struct thread *threads;    /* owned */
	struct futures *futures;   /* owned */
	struct inferred *inferred; /* owned */
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

static void add_row(struct replay_cursor *cursor, struct poll *poll)
{
	if (cursor->row_count == cursor->row_room) {
		size_t room = cursor->row_room ? cursor->row_room * 2 : 64;
		struct poll **grown = realloc(cursor->rows, room * sizeof(*grown));

		if (!grown) {
			cursor->out_of_memory = true;
			free(poll);
			return;
		}
		cursor->rows = grown;
		cursor->row_room = room;
	}
	cursor->rows[cursor->row_count++] = poll;
}

/* A futures_done. */
static void take_done(void *context, struct poll *poll, const struct poll *next)
{
	struct replay_cursor *cursor = context;

	if (inferred_settle(cursor->inferred, poll, next))
		cursor->out_of_memory = true;
	inferred_forget(poll);
	add_row(cursor, poll);
}

/* May the exit of a poll between these times be among what was lost? */
static bool may_be_lost(const struct replay_cursor *cursor, int64_t start_ns, int64_t end_ns)
{
	for (size_t i = 0; i < cursor->loss_count; i++)
		if (cursor->losses[i].until_ns >= start_ns &&
		    cursor->losses[i].since_ns <= end_ns)
			return true;
	return false;
}

/* A call_stack_closed. */
static void take_closed(void *context, struct poll *poll)
{
	struct replay_cursor *cursor = context;

	if (!poll->type_id) {
		inferred_forget(poll);
		free(poll);
		return;
	}
	/* Left without passing an exit, all exits being probed: it panicked. */
	if (poll->unwound_ns && !may_be_lost(cursor, poll->start_ns, poll->unwound_ns))
		poll->result = POLL_PANICKED;
	futures_end(cursor->futures, poll);
}

/* An inferred_begin. */
static int begin_inferred(void *context, struct poll *poll)
{
	struct replay_cursor *cursor = context;

	poll->id = ++cursor->poll_count;
	return futures_begin(cursor->futures, poll);
}

/* An inferred_end. */
static void end_inferred(void *context, struct poll *poll)
{
	struct replay_cursor *cursor = context;

	futures_end(cursor->futures, poll);
}

static struct thread *thread_of(struct replay_cursor *cursor, int64_t tid)
{
	struct thread *thread;

	HASH_FIND(hh, cursor->threads, &tid, sizeof(tid), thread);
	if (thread)
		return thread;
	thread = calloc(1, sizeof(*thread));
	if (!thread) {
		cursor->out_of_memory = true;
		return NULL;
	}
	thread->tid = tid;
	HASH_ADD(hh, cursor->threads, tid, sizeof(thread->tid), thread);
	return thread;
}

/* The hit was in that poll; NULL: in none. */
static void place_hit(struct hit *hit, const struct poll *poll)
{
	hit->row.parent_id = poll ? poll->id : 0;
	hit->row.future_id = poll ? poll->future_id : 0;
	hit->row.task_id = poll ? poll->task_id : 0;
}

/* Hits that are in the poll which begins now. */
static void claim_hits(const struct thread *thread, const struct poll *poll)
{
	for (struct hit *hit = thread->hits; hit; hit = hit->older)
		if (hit->row.function_address == poll->function_address &&
		    hit->row.sp == poll->sp)
			place_hit(hit, poll->type_id ? poll : NULL);
}

static void give_hits(struct replay_cursor *cursor, struct thread *thread)
{
	while (thread->hits) {
		struct hit *hit = thread->hits;

		thread->hits = hit->older;
		add_row(cursor, &hit->row);
	}
}

static void take_hit(struct replay_cursor *cursor, struct thread *thread)
{
	sqlite3_stmt *row = cursor->input;
	struct hit *hit = calloc(1, sizeof(*hit));

	if (!hit) {
		cursor->out_of_memory = true;
		return;
	}
	hit->row = (struct poll){
		.event_id = sqlite3_column_int64(row, IN_EVENT),
		.probe_id = sqlite3_column_int64(row, IN_ENTRY_PROBE),
		.function_address = (uint64_t)sqlite3_column_int64(row, IN_LINKED_ADDRESS),
		.sp = (uint64_t)sqlite3_column_int64(row, IN_SP),
	};
	place_hit(hit, call_stack_find(&thread->stack, hit->row.function_address, hit->row.sp));
	/* On the way to one entry the probes, numbered by address, go up. */
	if (thread->hits && (thread->hits->row.function_address != hit->row.function_address ||
			     thread->hits->row.sp != hit->row.sp ||
			     thread->hits->row.probe_id >= hit->row.probe_id))
		give_hits(cursor, thread);
	hit->older = thread->hits;
	thread->hits = hit;
}

static void enter(struct replay_cursor *cursor, struct thread *thread)
{
	sqlite3_stmt *row = cursor->input;
	uint64_t address = (uint64_t)sqlite3_column_int64(row, IN_LINKED_ADDRESS);
	struct poll *poll = calloc(1, sizeof(*poll));

	if (!poll) {
		cursor->out_of_memory = true;
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
		.image_id = sqlite3_column_int64(row, IN_IMAGE),
		.function_address = address,
		.return_address = (uint64_t)sqlite3_column_int64(row, IN_RETURN_ADDRESS),
	};
	/* The executor found the task done or cancelled: no poll, but still a task's bound. */
	if (sqlite3_column_int(row, IN_IDLE))
		poll->type_id = 0;
	/* The poll that an executor's function stands for has a function of its own. */
	if (call_stack_is_same(&thread->stack, poll)) {
		free(poll);
		return;
	}
	if (call_stack_enter(&thread->stack, poll, address,
			     (uint64_t)sqlite3_column_int64(row, IN_ADDRESS), take_closed,
			     cursor)) {
		cursor->out_of_memory = true;
		free(poll);
		return;
	}
	if (sqlite3_column_type(row, IN_TAIL_ADDRESS) != SQLITE_NULL)
		call_stack_tail_call(poll, poll->start_ns,
				     (uint64_t)sqlite3_column_int64(row, IN_TAIL_ADDRESS),
				     true);
	if (poll->type_id) {
		poll->id = ++cursor->poll_count;
		if (inferred_read(cursor->inferred, poll, sqlite3_column_blob(row, IN_SNAPSHOT),
				  (size_t)sqlite3_column_bytes(row, IN_SNAPSHOT) /
					  sizeof(uint64_t),
				  (uint64_t)sqlite3_column_int64(row, IN_BIAS)) ||
		    inferred_place(cursor->inferred, poll) ||
		    futures_begin(cursor->futures, poll))
			cursor->out_of_memory = true;
	}
	claim_hits(thread, poll);
}

static enum poll_result result_of(sqlite3_stmt *row)
{
	const char *is = (const char *)sqlite3_column_text(row, IN_RESULT_IS);
	bool equal;

	if (!is)
		return POLL_UNKNOWN;
	equal = sqlite3_column_int64(row, IN_RESULT) ==
		sqlite3_column_int64(row, IN_RESULT_VALUE);
	return (is[0] == 'p') == equal ? POLL_PENDING : POLL_READY;
}

static void leave(struct replay_cursor *cursor, struct thread *thread, bool tail_call)
{
	sqlite3_stmt *row = cursor->input;
	int64_t now = sqlite3_column_int64(row, IN_TIME);
	bool is_linked = sqlite3_column_type(row, IN_TAIL_ADDRESS) != SQLITE_NULL;
	struct poll *poll =
		call_stack_exit(&thread->stack, (uint64_t)sqlite3_column_int64(row, IN_SP), now,
				sqlite3_column_int64(row, IN_ENTRY_PROBE), take_closed, cursor);

	if (!poll)
		return;
	if (tail_call)
		call_stack_tail_call(poll, now,
				     (uint64_t)sqlite3_column_int64(
					     row, is_linked ? IN_TAIL_ADDRESS : IN_RESULT),
				     is_linked);
	else
		call_stack_return(&thread->stack, now, result_of(row), take_closed, cursor);
}

static void take_row(struct replay_cursor *cursor)
{
	const char *kind = (const char *)sqlite3_column_text(cursor->input, IN_KIND);
	struct thread *thread = thread_of(cursor, sqlite3_column_int64(cursor->input, IN_TID));

	if (!thread || !kind)
		return;
	switch (kind[1]) {
	case 'n': /* entry */
		enter(cursor, thread);
		break;
	case 'x': /* exit */
		leave(cursor, thread, false);
		break;
	case 'a': /* tail */
		leave(cursor, thread, true);
		break;
	case 's': /* user */
		take_hit(cursor, thread);
		return;
	default: /* start of a thread */
		call_stack_end(&thread->stack, take_closed, cursor);
		break;
	}
	give_hits(cursor, thread);
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
static void read_final(struct replay_cursor *cursor)
{
	sqlite3_stmt *row;

	if (sqlite3_prepare_v2(cursor->db, sql_replay_final, -1, &row, NULL) != SQLITE_OK)
		return;
	while (sqlite3_step(row) == SQLITE_ROW) {
		struct poll *last =
			futures_last(cursor->futures, sqlite3_column_int64(row, FINAL_PID),
				     (uint64_t)sqlite3_column_int64(row, FINAL_SELF),
				     sqlite3_column_int64(row, FINAL_TYPE));

		if (last && !last->final.count && !last->is_inferred &&
		    last->start_ns <= sqlite3_column_int64(row, FINAL_TIME) &&
		    inferred_read_final(cursor->inferred, last,
					sqlite3_column_blob(row, FINAL_SNAPSHOT),
					(size_t)sqlite3_column_bytes(row, FINAL_SNAPSHOT) /
						sizeof(uint64_t),
					(uint64_t)sqlite3_column_int64(row, FINAL_BIAS)))
			cursor->out_of_memory = true;
	}
	sqlite3_finalize(row);
}

static void finish(struct replay_cursor *cursor)
{
	struct thread *thread;

	cursor->input_ended = true;
	for (thread = cursor->threads; thread; thread = thread->hh.next) {
		give_hits(cursor, thread);
		call_stack_end(&thread->stack, take_closed, cursor);
	}
	read_final(cursor);
	futures_finish(cursor->futures);
}

static void drop_rows(struct replay_cursor *cursor)
{
	for (size_t i = 0; i < cursor->row_count; i++)
		free(cursor->rows[i]);
	cursor->row = 0;
	cursor->row_count = 0;
}

/* Read events until there is a row to give out. */
static int next_row(struct replay_cursor *cursor)
{
	while (cursor->row == cursor->row_count && !cursor->input_ended) {
		int status = sqlite3_step(cursor->input);

		drop_rows(cursor);
		if (status == SQLITE_ROW)
			take_row(cursor);
		else if (status == SQLITE_DONE)
			finish(cursor);
		else
			return status;
		if (cursor->out_of_memory)
			return SQLITE_NOMEM;
	}
	return SQLITE_OK;
}

static int load_losses(struct replay_cursor *cursor)
{
	sqlite3_stmt *statement;
	int status = sqlite3_prepare_v2(cursor->db, sql_replay_losses, -1, &statement, NULL);

	while (status == SQLITE_OK && (status = sqlite3_step(statement)) == SQLITE_ROW) {
		struct loss *grown =
			realloc(cursor->losses, (cursor->loss_count + 1) * sizeof(*grown));

		status = SQLITE_NOMEM;
		if (!grown)
			break;
		cursor->losses = grown;
		grown[cursor->loss_count++] = (struct loss){sqlite3_column_int64(statement, 0),
							    sqlite3_column_int64(statement, 1)};
		status = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return status == SQLITE_DONE ? SQLITE_OK : status;
}

static int vtab_connect(sqlite3 *db, void *unused, int argc, const char *const *argv,
			sqlite3_vtab **table, char **error)
{
	struct replay_table *made;
	int status = sqlite3_declare_vtab(db, sql_replay_columns);

	(void)unused;
	(void)argc;
	(void)argv;
	(void)error;
	if (status != SQLITE_OK)
		return status;
	made = sqlite3_malloc(sizeof(*made));
	if (!made)
		return SQLITE_NOMEM;
	*made = (struct replay_table){.db = db};
	*table = &made->base;
	return SQLITE_OK;
}

static int vtab_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

static int vtab_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	info->estimatedCost = 1e6;
	return SQLITE_OK;
}

static int vtab_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	struct replay_cursor *made = calloc(1, sizeof(*made));

	if (!made)
		return SQLITE_NOMEM;
	made->db = ((struct replay_table *)table)->db;
	*cursor = &made->base;
	return SQLITE_OK;
}

static void cursor_clear(struct replay_cursor *cursor)
{
	struct thread *thread;
	struct thread *next;

	/* A replay that is broken off still owns its open polls. */
	if (cursor->futures && !cursor->input_ended)
		finish(cursor);
	drop_rows(cursor);
	HASH_ITER(hh, cursor->threads, thread, next)
	{
		HASH_DEL(cursor->threads, thread);
		call_stack_free(&thread->stack);
		free(thread);
	}
	futures_free(cursor->futures);
	inferred_free(cursor->inferred);
	free(cursor->losses);
	free(cursor->rows);
	sqlite3_finalize(cursor->input);
	*cursor = (struct replay_cursor){.base = cursor->base, .db = cursor->db};
}

static int vtab_close(sqlite3_vtab_cursor *base)
{
	struct replay_cursor *cursor = (struct replay_cursor *)base;

	cursor_clear(cursor);
	free(cursor);
	return SQLITE_OK;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int index, const char *name, int argc,
		       sqlite3_value **argv)
{
	struct replay_cursor *cursor = (struct replay_cursor *)base;
	int status;

	(void)index;
	(void)name;
	(void)argc;
	(void)argv;
	cursor_clear(cursor);
	cursor->futures = futures_new(take_done, cursor);
	cursor->inferred = inferred_load(cursor->db, begin_inferred, end_inferred, cursor);
	if (!cursor->futures || !cursor->inferred)
		return SQLITE_NOMEM;
	status = load_losses(cursor);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(cursor->db, sql_replay_input, -1, &cursor->input,
					    NULL);
	return status == SQLITE_OK ? next_row(cursor) : status;
}

static int vtab_next(sqlite3_vtab_cursor *base)
{
	struct replay_cursor *cursor = (struct replay_cursor *)base;

	cursor->row++;
	return next_row(cursor);
}

static int vtab_eof(sqlite3_vtab_cursor *base)
{
	const struct replay_cursor *cursor = (struct replay_cursor *)base;

	return cursor->row == cursor->row_count;
}

static void result_text(sqlite3_context *context, enum poll_result result)
{
	static const char *const names[] = {[POLL_PENDING] = "pending",
					    [POLL_READY] = "ready",
					    [POLL_PANICKED] = "panicked"};

	if (result != POLL_UNKNOWN)
		sqlite3_result_text(context, names[result], -1, SQLITE_STATIC);
}

/* Without a call of these the column is NULL. */
static void result_if(sqlite3_context *context, bool known, int64_t value)
{
	if (known)
		sqlite3_result_int64(context, value);
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct replay_cursor *cursor = (struct replay_cursor *)base;
	const struct poll *poll = cursor->rows[cursor->row];

	switch ((enum output_column)column) {
	case OUT_ID:
		result_if(context, poll->id, poll->id);
		break;
	case OUT_EVENT:
		sqlite3_result_int64(context, poll->event_id);
		break;
	case OUT_FUTURE:
		result_if(context, poll->future_id, poll->future_id);
		break;
	case OUT_CONTAINER:
		result_if(context, poll->container_future_id, poll->container_future_id);
		break;
	case OUT_PARENT:
		result_if(context, poll->parent_id, poll->parent_id);
		break;
	case OUT_TASK:
		result_if(context, poll->task_id, poll->task_id);
		break;
	case OUT_CHAIN:
		sqlite3_result_int64(context, poll->chain_id);
		break;
	case OUT_PARENT_CHAIN:
		result_if(context, poll->parent_chain_id, poll->parent_chain_id);
		break;
	case OUT_ORDINAL:
		result_if(context, poll->ordinal, poll->ordinal);
		break;
	case OUT_TYPE:
		sqlite3_result_int64(context, poll->type_id);
		break;
	case OUT_PID:
		sqlite3_result_int64(context, poll->pid);
		break;
	case OUT_TID:
		sqlite3_result_int64(context, poll->tid);
		break;
	case OUT_SELF:
		result_if(context, poll->self_known, (int64_t)poll->self);
		break;
	case OUT_START:
		sqlite3_result_int64(context, poll->start_ns);
		break;
	case OUT_END:
		result_if(context, poll->end_ns, poll->end_ns);
		break;
	case OUT_STATE_BEFORE:
		result_if(context, poll->state_known, poll->state_before);
		break;
	case OUT_STATE_AFTER:
		result_if(context, poll->state_after >= 0, poll->state_after);
		break;
	case OUT_RESULT:
		result_text(context, poll->result);
		break;
	case OUT_SELF_NS:
		result_if(context, poll->end_ns,
			  poll->end_ns - poll->start_ns - poll->children_ns);
		break;
	case OUT_WAIT:
		result_if(context, poll->wait_ns >= 0, poll->wait_ns);
		break;
	case OUT_CHILD_PENDING:
		sqlite3_result_int(context, poll->child_pending);
		break;
	case OUT_IS_LAST:
		sqlite3_result_int(context, poll->is_last);
		break;
	case OUT_DROPPED:
		sqlite3_result_int(context, poll->dropped);
		break;
	case OUT_RUNNING:
		sqlite3_result_int(context, poll->running);
		break;
	case OUT_SOURCE:
		sqlite3_result_text(context, poll->is_inferred ? "snapshot" : "probe", -1,
				    SQLITE_STATIC);
		break;
	case OUT_CERTAIN:
		sqlite3_result_int(context, !poll->is_inferred || poll->certain);
		break;
	}
	return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	const struct replay_cursor *cursor = (struct replay_cursor *)base;

	*rowid = cursor->rows[cursor->row]->id;
	return SQLITE_OK;
}

int replay_register(sqlite3 *db)
{
	/* Without xCreate it needs no CREATE VIRTUAL TABLE: it is just there. */
	static const sqlite3_module module = {
		.xConnect = vtab_connect,
		.xBestIndex = vtab_best_index,
		.xDisconnect = vtab_disconnect,
		.xOpen = vtab_open,
		.xClose = vtab_close,
		.xFilter = vtab_filter,
		.xNext = vtab_next,
		.xEof = vtab_eof,
		.xColumn = vtab_column,
		.xRowid = vtab_rowid,
	};

	return sqlite3_create_module(db, "replay", &module, NULL);
}
