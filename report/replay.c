#include "replay.h"

#include "replay_events.h"
#include "schema_sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>

/* Columns of replay_columns. */
enum output_column {
	OUT_ROW,
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
	OUT_FINISHED,
	OUT_SOURCE,
	OUT_CERTAIN,
	OUT_RUNNER,
	OUT_DROPPER,
};

struct replay_table {
	sqlite3_vtab base;
	sqlite3 *db;
};

struct replay_cursor {
	sqlite3_vtab_cursor base;
	struct replay *replay; /* owned */
};

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

	if (made)
		made->replay = replay_new(((struct replay_table *)table)->db);
	if (!made || !made->replay) {
		free(made);
		return SQLITE_NOMEM;
	}
	*cursor = &made->base;
	return SQLITE_OK;
}

static int vtab_close(sqlite3_vtab_cursor *base)
{
	struct replay_cursor *cursor = (struct replay_cursor *)base;

	replay_free(cursor->replay);
	free(cursor);
	return SQLITE_OK;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int index, const char *name, int argc,
		       sqlite3_value **argv)
{
	(void)index;
	(void)name;
	(void)argc;
	(void)argv;
	return replay_start(((struct replay_cursor *)base)->replay);
}

static int vtab_next(sqlite3_vtab_cursor *base)
{
	return replay_next(((struct replay_cursor *)base)->replay);
}

static int vtab_eof(sqlite3_vtab_cursor *base)
{
	return replay_row(((struct replay_cursor *)base)->replay) == NULL;
}

static void result_text(sqlite3_context *context, enum poll_result result)
{
	static const char *const names[] = {[POLL_PENDING] = "pending",
					    [POLL_READY] = "ready",
					    [POLL_PANICKED] = "panicked"};

	if (result != POLL_UNKNOWN)
		sqlite3_result_text(context, names[result], -1, SQLITE_STATIC);
}

static const char *const row_names[] = {
	[ROW_POLL] = "poll", [ROW_HIT] = "hit",           [ROW_SPAWN] = "spawn",
	[ROW_WAKE] = "wake", [ROW_EXECUTOR] = "executor", [ROW_DROP] = "drop"};

static const char *const dropper_names[] = {
	[DROPPED_BY_POLL] = "poll",
	[DROPPED_BY_ABORT] = "abort",
	[DROPPED_BY_EXECUTOR] = "executor",
	[DROPPED_OUTSIDE] = "outside",
};

/* Without a call of these the column is NULL. */
static void result_if(sqlite3_context *context, bool known, int64_t value)
{
	if (known)
		sqlite3_result_int64(context, value);
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct replay_cursor *cursor = (struct replay_cursor *)base;
	const struct poll *poll = replay_row(cursor->replay);

	switch ((enum output_column)column) {
	case OUT_ROW:
		sqlite3_result_text(context, row_names[poll->row], -1, SQLITE_STATIC);
		break;
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
	case OUT_FINISHED:
		sqlite3_result_int(context, poll->finished);
		break;
	case OUT_SOURCE:
		sqlite3_result_text(context,
				    poll->by_store      ? "store"
				    : poll->is_inferred ? "snapshot"
							: "probe",
				    -1, SQLITE_STATIC);
		break;
	case OUT_CERTAIN:
		sqlite3_result_int(context,
				   (!poll->is_inferred || poll->certain) && !poll->uncounted);
		break;
	case OUT_RUNNER:
		result_if(context, poll->runner_event_id, poll->runner_event_id);
		break;
	case OUT_DROPPER:
		if (poll->row == ROW_DROP)
			sqlite3_result_text(context, dropper_names[poll->dropper], -1,
					    SQLITE_STATIC);
		break;
	}
	return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	const struct replay_cursor *cursor = (struct replay_cursor *)base;

	*rowid = replay_row(cursor->replay)->id;
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
