/*
 * Most executors lend their tasks a waker that is no clone and is never dropped. Some make
 * one for each poll and drop it behind that: then those drops are none of a clone. Which it
 * is, is told for each vtable by what followed the polls.
 */
#include "waker_count.h"

#include "schema_sql.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Calls inside one another that are remembered: those of wakers that wake others. */
enum { MOST_CALLS = 16 };

struct vtable {
	int wakes; /* as in waker_vtable */
	int wakers;
	int64_t dropped;     /* polls behind which the executor dropped the waker */
	int64_t not_dropped; /* and those behind which it did not */
};

struct thread {
	int64_t tid;
	struct waker_call calls[MOST_CALLS]; /* that may not have returned, outermost first */
	size_t call_count;
	bool is_recent; /* the last one of those is what the thread did last */
	/* The poll that ended last. */
	bool polled; /* what followed is not known yet */
	uint64_t data;
	int64_t vtable_id;
	int64_t end_ns;
	UT_hash_handle hh; /* keyed by tid */
};

struct waker_counts {
	struct vtable *vtables; /* owned; by id */
	int64_t vtable_count;
	struct thread *threads; /* owned */
};

static struct vtable *vtable_of(const struct waker_counts *counts, int64_t id)
{
	return id > 0 && id < counts->vtable_count ? &counts->vtables[id] : NULL;
}

struct waker_counts *waker_counts_load(sqlite3 *db)
{
	struct waker_counts *counts = calloc(1, sizeof(*counts));
	sqlite3_stmt *row = NULL;
	int status = sqlite3_prepare_v2(db, sql_waker_vtables, -1, &row, NULL);

	while (counts && status == SQLITE_OK && (status = sqlite3_step(row)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(row, 0);
		struct vtable *grown =
			realloc(counts->vtables, ((size_t)id + 1) * sizeof(*grown));

		status = grown ? SQLITE_OK : SQLITE_NOMEM;
		if (!grown)
			break;
		counts->vtables = grown;
		for (; counts->vtable_count <= id; counts->vtable_count++)
			grown[counts->vtable_count] = (struct vtable){0};
		grown[id].wakes = sqlite3_column_int(row, 1);
		grown[id].wakers = sqlite3_column_int(row, 2);
	}
	sqlite3_finalize(row);
	if (status == SQLITE_DONE || !counts)
		return counts;
	waker_counts_free(counts);
	return NULL;
}

void waker_counts_free(struct waker_counts *counts)
{
	struct thread *thread;
	struct thread *next;

	if (!counts)
		return;
	HASH_ITER(hh, counts->threads, thread, next)
	{
		HASH_DEL(counts->threads, thread);
		free(thread);
	}
	free(counts->vtables);
	free(counts);
}

enum waker_operation waker_operation_named(const char *name)
{
	static const char *const names[] = {
		[WAKER_CLONE] = "clone",
		[WAKER_WAKE] = "wake",
		[WAKER_WAKE_BY_REF] = "wake_by_ref",
		[WAKER_DROP] = "drop",
	};

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (enum waker_operation)i;
	return WAKER_EITHER;
}

void waker_count_begin(struct waker_count *count, bool from_the_first)
{
	*count = (struct waker_count){.vtable_id = count->vtable_id,
				      .from_the_first = from_the_first};
}

void waker_count_vtable(struct waker_count *count, int64_t vtable_id)
{
	if (!count->vtable_id)
		count->vtable_id = vtable_id;
}

/* NULL: no memory; then less is known. */
static struct thread *thread_of(struct waker_counts *counts, int64_t tid)
{
	struct thread *thread;

