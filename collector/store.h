/*
 * The recording on disk: a batched SQLite writer for schema/recording.sql.
 *
 * A recording is made beside its final place and put there when the traced program
 * has started, so that a start that fails leaves an older recording alone.
 */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include <stdint.h>

#include "perf_ring.h"

struct probe_plan;
struct store;
struct trap;

/*
 * Can a recording be made at path? Not if something else than a recording is there
 * or its directory cannot be written. Returns 0, or -1 after one line on stderr.
 */
int store_check_output(const char *path);

/*
 * Make an empty recording beside path. Returns it, to be released with store_close
 * or store_discard, or NULL after one line on stderr.
 */
struct store *store_create(const char *path);

/* Write what is known before the start. All return 0, or -1 after one line on stderr. */
int store_write_text(struct store *store, const char *key, const char *value);
int store_write_number(struct store *store, const char *key, int64_t value);
int store_write_plan(struct store *store, const struct probe_plan *plan);

/* Put the recording at its place, over an older one, and go on there. */
int store_publish(struct store *store);

/*
 * Add one record. They return 0, or -1 after one line on stderr; after a failure
 * every further call fails silently. stack_id: the stack of the trap; 0: not known.
 */
int store_add_trap(struct store *store, const struct perf_stamp *stamp, const struct trap *trap,
		   uint32_t stack_id);
int store_add_lost(struct store *store, const struct perf_stamp *stamp, uint64_t since_ns,
		   uint64_t count);
int store_add_thread_event(struct store *store, const struct perf_stamp *stamp,
			   enum thread_event_kind kind, uint32_t pid, uint32_t tid,
			   uint32_t parent_tid, const char *name);

/*
 * Add what the memory of the future at self, whose polls trap at the entry probe_id
 * (at that address in the process), held at time_ns: as many words as the probe reads. Returns
 * 0, or -1 after one line on stderr.
 */
int store_add_final_snapshot(struct store *store, uint64_t time_ns, uint32_t pid,
			     uint32_t probe_id, uint64_t address, uint64_t self,
			     const uint64_t *words);

/* What is known of a call stack; columns of table stack. */
struct stack_text {
	const char *function; /* NULL: unknown, as the others but frames */
	const char *file;
	unsigned line; /* 0: unknown */
	const char *frames;
};

/* Add what the stack of that id is. Returns 0, or -1 after one line on stderr. */
int store_add_stack(struct store *store, uint32_t id, const struct stack_text *text);

/* Put all records so far on disk, where readers see them. Returns as above. */
int store_flush(struct store *store);

/* Derive the rest of the recording (recording_reconstruct). */
int store_reconstruct(struct store *store);

/* Traps and lost samples so far. */
uint64_t store_trap_count(const struct store *store);
uint64_t store_lost_count(const struct store *store);
/* Polls in the reconstructed recording; size of its file in bytes. */
uint64_t store_poll_count(struct store *store);

/* The polls that got a waker of which no function is in a probed file, likewise. */
uint64_t store_unknown_waker_count(struct store *store);
uint64_t store_file_size(const struct store *store);

/* End the recording. Returns 0, or -1 after one line on stderr. */
int store_close(struct store *store);
/* Remove a recording that was not published, and release it. */
void store_discard(struct store *store);

#endif
