/*
 * report/replay.c, call_stack.c, futures.c: which poll is inside which. Each case is a short
 * list of raw events; sp 100 is nearer to the root than sp 50.
 */
#include "asyncrec/recording.h"
#include "replay.h"
#include "schema_sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Probes 1 and 2 are the entry and exit of outer, 3 and 4 of inner, 5 a tail call of
 * outer to inner, 6 an entry of a function that runs tasks, 7 of one that stands for the
 * poll of an outer, 8 and 9 a user's own at the beginning and end of outer, 10 one in
 * another function, 11 and 12 the entry and exit of a function that blocks on a coroutine
 * `frame`, which is inlined into it from 6010 to 6100, in another one at 7010; from 6060 on
 * a hand-written `either` is inlined into that. 13 is the drop glue of outer, 14 a glue
 * around it, 15 a function of an executor that drops an outer. */
static const char probes[] =
	"INSERT INTO image VALUES (1, 'x', NULL);"
	"INSERT INTO future_type (id, image_id, name, kind, size_bytes, inlined, complete, "
	"left_out, drops_traced) VALUES "
	"(1, 1, 'outer', 'async_fn', 64, 0, 1, 0, 1), (2, 1, 'inner', 'future', 8, 0, 1, 0, 1),"
	"(3, 1, 'frame', 'async_fn', 64, 2, 0, 0, 1), (4, 1, 'either', 'future', 16, 1, 0, 0, "
	"1);"
	"INSERT INTO inlined_poll VALUES (1, 1, NULL, 3, 6000, 1), (2, 1, NULL, 3, 7000, 1),"
	" (3, 1, 1, 4, 6000, 1);"
	"INSERT INTO inlined_range VALUES (1, 6010, 6100), (2, 7010, 7100), (3, 6060, 6100);"
	"INSERT INTO probe (id, image_id, future_type_id, kind, entry_id, file_offset, "
	"address, function_address, stack_above,"
	" state_known, self_known, waker_known, exits, result_is, result_value, tail_address,"
	" runs_task, self_offset, task_idle, blocks_on, task_drops)"
	" VALUES (1, 1, 1, 'entry', 1, 0, 1000, 1000, 0, 1, 1, 0, 1, NULL, NULL, NULL, 0, 0, "
	"0, 0, 0),"
	" (2, 1, 1, 'exit', 1, 0, 1010, 1010, 0, 0, 0, 0, 0, 'pending', 1, NULL, 0, 0, 0, 0, "
	"0),"
	" (3, 1, 2, 'entry', 3, 0, 2000, 2000, 0, 0, 1, 0, 1, NULL, NULL, NULL, 0, 0, 0, 0, 0),"
	" (4, 1, 2, 'exit', 3, 0, 2010, 2010, 0, 0, 0, 0, 0, 'pending', 1, NULL, 0, 0, 0, 0, "
	"0),"
	" (5, 1, 1, 'tail', 1, 0, 1020, 1020, 0, 0, 0, 0, 0, NULL, NULL, 2000, 0, 0, 0, 0, 0),"
	" (6, 1, NULL, 'entry', 6, 0, 3000, 3000, 0, 0, 1, 0, 1, NULL, NULL, NULL, 1, 0, 0, 0, "
	"0),"
	" (7, 1, 1, 'entry', 7, 0, 4000, 4000, 0, 1, 1, 0, 1, NULL, NULL, NULL, 1, 40, 2, 0, "
	"0),"
	" (8, 1, NULL, 'user', 8, 0, 1000, 1000, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, "
	"0),"
	" (9, 1, NULL, 'user', 9, 0, 1010, 1000, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, "
	"0),"
	" (10, 1, NULL, 'user', 10, 0, 5000, 5000, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, "
	"0, 0),"
	" (11, 1, NULL, 'entry', 11, 0, 6000, 6000, 0, 0, 0, 0, 1, NULL, NULL, NULL, 1, 0, 0, "
	"1, 0),"
	" (12, 1, NULL, 'exit', 11, 0, 6200, 6000, 0, 0, 0, 0, 0, NULL, NULL, NULL, 1, 0, 0, "
	"1, 0),"
	" (13, 1, 1, 'drop', 13, 0, 8000, 8000, 0, 1, 1, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, "
	"0),"
	" (14, 1, 1, 'drop', 14, 0, 8100, 8100, 0, 1, 1, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, "
	"0),"
	" (15, 1, 1, 'drop', 15, 0, 8200, 8200, 0, 1, 1, 0, 0, NULL, NULL, NULL, 1, 40, 3, 0, "
	"0);"
	"INSERT INTO await_point (future_type_id, state) VALUES (1, 3);";

