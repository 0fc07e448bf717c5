/* A stretch of time instead of the whole recording. */
#ifndef STRETCH_H
#define STRETCH_H

#include <stdio.h>

struct options;
struct sqlite3;

/*
 * Make every later query on db see only what options->from_ns and to_ns leave
 * (schema/stretch.sql); nothing if neither is given. db may be read-only. Returns
 * 0, or -1 after one line on stderr.
 */
int stretch_narrow(struct sqlite3 *db, const struct options *options);

/* Print which stretch the options name, ` from 0.5 s to 2 s`; nothing if none. */
void stretch_print(FILE *stream, const struct options *options);

#endif
