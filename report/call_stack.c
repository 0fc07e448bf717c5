#include "call_stack.h"

#include "schema_sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Columns of call_stack_input. */
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
	IN_HOSTS_TASKS,
};

/* Columns of call_stack_columns. */
enum output_column {
	OUT_ID,
	OUT_EVENT,
	OUT_PARENT,
	OUT_CONTAINER,
	OUT_ROOT,
	OUT_CHAIN,
	OUT_PARENT_CHAIN,
	OUT_ORDINAL,
	OUT_TYPE,
	OUT_PID,
	OUT_TID,
	OUT_SELF,
	OUT_START,
	OUT_END,
	OUT_STATE,
	OUT_RESULT,
	OUT_UNWOUND,
	OUT_RUNNING,
};

/* An open poll; 0 in an id means none. */
struct frame {
	sqlite3_int64 id;
	sqlite3_int64 event_id;
	sqlite3_int64 parent_id;
	sqlite3_int64 container_id;
	sqlite3_int64 root_id;
	sqlite3_int64 chain_id;
	sqlite3_int64 parent_chain_id;
	sqlite3_int64 ordinal;     /* among its parent's children, from 1 */
	sqlite3_int64 children;    /* polls it has made so far */
	sqlite3_int64 type_id;
	sqlite3_int64 pid;
	sqlite3_int64 tid;
	sqlite3_int64 probe_id;    /* of its entry */
	sqlite3_uint64 sp;
	sqlite3_uint64 self;
	sqlite3_uint64 size;       /* bytes of the future; 0: unknown */
	sqlite3_int64 start_ns;
	sqlite3_int64 end_ns;      /* 0: no exit seen */
	sqlite3_int64 unwound_ns;  /* 0: not unwound */
	sqlite3_int64 state;
	const char *result;        /* static; NULL: not known */
	sqlite3_uint64 tail_target; /* where its tail call went */
	bool tail_is_linked;       /* tail_target is an address as linked */
	bool in_tail_call;         /* it left by a tail call, which may still run */
	bool self_known;
	bool state_known;
	bool exits_known;          /* every exit is probed */
	bool hosts_tasks;          /* an executor runs inside it */
	bool running;              /* it was open when the events ended */
};

struct frames {
	struct frame *frames; /* owned */
	size_t count;
	size_t room;
};

struct thread_stack {
	sqlite3_int64 tid;
	struct frames open; /* innermost last */
	UT_hash_handle hh;  /* keyed by tid */
};

/* A chain is its last type and the chain that polls it. */
struct chain_key {
	sqlite3_int64 parent_id;
	sqlite3_int64 type_id;
};

struct chain {
	struct chain_key key;
	sqlite3_int64 id;
	UT_hash_handle hh; /* keyed by key */
};

struct call_stack_table {
	sqlite3_vtab base;
	sqlite3 *db;
};

struct call_stack_cursor {
	sqlite3_vtab_cursor base;
	sqlite3 *db;
	sqlite3_stmt *input;          /* owned */
	struct thread_stack *threads; /* owned */
	struct chain *chains;         /* owned */
	sqlite3_int64 poll_count;     /* polls begun so far */
	struct frames closed;         /* polls to give out, oldest first */
	size_t next_closed;           /* of them, the current row */
	bool input_ended;
	bool out_of_memory;
};

static struct frame *frames_push(struct frames *frames)
{
	if (frames->count == frames->room) {
		size_t room = frames->room ? frames->room * 2 : 16;
		struct frame *grown = realloc(frames->frames, room * sizeof(*grown));

		if (!grown)
			return NULL;
		frames->frames = grown;
		frames->room = room;
	}
	return &frames->frames[frames->count++];
}

