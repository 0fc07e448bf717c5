/* report/waker_count.c: which calls of wakers count, and whether a clone is left. */
#include "waker_count.h"

#include "schema_sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DATA = 0x1000, OTHER = 0x2000, WAKE = 100, BY_REF = 200, CLONE = 300, DROP = 400 };

struct example {
	sqlite3 *db;
	struct waker_counts *counts;
	struct waker_count count;
	int64_t now;
};

static int begin(void **state)
{
	static struct example example;

	example = (struct example){0};
	assert_int_equal(sqlite3_open(":memory:", &example.db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(example.db, sql_recording_schema, NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(example.db,
			     "INSERT INTO image VALUES (1, 'x', NULL);"
			     "INSERT INTO waker_vtable VALUES"
			     " (1, 1, 0, 0, 0, 0, 0, 2, 2), (2, 1, 8, 0, 0, 0, 0, 2, 1)",
			     NULL, NULL, NULL),
		SQLITE_OK);
	example.counts = waker_counts_load(example.db);
	assert_non_null(example.counts);
	waker_count_vtable(&example.count, 1);
	waker_count_begin(&example.count, true);
	*state = &example;
	return 0;
}

static int end(void **state)
{
	struct example *example = *state;

	waker_counts_free(example->counts);
	sqlite3_close(example->db);
	return 0;
}

/* A poll that ends before anything else happens on thread 7. */
static void poll(struct example *example)
{
	waker_count_polled(example->counts, &example->count, DATA, 7, example->now,
			   example->now + 1);
	example->now += 2;
}

/* A call on thread 7 of the function at that address. Was it inside another? */
static bool call(struct example *example, uint64_t function, uint64_t data, uint64_t sp,
		 uint64_t return_address)
{
	static const enum waker_operation operations[] = {0, WAKER_WAKE, WAKER_WAKE_BY_REF,
							  WAKER_CLONE, WAKER_DROP};
	const struct waker_call call = {
		.time_ns = example->now++,
		.tid = 7,
		.data = data,
		.function = function,
		.function_end = function + 50,
		.return_address = return_address,
		.sp = sp,
		.operation = operations[function / 100],
	};
	struct waker_count other = {0};

	return waker_count_call(example->counts, data == DATA ? &example->count : &other,
				&call);
}

static void a_clone_is_left_until_it_is_dropped(void **state)
{
	struct example *example = *state;

	poll(example);
	assert_false(call(example, CLONE, DATA, 500, 9000));
	poll(example);
	assert_false(call(example, CLONE, DATA, 500, 9000));
	poll(example);
	assert_int_equal(waker_count_lost(example->counts, &example->count), 0);
	assert_false(call(example, WAKE, DATA, 500, 9000));
	poll(example);
	assert_int_equal(waker_count_lost(example->counts, &example->count), 0);
	assert_false(call(example, DROP, DATA, 500, 9000));
	waker_counts_end(example->counts);
	assert_int_equal(waker_count_lost(example->counts, &example->count), 1);
}

/* As async-task does: by value is by reference and a drop. */
static void what_a_wake_calls_is_part_of_it(void **state)
{
	struct example *example = *state;

	poll(example);
	call(example, CLONE, DATA, 500, 9000);
	assert_false(call(example, WAKE, DATA, 500, 9000));
	assert_true(call(example, BY_REF, DATA, 400, WAKE + 10));
	assert_true(call(example, DROP, DATA, 400, WAKE + 20));
	assert_int_equal(example->count.live, 0);
}

static void a_wake_that_wakes_another_task_is_another(void **state)
{
	struct example *example = *state;

	assert_false(call(example, WAKE, OTHER, 500, 9000));
	assert_false(call(example, BY_REF, DATA, 400, WAKE + 10));
	assert_true(call(example, DROP, OTHER, 450, WAKE + 20));
}

static void a_wake_that_has_returned_calls_nothing(void **state)
{
	struct example *example = *state;

	assert_false(call(example, WAKE, DATA, 400, 9000));
	assert_false(call(example, CLONE, DATA, 500, 9000));
	assert_false(call(example, BY_REF, DATA, 450, WAKE + 10));
}

static void a_jump_goes_on_with_the_wake(void **state)
{
	struct example *example = *state;

	assert_false(call(example, WAKE, DATA, 500, 9000));
	assert_true(call(example, BY_REF, DATA, 500, 9000));
	/* From the same place, but the other way round: two calls. */
	assert_false(call(example, DROP, DATA, 500, 9000));
	assert_false(call(example, WAKE, DATA, 500, 9000));
	poll(example);
	assert_false(call(example, DROP, DATA, 500, 9000));
}

/* An executor that makes a waker for each poll. */
static void a_waker_dropped_behind_each_poll_is_no_clone(void **state)
{
	struct example *example = *state;

	for (int i = 0; i < 3; i++) {
		poll(example);
		call(example, DROP, DATA, 500, 9000);
	}
	assert_int_equal(example->count.live, -3);
	assert_int_equal(waker_count_lost(example->counts, &example->count), 1);
	call(example, CLONE, DATA, 500, 9000);
	assert_int_equal(waker_count_lost(example->counts, &example->count), 0);
}

static void what_is_not_seen_is_not_told(void **state)
{
	struct example *example = *state;
	struct waker_count inlined = {0};
	struct waker_count attached = {.vtable_id = 1};
	struct waker_count unknown = {0};

	poll(example);
	poll(example);
	waker_count_vtable(&inlined, 2);
	waker_count_begin(&inlined, true);
	assert_int_equal(waker_count_lost(example->counts, &example->count), 1);
	assert_int_equal(waker_count_lost(example->counts, &inlined), -1);
	assert_int_equal(waker_count_lost(example->counts, &attached), -1);
	assert_int_equal(waker_count_wakes_seen(example->counts, &unknown), -1);
	assert_int_equal(waker_count_wakes_seen(example->counts, &inlined), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_clone_is_left_until_it_is_dropped),
		TEST(what_a_wake_calls_is_part_of_it),
		TEST(a_wake_that_wakes_another_task_is_another),
		TEST(a_wake_that_has_returned_calls_nothing),
		TEST(a_jump_goes_on_with_the_wake),
		TEST(a_waker_dropped_behind_each_poll_is_no_clone),
		TEST(what_is_not_seen_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
