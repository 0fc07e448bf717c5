/*
 * Polls that no trap tells of alone: those of futures whose poll function was inlined,
 * or is not probed. A poll that traps shows them in two ways: by what lives in the memory
 * of the polled future before and after it (snapshot.h), and by the place of a call that
 * it makes to a poll that traps too (inlining.h). They become polls like the others, so
 * that an await chain has no gap; how many there were in one trapped poll nobody knows,
 * so one is the least.
 */
#ifndef INFERRED_H
#define INFERRED_H

#include "call_stack.h"
#include "snapshot.h"
#include "stores.h"

#include <sqlite3.h>

struct inferred;

/* Called when an inferred poll, whose place is filled in, begins; returns 0, or -1. */
typedef int inferred_begin(void *context, struct poll *poll);
/* Called when it ends. */
typedef void inferred_end(void *context, struct poll *poll);

/*
 * Load what the recording in db knows. begin and end get context. Returns NULL when db
 * cannot be read or memory ran out.
 */
struct inferred *inferred_load(sqlite3 *db, inferred_begin *begin, inferred_end *end,
			       void *context);
void inferred_free(struct inferred *inferred);

/*
 * Of the memory of poll's future words[0..count) were read: by the trap in which poll
 * begins (living is poll->living), or when the recording ended (poll->final, of the last
 * poll). The image lies bias bytes from where it was linked. Fills in *living. Returns 0,
 * or -1 when memory ran out.
 */
int inferred_read(const struct inferred *inferred, const struct poll *poll, const void *words,
		  size_t count, uint64_t bias, struct living_set *living);

/*
 * The function, as linked, in which polls are inlined around the call that returns to
 * return_address; 0: in none.
 */
uint64_t inferred_host(const struct inferred *inferred, int64_t image_id,
		       uint64_t return_address);

/* Of what is inlined into a function that is no poll, when it makes a poll. */
enum inferred_over {
	INFERRED_GOES_ON,     /* the poll there goes on, as far as is known */
	INFERRED_MAY_BE_OVER, /* it had something pending, and polls that again */
	INFERRED_IS_OVER,     /* a coroutine had something pending, so it returned */
};

/* Is the poll inlined into host over, now that poll is to begin there? */
enum inferred_over inferred_over(const struct inferred *inferred, const struct poll *host,
				 const struct poll *poll);

/*
 * The poll, which call_stack_enter has placed, begins: put the polls between that and
 * the one around it, or the function that is none (poll.hosts), which were inlined there.
 * Returns 0, or -1 when memory ran out.
 */
int inferred_place(struct inferred *inferred, struct poll *poll);

/*
 * The future that a ROW_DROP is about is suspended, and no poll of it is known: it was polled
 * where the drop is, in the poll around. Makes that poll. Returns 0, or -1 when memory ran out.
 */
int inferred_begun(struct inferred *inferred, struct poll *around, const struct poll *drop);

/*
 * A store at time now, in outer or in what is inlined into it, ended a poll of the
 * coroutine that end, of stores, tells of, with that state. Returns 0, or -1 when memory
 * ran out.
 */
int inferred_store(struct inferred *inferred, struct poll *outer, const struct stores *stores,
		   const struct store_end *end, int64_t state, int64_t now);

/* Does every poll of that type of future trap? */
bool inferred_sees_all(const struct inferred *inferred, int64_t type_id);

/*
 * All is known of poll, next being the next one of its future, or NULL: make the polls
 * that its snapshot and next's show, and end all that were inferred in it. Returns 0, or
 * -1 when memory ran out.
 */
int inferred_settle(struct inferred *inferred, struct poll *poll, const struct poll *next);

/* Release what poll keeps for this module. */
void inferred_forget(struct poll *poll);

#endif
