/*
 * Which polls an executor may make that is in no table: those of futures that lie behind
 * a `dyn Future`, whose poll is in a vtable, and those that a function calls which is no
 * poll itself.
 */
#ifndef ROOT_SITES_H
#define ROOT_SITES_H

struct poll_sites;

/*
 * Mark the sites of *sites, and the types polled there, that may be a task's root.
 * Where functions that run tasks are known, those and what is blocked on are; the rest
 * is awaited. Else every poll may be that something other than a poll can call.
 */
void root_sites_mark(struct poll_sites *sites);

#endif
