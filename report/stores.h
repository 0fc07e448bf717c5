/*
 * Which polls end at an instruction that stores to the state of a coroutine (state_store
 * in schema/recording.sql).
 */
#ifndef STORES_H
#define STORES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stores;

/* One coroutine whose poll a hit of the store may end. */
struct store_end {
	int64_t probe_id;
	int64_t type_id;
	int64_t *around; /* owned: types of the polls inlined around it in the same function,
			    outermost first */
	size_t around_count;
	bool is_own;    /* the coroutine is the function's own */
	int64_t value;  /* new state; -1: the trap has it */
	unsigned shift; /* then: bits above the low end */
};

/*
 * Type of the future that a coroutine of that type awaits while suspended in state; 0: not
 * known, or it is not one whose polls are inlined.
 */
int64_t stores_awaitee(const struct stores *stores, int64_t type_id, int64_t state);

/* Load the table of a recording. Returns NULL when it cannot be read or memory ran out. */
struct stores *stores_load(sqlite3 *db);
void stores_free(struct stores *stores);

/* What ends at the store of that probe: *count in a row, or NULL. */
const struct store_end *stores_find(const struct stores *stores, int64_t probe_id,
				    size_t *count);

#endif
