/*
 * Which futures live in the memory of a polled one, told from the words that its trap
 * read (snapshot_node, snapshot_value and future_vtable in schema/recording.sql).
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshots;

/* As parent: none. */
#define LIVING_NONE SIZE_MAX

/* A future that lives: it was polled before, or is awaited; or one not begun. */
struct living {
	size_t parent;    /* index of the one that holds it; LIVING_NONE: the polled one */
	size_t node;      /* number of its node in the plan of the polled type */
	int64_t type_id;  /* of future_type */
	uint64_t address; /* in the process */
	int64_t state;    /* of a coroutine: where it is suspended, 3 and up; else -1 */
	bool begun;       /* false: a coroutine, in state 0, of which just the place is known */
	bool awaited;     /* the parent, a coroutine, is suspended awaiting it */
	bool certain;     /* and so is every one around it: a poll of the first polls it too */
};

/* The first is the polled future itself. Zeroed: nothing is known. */
struct living_set {
	struct living *futures; /* owned; parents before their children */
	size_t count;
};

/* What is known of a type of future. */
struct snapshot_type {
	uint64_t size; /* bytes; 0: unknown */
	bool is_coroutine;
	bool complete;  /* every poll of it traps */
	bool by_stores; /* its polls are told by the stores that end them */
};

/* Load the plans of a recording. Returns NULL when it cannot be read or memory ran out. */
struct snapshots *snapshots_load(sqlite3 *db);
void snapshots_free(struct snapshots *snapshots);

/* The type of that id; of an unknown one nothing is known. */
struct snapshot_type snapshots_type(const struct snapshots *snapshots, int64_t type_id);

/*
 * Fill in *living from what a trap of a poll of that type read: words[0..count), each of
 * eight bytes, which need not be aligned; self: address of the polled future; bias: how
 * far from where it was linked the image lies. Nothing is known if the type has no plan
 * or words are missing. Returns 0, or -1 when memory ran out.
 */
int snapshots_read(const struct snapshots *snapshots, int64_t type_id, const void *words,
		   size_t count, uint64_t self, uint64_t bias, struct living_set *living);

/*
 * Where a future of inner_type lies in the memory of one of polled_type, held by that of
 * its node `holder` (as in struct living), which is at holder_address, if it begins to live
 * there: the one place, or the one that has the address `inside` in it. Returns its node
 * and puts its address into *address, or LIVING_NONE and 0.
 */
size_t snapshots_place(const struct snapshots *snapshots, int64_t polled_type, size_t holder,
		       int64_t inner_type, uint64_t holder_address, uint64_t inside,
		       uint64_t *address);

/*
 * The futures in the memory of one of polled_type around that of inner_type in which the
 * byte at `inside` from its beginning lies: up to most types into types, outermost first,
 * without those two. Returns their number, or LIVING_NONE if it is not there.
 */
size_t snapshots_path(const struct snapshots *snapshots, int64_t polled_type,
		      int64_t inner_type, uint64_t inside, int64_t *types, size_t most);

#endif
