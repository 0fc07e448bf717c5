/*
 * What a trap reads, as fetch arguments in the syntax of tracefs
 * (Documentation/trace/uprobetracer.rst).
 */
#ifndef PROBE_FETCH_H
#define PROBE_FETCH_H

#include <stddef.h>

struct insn_exit;
struct life_site;
struct poll_result;
struct poll_sites;
struct probe;

/* All fill in probe->fetch and return 0, or -1 when memory ran out. */

/*
 * At the entry of a site of image; room: the words of a snapshot that the event has.
 * Lowers probe->words if the definition would get longer than the kernel takes.
 */
int probe_fetch_entry(struct probe *probe, const struct poll_sites *image, size_t room);

/* At a way out; sets probe->result_known. */
int probe_fetch_exit(struct probe *probe, const struct poll_result *result,
		     const struct insn_exit *way_out);

/* At a store; holder: tracefs name of the register with the new state, or NULL. */
int probe_fetch_store(struct probe *probe, const char *holder);

/* At a point of the user's own. */
int probe_fetch_user(struct probe *probe);

/* At the entry of a function that wakes or spawns what its first argument is of. */
int probe_fetch_life(struct probe *probe, const struct life_site *life);

/* At the entry of a function that drops a future; room: as for probe_fetch_entry. */
int probe_fetch_drop(struct probe *probe, const struct poll_sites *image, size_t room);

#endif