static struct thread_stack *thread_of(struct call_stack_cursor *cursor, sqlite3_int64 tid)
{
	struct thread_stack *thread;

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

static sqlite3_int64 chain_of(struct call_stack_cursor *cursor, sqlite3_int64 parent_id,
			      sqlite3_int64 type_id)
{
	struct chain_key key = {parent_id, type_id};
	struct chain *chain;

	HASH_FIND(hh, cursor->chains, &key, sizeof(key), chain);
	if (chain)
		return chain->id;
	chain = calloc(1, sizeof(*chain));
	if (!chain) {
		cursor->out_of_memory = true;
		return 0;
	}
	chain->key = key;
	chain->id = HASH_COUNT(cursor->chains) + 1;
	HASH_ADD(hh, cursor->chains, key, sizeof(chain->key), chain);
	return chain->id;
}

/* Take the innermost poll off the stack and give it out. */
static void close_innermost(struct call_stack_cursor *cursor, struct thread_stack *thread)
{
	struct frame *row = frames_push(&cursor->closed);

	thread->open.count--;
	if (row)
		*row = thread->open.frames[thread->open.count];
	else
		cursor->out_of_memory = true;
}

static struct frame *innermost(struct thread_stack *thread)
{
	return thread->open.count ? &thread->open.frames[thread->open.count - 1] : NULL;
}

/* The innermost poll was left before now without passing an exit. */
static void unwind_innermost(struct call_stack_cursor *cursor, struct thread_stack *thread,
			     sqlite3_int64 now)
{
	struct frame *frame = innermost(thread);

	if (!frame->in_tail_call && frame->exits_known)
		frame->unwound_ns = now;
	close_innermost(cursor, thread);
}

/* Is the entry in row where the tail call of frame went? */
static bool is_tail_target(const struct frame *frame, sqlite3_stmt *row)
{
	return frame->tail_target == (sqlite3_uint64)sqlite3_column_int64(
					     row, frame->tail_is_linked ? IN_LINKED_ADDRESS
									: IN_ADDRESS);
}

static void leave_by_tail_call(struct frame *frame, sqlite3_stmt *row)
{
	frame->end_ns = sqlite3_column_int64(row, IN_TIME);
	frame->in_tail_call = true;
	frame->tail_is_linked = sqlite3_column_type(row, IN_TAIL_ADDRESS) != SQLITE_NULL;
	frame->tail_target = (sqlite3_uint64)sqlite3_column_int64(
		row, frame->tail_is_linked ? IN_TAIL_ADDRESS : IN_RESULT);
}

static void enter(struct call_stack_cursor *cursor, struct thread_stack *thread)
{
	sqlite3_stmt *row = cursor->input;
	sqlite3_int64 now = sqlite3_column_int64(row, IN_TIME);
	sqlite3_uint64 sp = (sqlite3_uint64)sqlite3_column_int64(row, IN_SP);
	struct frame *parent;
	struct frame *frame;

	while ((parent = innermost(thread)) && parent->sp <= sp) {
		if (parent->in_tail_call && parent->sp == sp && is_tail_target(parent, row))
			break;
		unwind_innermost(cursor, thread, now);
	}
	frame = frames_push(&thread->open);
	if (!frame) {
		cursor->out_of_memory = true;
		return;
	}
	*frame = (struct frame){
		.id = ++cursor->poll_count,
		.event_id = sqlite3_column_int64(row, IN_EVENT),
		.type_id = sqlite3_column_int64(row, IN_TYPE),
		.pid = sqlite3_column_int64(row, IN_PID),
		.tid = thread->tid,
		.probe_id = sqlite3_column_int64(row, IN_ENTRY_PROBE),
		.sp = sp,
		.self = (sqlite3_uint64)sqlite3_column_int64(row, IN_SELF),
		.size = (sqlite3_uint64)sqlite3_column_int64(row, IN_SIZE),
		.start_ns = now,
		.state = sqlite3_column_int64(row, IN_STATE),
		.self_known = sqlite3_column_int(row, IN_SELF_KNOWN),
		.state_known = sqlite3_column_int(row, IN_STATE_KNOWN),
		.exits_known = sqlite3_column_int(row, IN_EXITS),
		.hosts_tasks = sqlite3_column_int(row, IN_HOSTS_TASKS),
	};
	if (sqlite3_column_type(row, IN_TAIL_ADDRESS) != SQLITE_NULL)
		leave_by_tail_call(frame, row);
	frame->root_id = frame->id;
	for (size_t i = thread->open.count - 1; i-- > 0;) {
		struct frame *outer = &thread->open.frames[i];

		if (outer->hosts_tasks)
			break;
		if (!frame->parent_id) {
			frame->parent_id = outer->id;
			frame->parent_chain_id = outer->chain_id;
			frame->root_id = outer->root_id;
			frame->ordinal = ++outer->children;
		}
		if (!frame->container_id && outer->state_known && outer->self_known &&
		    frame->self - outer->self < outer->size)
			frame->container_id = outer->id;
	}
	frame->chain_id = chain_of(cursor, frame->parent_chain_id, frame->type_id);
}

static const char *result_of(sqlite3_stmt *row)
{
	const char *is = (const char *)sqlite3_column_text(row, IN_RESULT_IS);
	bool equal;

	if (!is)
		return NULL;
	equal = sqlite3_column_int64(row, IN_RESULT) == sqlite3_column_int64(row, IN_RESULT_VALUE);
	return (is[0] == 'p') == equal ? "pending" : "ready";
}

/* Drop the polls that must have been left when the stack pointer was sp. */
static struct frame *unwind_below(struct call_stack_cursor *cursor, struct thread_stack *thread,
				  sqlite3_uint64 sp, sqlite3_int64 now)
{
	struct frame *frame;

	while ((frame = innermost(thread)) && frame->sp < sp)
		unwind_innermost(cursor, thread, now);
	return frame && frame->sp == sp ? frame : NULL;
}

static void leave(struct call_stack_cursor *cursor, struct thread_stack *thread, bool tail_call)
{
	sqlite3_stmt *row = cursor->input;
	sqlite3_int64 now = sqlite3_column_int64(row, IN_TIME);
	sqlite3_uint64 sp = (sqlite3_uint64)sqlite3_column_int64(row, IN_SP);
	struct frame *frame = unwind_below(cursor, thread, sp, now);
	const char *result;

	if (!frame || frame->probe_id != sqlite3_column_int64(row, IN_ENTRY_PROBE) ||
	    frame->in_tail_call)
		return;
	if (tail_call) {
		leave_by_tail_call(frame, row);
		return;
	}
	frame->end_ns = now;
	result = result_of(row);
	frame->result = result;
	close_innermost(cursor, thread);
	/* It returned in the place of those that had called it as their last act. */
	while ((frame = innermost(thread)) && frame->sp == sp && frame->in_tail_call) {
		frame->end_ns = now;
		frame->result = result;
		close_innermost(cursor, thread);
	}
}

/* Every poll that is still open goes on, or ended in a way that is not known. */
static void close_all(struct call_stack_cursor *cursor, struct thread_stack *thread)
{
	struct frame *frame;

	while ((frame = innermost(thread))) {
		frame->running = !frame->in_tail_call && frame->exits_known;
		close_innermost(cursor, thread);
	}
}

static void take_row(struct call_stack_cursor *cursor)
{
	const char *kind = (const char *)sqlite3_column_text(cursor->input, IN_KIND);
	struct thread_stack *thread =
		thread_of(cursor, sqlite3_column_int64(cursor->input, IN_TID));

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
	default: /* start of a thread */
		close_all(cursor, thread);
		break;
	}
}

