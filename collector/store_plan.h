/* Writes what is probed, and what is known of it, into the recording. */
#ifndef STORE_PLAN_H
#define STORE_PLAN_H

#include <sqlite3.h>

struct probe_plan;

/*
 * Write images, future types, probes and all that the reporter needs to understand
 * their traps, in the open transaction of db. Returns 0, or -1 with the reason in db.
 */
int store_plan_write(sqlite3 *db, const struct probe_plan *plan);

#endif
