/*
 * The call stack at a trap, from the registers and the copy of the stack that it brought
 * along, through libdwfl and the frame information of the probed images. The process may
 * be gone by then.
 */
#ifndef UNWIND_H
#define UNWIND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct perf_stack;
struct probe_plan;
struct unwinder;

/* A function that had been called and not returned. */
struct unwound_frame {
	uint64_t address; /* in the process: of the trap, then where each call returns to */
	uint64_t at;      /* bytes above the stack pointer of the trap to where the stack has
			   * that; of the trap itself 0 */
	size_t image;     /* index into the plan's images */
	uint64_t linked;  /* the address as linked there */
};

/* Returns an unwinder for the images of plan, which must outlive it, or NULL: no memory. */
struct unwinder *unwinder_new(const struct probe_plan *plan);
void unwinder_free(struct unwinder *unwinder);

/*
 * Fill frames[0..most) with the stack at a trap in the process pid whose address, there,
 * lies bias above what it is as linked in image (index into the plan's images). It ends
 * where the copy of the stack ends or no image tells what comes next. Returns how many there
 * are.
 */
size_t unwinder_walk(struct unwinder *unwinder, pid_t pid, size_t image, uint64_t bias,
		     const struct perf_stack *stack, struct unwound_frame *frames, size_t most);

#endif