static int make(void **state)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql_recording_schema, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, probes, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(replay_register(db), SQLITE_OK);
	*state = db;
	return 0;
}

static int unmake(void **state)
{
	return sqlite3_close(*state) == SQLITE_OK ? 0 : -1;
}

static void event(sqlite3 *db, int time, int tid, int probe, int sp, int self, int result)
{
	char *sql =
		sqlite3_mprintf("INSERT INTO event (time_ns, cpu, pid, tid, probe_id, address,"
				" sp, self, state, result) VALUES (%d, 0, 1, %d, %d, 0, %d, %d,"
				" 3, %d)",
				time, tid, probe, sp, self, result);

	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_free(sql);
}

/* The entry of inner, called from where the call returns to at `from`. */
static void call(sqlite3 *db, int time, int sp, int self, int from)
{
	char *sql =
		sqlite3_mprintf("INSERT INTO event (time_ns, cpu, pid, tid, probe_id, address,"
				" sp, self, state, return_address)"
				" VALUES (%d, 0, 1, 7, 3, 2000, %d, %d, 0, %d)",
				time, sp, self, from);

	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_free(sql);
}

/* The one text that the query gives. */
static void gives(sqlite3 *db, const char *query, const char *expected)
{
	sqlite3_stmt *statement;
	char *got;

	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	got = sqlite3_mprintf("%s", sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	assert_string_equal(got, expected);
	sqlite3_free(got);
}

/* Rows of call_stack by id: type, parent, start, end, result. */
static void stacks(sqlite3 *db, const char *expected)
{
	gives(db,
	      "SELECT group_concat(row, '; ') FROM (SELECT future_type_id || "
	      "' in ' || coalesce(parent_id, '-') || ' ' || start_ns || '-' || "
	      "coalesce(end_ns, '?') || ' ' || coalesce(result, '?') || "
	      "CASE WHEN running THEN ' running' ELSE '' END AS row "
	      "FROM replay WHERE id IS NOT NULL ORDER BY id)",
	      expected);
}

/* Hits in the order of time: the poll, its future and its task. */
static void hits(sqlite3 *db, const char *expected)
{
	gives(db,
	      "SELECT group_concat(row, '; ') FROM (SELECT coalesce(parent_id, '-') || ' ' || "
	      "coalesce(future_id, '-') || ' ' || coalesce(task_id, '-') AS row "
	      "FROM replay WHERE row = 'hit' ORDER BY event_id)",
	      expected);
}

static void a_poll_inside_a_poll(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 7, 3, 50, 508, 0);
	event(*state, 3, 7, 4, 50, 0, 1);
	event(*state, 4, 7, 2, 100, 0, 0);
	stacks(*state, "1 in - 1-4 ready; 2 in 1 2-3 pending");
}

static void threads_have_stacks_of_their_own(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 8, 3, 50, 508, 0);
	event(*state, 3, 8, 4, 50, 0, 0);
	event(*state, 4, 7, 2, 100, 0, 1);
	stacks(*state, "1 in - 1-4 pending; 2 in - 2-3 ready");
}

static void a_panic_leaves_no_exit(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 7, 3, 50, 508, 0);
	/* inner unwound, outer caught it */
	event(*state, 4, 7, 2, 100, 0, 0);
	stacks(*state, "1 in - 1-4 ready; 2 in 1 2-? panicked");
}

