/*
 * The instructions of one physical function that store to the state bytes of the
 * coroutines polled in it, inlined ones too, and the proof that their hits are an exact
 * count of polls.
 *
 * Every poll of a coroutine ends in one store of something other than 0 to its state
 * byte: 1 it is ready, 2 it panicked, 3 and up it is pending. What is proven of a
 * coroutine, on all paths through the function: a poll that is seen to begin (at the
 * entry, if the function is the coroutine's own; where the state is read; or in the
 * coroutine's code behind a store that makes it new) meets exactly one such store before
 * the function is left or the next poll begins; and no such store is met otherwise.
 * Hence, if one of the stores were not known, the proof would fail; except where the
 * coroutine's bytes are then taken by something else, which ends the poll as well (LLVM
 * drops such a last store).
 */
#ifndef STATE_STORES_H
#define STATE_STORES_H

#include "flow_graph.h"

/* Virtual addresses [start, end). */
struct code_range {
	uint64_t start;
	uint64_t end;
};

/*
 * One coroutine, as it is polled in one function: itself, or inlined once. Copies of one
 * type may lie in the same bytes; LLVM merges the stores of their panics, which then are
 * stores of each: count a type's hits by address.
 */
struct flow_coroutine {
	unsigned copy;        /* a number for this copy; given twice, these are places where it
			       * may lie, one of which is chosen */
	unsigned type;        /* a number for what is polled: the same for all its copies */
	int object;           /* that it lies in; see flow_anchor */
	int64_t state_offset; /* bytes from the object's start to its state */
	const struct code_range *ranges; /* its code, children included; borrowed */
	size_t range_count;
	unsigned depth; /* how many coroutines this instance is inlined in */
	bool is_outer;  /* calling the function polls it */
};

/* One instruction that stores to the state. */
struct state_store {
	uint64_t address;   /* virtual */
	uint64_t probed;    /* virtual address of the instruction to probe for it: see
			     * store_probes.h; until then its own */
	bool from_register; /* else value is what it stores */
	uint8_t value;      /* new state */
	int reg;            /* DWARF number: the state is in its low byte after.. */
	unsigned shift;     /* ..this many bits; a state of 0 is no poll's end */
	uint64_t bytes;     /* from a register: a bit for each state from 0 to 63; 0: any */
	bool is_reuse;      /* it puts something else in the coroutine's bytes, which thus was
			     * ready; value is 1 */
	bool shared; /* it lies in code of no coroutine and may be that of a sibling in the
		      * same bytes: the count is exact if this was never hit */
};

/* Whether hits are proven to be an exact count, or why not. */
enum stores_verdict {
	STORES_PROVEN,
	STORES_NOT_POLLED, /* a proof as well: there are no polls to count */
	STORES_NO_STORE,
	STORES_NO_LOAD,
	STORES_PATH_WITHOUT,
	STORES_PATH_WITH_TWO,
	STORES_WITHOUT_BEGIN,
	STORES_UNKNOWN_VALUE,
	STORES_UNKNOWN_JUMP,
	STORES_UNKNOWN_PLACE, /* also of those not chosen */
	STORES_NO_PROBE,
	STORES_NOT_FOLLOWED, /* given by those who have the functions: see store_sites.h */
	STORES_FOLDED,       /* likewise */
};

struct coroutine_stores {
	struct state_store *stores; /* owned; by address */
	size_t store_count;
	uint64_t *loads; /* owned: virtual addresses of what reads the state to dispatch */
	size_t load_count;
	bool chosen; /* of the places where the copy may lie, it lies here */
	enum stores_verdict verdict;
	uint64_t where; /* virtual address at which the proof fails, or 0 */
};

/*
 * Find the stores and loads of the states of coroutines[0..count) in the graph of their
 * function, and try the proof. Returns 0 and fills results[0..count), each to be
 * released with state_stores_free; or -1 when memory ran out.
 */
int state_stores_find(const struct flow_graph *graph, const struct flow_coroutine *coroutines,
		      size_t count, struct coroutine_stores *results);
void state_stores_free(struct coroutine_stores *stores);

/* The verdict as a sentence without its subject: "has a path without a store". */
const char *stores_verdict_text(enum stores_verdict verdict);

/* Are its hits an exact count of the polls? */
bool stores_proven(const struct coroutine_stores *stores);

#endif
