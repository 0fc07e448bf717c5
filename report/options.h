/* The command line of asyncreport. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "render.h"

#include <stdint.h>

#define TIME_NOT_GIVEN (-1)

struct options {
	const char *recording; /* path */
	const char *view;      /* its name; NULL: none, but sql or a file to write */
	const char *sql;       /* a query of the user's own; NULL: none */
	const char *sort;      /* column; NULL: the view's own order */
	const char *match;     /* regular expression; NULL: none */
	long limit;            /* rows; -1: the view's own, 0: all */
	enum format format;
	const char *flame;      /* file to draw a flame graph into; NULL: none */
	const char *by;         /* what its widths are: wait, busy or polls */
	const char *speedscope; /* file to write for speedscope; NULL: none */
	int64_t from_ns;        /* begin of the stretch to show, since the recording's start; */
	int64_t to_ns;          /* and the first moment behind it; or TIME_NOT_GIVEN */
};

/* Read the command line. Returns -1 to go on, else the exit status to end with. */
int options_read(struct options *options, int argc, char **argv);

#endif