static void a_later_entry_shows_that_polls_were_left(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 7, 3, 50, 508, 0);
	event(*state, 5, 7, 3, 100, 600, 0);
	event(*state, 6, 7, 4, 100, 0, 0);
	stacks(*state, "1 in - 1-? panicked; 2 in 1 2-? panicked; 2 in - 5-6 ready");
}

static void a_poll_that_never_ends_is_running(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	stacks(*state, "1 in - 1-? ? running");
}

static void a_tail_call_ends_with_its_target(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 7, 5, 100, 0, 0);
	event(*state, 3, 7, 3, 100, 508, 0);
	event(*state, 4, 7, 4, 100, 0, 1);
	stacks(*state, "1 in - 1-4 pending; 2 in 1 3-4 pending");
}

static void a_tail_call_to_an_unprobed_function_is_no_parent(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 7, 5, 100, 0, 0);
	event(*state, 5, 7, 1, 100, 500, 0);
	event(*state, 6, 7, 2, 100, 0, 1);
	stacks(*state, "1 in - 1-2 pending; 1 in - 5-6 pending");
}

static void an_exit_without_its_entry_is_ignored(void **state)
{
	event(*state, 1, 7, 2, 100, 0, 0);
	event(*state, 2, 7, 1, 50, 500, 0);
	event(*state, 3, 7, 2, 50, 0, 0);
	stacks(*state, "1 in - 2-3 ready");
}

static void a_thread_id_used_again_starts_empty(void **state)
{
	event(*state, 1, 7, 1, 100, 500, 0);
	assert_int_equal(
		sqlite3_exec(*state,
			     "INSERT INTO thread_event VALUES (2, 'start', 1, 7, 1, NULL)",
			     NULL, NULL, NULL),
		SQLITE_OK);
	event(*state, 3, 7, 3, 50, 508, 0);
	event(*state, 4, 7, 4, 50, 0, 0);
	stacks(*state, "1 in - 1-? ? running; 2 in - 3-4 ready");
}

static void tasks_inside_their_executor_have_no_parent(void **state)
{
	/* a future that runs an executor in its poll */
	event(*state, 0, 7, 1, 300, 700, 0);
	event(*state, 1, 7, 6, 200, 900, 0);
	event(*state, 2, 7, 1, 100, 500, 0);
	event(*state, 3, 7, 3, 50, 508, 0);
	event(*state, 4, 7, 4, 50, 0, 0);
	event(*state, 5, 7, 2, 100, 0, 0);
	stacks(*state, "1 in - 0-? ? running; 1 in - 2-5 ready; 2 in 2 3-4 ready");
}

static void a_hit_is_in_the_innermost_poll(void **state)
{
	event(*state, 1, 7, 10, 90, 0, 0);
	event(*state, 2, 7, 1, 100, 500, 0);
	event(*state, 3, 7, 10, 60, 0, 0);
	event(*state, 4, 7, 3, 50, 508, 0);
	event(*state, 5, 7, 10, 40, 0, 0);
	event(*state, 6, 8, 10, 40, 0, 0);
	event(*state, 7, 7, 4, 50, 0, 0);
	event(*state, 8, 7, 10, 60, 0, 0);
	event(*state, 9, 7, 2, 100, 0, 0);
	event(*state, 10, 7, 10, 90, 0, 0);
	hits(*state, "- - -; 1 1 1; 2 2 1; - - -; 1 1 1; - - -");
	stacks(*state, "1 in - 2-9 ready; 2 in 1 4-7 ready");
}

static void a_hit_at_either_end_of_a_poll_is_in_it(void **state)
{
	event(*state, 1, 7, 1, 300, 500, 0);
	/* before the entry, as traps at one instruction may come, and after it */
	event(*state, 2, 7, 8, 100, 0, 0);
	event(*state, 3, 7, 9, 100, 0, 0);
	event(*state, 4, 7, 1, 100, 700, 0);
	event(*state, 5, 7, 8, 100, 0, 0);
	event(*state, 6, 7, 9, 100, 0, 0);
	event(*state, 7, 7, 2, 100, 0, 0);
	/* the same place again, but not on the way to an entry */
	event(*state, 8, 7, 8, 90, 0, 0);
	event(*state, 9, 7, 8, 100, 0, 0);
	event(*state, 10, 7, 1, 100, 800, 0);
	hits(*state, "2 2 1; 2 2 1; 2 2 1; 2 2 1; 1 1 1; 3 3 1");
}

