/*
 * Uprobe events in tracefs (Documentation/trace/uprobetracer.rst): define them,
 * read their format, remove them. All events of one recorder are in a group of its
 * own, `asyncrec_PID_START`, so that nobody else's are ever touched.
 */
#ifndef TRACEFS_H
#define TRACEFS_H

#include <stddef.h>
#include <stdint.h>

struct probe_plan;

struct tracefs {
	char *root;                    /* where tracefs is mounted; owned */
	char group[64];                /* of this recorder's events */
	size_t defined;                /* events of the plan that exist */
	const struct probe_plan *plan; /* borrowed; NULL: nothing defined */
};

/*
 * Find tracefs, mounting it where it is not, and remove the events of recorders
 * that have died. Returns 0 and fills *tracefs, to be released with tracefs_close;
 * or -1 after one line on stderr.
 */
int tracefs_open(struct tracefs *tracefs);

/* Remove this recorder's events, then release *tracefs. */
void tracefs_close(struct tracefs *tracefs);

/*
 * Define all events of the plan, which must outlive them. Returns 0, or -1 after
 * one line on stderr; what was defined goes with tracefs_close.
 */
int tracefs_define(struct tracefs *tracefs, const struct probe_plan *plan);

/*
 * The format file of an event of the plan: a malloc'd string, or NULL after one
 * line on stderr.
 */
char *tracefs_format(const struct tracefs *tracefs, const char *event);

#endif
