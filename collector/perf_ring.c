#include "perf_ring.h"

#include "asyncrec/message.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4) /* Linux 6.0; Debian 12's headers are of 6.1 */
#endif

/* What sample_id_all appends to records that are no samples, for our sample_type. */
struct sample_id {
	uint32_t pid;
	uint32_t tid;
	uint64_t time_ns;
	uint32_t cpu;
	uint32_t reserved;
};

/* A sample with our sample_type: TID, TIME, CPU, RAW. */
struct sample {
	struct perf_event_header header;
	struct sample_id id;
	uint32_t raw_size;
	uint8_t raw[];
};

struct lost_record {
	struct perf_event_header header;
	uint64_t event_id;
	uint64_t count;
	struct sample_id id;
};

/* PERF_RECORD_FORK and PERF_RECORD_EXIT. */
struct task_record {
	struct perf_event_header header;
	uint32_t pid;
	uint32_t parent_pid;
	uint32_t tid;
	uint32_t parent_tid;
	uint64_t time_ns;
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid;
	uint32_t tid;
	char name[];
};

static struct perf_event_attr attributes(uint64_t id, bool first)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(struct perf_event_attr),
		.config = id,
		.sample_period = 1,
		.sample_type =
			PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_RAW,
		.read_format = PERF_FORMAT_LOST,
		.disabled = 1,
		.inherit = 1,
		.enable_on_exec = 1,
		.comm = first,
		.task = first,
		.sample_id_all = 1,
		.watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
}

static int open_event(uint64_t id, bool first, pid_t pid, unsigned cpu, uint32_t watermark)
{
	struct perf_event_attr attr = attributes(id, first);
	long fd;

	attr.wakeup_watermark = watermark;
	fd = syscall(SYS_perf_event_open, &attr, pid, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 && errno == EINVAL) {
		attr.read_format = 0;
		fd = syscall(SYS_perf_event_open, &attr, pid, (int)cpu, -1,
			     PERF_FLAG_FD_CLOEXEC);
	}
	return (int)fd;
}

static void explain_open(int error)
{
	message_error("perf_event_open: %s; %s", strerror(error),
		      error == EACCES || error == EPERM
			      ? "it needs CAP_PERFMON (or root), or kernel.perf_event_paranoid "
				"at -1"
		      : error == EMFILE ? "raise the limit of open files (ulimit -n)"
					: "the kernel needs CONFIG_PERF_EVENTS and "
					  "CONFIG_UPROBE_EVENTS");
}

/* Open every event on one processor and map the buffer. 1: no such processor. */
static int open_ring(struct perf_rings *rings, const uint64_t *ids, size_t id_count, pid_t pid,
		     unsigned cpu)
{
	struct perf_ring *ring = &rings->rings[rings->ring_count];
	int first = -1;

	for (size_t i = 0; i < id_count; i++) {
		int fd = open_event(ids[i], i == 0, pid, cpu, (uint32_t)(rings->data_size / 8));

		if (fd < 0 && i == 0 && errno == ENODEV)
			return 1;
		if (fd < 0) {
			explain_open(errno);
			return -1;
		}
		rings->events[rings->event_count++] = fd;
		if (i == 0) {
			first = fd;
		} else if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, first)) {
			message_error("perf_event_open: cannot share a ring buffer: %s",
				      strerror(errno));
			return -1;
		}
		if (i != 0)
			continue;
		ring->base = mmap(NULL, rings->page_size + rings->data_size,
				  PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (ring->base == MAP_FAILED) {
			ring->base = NULL;
			message_error("ring buffer of %zu bytes: %s; choose a smaller one with "
				      "--buffer or raise the limit of locked memory",
				      rings->data_size, strerror(errno));
			return -1;
		}
		ring->cpu = cpu;
		rings->polls[rings->ring_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	return 0;
}

int perf_rings_open(struct perf_rings *rings, const uint64_t *ids, size_t id_count, pid_t pid,
		    size_t size)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	*rings = (struct perf_rings){
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.events_per_ring = id_count,
	};
	rings->data_size = rings->page_size;
	if (cpus < 1)
		cpus = 1;
	while (rings->data_size < size)
		rings->data_size *= 2;
	rings->rings = calloc((size_t)cpus, sizeof(*rings->rings));
	rings->polls = calloc((size_t)cpus, sizeof(*rings->polls));
	rings->events = calloc((size_t)cpus * id_count, sizeof(*rings->events));
	rings->scratch = malloc(UINT16_MAX);
	if (!rings->rings || !rings->polls || !rings->events || !rings->scratch) {
		message_error("ring buffers: out of memory");
		perf_rings_close(rings);
		return -1;
	}
	for (long cpu = 0; cpu < cpus; cpu++) {
		if (open_ring(rings, ids, id_count, pid, (unsigned)cpu) < 0) {
			perf_rings_close(rings);
			return -1;
		}
	}
	return 0;
}

