/*
 * The call stacks of traps: each different one once, with the place in the user's code
 * that it comes from.
 */
#ifndef STACKS_H
#define STACKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct perf_stack;
struct probe_plan;
struct stacks;
struct store;

/* Returns an empty set for the images of plan, which must outlive it, or NULL: no memory. */
struct stacks *stacks_new(const struct probe_plan *plan);
void stacks_free(struct stacks *stacks);

/*
 * Fill in *id, from 1 on, for the stack of a trap: arguments as those of unwinder_walk. 0:
 * it cannot be told. Returns 0, or -1 when memory ran out.
 */
int stacks_find(struct stacks *stacks, pid_t pid, size_t image, uint64_t bias,
		const struct perf_stack *stack, uint32_t *id);

/*
 * Find what all those are of, which takes a while, and write it to store. Opens the debug
 * information of the images, if need be. Returns 0, or -1 after one line on stderr.
 */
int stacks_store(struct stacks *stacks, struct store *store);

#endif