/* Advance to the next closed poll, reading events as needed. */
static int next_row(struct call_stack_cursor *cursor)
{
	while (cursor->next_closed == cursor->closed.count && !cursor->input_ended) {
		int status = sqlite3_step(cursor->input);

		cursor->next_closed = 0;
		cursor->closed.count = 0;
		if (status == SQLITE_ROW) {
			take_row(cursor);
		} else if (status == SQLITE_DONE) {
			struct thread_stack *thread;

			cursor->input_ended = true;
			for (thread = cursor->threads; thread; thread = thread->hh.next)
				close_all(cursor, thread);
		} else {
			return status;
		}
		if (cursor->out_of_memory)
			return SQLITE_NOMEM;
	}
	return SQLITE_OK;
}

static int vtab_connect(sqlite3 *db, void *unused, int argc, const char *const *argv,
			sqlite3_vtab **table, char **error)
{
	struct call_stack_table *made;
	int status = sqlite3_declare_vtab(db, sql_call_stack_columns);

	(void)unused;
	(void)argc;
	(void)argv;
	(void)error;
	if (status != SQLITE_OK)
		return status;
	made = sqlite3_malloc(sizeof(*made));
	if (!made)
		return SQLITE_NOMEM;
	*made = (struct call_stack_table){.db = db};
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
	struct call_stack_cursor *made = calloc(1, sizeof(*made));

	if (!made)
		return SQLITE_NOMEM;
	made->db = ((struct call_stack_table *)table)->db;
	*cursor = &made->base;
	return SQLITE_OK;
}

