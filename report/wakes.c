#include "wakes.h"

#include "asyncrec/array.h"
#include "schema_sql.h"
#include "waker_count.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Columns of wake_input, which has rows of polls and of calls of wakers' functions. */
enum input_column {
	IN_TIME,
	IN_IS_CALL,
	IN_ID,   /* of the poll, or of the event */
	IN_DATA, /* NULL: not known */
	IN_VTABLE,
	IN_PID,
	IN_TID,
	/* of a poll */
	IN_PARENT,
	IN_FUTURE,
	IN_TASK,
	IN_END,
	IN_RESULT,
	IN_LAST_POLL,
	IN_WHOLE,
	/* of a call */
	IN_OPERATION,
	IN_FUNCTION,
	IN_FUNCTION_END,
	IN_RETURN_ADDRESS,
	IN_SP,
	IN_BY_TASK,
	IN_BY_FUTURE,
	IN_BY_POLL,
};

/* A row of table wake; ids of 0 stand for NULL. */
struct wake {
	int64_t id;
	int64_t event_id;
	int64_t time_ns;
	int64_t pid;
	int64_t tid;
	int64_t task_id;
	int64_t future_id;
	int64_t by_task_id;
	int64_t by_future_id;
	int64_t by_poll_id;
	int64_t poll_id;
	int64_t sched_ns; /* -1: NULL */
	int by_value;     /* -1: NULL */
	bool nested;
	bool running; /* it came during a poll of the future */
};

struct waker_key {
	int64_t pid;
	uint64_t data;
};

/* A waker, of whatever future is polled with it at the time. */
struct waker {
	struct waker_key key;
	int64_t future_id;    /* 0: none was polled with it so far */
	int64_t task_id;      /* of its latest poll */
	int64_t last_poll_ns; /* of the future: it is not polled after that */
	int64_t end_ns;       /* of the latest poll; 0: not known */
	enum {
		RESULT_UNKNOWN,
		RESULT_PENDING,
		RESULT_READY, /* or it panicked: no other poll follows */
	} result;             /* of the latest poll */
	bool nested;          /* another future polled it with a waker of its own */
	bool shared;          /* an executor has one waker for several tasks */
	struct wake *waiting; /* owned array: wakes since the latest poll; the first has caused,
			       * if it is polled, the next one */
	size_t waiting_count;
	size_t waiting_room;
	struct waker_count count; /* of its clones */
	UT_hash_handle hh;        /* keyed by key */
};

struct wakes {
	sqlite3_stmt *input;         /* owned */
	sqlite3_stmt *insert;        /* owned; into wake */
	sqlite3_stmt *insert_task;   /* owned; into waked_task */
	struct waker *wakers;        /* owned */
	struct waker_counts *counts; /* owned */
	uint64_t *data_of;           /* owned; by id of a poll: the data it got; 0: unknown */
	size_t data_room;
	int64_t wake_count;
	int status; /* of SQLite */
};

static void bind_id(sqlite3_stmt *insert, int column, int64_t id)
{
	if (id)
		sqlite3_bind_int64(insert, column, id);
}

static void step(struct wakes *wakes, sqlite3_stmt *insert)
{
	int status = sqlite3_step(insert);

	if (status != SQLITE_DONE && wakes->status == SQLITE_OK)
		wakes->status = status;
	sqlite3_reset(insert);
	sqlite3_clear_bindings(insert);
}

/* What came of it is effect, static, as table wake has it; NULL: it is not known. */
static void write_wake(struct wakes *wakes, const struct wake *wake, const char *effect)
{
	sqlite3_stmt *insert = wakes->insert;
	const int64_t ids[] = {wake->id,         wake->event_id,   wake->time_ns,
			       wake->pid,        wake->tid,        wake->task_id,
			       wake->future_id,  wake->by_task_id, wake->by_future_id,
			       wake->by_poll_id, wake->poll_id};
	int column = sizeof(ids) / sizeof(ids[0]) + 1;

	for (int i = 0; i + 1 < column; i++)
		bind_id(insert, i + 1, ids[i]);
	if (wake->sched_ns >= 0)
		sqlite3_bind_int64(insert, column, wake->sched_ns);
	sqlite3_bind_text(insert, column + 1, effect, -1, SQLITE_STATIC);
	if (wake->task_id)
		sqlite3_bind_int(insert, column + 2, wake->nested);
	if (wake->by_value >= 0)
		sqlite3_bind_int(insert, column + 3, wake->by_value);
	step(wakes, insert);
}

static struct waker *waker_of(struct wakes *wakes, int64_t pid, uint64_t data)
{
	struct waker_key key = {pid, data};
	struct waker *waker;

	HASH_FIND(hh, wakes->wakers, &key, sizeof(key), waker);
	if (waker)
		return waker;
	waker = calloc(1, sizeof(*waker));
	if (!waker) {
		wakes->status = SQLITE_NOMEM;
		return NULL;
	}
	waker->key = key;
	HASH_ADD(hh, wakes->wakers, key, sizeof(waker->key), waker);
	return waker;
}

