/*
 * Raw tracepoint records to traps, through libtraceevent: the kernel's format file
 * of each event says where its arguments lie.
 */
#ifndef DECODE_H
#define DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot_plan.h"

/* One decoded trap; what its event does not read is 0. */
struct trap {
	uint32_t probe_id;
	uint64_t address; /* of the trap, in the process */
	uint64_t sp;
	uint64_t self; /* entry only, as all below but result */
	uint64_t state;
	uint64_t task_state;
	uint64_t return_address;
	uint64_t waker_data;
	uint64_t waker_vtable;
	uint64_t direct_data;   /* the waker's words if the register holds no Context but */
	uint64_t direct_vtable; /* the Waker itself: LLVM passes what is used of an argument */
	uint64_t result;        /* exit only */
	uint64_t
		words[SNAPSHOT_MOST_WORDS]; /* of the snapshot; only those that the event has */
};

struct decoder;

/* Returns a decoder that knows no event, or NULL when memory ran out. */
struct decoder *decoder_new(void);
void decoder_free(struct decoder *decoder);

/*
 * Learn the event whose format file has the text format. Returns 0 and the event's
 * number (for perf_event_open) in *id, or -1 if the text cannot be understood.
 */
int decoder_learn(struct decoder *decoder, const char *format, uint64_t *id);

/* Decode data[0..size). Returns 0, or -1 if it is of no known event. */
int decoder_decode(const struct decoder *decoder, const void *data, size_t size,
		   struct trap *trap);

#endif