static void cursor_clear(struct call_stack_cursor *cursor)
{
	struct thread_stack *thread;
	struct thread_stack *next_thread;
	struct chain *chain;
	struct chain *next_chain;

	HASH_ITER(hh, cursor->threads, thread, next_thread) {
		HASH_DEL(cursor->threads, thread);
		free(thread->open.frames);
		free(thread);
	}
	HASH_ITER(hh, cursor->chains, chain, next_chain) {
		HASH_DEL(cursor->chains, chain);
		free(chain);
	}
	free(cursor->closed.frames);
	sqlite3_finalize(cursor->input);
}

static int vtab_close(sqlite3_vtab_cursor *base)
{
	struct call_stack_cursor *cursor = (struct call_stack_cursor *)base;

	cursor_clear(cursor);
	free(cursor);
	return SQLITE_OK;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int index, const char *name, int argc,
		       sqlite3_value **argv)
{
	struct call_stack_cursor *cursor = (struct call_stack_cursor *)base;
	sqlite3 *db = cursor->db;
	int status;

	(void)index;
	(void)name;
	(void)argc;
	(void)argv;
	cursor_clear(cursor);
	*cursor = (struct call_stack_cursor){.base = cursor->base, .db = db};
	status = sqlite3_prepare_v2(db, sql_call_stack_input, -1, &cursor->input, NULL);
	return status == SQLITE_OK ? next_row(cursor) : status;
}

static int vtab_next(sqlite3_vtab_cursor *base)
{
	struct call_stack_cursor *cursor = (struct call_stack_cursor *)base;

	cursor->next_closed++;
	return next_row(cursor);
}

static int vtab_eof(sqlite3_vtab_cursor *base)
{
	struct call_stack_cursor *cursor = (struct call_stack_cursor *)base;

	return cursor->next_closed == cursor->closed.count;
}

static void result_or_null(sqlite3_context *context, bool known, sqlite3_int64 value)
{
	if (known)
		sqlite3_result_int64(context, value);
	else
		sqlite3_result_null(context);
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	struct call_stack_cursor *cursor = (struct call_stack_cursor *)base;
	const struct frame *frame = &cursor->closed.frames[cursor->next_closed];

	switch ((enum output_column)column) {
	case OUT_ID:
		sqlite3_result_int64(context, frame->id);
		break;
	case OUT_EVENT:
		sqlite3_result_int64(context, frame->event_id);
		break;
	case OUT_PARENT:
		result_or_null(context, frame->parent_id, frame->parent_id);
		break;
	case OUT_CONTAINER:
		result_or_null(context, frame->container_id, frame->container_id);
		break;
	case OUT_ROOT:
		sqlite3_result_int64(context, frame->root_id);
		break;
	case OUT_CHAIN:
		sqlite3_result_int64(context, frame->chain_id);
		break;
	case OUT_PARENT_CHAIN:
		result_or_null(context, frame->parent_chain_id, frame->parent_chain_id);
		break;
	case OUT_ORDINAL:
		result_or_null(context, frame->ordinal, frame->ordinal);
		break;
	case OUT_TYPE:
		sqlite3_result_int64(context, frame->type_id);
		break;
	case OUT_PID:
		sqlite3_result_int64(context, frame->pid);
		break;
	case OUT_TID:
		sqlite3_result_int64(context, frame->tid);
		break;
	case OUT_SELF:
		result_or_null(context, frame->self_known, (sqlite3_int64)frame->self);
		break;
	case OUT_START:
		sqlite3_result_int64(context, frame->start_ns);
		break;
	case OUT_END:
		result_or_null(context, frame->end_ns, frame->end_ns);
		break;
	case OUT_STATE:
		result_or_null(context, frame->state_known, frame->state);
		break;
	case OUT_RESULT:
		if (frame->result)
			sqlite3_result_text(context, frame->result, -1, SQLITE_STATIC);
		else
			sqlite3_result_null(context);
		break;
	case OUT_UNWOUND:
		result_or_null(context, frame->unwound_ns, frame->unwound_ns);
		break;
	case OUT_RUNNING:
		sqlite3_result_int(context, frame->running);
		break;
	}
	return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	struct call_stack_cursor *cursor = (struct call_stack_cursor *)base;

	*rowid = cursor->closed.frames[cursor->next_closed].id;
	return SQLITE_OK;
}

int call_stack_register(sqlite3 *db)
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

	return sqlite3_create_module(db, "call_stack", &module, NULL);
}
