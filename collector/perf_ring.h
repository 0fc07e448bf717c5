/*
 * The kernel's ring buffers: one per processor, shared by all events of the plan
 * (perf_event_open(2); Documentation/userspace-api/perf_ring_buffer.rst). Records
 * are handed out in the order of each buffer; across buffers only their times
 * order them.
 */
#ifndef PERF_RING_H
#define PERF_RING_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampled_registers.h"

/* What every record carries. */
struct perf_stamp {
	uint32_t pid;
	uint32_t tid;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t cpu;
};

/* The registers at a trap, and what the stack held from the stack pointer up. */
struct perf_stack {
	uint64_t registers[SAMPLED_REGISTER_COUNT]; /* in the order of sampled_registers.h */
	const uint8_t *bytes;
	size_t size; /* of bytes */
};

enum thread_event_kind {
	THREAD_START,
	THREAD_NAME,
	THREAD_END,
};

/* Who takes the records. Each returns 0, or -1 to stop the draining. */
struct perf_sink {
	/* A trap: data[0..size) is the raw tracepoint record, valid during the call like
	 * stack, which is NULL unless the event asks for it. */
	int (*sample)(void *context, const struct perf_stamp *stamp, const void *data,
		      size_t size, const struct perf_stack *stack);
	/* count samples were dropped on that processor between since_ns and stamp. */
	int (*lost)(void *context, const struct perf_stamp *stamp, uint64_t since_ns,
		    uint64_t count);
	/* parent_tid is 0 and name NULL where they do not belong to the kind. */
	int (*thread)(void *context, const struct perf_stamp *stamp,
		      enum thread_event_kind kind, uint32_t pid, uint32_t tid,
		      uint32_t parent_tid, const char *name);
	void *context;
};

struct perf_ring {
	unsigned cpu;
	void *base;        /* the mapping: one control page, then the data */
	uint64_t last_ns;  /* time of the last record seen; 0: none */
	uint64_t reported; /* samples lost, as records told */
};

/* An open event; several share a ring. */
struct perf_event {
	int fd;
	size_t ring; /* index into perf_rings.rings */
};

struct perf_rings {
	struct perf_ring *rings; /* owned */
	size_t ring_count;
	struct pollfd *polls;      /* owned; one per ring, of its first event */
	struct perf_event *events; /* owned */
	size_t event_count;
	size_t event_room;
	size_t data_size; /* of one buffer, bytes; a power of two */
	size_t page_size;
	uint8_t *scratch; /* owned; a record that wraps around */
};

/* A tracepoint to open. */
struct perf_source {
	uint64_t id;
	uint32_t stack_bytes; /* of the stack to copy, a multiple of 8; 0: none */
};

/*
 * Open the tracepoints sources[0..count) for the process pid, with all its threads and
 * the threads and children to come, on every processor, with buffers of at least size
 * bytes each. With on_exec they start to count when pid calls exec, else with
 * perf_rings_enable. Returns 0 and fills *rings, to be released with
 * perf_rings_close; or -1 after one line on stderr.
 */
int perf_rings_open(struct perf_rings *rings, const struct perf_source *sources, size_t count,
		    pid_t pid, bool on_exec, size_t size);
void perf_rings_close(struct perf_rings *rings);

/* Start to count. Returns 0, or -1 after one line on stderr. */
int perf_rings_enable(struct perf_rings *rings);
/* Stop to count; what is in the buffers stays. */
void perf_rings_disable(struct perf_rings *rings);

/* Where the trap was, in the process. */
uint64_t perf_stack_address(const struct perf_stack *stack);

/* Hand all records that are there to sink. Returns -1 if the sink stopped it. */
int perf_rings_drain(struct perf_rings *rings, const struct perf_sink *sink);

/*
 * After the last drain: hand to sink, at time now_ns, the losses that the kernel
 * counted and no record told (Linux 6.0 and later count them).
 */
int perf_rings_final_losses(struct perf_rings *rings, const struct perf_sink *sink,
			    uint64_t now_ns);

#endif
