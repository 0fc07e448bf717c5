/* One recording from start to end: the order of everything. */
#ifndef RECORD_H
#define RECORD_H

struct options;
struct probe_plan;
struct target;

/*
 * Record target (found, not prepared) with the probes of plan. Returns the exit
 * status of asyncrec, after one line on stderr if that is its own failure.
 */
int record(const struct options *options, const struct probe_plan *plan, struct target *target);

#endif