void perf_rings_close(struct perf_rings *rings)
{
	for (size_t i = 0; rings->rings && i < rings->ring_count; i++)
		munmap(rings->rings[i].base, rings->page_size + rings->data_size);
	for (size_t i = 0; rings->events && i < rings->event_count; i++)
		close(rings->events[i]);
	free(rings->rings);
	free(rings->polls);
	free(rings->events);
	free(rings->scratch);
	*rings = (struct perf_rings){0};
}

static struct perf_stamp stamp_of(const struct sample_id *id)
{
	return (struct perf_stamp){id->pid, id->tid, id->time_ns, id->cpu};
}

/* The sample_id that ends a record which is no sample. */
static struct perf_stamp trailing_stamp(const struct perf_event_header *header)
{
	struct sample_id id;

	memcpy(&id, (const uint8_t *)header + header->size - sizeof(id), sizeof(id));
	return stamp_of(&id);
}

static int hand_out(struct perf_ring *ring, const struct perf_event_header *header,
		    const struct perf_sink *sink)
{
	const struct sample *sample = (const struct sample *)header;
	const struct lost_record *lost = (const struct lost_record *)header;
	const struct task_record *task = (const struct task_record *)header;
	const struct comm_record *comm = (const struct comm_record *)header;
	struct perf_stamp stamp;
	uint64_t since_ns = ring->last_ns;

	if (header->type == PERF_RECORD_SAMPLE) {
		stamp = stamp_of(&sample->id);
		ring->last_ns = stamp.time_ns;
		return sink->sample(sink->context, &stamp, sample->raw, sample->raw_size);
	}
	stamp = trailing_stamp(header);
	ring->last_ns = stamp.time_ns;
	switch (header->type) {
	case PERF_RECORD_LOST:
		ring->reported += lost->count;
		return sink->lost(sink->context, &stamp, since_ns, lost->count);
	case PERF_RECORD_FORK:
		return sink->thread(sink->context, &stamp, THREAD_START, task->pid, task->tid,
				    task->parent_tid, NULL);
	case PERF_RECORD_EXIT:
		return sink->thread(sink->context, &stamp, THREAD_END, task->pid, task->tid, 0,
				    NULL);
	case PERF_RECORD_COMM:
		return sink->thread(sink->context, &stamp, THREAD_NAME, comm->pid, comm->tid, 0,
				    comm->name);
	default:
		return 0;
	}
}

static int drain(struct perf_rings *rings, struct perf_ring *ring, const struct perf_sink *sink)
{
	struct perf_event_mmap_page *control = ring->base;
	uint8_t *data = (uint8_t *)ring->base + rings->page_size;
	uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = control->data_tail;
	uint64_t released = tail;
	int status = 0;

	while (tail < head && !status) {
		size_t at = tail & (rings->data_size - 1);
		const struct perf_event_header *header = (void *)(data + at);

		if (at + header->size > rings->data_size) {
			size_t first = rings->data_size - at;

			memcpy(rings->scratch, data + at, first);
			memcpy(rings->scratch + first, data, header->size - first);
			header = (void *)rings->scratch;
		}
		tail += header->size;
		status = hand_out(ring, header, sink);
		/* Give room back early: the producer may be waiting for it. */
		if (tail - released > rings->data_size / 16) {
			__atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
			released = tail;
		}
	}
	__atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
	return status;
}

int perf_rings_drain(struct perf_rings *rings, const struct perf_sink *sink)
{
	for (size_t i = 0; i < rings->ring_count; i++)
		if (drain(rings, &rings->rings[i], sink))
			return -1;
	return 0;
}

int perf_rings_final_losses(struct perf_rings *rings, const struct perf_sink *sink,
			    uint64_t now_ns)
{
	for (size_t i = 0; i < rings->ring_count; i++) {
		struct perf_ring *ring = &rings->rings[i];
		struct perf_stamp stamp = {.time_ns = now_ns, .cpu = ring->cpu};
		uint64_t lost = 0;

		for (size_t j = 0; j < rings->events_per_ring; j++) {
			uint64_t values[2]; /* count, lost: PERF_FORMAT_LOST alone */
			int fd = rings->events[i * rings->events_per_ring + j];

			if (read(fd, values, sizeof(values)) == (ssize_t)sizeof(values))
				lost += values[1];
		}
		if (lost > ring->reported &&
		    sink->lost(sink->context, &stamp, ring->last_ns, lost - ring->reported))
			return -1;
	}
	return 0;
}
