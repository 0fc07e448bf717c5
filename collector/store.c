#include "store.h"

#include "asyncrec/recording.h"
#include "decode.h"
#include "asyncrec/message.h"
#include "probe_plan.h"
#include "schema_sql.h"
#include "store_plan.h"

#include <errno.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rows a transaction; larger ones gain nothing, smaller ones lose time. */
enum { BATCH_ROWS = 100000 };

enum statement {
	INSERT_META,
	INSERT_EVENT,
	INSERT_THREAD_EVENT,
	INSERT_LOST,
	INSERT_FINAL_SNAPSHOT,
	INSERT_STACK,
	INSERT_EVENT_STACK,
	STATEMENT_COUNT
};

struct store {
	char *path;                                /* where the recording shall be; owned */
	char *temporary_path;                      /* where it is until published; owned */
	sqlite3 *db;                               /* owned */
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* owned */
	const struct probe_plan *plan;             /* borrowed */
	uint64_t traps;
	uint64_t lost;
	unsigned rows; /* in the open transaction */
	bool published;
	bool failed; /* an error was reported: store nothing more */
};

static int fail(struct store *store)
{
	if (!store->failed)
		message_error("%s: cannot write: %s; make room or choose another file with -o",
			      store->path, sqlite3_errmsg(store->db));
	store->failed = true;
	return -1;
}

static int run(struct store *store, const char *sql)
{
	if (store->failed)
		return -1;
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(store);
}

static int prepare(struct store *store)
{
	const char *const sql[] = {
		[INSERT_META] = sql_insert_meta,
		[INSERT_EVENT] = sql_insert_event,
		[INSERT_THREAD_EVENT] = sql_insert_thread_event,
		[INSERT_LOST] = sql_insert_lost,
		[INSERT_FINAL_SNAPSHOT] = sql_insert_final_snapshot,
		[INSERT_STACK] = sql_insert_stack,
		[INSERT_EVENT_STACK] = sql_insert_event_stack,
	};

	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->statements[i], NULL) != SQLITE_OK)
			return fail(store);
	return 0;
}

static void finalize(struct store *store)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
}

static int open_database(struct store *store, const char *path)
{
	if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			    NULL) != SQLITE_OK)
		return fail(store);
	/* Somebody who reads along may hold a lock for a moment. */
	sqlite3_busy_timeout(store->db, 5000);
	return 0;
}

/* Run a bound statement that gives no rows, and clear it. */
static int step(struct store *store, enum statement which)
{
	sqlite3_stmt *statement = store->statements[which];
	int status = sqlite3_step(statement);

	if (status != SQLITE_DONE)
		return fail(store);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return ++store->rows < BATCH_ROWS ? 0 : store_flush(store);
}

int store_flush(struct store *store)
{
	if (!store->rows)
		return 0;
	store->rows = 0;
	return run(store, sql_commit) || run(store, sql_begin) ? -1 : 0;
}

/*
 * Is there a database at path, and one of ours? Read off the header as the SQLite
 * file format has it (section 1.3): a recorder that was killed leaves a database
 * that cannot be opened without repairing it.
 */
static bool is_recording(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	static const uint8_t id[] = {
		RECORDING_APPLICATION_ID >> 24,
		RECORDING_APPLICATION_ID >> 16 & 0xff,
		RECORDING_APPLICATION_ID >> 8 & 0xff,
		RECORDING_APPLICATION_ID & 0xff,
	};
	enum { HEADER_SIZE = 100, ID_OFFSET = 68 };
	uint8_t header[HEADER_SIZE];
	FILE *file = fopen(path, "rbe");
	size_t length = file ? fread(header, 1, sizeof(header), file) : 0;

	if (file)
		fclose(file);
	return length == sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0 &&
	       memcmp(header + ID_OFFSET, id, sizeof(id)) == 0;
}

static int check_directory(const char *path)
{
	char *copy = strdup(path);
	const char *directory = copy ? dirname(copy) : NULL;
	int status = -1;

	if (!directory)
		message_error("%s: out of memory", path);
	else if (access(directory, W_OK | X_OK))
		message_error(
			"%s: cannot write to its directory: %s; choose another file with -o",
			path, strerror(errno));
	else
		status = 0;
	free(copy);
	return status;
}

int store_check_output(const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0) {
		if (S_ISREG(status.st_mode) && access(path, W_OK)) {
			message_error("%s: cannot write: %s; choose another file with -o", path,
				      strerror(errno));
			return -1;
		}
		if (!S_ISREG(status.st_mode) || !is_recording(path)) {
			message_error(
				"%s: it exists and is no recording of asyncrec, so it is left "
				"alone; choose another file with -o",
				path);
			return -1;
		}
	} else if (errno != ENOENT) {
		message_error("%s: cannot write: %s; choose another file with -o", path,
			      strerror(errno));
		return -1;
	}
	return check_directory(path);
}

/* A path through symbolic links is replaced where it leads to. */
static char *final_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

