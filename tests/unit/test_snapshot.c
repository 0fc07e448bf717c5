/* What the words of a snapshot tell of the futures that live there. */
#include "snapshot.h"

#include "schema_sql.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * Type 1 is a coroutine of state at byte 0 (word 0). In state 3 it awaits 2, a coroutine of
 * state at byte 9 (word 1); in state 4 it awaits 3, a hand-written future, and keeps 2 too.
 * Type 5 is hand-written: an enum (word 0) that holds 2 where it is 1 and 3 where it is
 * anything else. Type 6 awaits a dyn Future, whose pointer and vtable are words 1 and 2;
 * the vtable at 900 is of 2, that at 901 of 4.
 */
static const char recording[] =
	"INSERT INTO image VALUES (1, 'x', NULL);"
	"INSERT INTO future_type (id, image_id, name, kind, size_bytes, inlined, left_out,"
	" complete, drops_traced) VALUES (1, 1, 'a', 'async_fn', 64, 0, 0, 0, 0), (2, 1, 'b', "
	"'async_fn', 16, 0,"
	" 0, 0, 0), (3, 1, 'c', 'future', 8, 0, 0, 0, 0), (4, 1, 'd', 'async_fn', 16, 0, 0, 0, "
	"0),"
	" (5, 1, 'e', 'future', 32, 0, 0, 0, 0), (6, 1, 'f', 'async_fn', 32, 0, 0, 0, 0);"
	"INSERT INTO snapshot_node (id, polled_type_id, parent_id, future_type_id, awaited,"
	" base_word, byte_offset, vtable_word, word, shift, width, excluded) VALUES"
	" (1, 1, NULL, 1, 0, NULL, 0, NULL, 0, 0, 8, 1),"
	" (2, 1, 1, 2, 1, NULL, 8, NULL, 1, 8, 8, 0),"
	" (3, 1, 1, 3, 1, NULL, 24, NULL, NULL, 0, 0, 0),"
	" (4, 1, 1, 2, 0, NULL, 8, NULL, 1, 8, 8, 0),"
	" (5, 5, NULL, 5, 0, NULL, 0, NULL, 0, 0, 64, 1),"
	" (6, 5, 5, 2, 0, NULL, 8, NULL, 1, 8, 8, 0),"
	" (7, 5, 5, 3, 0, NULL, 16, NULL, NULL, 0, 0, 1),"
	" (8, 6, NULL, 6, 0, NULL, 0, NULL, 0, 0, 8, 1),"
	" (9, 6, 8, NULL, 1, 1, 0, 2, NULL, 0, 0, 0),"
	" (10, 6, 9, 2, 1, 1, 0, NULL, 3, 8, 8, 0);"
	"INSERT INTO snapshot_value VALUES (2, 3), (3, 4), (4, 4), (6, 1), (7, 1), (9, 3),"
	" (10, 900);"
	"INSERT INTO future_vtable VALUES (1, 900, 2), (1, 901, 4);";

struct fixture {
	sqlite3 *db;
	struct snapshots *snapshots;
};