	HASH_FIND(hh, counts->threads, &tid, sizeof(tid), thread);
	if (thread)
		return thread;
	thread = calloc(1, sizeof(*thread));
	if (thread) {
		thread->tid = tid;
		HASH_ADD(hh, counts->threads, tid, sizeof(thread->tid), thread);
	}
	return thread;
}

/* Nothing dropped the waker of the last poll on the thread before now. */
static void end_poll(struct waker_counts *counts, struct thread *thread, int64_t now)
{
	struct vtable *vtable = vtable_of(counts, thread->vtable_id);

	if (thread->polled && thread->end_ns <= now && vtable)
		vtable->not_dropped++;
	thread->polled = false;
}

void waker_count_polled(struct waker_counts *counts, const struct waker_count *count,
			uint64_t data, int64_t tid, int64_t start_ns, int64_t end_ns)
{
	struct thread *thread = thread_of(counts, tid);

	if (!thread)
		return;
	end_poll(counts, thread, start_ns);
	thread->is_recent = false;
	thread->polled = true;
	thread->data = data;
	thread->vtable_id = count->vtable_id;
	thread->end_ns = end_ns;
}

/*
 * Was the last call a `wake` that has gone over into this one by a jump? That leaves the
 * return address where it is, which else is so only if one place calls both.
 */
static bool has_jumped(const struct thread *thread, const struct waker_call *outer,
		       const struct waker_call *call)
{
	return outer == &thread->calls[thread->call_count - 1] && thread->is_recent &&
	       outer->sp == call->sp && outer->operation == WAKER_WAKE &&
	       call->operation != WAKER_WAKE && outer->return_address == call->return_address;
}

/* Does one of the calls that have not returned make this one, for the same waker? */
static bool is_inside(struct thread *thread, const struct waker_call *call)
{
	bool is_inside = false;
	size_t kept = 0;

	for (size_t i = 0; i < thread->call_count; i++) {
		const struct waker_call *outer = &thread->calls[i];
		bool jumped = has_jumped(thread, outer, call);

		if (outer->sp < call->sp || (outer->sp == call->sp && !jumped))
			continue;
		thread->calls[kept++] = *outer;
		if (outer->data == call->data &&
		    (jumped || (call->return_address >= outer->function &&
				call->return_address < outer->function_end)))
			is_inside = true;
	}
	thread->call_count = kept;
	thread->is_recent = kept < MOST_CALLS;
	if (thread->is_recent)
		thread->calls[thread->call_count++] = *call;
	return is_inside;
}

/* The call drops the waker of the poll that ended last on the thread? */
static bool is_behind_poll(struct waker_counts *counts, struct thread *thread,
			   const struct waker_call *call)
{
	struct vtable *vtable = vtable_of(counts, thread->vtable_id);

	if (!thread->polled || thread->data != call->data || call->time_ns < thread->end_ns)
		return false;
	thread->polled = false;
	if (vtable)
		vtable->dropped++;
	return true;
}

bool waker_count_call(struct waker_counts *counts, struct waker_count *count,
		      const struct waker_call *call)
{
	struct thread *thread = thread_of(counts, call->tid);

	if (thread && is_inside(thread, call))
		return true;
	switch (call->operation) {
	case WAKER_CLONE:
		count->live++;
		break;
	case WAKER_WAKE:
	case WAKER_DROP:
		count->live--;
		if (thread)
			count->behind_polls += is_behind_poll(counts, thread, call);
		break;
	case WAKER_EITHER:
		count->is_uncertain = true;
		break;
	case WAKER_WAKE_BY_REF:
		break;
	}
	return false;
}

void waker_counts_end(struct waker_counts *counts)
{
	for (struct thread *thread = counts->threads; thread; thread = thread->hh.next)
		end_poll(counts, thread, INT64_MAX);
}

int waker_count_wakes_seen(const struct waker_counts *counts, const struct waker_count *count)
{
	const struct vtable *vtable = vtable_of(counts, count->vtable_id);

	return vtable ? vtable->wakes : -1;
}

int waker_count_lost(const struct waker_counts *counts, const struct waker_count *count)
{
	const struct vtable *vtable = vtable_of(counts, count->vtable_id);
	int64_t live = count->live;

	if (!vtable || vtable->wakes != 2 || vtable->wakers != 2 || !count->from_the_first ||
	    count->is_uncertain || (!vtable->dropped && !vtable->not_dropped))
		return -1;
	if (!vtable->not_dropped)
		live += count->behind_polls;
	return live < 0 ? -1 : live == 0;
}
