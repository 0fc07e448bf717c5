/*
 * Where executors make tasks: the calls that put a task in the queue for the first time.
 * At these the address of the task is known, and the stack tells who spawned it.
 */
#ifndef SPAWN_SITES_H
#define SPAWN_SITES_H

struct dwarf_pass;
struct functions;
struct image;
struct poll_sites;

/*
 * Add to *sites, as LIFE_SPAWN, the places in image where the executors of the table spawn;
 * functions: its symbols; pass: what was found in its debug information, or NULL. Returns 0,
 * or -1 when memory ran out.
 */
int spawn_sites_find(const struct image *image, const struct functions *functions,
		     const struct dwarf_pass *pass, struct poll_sites *sites);

#endif