/* The wakes since the latest poll led to poll_id, which began at now; 0: to none. */
static void settle(struct wakes *wakes, struct waker *waker, int64_t poll_id, int64_t now)
{
	for (size_t i = 0; i < waker->waiting_count; i++) {
		struct wake *wake = &waker->waiting[i];
		int64_t since_ns = wake->time_ns;
		const char *effect = "already";

		if (!waker->shared) {
			wake->task_id = waker->task_id;
			wake->future_id = waker->future_id;
			wake->nested = waker->nested;
		}
		if (waker->shared || !waker->future_id ||
		    (!poll_id && waker->result != RESULT_PENDING)) {
			effect = NULL;
		} else if (i == 0 && !poll_id) {
			effect = "unpolled";
		} else if (i == 0) {
			effect = wake->running ? "running" : "scheduled";
			/* Until then the future was running, not waiting for its turn. */
			if (wake->running && waker->end_ns > since_ns)
				since_ns = waker->end_ns;
			wake->poll_id = poll_id;
			wake->sched_ns = now > since_ns ? now - since_ns : 0;
		}
		write_wake(wakes, wake, effect);
	}
	waker->waiting_count = 0;
}

/* What table task is to know of the task that the waker was of. */
static void write_task(struct wakes *wakes, const struct waker *waker, bool is_last)
{
	sqlite3_stmt *insert = wakes->insert_task;
	int wakes_seen = waker_count_wakes_seen(wakes->counts, &waker->count);
	int lost = -1;

	if (!waker->future_id || waker->nested)
		return;
	if (waker->result == RESULT_READY)
		lost = 0;
	else if (is_last && waker->result == RESULT_PENDING && !waker->shared)
		lost = waker->waiting_count ? 0
					    : waker_count_lost(wakes->counts, &waker->count);
	sqlite3_bind_int64(insert, 1, waker->task_id);
	if (wakes_seen >= 0)
		sqlite3_bind_int(insert, 2, wakes_seen == 2 && !waker->shared);
	if (lost >= 0)
		sqlite3_bind_int(insert, 3, lost);
	sqlite3_bind_int(insert, 4, waker->shared);
	step(wakes, insert);
}

static int64_t input_number(const struct wakes *wakes, enum input_column column)
{
	return sqlite3_column_int64(wakes->input, column);
}

/* Note the waker that the poll got; one that did not trap has that of the one around it. */
static void note_data(struct wakes *wakes, int64_t poll_id, uint64_t data)
{
	size_t needed = (size_t)poll_id + 1;

	if (needed > wakes->data_room) {
		size_t room = needed * 2;
		uint64_t *grown = realloc(wakes->data_of, room * sizeof(*grown));

		if (!grown) {
			wakes->status = SQLITE_NOMEM;
			return;
		}
		memset(grown + wakes->data_room, 0, (room - wakes->data_room) * sizeof(*grown));
		wakes->data_of = grown;
		wakes->data_room = room;
	}
	wakes->data_of[poll_id] = data;
}

/* A future that was not polled with the waker before is now. */
static void change_future(struct wakes *wakes, struct waker *waker, bool nested)
{
	int64_t future_id = input_number(wakes, IN_FUTURE);

	if (waker->future_id && !waker->nested && !nested &&
	    waker->last_poll_ns > input_number(wakes, IN_TIME))
		waker->shared = true;
	/* Futures of one task that follow one another have the wakes in common. */
	if (waker->future_id && waker->task_id != input_number(wakes, IN_TASK)) {
		settle(wakes, waker, 0, 0);
		write_task(wakes, waker, false);
		waker_count_begin(&waker->count, input_number(wakes, IN_WHOLE));
	} else if (!waker->future_id) {
		waker_count_begin(&waker->count, input_number(wakes, IN_WHOLE));
	}
	waker->future_id = future_id;
	waker->nested = nested;
}

static void take_poll(struct wakes *wakes)
{
	sqlite3_stmt *row = wakes->input;
	int64_t id = input_number(wakes, IN_ID);
	int64_t parent = input_number(wakes, IN_PARENT);
	int64_t now = input_number(wakes, IN_TIME);
	uint64_t around =
		parent && (size_t)parent < wakes->data_room ? wakes->data_of[parent] : 0;
	bool is_known = sqlite3_column_type(row, IN_DATA) != SQLITE_NULL;
	uint64_t data = (uint64_t)input_number(wakes, IN_DATA);
	const char *result = (const char *)sqlite3_column_text(row, IN_RESULT);
	struct waker *waker;

	note_data(wakes, id, is_known ? data : around);
	waker = is_known ? waker_of(wakes, input_number(wakes, IN_PID), data) : NULL;
	if (!waker)
		return;
	waker_count_vtable(&waker->count, input_number(wakes, IN_VTABLE));
	/* Not known what the one around it got: it is likely the same. */
	if (parent && (!around || around == data))
		return;
	if (waker->future_id != input_number(wakes, IN_FUTURE))
		change_future(wakes, waker, parent != 0);
	waker->task_id = input_number(wakes, IN_TASK);
	settle(wakes, waker, id, now);
	waker->last_poll_ns = input_number(wakes, IN_LAST_POLL);
	waker->end_ns = input_number(wakes, IN_END);
	waker->result = !result                          ? RESULT_UNKNOWN
			: strcmp(result, "pending") == 0 ? RESULT_PENDING
							 : RESULT_READY;
	if (!parent && waker->end_ns && waker->result == RESULT_PENDING)
		waker_count_polled(wakes->counts, &waker->count, data,
				   input_number(wakes, IN_TID), now, waker->end_ns);
}

