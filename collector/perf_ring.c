#include "perf_ring.h"

#include "asyncrec/array.h"
#include "asyncrec/message.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

/*
 * A sample with our sample_type: TID, TIME, CPU, RAW; behind that, if the event asks for
 * it, a struct sampled_stack.
 */
struct sample {
	struct perf_event_header header;
	struct sample_id id;
	uint32_t raw_size;
	uint8_t raw[];
};

/* REGS_USER and STACK_USER: so many bytes, and behind them how many the stack really had. */
struct sampled_stack {
	uint64_t abi;
	uint64_t registers[SAMPLED_REGISTER_COUNT];
	uint64_t room;
	uint8_t bytes[];
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

static struct perf_event_attr attributes(const struct perf_source *source, bool first,
					 bool on_exec)
{
	uint64_t stack =
		source->stack_bytes ? PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER : 0;

	return (struct perf_event_attr){
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(struct perf_event_attr),
		.config = source->id,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |
			       PERF_SAMPLE_RAW | stack,
		.sample_regs_user = stack ? sampled_registers_mask : 0,
		.sample_stack_user = source->stack_bytes,
		.read_format = PERF_FORMAT_LOST,
		.disabled = 1,
		.inherit = 1,
		.enable_on_exec = on_exec,
		.comm = first,
		.task = first,
		.sample_id_all = 1,
		.watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
}

static int open_event(struct perf_event_attr *attr, pid_t tid, unsigned cpu)
{
	long fd = syscall(SYS_perf_event_open, attr, tid, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == EINVAL && attr->read_format) {
		attr->read_format = 0;
		fd = syscall(SYS_perf_event_open, attr, tid, (int)cpu, -1,
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

static int add_event(struct perf_rings *rings, int fd, size_t ring)
{
	struct perf_event *grown = array_room(rings->events, rings->event_count,
					      &rings->event_room, sizeof(*grown));

	if (!grown)
		return -1;
	rings->events = grown;
	rings->events[rings->event_count++] = (struct perf_event){fd, ring};
	return 0;
}

/* Map the buffer of a new ring, whose first event is fd. */
static int map_ring(struct perf_rings *rings, int fd, unsigned cpu)
{
	struct perf_ring *ring = &rings->rings[rings->ring_count];

	ring->base = mmap(NULL, rings->page_size + rings->data_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (ring->base == MAP_FAILED) {
		ring->base = NULL;
		message_error("ring buffer of %zu bytes: %s; choose a smaller one with "
			      "--buffer or raise the limit of locked memory",
			      rings->data_size, strerror(errno));
		return -1;
	}
	ring->cpu = cpu;
	rings->polls[rings->ring_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 0;
}

/* The ring of the processor, or ring_count if it has none yet. */
static size_t ring_of(const struct perf_rings *rings, unsigned cpu)
{
	size_t i = 0;

	while (i < rings->ring_count && rings->rings[i].cpu != cpu)
		i++;
	return i;
}

/* What is to be opened, on each processor and for each thread. */
struct opening {
	const struct perf_source *sources;
	size_t source_count;
	unsigned cpus;
	bool on_exec;
};

/* Open every event for one thread on one processor. 1: there is no such one. */
static int open_on(struct perf_rings *rings, const struct opening *opening, pid_t tid,
		   unsigned cpu)
{
	size_t ring = ring_of(rings, cpu);

	for (size_t i = 0; i < opening->source_count; i++) {
		struct perf_event_attr attr =
			attributes(&opening->sources[i], i == 0, opening->on_exec);
		int fd;

		attr.wakeup_watermark = (uint32_t)(rings->data_size / 8);
		fd = open_event(&attr, tid, cpu);
		if (fd < 0 && (errno == ENODEV || errno == ESRCH))
			return 1;
		if (fd < 0) {
			explain_open(errno);
			return -1;
		}
		if (add_event(rings, fd, ring)) {
			message_error("ring buffers: out of memory");
			close(fd);
			return -1;
		}
		if (ring == rings->ring_count) {
			if (map_ring(rings, fd, cpu))
				return -1;
		} else if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, rings->polls[ring].fd)) {
			message_error("perf_event_open: cannot share a ring buffer: %s",
				      strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int open_thread(struct perf_rings *rings, const struct opening *opening, pid_t tid)
{
	for (unsigned cpu = 0; cpu < opening->cpus; cpu++)
		if (open_on(rings, opening, tid, cpu) < 0)
			return -1;
	return 0;
}

/* The threads opened so far. */
struct threads {
	pid_t *tids; /* owned */
	size_t count;
};

static int add_thread(struct threads *threads, pid_t tid)
{
	pid_t *grown = realloc(threads->tids, (threads->count + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	threads->tids = grown;
	grown[threads->count++] = tid;
	return 0;
}

static bool has_thread(const struct threads *threads, pid_t tid)
{
	for (size_t i = 0; i < threads->count; i++)
		if (threads->tids[i] == tid)
			return true;
	return false;
}

/* Open for the threads of pid that are not in threads yet. Returns how many, or -1. */
static int open_new_threads(struct perf_rings *rings, const struct opening *opening, pid_t pid,
			    struct threads *threads)
{
	char path[64];
	DIR *directory;
	struct dirent *entry;
	int opened = 0;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	directory = opendir(path);
	if (!directory) {
		message_error("process %ld: %s", (long)pid, strerror(errno));
		return -1;
	}
	while (opened >= 0 && (entry = readdir(directory))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid <= 0 || has_thread(threads, tid))
			continue;
		opened++;
		if (add_thread(threads, tid) || open_thread(rings, opening, tid))
			opened = -1;
	}
	closedir(directory);
	return opened;
}

/* Each thread takes some descriptors on each processor. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int perf_rings_open(struct perf_rings *rings, const struct perf_source *sources, size_t count,
		    pid_t pid, bool on_exec, size_t size)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct opening opening = {sources, count, cpus < 1 ? 1 : (unsigned)cpus, on_exec};
	struct threads threads = {0};
	int opened;

	*rings = (struct perf_rings){.page_size = (size_t)sysconf(_SC_PAGESIZE)};
	rings->data_size = rings->page_size;
	while (rings->data_size < size)
		rings->data_size *= 2;
	rings->rings = calloc(opening.cpus, sizeof(*rings->rings));
	rings->polls = calloc(opening.cpus, sizeof(*rings->polls));
	rings->scratch = malloc(UINT16_MAX);
	if (!rings->rings || !rings->polls || !rings->scratch) {
		message_error("ring buffers: out of memory");
		perf_rings_close(rings);
		return -1;
	}
	raise_file_limit();
	/* A thread that is opened hands its events down; one older than that does not. */
	do
		opened = open_new_threads(rings, &opening, pid, &threads);
	while (opened > 0);
	free(threads.tids);
	if (opened == 0 && rings->ring_count)
		return 0;
	if (opened == 0)
		message_error("process %ld: it has no thread left", (long)pid);
	perf_rings_close(rings);
	return -1;
}

int perf_rings_enable(struct perf_rings *rings)
{
	for (size_t i = 0; i < rings->event_count; i++) {
		if (ioctl(rings->events[i].fd, PERF_EVENT_IOC_ENABLE, 0)) {
			message_error("perf_event_open: cannot enable an event: %s",
				      strerror(errno));
			return -1;
		}
	}
	return 0;
}

void perf_rings_disable(struct perf_rings *rings)
{
	for (size_t i = 0; i < rings->event_count; i++)
		ioctl(rings->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

void perf_rings_close(struct perf_rings *rings)
{
	for (size_t i = 0; rings->rings && i < rings->ring_count; i++)
		munmap(rings->rings[i].base, rings->page_size + rings->data_size);
	for (size_t i = 0; rings->events && i < rings->event_count; i++)
		close(rings->events[i].fd);
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

uint64_t perf_stack_address(const struct perf_stack *stack)
{
	size_t i = 0;

	while (sampled_registers_dwarf[i] != sampled_program_counter)
		i++;
	return stack->registers[i];
}

/* Read what lies behind the raw record of the sample. False: nothing does. */
static bool read_stack(const struct sample *sample, struct perf_stack *stack)
{
	const uint8_t *end = (const uint8_t *)sample + sample->header.size;
	const uint8_t *at = sample->raw + sample->raw_size;
	struct sampled_stack head;
	uint64_t filled;

	if (at > end || (size_t)(end - at) < sizeof(head))
		return false;
	memcpy(&head, at, sizeof(head));
	at += sizeof(head);
	if (head.abi != PERF_SAMPLE_REGS_ABI_64 || (size_t)(end - at) < sizeof(filled) ||
	    head.room > (size_t)(end - at) - sizeof(filled))
		return false;
	memcpy(&filled, at + head.room, sizeof(filled));
	memcpy(stack->registers, head.registers, sizeof(stack->registers));
	stack->bytes = at;
	stack->size = filled < head.room ? filled : head.room;
	return true;
}

static int hand_out(struct perf_ring *ring, const struct perf_event_header *header,
		    const struct perf_sink *sink)
{
	const struct sample *sample = (const struct sample *)header;
	const struct lost_record *lost = (const struct lost_record *)header;
	const struct task_record *task = (const struct task_record *)header;
	const struct comm_record *comm = (const struct comm_record *)header;
	struct perf_stack stack;
	struct perf_stamp stamp;
	uint64_t since_ns = ring->last_ns;

	if (header->type == PERF_RECORD_SAMPLE) {
		stamp = stamp_of(&sample->id);
		ring->last_ns = stamp.time_ns;
		return sink->sample(sink->context, &stamp, sample->raw, sample->raw_size,
				    read_stack(sample, &stack) ? &stack : NULL);
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

		for (size_t j = 0; j < rings->event_count; j++) {
			uint64_t values[2]; /* count, lost: PERF_FORMAT_LOST alone */

			if (rings->events[j].ring == i &&
			    read(rings->events[j].fd, values, sizeof(values)) ==
				    (ssize_t)sizeof(values))
				lost += values[1];
		}
		if (lost > ring->reported &&
		    sink->lost(sink->context, &stamp, ring->last_ns, lost - ring->reported))
			return -1;
	}
	return 0;
}
