/*
 * What the memory of a future tells of the futures inside it: a coroutine keeps what it
 * awaits in its own memory, so the states of a whole await chain lie at offsets from
 * one address that the types fix. The plan of a type says which words to read in one
 * trap, and how they tell which futures live there.
 */
#ifndef SNAPSHOT_PLAN_H
#define SNAPSHOT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No node, type or word. */
#define SNAPSHOT_NONE SIZE_MAX

/* The most words that one trap reads: a probe has at most 128 arguments (MAX_TRACE_ARGS). */
enum { SNAPSHOT_MOST_WORDS = 96 };

/* Eight bytes to read. */
struct snapshot_word {
	size_t base;     /* index of the word that holds the address to count from, or
			    SNAPSHOT_NONE: the polled future's address */
	uint64_t offset; /* bytes */
};

/*
 * A future, or an enum that holds futures in its variants. The first node is the polled
 * future itself; parents come before their children.
 */
struct snapshot_node {
	size_t parent;   /* index of the node that it lies in, or SNAPSHOT_NONE */
	size_t type;     /* index into poll_sites.types, or SNAPSHOT_NONE: an enum, or a future
			    behind `dyn`, whose type its vtable tells */
	bool awaited;    /* the parent, a coroutine, awaits it, or what it lies in */
	size_t base;     /* as in snapshot_word: what offset counts from */
	uint64_t offset; /* bytes */
	size_t vtable;   /* index of the word with its vtable's address; SNAPSHOT_NONE: none */
	/* its discriminant, of a coroutine the state: */
	size_t word;    /* index of the word it is in; SNAPSHOT_NONE: it has none */
	unsigned shift; /* bits from the low end of that word */
	unsigned width; /* bits */
	/* it lives while the discriminant of its parent is one of these, or none of them: */
	uint64_t *values; /* owned */
	size_t value_count;
	bool excluded; /* none of them; true and no values: always */
};

struct snapshot_plan {
	struct snapshot_node *nodes; /* owned */
	size_t node_count;
	struct snapshot_word *words; /* owned; a base comes before what counts from it */
	size_t word_count;
	unsigned left_out; /* futures for which there was no room */
};

void snapshot_plan_free(struct snapshot_plan *plan);

#endif
