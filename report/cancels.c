#include "cancels.h"

#include "asyncrec/coroutine.h"
#include "asyncrec/array.h"
#include "noted.h"
#include "schema_sql.h"

#include <stdlib.h>

/* A function that drops a future and may not have returned. */
struct open_drop {
	uint64_t sp;
	uint64_t self; /* the future */
	uint64_t size; /* of it, bytes */
	int64_t type_id;
	int64_t probe_id;
	int64_t id;       /* of its row; 0: it has none */
	bool is_executor; /* as in struct drop_trap */
};

/* The compiler may have made the glue of one type that of another one, too. */
struct shared_glue {
	int64_t type_id;  /* whose glue is probed */
	int64_t other_id; /* which has no glue that is */
};

struct cancels {
	struct futures *futures;    /* borrowed */
	struct inferred *inferred;  /* borrowed */
	struct shared_glue *shared; /* owned; by type_id */
	size_t shared_count;
	int64_t count; /* rows so far */
};

struct cancels *cancels_load(sqlite3 *db, struct futures *futures, struct inferred *inferred)
{
	struct cancels *cancels = calloc(1, sizeof(*cancels));
	sqlite3_stmt *row = NULL;
	int status = SQLITE_NOMEM;

	if (!cancels)
		return NULL;
	cancels->futures = futures;
	cancels->inferred = inferred;
	if (sqlite3_prepare_v2(db, sql_shared_glue, -1, &row, NULL) == SQLITE_OK)
		while ((status = sqlite3_step(row)) == SQLITE_ROW) {
			struct shared_glue *grown = realloc(
				cancels->shared, (cancels->shared_count + 1) * sizeof(*grown));

			if (!grown)
				break;
			cancels->shared = grown;
			grown[cancels->shared_count++] = (struct shared_glue){
				sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1)};
		}
	sqlite3_finalize(row);
	if (status == SQLITE_DONE)
		return cancels;
	cancels_free(cancels);
	return NULL;
}

void cancels_free(struct cancels *cancels)
{
	if (!cancels)
		return;
	free(cancels->shared);
	free(cancels);
}

void cancels_pass(struct drop_stack *drops, uint64_t sp)
{
	while (drops->count && drops->drops[drops->count - 1].sp <= sp)
		drops->count--;
}

void cancels_forget(struct drop_stack *drops)
{
	free(drops->drops);
	*drops = (struct drop_stack){0};
}

/*
 * Is it the drop of the same future once more, by glue in glue (`GenFuture<T>` has T's), or
 * by glue in an executor's function? One may jump to the other.
 */
static bool is_seen(const struct drop_stack *drops, const struct poll *row)
{
	bool seen = false;

	for (size_t i = 0; i < drops->count; i++) {
		const struct open_drop *drop = &drops->drops[i];

		/* The same function at the same depth: that one has returned. */
		if (drop->sp == row->sp && drop->probe_id == row->probe_id)
			return false;
		seen |= drop->self == row->self && drop->type_id == row->type_id;
	}
	return seen;
}

static int push(struct drop_stack *drops, const struct poll *row, const struct drop_trap *trap)
{
	struct open_drop *grown =
		array_room(drops->drops, drops->count, &drops->room, sizeof(*grown));

	if (!grown)
		return -1;
	drops->drops = grown;
	drops->drops[drops->count++] = (struct open_drop){
		.sp = row->sp,
		.self = row->self,
		.size = row->size,
		.type_id = row->type_id,
		.probe_id = row->probe_id,
		.id = row->id,
		.is_executor = trap->is_executor,
	};
	return 0;
}

/* The drop of a future that holds this one: it is dropped with that. */
static int64_t outer_drop(const struct drop_stack *drops, const struct poll *row)
{
	for (size_t i = drops->count; i-- > 0;) {
		const struct open_drop *drop = &drops->drops[i];

		if (drop->id && row->self - drop->self < drop->size)
			return drop->id;
	}
	return 0;
}

