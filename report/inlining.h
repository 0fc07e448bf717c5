/*
 * Which polls were inlined around an instruction (inlined_poll and inlined_range in
 * schema/recording.sql): a call from there is made by the innermost of them.
 */
#ifndef INLINING_H
#define INLINING_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inlining;

/* Load the table of a recording. Returns NULL when it cannot be read or memory ran out. */
struct inlining *inlining_load(sqlite3 *db);
void inlining_free(struct inlining *inlining);

/*
 * The polls inlined around the call that returns to return_address, as linked, in the
 * function at function_address of that image: up to most types of futures into types, outermost
 * first. Returns their number; *hidden: there are others, of types that were not chosen.
 */
size_t inlining_find(const struct inlining *inlining, int64_t image_id,
		     uint64_t function_address, uint64_t return_address, int64_t *types,
		     size_t most, bool *hidden);

/*
 * Address, as linked, of the function in which a poll is inlined that makes the call which
 * returns to return_address; 0: there is none.
 */
uint64_t inlining_function(const struct inlining *inlining, int64_t image_id,
			   uint64_t return_address);

#endif
