#include "record.h"

#include "asyncrec/recording.h"
#include "command_line.h"
#include "decode.h"
#include "final_snapshot.h"
#include "image.h"
#include "asyncrec/message.h"
#include "options.h"
#include "perf_ring.h"
#include "stacks.h"
#include "store.h"
#include "target.h"
#include "tracefs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Even a program that traps little gets its events on disk soon. */
enum {
	DRAIN_INTERVAL_MS = 200,
	ATTACHED_DRAIN_INTERVAL_MS = 20,
	FLUSH_INTERVAL_NS = 1000000000,
};

struct recorder {
	const struct options *options;
	const struct probe_plan *plan;
	struct target *target;
	struct tracefs tracefs;
	struct decoder *decoder;
	struct perf_rings rings;
	struct perf_sink sink;
	struct store *store;
	struct final_snapshots *final; /* owned */
	struct stacks *stacks;         /* owned */
	uint64_t end_ns;               /* of the recording */
	uint64_t undecoded;            /* records that were of no event of ours */
};

/*
 * Which of the two readings of the waker is right? The vtable of a waker is data of
 * the program; read through a level too many it is one of its functions.
 */
static void choose_waker(const struct recorder *recorder, struct trap *trap)
{
	const struct probe_plan *plan = recorder->plan;
	const struct probe *probe;
	const struct image *image;
	uint64_t bias;

	if (!trap->direct_vtable || trap->probe_id == 0 || trap->probe_id > plan->probe_count)
		return;
	probe = &plan->probes[trap->probe_id - 1];
	image = plan->images[probe->image].image;
	bias = trap->address - probe->address;
	if (image_has_data(image, trap->waker_vtable - bias) ||
	    !image_has_data(image, trap->direct_vtable - bias))
		return;
	trap->waker_data = trap->direct_data;
	trap->waker_vtable = trap->direct_vtable;
}

/* Which stack the trap was in; 0: it brought none. Returns 0, or -1: no memory. */
static int find_stack(struct recorder *recorder, const struct perf_stamp *stamp,
		      const struct trap *trap, const struct perf_stack *stack, uint32_t *id)
{
	const struct probe_plan *plan = recorder->plan;
	const struct probe *probe;

	*id = 0;
	if (!stack || trap->probe_id == 0 || trap->probe_id > plan->probe_count)
		return 0;
	probe = &plan->probes[trap->probe_id - 1];
	return stacks_find(recorder->stacks, (pid_t)stamp->pid, probe->image,
			   trap->address - probe->address, stack, id);
}

static int take_sample(void *context, const struct perf_stamp *stamp, const void *data,
		       size_t size, const struct perf_stack *stack)
{
	struct recorder *recorder = context;
	struct trap trap;
	uint32_t stack_id;

	if (decoder_decode(recorder->decoder, data, size, &trap)) {
		recorder->undecoded++;
		return 0;
	}
	choose_waker(recorder, &trap);
	if (final_snapshots_note(recorder->final, stamp->pid, &trap) ||
	    find_stack(recorder, stamp, &trap, stack, &stack_id)) {
		message_error("recording: out of memory");
		return -1;
	}
	return store_add_trap(recorder->store, stamp, &trap, stack_id);
}

static int take_lost(void *context, const struct perf_stamp *stamp, uint64_t since_ns,
		     uint64_t count)
{
	struct recorder *recorder = context;

	return store_add_lost(recorder->store, stamp, since_ns, count);
}