static int make(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(sqlite3_open(":memory:", &fixture->db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(fixture->db, sql_recording_schema, NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(fixture->db, recording, NULL, NULL, NULL), SQLITE_OK);
	fixture->snapshots = snapshots_load(fixture->db);
	assert_non_null(fixture->snapshots);
	*state = fixture;
	return 0;
}

static int unmake(void **state)
{
	struct fixture *fixture = *state;
	int status;

	snapshots_free(fixture->snapshots);
	status = sqlite3_close(fixture->db);
	free(fixture);
	return status == SQLITE_OK ? 0 : -1;
}

/* The futures living in the memory at 1000 of a future of that type. */
static void expect(void **state, int64_t type_id, const uint64_t *words, size_t count,
		   const char *expected)
{
	const struct fixture *fixture = *state;
	struct living_set living;
	char *got = sqlite3_mprintf("");

	assert_int_equal(
		snapshots_read(fixture->snapshots, type_id, words, count, 1000, 5000, &living),
		0);
	for (size_t i = 0; i < living.count; i++) {
		const struct living *future = &living.futures[i];
		char *longer = sqlite3_mprintf(
			"%s%lld@%llu in %lld state %lld%s%s%s; ", got, future->type_id,
			future->address,
			future->parent == LIVING_NONE ? -1LL : (long long)future->parent,
			future->state, future->begun ? "" : " not begun",
			future->awaited ? " awaited" : "", future->certain ? " certain" : "");

		sqlite3_free(got);
		got = longer;
	}
	assert_string_equal(got, expected);
	sqlite3_free(got);
	free(living.futures);
}

static void what_is_awaited_lives(void **state)
{
	const uint64_t words[] = {3, 4 << 8};

	expect(state, 1, words, 2,
	       "1@1000 in -1 state 3 certain; 2@1008 in 0 state 4 awaited certain; ");
}

static void a_suspended_coroutine_that_is_kept_lives_beside_what_is_awaited(void **state)
{
	const uint64_t words[] = {4, 3 << 8};

	expect(state, 1, words, 2,
	       "1@1000 in -1 state 4 certain; 3@1024 in 0 state -1 awaited certain; "
	       "2@1008 in 0 state 3; ");
}

static void a_coroutine_that_has_ended_does_not_live(void **state)
{
	const uint64_t ready[] = {4, 1 << 8};
	const uint64_t panicked[] = {4, 2 << 8};

	expect(state, 1, ready, 2,
	       "1@1000 in -1 state 4 certain; 3@1024 in 0 state -1 awaited certain; ");
	expect(state, 1, panicked, 2,
	       "1@1000 in -1 state 4 certain; 3@1024 in 0 state -1 awaited certain; ");
}

static void one_not_begun_has_a_place(void **state)
{
	const uint64_t words[] = {3, 0};

	expect(state, 1, words, 2,
	       "1@1000 in -1 state 3 certain; 2@1008 in 0 state -1 not begun awaited "
	       "certain; ");
}

static void before_its_first_poll_nothing_lives_in_it(void **state)
{
	const uint64_t words[] = {0, 3 << 8};

	expect(state, 1, words, 2, "1@1000 in -1 state -1 certain; ");
}

static void an_enum_says_which_of_its_futures_lives(void **state)
{
	const uint64_t one[] = {1, 3 << 8};
	const uint64_t other[] = {77, 3 << 8};

	expect(state, 5, one, 2, "5@1000 in -1 state -1 certain; 2@1008 in 0 state 3; ");
	expect(state, 5, other, 2, "5@1000 in -1 state -1 certain; 3@1016 in 0 state -1; ");
}

static void a_vtable_names_what_is_behind_dyn(void **state)
{
	/* The image lies 5000 above where it was linked. */
	const uint64_t planned[] = {3, 7000, 5900, 3 << 8};
	const uint64_t unplanned[] = {3, 7000, 5901, 3 << 8};
	const uint64_t foreign[] = {3, 7000, 123, 3 << 8};

	expect(state, 6, planned, 4,
	       "6@1000 in -1 state 3 certain; 2@7000 in 0 state 3 awaited certain; ");
	expect(state, 6, unplanned, 4,
	       "6@1000 in -1 state 3 certain; 4@7000 in 0 state -1 awaited certain; ");
	expect(state, 6, foreign, 4, "6@1000 in -1 state 3 certain; ");
}

static void what_needs_words_that_were_not_read_is_not_told(void **state)
{
	const uint64_t words[] = {3};

	expect(state, 1, words, 1, "1@1000 in -1 state 3 certain; ");
	expect(state, 2, words, 1, "");
}

static void a_place_is_known_before_the_future_lives_there(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t address;

	assert_int_equal(snapshots_place(fixture->snapshots, 1, 0, 2, 1000, 0, &address), 1);
	assert_int_equal(address, 1008);
	assert_int_equal(snapshots_place(fixture->snapshots, 1, 0, 4, 1000, 0, &address),
			 LIVING_NONE);
	assert_int_equal(address, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_awaited_lives, make, unmake),
		cmocka_unit_test_setup_teardown(
			a_suspended_coroutine_that_is_kept_lives_beside_what_is_awaited, make,
			unmake),
		cmocka_unit_test_setup_teardown(a_coroutine_that_has_ended_does_not_live, make,
						unmake),
		cmocka_unit_test_setup_teardown(one_not_begun_has_a_place, make, unmake),
		cmocka_unit_test_setup_teardown(before_its_first_poll_nothing_lives_in_it, make,
						unmake),
		cmocka_unit_test_setup_teardown(an_enum_says_which_of_its_futures_lives, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_vtable_names_what_is_behind_dyn, make,
						unmake),
		cmocka_unit_test_setup_teardown(what_needs_words_that_were_not_read_is_not_told,
						make, unmake),
		cmocka_unit_test_setup_teardown(a_place_is_known_before_the_future_lives_there,
						make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