struct store *store_create(const char *path)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store)
		store->path = final_path(path);
	if (!store || !store->path ||
	    asprintf(&store->temporary_path, "%s.%ld.new", store->path, (long)getpid()) < 0) {
		message_error("%s: out of memory", path);
		if (store)
			free(store->path);
		free(store);
		return NULL;
	}
	if (open_database(store, store->temporary_path) || run(store, sql_recording_create) ||
	    run(store, sql_mark_recording) || run(store, sql_recording_schema) ||
	    prepare(store) || run(store, sql_begin)) {
		store_discard(store);
		return NULL;
	}
	return store;
}

int store_write_text(struct store *store, const char *key, const char *value)
{
	sqlite3_stmt *insert = store->statements[INSERT_META];

	sqlite3_bind_text(insert, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 2, value, -1, SQLITE_STATIC);
	return step(store, INSERT_META);
}

int store_write_number(struct store *store, const char *key, int64_t value)
{
	sqlite3_stmt *insert = store->statements[INSERT_META];

	if (store->failed)
		return -1;
	sqlite3_bind_text(insert, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 2, value);
	return step(store, INSERT_META);
}

int store_write_plan(struct store *store, const struct probe_plan *plan)
{
	store->plan = plan;
	return store->failed || store_plan_write(store->db, plan) ? fail(store) : 0;
}

/* Files that SQLite keeps beside a database. */
static void remove_companions(const char *path)
{
	static const char *const endings[] = {"-wal", "-shm", "-journal"};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		char *name;

		if (asprintf(&name, "%s%s", path, endings[i]) < 0)
			continue;
		unlink(name);
		free(name);
	}
}

int store_publish(struct store *store)
{
	if (run(store, sql_commit))
		return -1;
	finalize(store);
	sqlite3_close(store->db);
	store->db = NULL;
	/* The older recording's, which would be taken for the new one's. */
	remove_companions(store->path);
	if (rename(store->temporary_path, store->path)) {
		message_error("%s: cannot replace it: %s", store->path, strerror(errno));
		store->failed = true;
		return -1;
	}
	store->published = true;
	store->rows = 0;
	return open_database(store, store->path) || run(store, sql_recording_open) ||
			       prepare(store) || run(store, sql_begin)
		       ? -1
		       : 0;
}

static void bind_trap(sqlite3_stmt *insert, const struct perf_stamp *stamp,
		      const struct trap *trap, const struct probe *probe)
{
	sqlite3_bind_int64(insert, 1, (sqlite3_int64)stamp->time_ns);
	sqlite3_bind_int64(insert, 2, stamp->cpu);
	sqlite3_bind_int64(insert, 3, stamp->pid);
	sqlite3_bind_int64(insert, 4, stamp->tid);
	sqlite3_bind_int64(insert, 5, trap->probe_id);
	sqlite3_bind_int64(insert, 6, (sqlite3_int64)trap->address);
	sqlite3_bind_int64(insert, 7, (sqlite3_int64)trap->sp);
	if (probe->kind == PROBE_USER || (probe->kind == PROBE_STORE && !probe->result_known))
		return;
	if (probe->kind != PROBE_ENTRY && probe->kind != PROBE_LIFE) {
		sqlite3_bind_int64(insert, 13, (sqlite3_int64)trap->result);
		return;
	}
	sqlite3_bind_int64(insert, 8, (sqlite3_int64)trap->self);
	sqlite3_bind_int64(insert, 9, (sqlite3_int64)trap->state);
	if (trap->return_address)
		sqlite3_bind_int64(insert, 10, (sqlite3_int64)trap->return_address);
	if (probe->kind == PROBE_ENTRY) {
		sqlite3_bind_int64(insert, 11, (sqlite3_int64)trap->waker_data);
		sqlite3_bind_int64(insert, 12, (sqlite3_int64)trap->waker_vtable);
	}
	sqlite3_bind_int64(insert, 14, (sqlite3_int64)trap->task_state);
	if (probe->words)
		sqlite3_bind_blob(insert, 15, trap->words,
				  (int)(probe->words * sizeof(trap->words[0])), SQLITE_STATIC);
}

int store_add_trap(struct store *store, const struct perf_stamp *stamp, const struct trap *trap,
		   uint32_t stack_id)
{
	sqlite3_stmt *insert = store->statements[INSERT_EVENT_STACK];
	const struct probe_plan *plan = store->plan;

	if (store->failed || trap->probe_id == 0 || trap->probe_id > plan->probe_count)
		return store->failed ? -1 : 0;
	bind_trap(store->statements[INSERT_EVENT], stamp, trap,
		  &plan->probes[trap->probe_id - 1]);
	store->traps++;
	if (step(store, INSERT_EVENT))
		return -1;
	if (!stack_id)
		return 0;
	sqlite3_bind_int64(insert, 1, sqlite3_last_insert_rowid(store->db));
	sqlite3_bind_int64(insert, 2, stack_id);
	return step(store, INSERT_EVENT_STACK);
}

