/*
 * The clones of each waker that there are, by the calls of the functions of its vtable: is
 * there one left that can wake its task?
 */
#ifndef WAKER_COUNT_H
#define WAKER_COUNT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum waker_operation {
	WAKER_CLONE,
	WAKER_WAKE, /* by value: the waker is dropped, too */
	WAKER_WAKE_BY_REF,
	WAKER_EITHER, /* one of the two wakes */
	WAKER_DROP,
};

/* A trap at the entry of a function of a vtable; addresses of code are as linked. */
struct waker_call {
	int64_t time_ns;
	int64_t tid;
	uint64_t data;         /* the waker's data pointer */
	uint64_t function;     /* address of the function */
	uint64_t function_end; /* first one behind it */
	uint64_t return_address;
	uint64_t sp;
	enum waker_operation operation;
};

/* Of one waker, for as long as it is of the same task. */
struct waker_count {
	int64_t vtable_id;    /* in waker_vtable; 0: not known */
	int64_t live;         /* clones less what was dropped or consumed */
	int64_t behind_polls; /* drops that each came as a poll with the waker had ended */
	bool from_the_first;  /* the first poll of its task was recorded */
	bool is_uncertain;    /* it is not known which calls consumed it */
};

struct waker_counts;

/* Load what is known of the vtables. Returns NULL when that fails or memory ran out. */
struct waker_counts *waker_counts_load(sqlite3 *db);
void waker_counts_free(struct waker_counts *counts);

/* The operation that table waker_function has under that name. */
enum waker_operation waker_operation_named(const char *name);

/* The waker is of another task from now on. */
void waker_count_begin(struct waker_count *count, bool from_the_first);

/* The waker has that vtable (0: not known); the first one that is told counts. */
void waker_count_vtable(struct waker_count *count, int64_t vtable_id);

/* A task was polled with the waker, on thread tid, and returned Pending at end_ns. */
void waker_count_polled(struct waker_counts *counts, const struct waker_count *count,
			uint64_t data, int64_t tid, int64_t start_ns, int64_t end_ns);

/*
 * Count a call of a function of the waker, in the order of time. Returns true if another
 * such function made it as a part of its own work: `wake` of async-task calls `wake_by_ref`
 * and `drop_waker`. It is then no call to count.
 */
bool waker_count_call(struct waker_counts *counts, struct waker_count *count,
		      const struct waker_call *call);

/* No poll and no call will follow. */
void waker_counts_end(struct waker_counts *counts);

/* As waker_vtable.wakes: 2, 1 or 0; -1: the vtable is not known. */
int waker_count_wakes_seen(const struct waker_counts *counts, const struct waker_count *count);

/*
 * At the end, of a task that is pending: 1 if no clone of its waker is left, 0 if one is;
 * -1: not known.
 */
int waker_count_lost(const struct waker_counts *counts, const struct waker_count *count);

#endif
