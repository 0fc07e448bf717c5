/* The command line of asyncrec. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe_plan.h"
#include "status.h"

struct options {
	const char *output;        /* where the recording shall be */
	size_t buffer_size;        /* of a ring buffer, bytes */
	struct plan_choice choice; /* its patterns are owned */
	const char **images;       /* owned; files to probe instead of the program */
	size_t image_count;
	const char **probes; /* owned; the user's own probe points */
	size_t probe_count;
	char **program;       /* the program and its arguments, NULL behind them */
	pid_t pid;            /* record this process instead; 0: none */
	uint64_t duration_ns; /* record no longer than this; 0: until the end */
	bool list;            /* print the poll sites instead of recording */
	bool use_cache;       /* of poll sites found before */
};

/*
 * Read the command line. Returns -1 to go on, with *options to be released with
 * options_free; else the exit status to end with.
 */
int options_read(struct options *options, int argc, char **argv);
void options_free(struct options *options);

#endif
