#include "final_snapshot.h"

#include "decode.h"
#include "probe_plan.h"
#include "store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <uthash.h>

struct future_key {
	uint64_t self; /* as the trap had it */
	uint32_t pid;
	uint32_t probe_id; /* of the entry that trapped last there */
};

struct noted_future {
	struct future_key key;
	uint64_t address; /* of the trap */
	uint64_t time_ns; /* of the reading; 0: none */
	uint64_t words[SNAPSHOT_MOST_WORDS];
	UT_hash_handle hh; /* keyed by key */
};

struct final_snapshots {
	const struct probe_plan *plan; /* borrowed */
	struct noted_future *futures;  /* owned */
};

struct final_snapshots *final_snapshots_new(const struct probe_plan *plan)
{
	struct final_snapshots *snapshots = calloc(1, sizeof(*snapshots));

	if (snapshots)
		snapshots->plan = plan;
	return snapshots;
}

void final_snapshots_free(struct final_snapshots *snapshots)
{
	struct noted_future *future;
	struct noted_future *next;

	if (!snapshots)
		return;
	HASH_ITER(hh, snapshots->futures, future, next)
	{
		HASH_DEL(snapshots->futures, future);
		free(future);
	}
	free(snapshots);
}

int final_snapshots_note(struct final_snapshots *snapshots, uint32_t pid,
			 const struct trap *trap)
{
	const struct probe_plan *plan = snapshots->plan;
	struct future_key key = {trap->self, pid, trap->probe_id};
	struct noted_future *future;

	if (trap->probe_id == 0 || trap->probe_id > plan->probe_count ||
	    plan->probes[trap->probe_id - 1].kind != PROBE_ENTRY ||
	    !plan->probes[trap->probe_id - 1].words)
		return 0;
	HASH_FIND(hh, snapshots->futures, &key, sizeof(key), future);
	if (future)
		return 0;
	future = calloc(1, sizeof(*future));
	if (!future)
		return -1;
	future->key = key;
	future->address = trap->address;
	HASH_ADD(hh, snapshots->futures, key, sizeof(future->key), future);
	return 0;
}

static bool read_memory(uint32_t pid, uint64_t address, void *to, size_t size)
{
	struct iovec local = {to, size};
	/* An address of the other process: no pointer of ours. */
	struct iovec remote = {.iov_len = size};

	memcpy(&remote.iov_base, &address, sizeof(address));
	return process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static void read_future(const struct probe_plan *plan, struct noted_future *future,
			uint64_t now_ns)
{
	const struct probe *probe = &plan->probes[future->key.probe_id - 1];
	const struct poll_sites *sites = &plan->images[probe->image];
	const struct poll_site *site = &sites->sites[probe->site];
	const struct snapshot_plan *snapshot = &sites->types[site->type].snapshot;
	uint64_t words[SNAPSHOT_MOST_WORDS] = {0};
	uint8_t state = 0;

	/* A task that is done was perhaps freed, and its memory used again. */
	if (site->runs_task &&
	    (!read_memory(future->key.pid, future->key.self + site->task_state, &state,
			  sizeof(state)) ||
	     state & site->task_idle))
		return;
	for (size_t i = 0; i < probe->words; i++) {
		const struct snapshot_word *word = &snapshot->words[i];
		uint64_t base = word->base == SNAPSHOT_NONE
					? future->key.self + site->self_offset
					: words[word->base];

		/* A pointer may be none as yet. */
		if (!read_memory(future->key.pid, base + word->offset, &words[i],
				 sizeof(words[i])) &&
		    word->base == SNAPSHOT_NONE)
			return;
	}
	memcpy(future->words, words, sizeof(words));
	future->time_ns = now_ns;
}

void final_snapshots_take(struct final_snapshots *snapshots, uint64_t now_ns)
{
	struct noted_future *future;

	for (future = snapshots->futures; future; future = future->hh.next)
		read_future(snapshots->plan, future, now_ns);
}

int final_snapshots_store(const struct final_snapshots *snapshots, struct store *store)
{
	const struct noted_future *future;

	for (future = snapshots->futures; future; future = future->hh.next)
		if (future->time_ns &&
		    store_add_final_snapshot(store, future->time_ns, future->key.pid,
					     future->key.probe_id, future->address,
					     future->key.self, future->words))
			return -1;
	return 0;
}