/* Add a wake to those that the next poll will follow. */
static void wait(struct wakes *wakes, struct waker *waker, const struct wake *wake)
{
	struct wake *grown = array_room(waker->waiting, waker->waiting_count,
					&waker->waiting_room, sizeof(*grown));

	if (!grown) {
		wakes->status = SQLITE_NOMEM;
		return;
	}
	waker->waiting = grown;
	waker->waiting[waker->waiting_count++] = *wake;
}

static void take_wake(struct wakes *wakes, struct waker *waker, enum waker_operation operation)
{
	struct wake wake = {
		.id = ++wakes->wake_count,
		.event_id = input_number(wakes, IN_ID),
		.time_ns = input_number(wakes, IN_TIME),
		.pid = input_number(wakes, IN_PID),
		.tid = input_number(wakes, IN_TID),
		.task_id = waker->shared ? 0 : waker->task_id,
		.future_id = waker->shared ? 0 : waker->future_id,
		.by_task_id = input_number(wakes, IN_BY_TASK),
		.by_future_id = input_number(wakes, IN_BY_FUTURE),
		.by_poll_id = input_number(wakes, IN_BY_POLL),
		.sched_ns = -1,
		.by_value = operation == WAKER_EITHER ? -1 : operation == WAKER_WAKE,
		.nested = waker->nested,
	};

	wake.running = waker->future_id && wake.time_ns < waker->end_ns;
	if (waker->future_id && !waker->shared && waker->result == RESULT_READY)
		write_wake(wakes, &wake, "finished");
	else
		wait(wakes, waker, &wake);
}

static void take_call(struct wakes *wakes)
{
	struct waker_call call = {
		.time_ns = input_number(wakes, IN_TIME),
		.tid = input_number(wakes, IN_TID),
		.data = (uint64_t)input_number(wakes, IN_DATA),
		.function = (uint64_t)input_number(wakes, IN_FUNCTION),
		.function_end = (uint64_t)input_number(wakes, IN_FUNCTION_END),
		.return_address = (uint64_t)input_number(wakes, IN_RETURN_ADDRESS),
		.sp = (uint64_t)input_number(wakes, IN_SP),
		.operation = waker_operation_named(
			(const char *)sqlite3_column_text(wakes->input, IN_OPERATION)),
	};
	struct waker *waker = waker_of(wakes, input_number(wakes, IN_PID), call.data);

	if (!waker)
		return;
	waker_count_vtable(&waker->count, input_number(wakes, IN_VTABLE));
	if (waker_count_call(wakes->counts, &waker->count, &call))
		return;
	if (call.operation != WAKER_CLONE && call.operation != WAKER_DROP)
		take_wake(wakes, waker, call.operation);
}

/* The recording ended. */
static void finish(struct wakes *wakes)
{
	waker_counts_end(wakes->counts);
	for (struct waker *waker = wakes->wakers; waker; waker = waker->hh.next) {
		write_task(wakes, waker, true);
		settle(wakes, waker, 0, 0);
	}
}

static void wakes_free(struct wakes *wakes)
{
	struct waker *waker;
	struct waker *next;

	HASH_ITER(hh, wakes->wakers, waker, next)
	{
		HASH_DEL(wakes->wakers, waker);
		free(waker->waiting);
		free(waker);
	}
	waker_counts_free(wakes->counts);
	free(wakes->data_of);
	sqlite3_finalize(wakes->input);
	sqlite3_finalize(wakes->insert);
	sqlite3_finalize(wakes->insert_task);
}

static int run(struct wakes *wakes)
{
	int status = SQLITE_ROW;

	while (wakes->status == SQLITE_OK &&
	       (status = sqlite3_step(wakes->input)) == SQLITE_ROW)
		if (input_number(wakes, IN_IS_CALL))
			take_call(wakes);
		else
			take_poll(wakes);
	if (wakes->status == SQLITE_OK && status == SQLITE_DONE)
		finish(wakes);
	else if (wakes->status == SQLITE_OK)
		wakes->status = status;
	return wakes->status;
}

int wakes_reconstruct(sqlite3 *db)
{
	struct wakes wakes = {0};
	int status = sqlite3_exec(db, sql_wake_prepare, NULL, NULL, NULL);

	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(db, sql_wake_input, -1, &wakes.input, NULL);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(db, sql_insert_wake, -1, &wakes.insert, NULL);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(db, sql_insert_waked_task, -1, &wakes.insert_task,
					    NULL);
	if (status == SQLITE_OK) {
		wakes.counts = waker_counts_load(db);
		status = wakes.counts ? run(&wakes) : SQLITE_NOMEM;
	}
	wakes_free(&wakes);
	return status;
}