static int take_thread(void *context, const struct perf_stamp *stamp,
		       enum thread_event_kind kind, uint32_t pid, uint32_t tid,
		       uint32_t parent_tid, const char *name)
{
	struct recorder *recorder = context;

	return store_add_thread_event(recorder->store, stamp, kind, pid, tid, parent_tid, name);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Define the events and open them for the waiting child. */
static int arm(struct recorder *recorder)
{
	const struct probe_plan *plan = recorder->plan;
	struct perf_source *sources = calloc(plan->event_count, sizeof(*sources));
	int status = -1;

	if (!sources || !recorder->decoder || !recorder->final || !recorder->stacks) {
		message_error("arming the probes: out of memory");
		goto out;
	}
	if (tracefs_define(&recorder->tracefs, plan))
		goto out;
	for (size_t i = 0; i < plan->event_count; i++) {
		char *format = tracefs_format(&recorder->tracefs, plan->events[i].name);
		int learnt =
			format ? decoder_learn(recorder->decoder, format, &sources[i].id) : 0;

		if (learnt)
			message_error("event %s: libtraceevent cannot read its format",
				      plan->events[i].name);
		sources[i].stack_bytes = plan->events[i].stack_bytes;
		free(format);
		if (!format || learnt)
			goto out;
	}
	status = perf_rings_open(&recorder->rings, sources, plan->event_count,
				 recorder->target->pid, !recorder->target->attached,
				 recorder->options->buffer_size);
out:
	free(sources);
	return status;
}

static void disarm(struct recorder *recorder)
{
	perf_rings_close(&recorder->rings);
	tracefs_close(&recorder->tracefs);
	decoder_free(recorder->decoder);
	recorder->decoder = NULL;
}

static int write_head(struct recorder *recorder)
{
	const struct plan_choice *choice = &recorder->options->choice;
	struct store *store = recorder->store;
	char *arguments = recorder->target->attached
				  ? command_line_of_process(recorder->target->pid)
				  : command_line_quote(recorder->options->program);
	int status = store_write_text(store, "asyncrec_version", ASYNCREC_VERSION) ||
		     store_write_number(store, "schema_version", RECORDING_SCHEMA_VERSION) ||
		     store_write_text(store, "program", recorder->target->name) ||
		     store_write_text(store, "arguments", arguments) ||
		     store_write_text(store, "level", plan_level_names[choice->level]) ||
		     store_write_text(store, "exits",
				      plan_exits_names[recorder->plan->choice.exits]) ||
		     store_write_plan(store, recorder->plan);

	free(arguments);
	return status ? -1 : 0;
}

/* How long to sleep at most, ms. */
static int poll_interval(const struct recorder *recorder, uint64_t end_ns)
{
	uint64_t left_ms =
		end_ns == UINT64_MAX ? UINT64_MAX : (end_ns - now_ns()) / 1000000 + 1;
	/* The thread whose event would wake us may be gone before others. */
	uint64_t most =
		recorder->target->attached ? ATTACHED_DRAIN_INTERVAL_MS : DRAIN_INTERVAL_MS;

	return (int)(left_ms < most ? left_ms : most);
}

/* Drain until the program has ended, or the recording shall. Returns -1 if the recording failed
 * on the way. */
static int follow(struct recorder *recorder)
{
	size_t count = recorder->rings.ring_count;
	struct pollfd *polls = calloc(count + 1, sizeof(*polls));
	uint64_t flushed_ns = now_ns();
	uint64_t duration_ns = recorder->options->duration_ns;
	uint64_t end_ns = duration_ns ? flushed_ns + duration_ns : UINT64_MAX;
	int status = 0;

	if (!polls) {
		message_error("recording: out of memory");
		return -1;
	}
	memcpy(polls, recorder->rings.polls, count * sizeof(*polls));
	polls[count] = (struct pollfd){.fd = recorder->target->signals, .events = POLLIN};
	while (!recorder->target->ended && !recorder->target->stop && !status &&
	       now_ns() < end_ns) {
		poll(polls, count + 1, poll_interval(recorder, end_ns));
		for (size_t i = 0; i < count; i++)
			if (polls[i].revents & POLLHUP) /* all its threads are gone */
				polls[i].fd = -1;
		/* A signal may be passed on that ends the program. */
		if (polls[count].revents)
			final_snapshots_take(recorder->final, now_ns());
		target_signals(recorder->target);
		status = perf_rings_drain(&recorder->rings, &recorder->sink);
		if (!status && now_ns() - flushed_ns > FLUSH_INTERVAL_NS) {
			status = store_flush(recorder->store);
			flushed_ns = now_ns();
		}
	}
	free(polls);
	return status;
}

/* The recording is over before the program: let that run to its end without probes. */
static void wait_unrecorded(struct recorder *recorder)
{
	struct pollfd signals = {.fd = recorder->target->signals, .events = POLLIN};

	while (!recorder->target->ended) {
		poll(&signals, 1, -1);
		target_signals(recorder->target);
	}
}

static void print_size(char *text, size_t size, uint64_t bytes)
{
	if (bytes < 1000000)
		snprintf(text, size, "%.1f kB", (double)bytes / 1e3);
	else
		snprintf(text, size, "%.1f MB", (double)bytes / 1e6);
}

static int finish(struct recorder *recorder)
{
	struct store *store = recorder->store;
	const char *path = recorder->options->output;
	uint64_t polls;
	uint64_t unknown_wakers;
	uint64_t traps;
	uint64_t lost;
	char size[32];
	int status;

	status = final_snapshots_store(recorder->final, store) ||
		 stacks_store(recorder->stacks, store) ||
		 store_write_number(store, "end_ns", (int64_t)recorder->end_ns) ||
		 (recorder->target->ended && !recorder->target->attached &&
		  store_write_number(store, "exit_status", recorder->target->status)) ||
		 store_reconstruct(store);
	polls = status ? 0 : store_poll_count(store);
	unknown_wakers = status ? 0 : store_unknown_waker_count(store);
	traps = store_trap_count(store);
	lost = store_lost_count(store);
	print_size(size, sizeof(size), store_file_size(store));
	if (store_close(store) || status)
		return -1;
	if (unknown_wakers)
		message_note("%" PRIu64 " polls got a waker whose functions are in no probed "
			     "file: such wakes are not recorded; --exe names a shared library "
			     "to probe, too",
			     unknown_wakers);
	message_note("%" PRIu64 " polls, %" PRIu64 " events, %" PRIu64 " lost, %s, %s", polls,
		     traps, lost, path, size);
	return 0;
}

/* Let what is recorded go: 0, or the exit status after one line on stderr. */
static int start(struct recorder *recorder)
{
	if (!recorder->target->attached)
		return target_start(recorder->target);
	return perf_rings_enable(&recorder->rings) ? STATUS_FAILED : 0;
}

/* From the first instruction of the program to the end of the recording. */
static int run(struct recorder *recorder)
{
	int status = start(recorder);
	int failed;

	if (status) {
		store_discard(recorder->store);
		return status;
	}
	failed = store_publish(recorder->store) || follow(recorder);
	recorder->end_ns = now_ns();
	final_snapshots_take(recorder->final, recorder->end_ns);
	perf_rings_disable(&recorder->rings);
	failed = failed || perf_rings_drain(&recorder->rings, &recorder->sink) ||
		 perf_rings_final_losses(&recorder->rings, &recorder->sink, recorder->end_ns);
	disarm(recorder);
	if (recorder->undecoded)
		message_note("%" PRIu64 " records could not be decoded", recorder->undecoded);
	if (failed)
		store_discard(recorder->store);
	else
		failed = finish(recorder);
	if (!recorder->target->attached)
		wait_unrecorded(recorder);
	return failed ? STATUS_FAILED : recorder->target->status;
}

int record(const struct options *options, const struct probe_plan *plan, struct target *target)
{
	struct recorder recorder = {
		.options = options,
		.plan = plan,
		.target = target,
		.sink = {.sample = take_sample, .lost = take_lost, .thread = take_thread},
	};
	int status = STATUS_FAILED;

	recorder.sink.context = &recorder;
	if (store_check_output(options->output) || tracefs_open(&recorder.tracefs))
		return STATUS_FAILED;
	recorder.decoder = decoder_new();
	recorder.final = final_snapshots_new(plan);
	recorder.stacks = stacks_new(plan);
	if (target_prepare(target, options->program) || arm(&recorder))
		goto out;
	recorder.store = store_create(options->output);
	if (!recorder.store)
		goto out;
	if (write_head(&recorder) ||
	    store_write_number(recorder.store, "start_ns", (int64_t)now_ns())) {
		store_discard(recorder.store);
		goto out;
	}
	status = run(&recorder);
out:
	disarm(&recorder);
	final_snapshots_free(recorder.final);
	stacks_free(recorder.stacks);
	return status;
}
