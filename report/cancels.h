/*
 * Futures that were dropped: what a trap at the entry of drop glue, or of an executor's
 * function that drops a task, tells of the future and of who dropped it.
 */
#ifndef CANCELS_H
#define CANCELS_H

#include "call_stack.h"
#include "futures.h"
#include "inferred.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

struct cancels;
struct open_drop;

/* The drops of one thread that may still go on, outermost first. Zeroed: none. */
struct drop_stack {
	struct open_drop *drops; /* owned */
	size_t count;
	size_t room;
};

/* What the trap of a drop has besides what is in its row. */
struct drop_trap {
	const void *words; /* of a snapshot of the future */
	size_t word_count;
	uint64_t bias;    /* bytes from where the image was linked to where it lies */
	bool is_suspend;  /* the state is one in which such a coroutine is suspended */
	bool is_executor; /* the function is one in which an executor ends tasks */
};

/*
 * Load what the recording in db knows; what drops tell goes to futures and inferred, which
 * are borrowed. Returns NULL when db cannot be read or memory ran out.
 */
struct cancels *cancels_load(sqlite3 *db, struct futures *futures, struct inferred *inferred);
void cancels_free(struct cancels *cancels);

/*
 * The first part of *row, a ROW_DROP, is filled in from a trap on the thread that has
 * these drops and open polls. Ends the future and, if it was dropped before it was done,
 * fills in the rest. Returns 1 then, 0 if it was done, -1 when memory ran out.
 */
int cancels_take(struct cancels *cancels, struct drop_stack *drops,
		 const struct call_stack *stack, struct poll *row,
		 const struct drop_trap *trap);

/* Something trapped on the thread at that stack pointer: drops at or below it are over. */
void cancels_pass(struct drop_stack *drops, uint64_t sp);

void cancels_forget(struct drop_stack *drops);

#endif