/* Who drops the future: the innermost that is known around the drop. */
static void find_who(const struct drop_stack *drops, const struct call_stack *stack,
		     const struct drop_trap *trap, struct poll *row)
{
	const struct poll *around = stack->count ? stack->polls[stack->count - 1] : NULL;
	bool executor_ends = trap->is_executor;

	for (size_t i = 0; i < drops->count; i++)
		executor_ends |= drops->drops[i].is_executor &&
				 (!around || drops->drops[i].sp < around->sp);
	/* What blocks on a future, or just has some inlined, is not known to drop any. */
	if (around && !around->type_id && (around->blocks_on || around->hosts))
		around = NULL;
	if (around && around->runs_task &&
	    (!around->type_id ||
	     (around->self == row->self && around->type_id == row->type_id)))
		row->dropper = DROPPED_BY_ABORT;
	else if (executor_ends)
		row->dropper = DROPPED_BY_EXECUTOR;
	else
		row->dropper = around ? DROPPED_BY_POLL : DROPPED_OUTSIDE;
	if (around && around->type_id && row->dropper != DROPPED_BY_ABORT)
		row->parent_id = around->id;
}

/* The future as it is known, ended; made if polls that did not trap must have begun it. */
static int end_future(const struct cancels *cancels, const struct call_stack *stack,
		      struct poll *row, const struct drop_trap *trap)
{
	struct futures *futures = cancels->futures;
	struct inferred *inferred = cancels->inferred;
	struct poll *around = NULL;
	struct poll *last;

	for (size_t i = stack->count; i-- > 0 && !around;)
		if (stack->polls[i]->type_id)
			around = stack->polls[i];
	if ((around && trap->is_suspend && !futures_knows(futures, row) &&
	     inferred_begun(inferred, around, row)) ||
	    (around && noted_drop(around, row)))
		return -1;
	last = futures_last_poll(futures, row);
	if (last && last->closed && !last->is_inferred && !last->final.count &&
	    row->state_before != STATE_UNRESUMED &&
	    inferred_read(inferred, last, trap->words, trap->word_count, trap->bias,
			  &last->final))
		return -1;
	futures_dropped(futures, row);
	return 0;
}

/*
 * Let row be about the type of the future that is known to be there, where several have
 * their glue in one function. False if nobody knows.
 */
static bool find_type(const struct cancels *cancels, struct poll *row)
{
	int64_t type_id = row->type_id;
	bool is_shared = false;

	if (futures_knows(cancels->futures, row))
		return true;
	for (size_t i = 0; i < cancels->shared_count; i++) {
		if (cancels->shared[i].type_id != type_id)
			continue;
		is_shared = true;
		row->type_id = cancels->shared[i].other_id;
		if (futures_knows(cancels->futures, row))
			return true;
	}
	row->type_id = type_id;
	return !is_shared;
}

int cancels_take(struct cancels *cancels, struct drop_stack *drops,
		 const struct call_stack *stack, struct poll *row, const struct drop_trap *trap)
{
	bool cancelled;

	/* Glue that two types share traps for both: what it found is no such future. */
	if (row->state_known && row->state_before > STATE_PANICKED && !trap->is_suspend)
		return 0;
	while (drops->count && drops->drops[drops->count - 1].sp < row->sp)
		drops->count--;
	if (is_seen(drops, row))
		return push(drops, row, trap);
	cancels_pass(drops, row->sp);
	if (!find_type(cancels, row))
		return 0;
	find_who(drops, stack, trap, row);
	if (end_future(cancels, stack, row, trap))
		return -1;
	/* Whether a hand-written future had been polled only its polls tell. */
	cancelled = row->state_known ? trap->is_suspend || row->state_before == STATE_UNRESUMED
				     : row->future_id && row->result != POLL_READY &&
					       row->result != POLL_PANICKED;
	if (cancelled) {
		row->ordinal = outer_drop(drops, row);
		row->id = ++cancels->count;
	}
	return push(drops, row, trap) ? -1 : cancelled;
}