static void a_hit_in_a_function_called_after_a_poll_is_not_in_it(void **state)
{
	/* without its exit: what begins at its depth was called by its caller */
	event(*state, 1, 7, 1, 300, 500, 0);
	event(*state, 2, 7, 3, 100, 508, 0);
	event(*state, 3, 7, 10, 100, 0, 0);
	event(*state, 4, 7, 10, 200, 0, 0);
	/* and is no sign of a panic */
	event(*state, 5, 7, 4, 100, 0, 0);
	hits(*state, "1 1 1; 1 1 1");
	stacks(*state, "1 in - 1-? ? running; 2 in 1 2-5 ready");
}

static void a_hit_in_the_target_of_a_tail_call_is_in_the_poll(void **state)
{
	assert_int_equal(sqlite3_exec(*state,
				      "UPDATE probe SET tail_address = 5000 WHERE id = 5", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	event(*state, 1, 7, 1, 100, 500, 0);
	event(*state, 2, 7, 5, 100, 0, 0);
	event(*state, 3, 7, 10, 100, 0, 0);
	hits(*state, "1 1 1");
}

static void a_hit_in_an_executor_is_in_no_poll(void **state)
{
	event(*state, 1, 7, 1, 300, 700, 0);
	event(*state, 2, 7, 6, 200, 900, 0);
	event(*state, 3, 7, 10, 150, 0, 0);
	event(*state, 4, 7, 1, 100, 500, 0);
	event(*state, 5, 7, 10, 50, 0, 0);
	hits(*state, "- - -; 2 2 2");
}

static void a_task_s_function_stands_for_the_poll_of_its_future(void **state)
{
	/* the task is at 460, its future 40 bytes above */
	event(*state, 1, 7, 7, 200, 460, 0);
	event(*state, 2, 7, 1, 100, 500, 0);
	event(*state, 3, 7, 3, 50, 508, 0);
	event(*state, 4, 7, 4, 50, 0, 0);
	stacks(*state, "1 in - 1-? ? running; 2 in 1 3-4 ready");
}

/* Drops as "future dropper by-poll", and then the futures that had polls. */
static void drops(sqlite3 *db, const char *expected)
{
	gives(db,
	      "SELECT (SELECT group_concat(coalesce(future_id, '-') || ' ' || dropper || ' ' ||"
	      " coalesce(parent_id, '-'), '; ') FROM replay WHERE row = 'drop') || ' of ' ||"
	      " (SELECT count(DISTINCT future_id) FROM replay WHERE row = 'poll')",
	      expected);
}

/* An outer that is polled, and pending, at that address. */
static void pending_outer(sqlite3 *db, int time, int sp, int self)
{
	event(db, time, 7, 1, sp, self, 0);
	event(db, time + 1, 7, 2, sp, 0, 1);
}

static void a_drop_ends_its_future(void **state)
{
	pending_outer(*state, 1, 100, 500);
	event(*state, 3, 7, 13, 100, 500, 0);
	pending_outer(*state, 4, 100, 500);
	drops(*state, "1 outside - of 2");
}

static void a_drop_in_a_drop_of_the_same_future_is_none(void **state)
{
	pending_outer(*state, 1, 100, 500);
	event(*state, 3, 7, 14, 100, 500, 0);
	event(*state, 4, 7, 13, 100, 500, 0);
	event(*state, 5, 7, 13, 90, 500, 0);
	drops(*state, "1 outside - of 1");
}

static void a_drop_is_by_the_poll_around_it(void **state)
{
	pending_outer(*state, 1, 100, 500);
	event(*state, 3, 7, 1, 200, 700, 0);
	event(*state, 4, 7, 13, 100, 500, 0);
	event(*state, 5, 7, 2, 200, 0, 1);
	drops(*state, "1 poll 2 of 2");
}

static void a_drop_shows_that_a_poll_was_left(void **state)
{
	pending_outer(*state, 1, 100, 500);
	event(*state, 3, 7, 1, 200, 700, 0);
	event(*state, 4, 7, 13, 300, 500, 0);
	drops(*state, "1 outside - of 2");
}

static void a_drop_in_an_executor_s_function_is_by_that(void **state)
{
	pending_outer(*state, 1, 100, 500);
	event(*state, 3, 7, 15, 100, 460, 0);
	event(*state, 4, 7, 13, 90, 500, 0);
	drops(*state, "1 executor - of 1");
}

static void a_drop_with_its_guard_unmet_is_none(void **state)
{
	pending_outer(*state, 1, 100, 500);
	event(*state, 3, 7, 15, 100, 460, 0);
	assert_int_equal(
		sqlite3_exec(*state, "UPDATE event SET task_state = 2", NULL, NULL, NULL),
		SQLITE_OK);
	gives(*state, "SELECT count(*) FROM replay WHERE row = 'drop'", "0");
}

static void a_drop_where_none_is_suspended_is_of_another_type(void **state)
{
	pending_outer(*state, 1, 100, 500);
	assert_int_equal(
		sqlite3_exec(*state, "UPDATE await_point SET state = 4", NULL, NULL, NULL),
		SQLITE_OK);
	event(*state, 3, 7, 13, 100, 500, 0);
	gives(*state, "SELECT count(*) FROM replay WHERE row = 'drop'", "0");
}

/* Futures by id: type, task, polls, whether known to have been ready. */
static void futures(sqlite3 *db, const char *expected)
{
	gives(db,
	      "SELECT group_concat(row, '; ') FROM (SELECT future_type_id || ' of ' || task_id "
	      "|| ', ' || count(*) || CASE WHEN max(finished) THEN ' finished' ELSE '' END AS "
	      "row "
	      "FROM replay WHERE id IS NOT NULL GROUP BY future_id)",
	      expected);
}

static void a_coroutine_in_a_frame_is_told_by_its_calls(void **state)
{
	event(*state, 1, 7, 11, 200, 0, 0);
	call(*state, 2, 92, 508, 6050);
	event(*state, 3, 7, 4, 92, 0, 1);
	/* what it awaits is polled again: so it was */
	call(*state, 4, 92, 508, 6050);
	event(*state, 5, 7, 4, 92, 0, 0);
	/* and goes on with another */
	call(*state, 6, 92, 516, 6050);
	event(*state, 7, 7, 4, 92, 0, 0);
	event(*state, 8, 7, 12, 200, 0, 0);
	stacks(*state,
	       "2 in 2 2-3 pending; 3 in - 2-? pending; 2 in 4 4-5 ready; 3 in - 4-? ?; "
	       "2 in 4 6-7 ready");
	futures(*state, "3 of 1, 2 finished; 2 of 1, 2; 2 of 1, 1");
}

static void what_a_combinator_polls_twice_may_be_one_poll(void **state)
{
	event(*state, 1, 7, 11, 200, 0, 0);
	call(*state, 2, 92, 508, 6080);
	event(*state, 3, 7, 4, 92, 0, 1);
	call(*state, 4, 92, 516, 6080);
	event(*state, 5, 7, 4, 92, 0, 1);
	call(*state, 6, 92, 508, 6080);
	event(*state, 7, 7, 4, 92, 0, 0);
	gives(*state,
	      "SELECT group_concat(row, '; ') FROM (SELECT future_type_id || ' ' || start_ns "
	      "|| "
	      "CASE WHEN certain THEN '' ELSE ' likely' END AS row FROM replay ORDER BY id)",
	      "2 2; 3 2; 4 2; 2 4; 2 6; 3 6 likely; 4 6 likely");
}

static void a_coroutine_in_a_frame_ends_with_its_function(void **state)
{
	for (int i = 0; i < 2; i++) {
		event(*state, 10 * i + 1, 7, 11, 200, 0, 0);
		call(*state, 10 * i + 2, 92, 508 + 8 * i, 6050);
		event(*state, 10 * i + 3, 7, 4, 92, 0, 1);
		event(*state, 10 * i + 4, 7, 12, 200, 0, 0);
	}
	futures(*state, "3 of 1, 1 finished; 2 of 1, 1; 3 of 2, 1 finished; 2 of 2, 1");
}

static void a_function_without_a_probe_can_have_a_coroutine_too(void **state)
{
	call(*state, 2, 92, 508, 7050);
	event(*state, 3, 7, 4, 92, 0, 1);
	call(*state, 4, 92, 508, 7050);
	event(*state, 5, 7, 4, 92, 0, 1);
	/* another one, at the same depth */
	call(*state, 6, 92, 600, 6050);
	event(*state, 7, 7, 4, 92, 0, 0);
	stacks(*state, "2 in 2 2-3 pending; 3 in - 2-? pending; 2 in 4 4-5 pending; "
		       "3 in - 4-? pending; 2 in 6 6-7 ready; 3 in - 6-? ?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_poll_inside_a_poll, make, unmake),
		cmocka_unit_test_setup_teardown(threads_have_stacks_of_their_own, make, unmake),
		cmocka_unit_test_setup_teardown(a_panic_leaves_no_exit, make, unmake),
		cmocka_unit_test_setup_teardown(a_later_entry_shows_that_polls_were_left, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_poll_that_never_ends_is_running, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_tail_call_ends_with_its_target, make, unmake),
		cmocka_unit_test_setup_teardown(
			a_tail_call_to_an_unprobed_function_is_no_parent, make, unmake),
		cmocka_unit_test_setup_teardown(an_exit_without_its_entry_is_ignored, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_thread_id_used_again_starts_empty, make,
						unmake),
		cmocka_unit_test_setup_teardown(tasks_inside_their_executor_have_no_parent,
						make, unmake),
		cmocka_unit_test_setup_teardown(
			a_task_s_function_stands_for_the_poll_of_its_future, make, unmake),
		cmocka_unit_test_setup_teardown(a_hit_is_in_the_innermost_poll, make, unmake),
		cmocka_unit_test_setup_teardown(a_hit_at_either_end_of_a_poll_is_in_it, make,
						unmake),
		cmocka_unit_test_setup_teardown(
			a_hit_in_a_function_called_after_a_poll_is_not_in_it, make, unmake),
		cmocka_unit_test_setup_teardown(
			a_hit_in_the_target_of_a_tail_call_is_in_the_poll, make, unmake),
		cmocka_unit_test_setup_teardown(a_hit_in_an_executor_is_in_no_poll, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_drop_ends_its_future, make, unmake),
		cmocka_unit_test_setup_teardown(a_drop_in_a_drop_of_the_same_future_is_none,
						make, unmake),
		cmocka_unit_test_setup_teardown(a_drop_is_by_the_poll_around_it, make, unmake),
		cmocka_unit_test_setup_teardown(a_drop_shows_that_a_poll_was_left, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_drop_in_an_executor_s_function_is_by_that,
						make, unmake),
		cmocka_unit_test_setup_teardown(a_drop_with_its_guard_unmet_is_none, make,
						unmake),
		cmocka_unit_test_setup_teardown(
			a_drop_where_none_is_suspended_is_of_another_type, make, unmake),
		cmocka_unit_test_setup_teardown(a_coroutine_in_a_frame_is_told_by_its_calls,
						make, unmake),
		cmocka_unit_test_setup_teardown(what_a_combinator_polls_twice_may_be_one_poll,
						make, unmake),
		cmocka_unit_test_setup_teardown(a_coroutine_in_a_frame_ends_with_its_function,
						make, unmake),
		cmocka_unit_test_setup_teardown(
			a_function_without_a_probe_can_have_a_coroutine_too, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
