/*
 * What the inferred*.c share: making and ending polls that no trap tells of. inferred.c
 * tells them from memory, inferred_place.c from calls, inferred_store.c from stores.
 */
#ifndef INFERRED_POLLS_H
#define INFERRED_POLLS_H

#include "inferred.h"

#include "asyncrec/coroutine.h"

/* Polls that are inlined around a call or store, at most. */
enum { MOST_INLINED = 32 };

struct inferred {
	struct snapshots *snapshots; /* owned */
	struct inlining *inlining;   /* owned */
	inferred_begin *begin;
	inferred_end *end;
	void *context;
};

/* Put poll into the poll around it. */
void inferred_put(struct poll *poll, struct poll *around);

/*
 * The poll in `around` of a future of that type at address (0: unknown), inferred in
 * outer, made if it is not there; node is its node, state the state it was in before.
 * NULL: out of memory.
 */
struct poll *inferred_poll(struct inferred *inferred, struct poll *outer, struct poll *around,
			   int64_t type_id, uint64_t address, size_t node, int64_t state);

/*
 * The same of the future at index of set, which lives in outer's memory, and of those
 * around it; is_new: it began in outer.
 */
struct poll *inferred_living(struct inferred *inferred, struct poll *outer,
			     const struct living_set *set, size_t index, bool is_new);

/*
 * The innermost of the polls of types[0..count), outermost first, that are inlined around
 * the call in outer that began poll, or around a store. NULL: out of memory.
 */
struct poll *inferred_place_types(struct inferred *inferred, struct poll *outer,
				  const struct poll *poll, const int64_t *types, size_t count);

/*
 * How many of the polls inlined around something in outer, types outermost first, are
 * outer itself: a function that runs a task has the poll of its future inlined.
 */
size_t inferred_stands_for(const struct poll *outer, const int64_t *types, size_t count);

/* Has a poll of the future of that type at address trapped in outer? */
bool inferred_has_trapped(const struct poll *outer, int64_t type_id, uint64_t address);

/* The poll, inferred, has ended. */
void inferred_close(struct inferred *inferred, struct poll *poll);

#endif
