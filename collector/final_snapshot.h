/*
 * What waits when the recording ends: the memory of the futures that have trapped, read
 * once more while the process still runs. A trap tells only what was there before it.
 */
#ifndef FINAL_SNAPSHOT_H
#define FINAL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct probe_plan;
struct store;
struct trap;

struct final_snapshots;

/* Returns an empty set for the futures of plan, or NULL when memory ran out. */
struct final_snapshots *final_snapshots_new(const struct probe_plan *plan);
void final_snapshots_free(struct final_snapshots *snapshots);

/* Remember the future whose poll trapped in the process pid. Returns 0, or -1: no memory. */
int final_snapshots_note(struct final_snapshots *snapshots, uint32_t pid,
			 const struct trap *trap);

/*
 * Read the memory of all that are remembered, at time now_ns; what could be read before
 * and cannot now, as the process is gone, is kept.
 */
void final_snapshots_take(struct final_snapshots *snapshots, uint64_t now_ns);

/* Write what was read. Returns 0, or -1 after one line on stderr. */
int final_snapshots_store(const struct final_snapshots *snapshots, struct store *store);

#endif