int store_add_stack(struct store *store, uint32_t id, const struct stack_text *text)
{
	sqlite3_stmt *insert = store->statements[INSERT_STACK];

	if (store->failed)
		return -1;
	sqlite3_bind_int64(insert, 1, id);
	sqlite3_bind_text(insert, 2, text->function, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 3, text->file, -1, SQLITE_STATIC);
	if (text->line)
		sqlite3_bind_int64(insert, 4, text->line);
	sqlite3_bind_text(insert, 5, text->frames, -1, SQLITE_STATIC);
	return step(store, INSERT_STACK);
}

int store_add_lost(struct store *store, const struct perf_stamp *stamp, uint64_t since_ns,
		   uint64_t count)
{
	sqlite3_stmt *insert = store->statements[INSERT_LOST];

	if (store->failed)
		return -1;
	store->lost += count;
	sqlite3_bind_int64(insert, 1, (sqlite3_int64)stamp->time_ns);
	sqlite3_bind_int64(insert, 2, (sqlite3_int64)since_ns);
	sqlite3_bind_int64(insert, 3, stamp->cpu);
	sqlite3_bind_int64(insert, 4, (sqlite3_int64)count);
	return step(store, INSERT_LOST);
}

int store_add_thread_event(struct store *store, const struct perf_stamp *stamp,
			   enum thread_event_kind kind, uint32_t pid, uint32_t tid,
			   uint32_t parent_tid, const char *name)
{
	static const char *const kinds[] = {
		[THREAD_START] = "start", [THREAD_NAME] = "name", [THREAD_END] = "end"};
	sqlite3_stmt *insert = store->statements[INSERT_THREAD_EVENT];

	if (store->failed)
		return -1;
	sqlite3_bind_int64(insert, 1, (sqlite3_int64)stamp->time_ns);
	sqlite3_bind_text(insert, 2, kinds[kind], -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 3, pid);
	sqlite3_bind_int64(insert, 4, tid);
	if (kind == THREAD_START)
		sqlite3_bind_int64(insert, 5, parent_tid);
	sqlite3_bind_text(insert, 6, name, -1, SQLITE_STATIC);
	return step(store, INSERT_THREAD_EVENT);
}

int store_add_final_snapshot(struct store *store, uint64_t time_ns, uint32_t pid,
			     uint32_t probe_id, uint64_t address, uint64_t self,
			     const uint64_t *words)
{
	sqlite3_stmt *insert = store->statements[INSERT_FINAL_SNAPSHOT];
	const struct probe *probe = &store->plan->probes[probe_id - 1];

	if (store->failed)
		return -1;
	sqlite3_bind_int64(insert, 1, (sqlite3_int64)time_ns);
	sqlite3_bind_int64(insert, 2, pid);
	sqlite3_bind_int64(insert, 3, probe_id);
	sqlite3_bind_int64(insert, 4, (sqlite3_int64)address);
	sqlite3_bind_int64(insert, 5, (sqlite3_int64)self);
	sqlite3_bind_blob(insert, 6, words, (int)(probe->words * sizeof(*words)),
			  SQLITE_STATIC);
	return step(store, INSERT_FINAL_SNAPSHOT);
}

int store_reconstruct(struct store *store)
{
	char *why;

	/* Even if deriving fails, the raw events are then safe. */
	if (run(store, sql_commit))
		return -1;
	if (recording_reconstruct(store->db, &why)) {
		message_error(
			"%s: cannot derive polls from the events: %s; asyncreport can do it "
			"later",
			store->path, why ? why : "out of memory");
		sqlite3_free(why);
		store->failed = true;
		return -1;
	}
	return run(store, sql_begin);
}

uint64_t store_trap_count(const struct store *store)
{
	return store->traps;
}

uint64_t store_lost_count(const struct store *store)
{
	return store->lost;
}

/* The one number that the query gives. */
static uint64_t count(struct store *store, const char *query)
{
	sqlite3_stmt *statement = NULL;
	uint64_t count = 0;

	if (sqlite3_prepare_v2(store->db, query, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		count = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return count;
}

uint64_t store_poll_count(struct store *store)
{
	return count(store, sql_count_polls);
}

uint64_t store_unknown_waker_count(struct store *store)
{
	return count(store, sql_count_unknown_wakers);
}

uint64_t store_file_size(const struct store *store)
{
	struct stat status;

	return stat(store->path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void store_free(struct store *store)
{
	finalize(store);
	sqlite3_close(store->db);
	free(store->path);
	free(store->temporary_path);
	free(store);
}

int store_close(struct store *store)
{
	int status = store->failed ? -1 : 0;

	if (!sqlite3_get_autocommit(store->db) && run(store, sql_commit))
		status = -1;
	finalize(store);
	/* One file, which can be copied and read without write access. */
	if (run(store, sql_recording_close))
		status = -1;
	store_free(store);
	return status;
}

void store_discard(struct store *store)
{
	if (!store->published) {
		unlink(store->temporary_path);
		remove_companions(store->temporary_path);
	}
	store_free(store);
}
