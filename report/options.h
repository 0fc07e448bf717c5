/* The command line of asyncreport. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "render.h"

struct options {
	const char *recording; /* path */
	const char *view;      /* its name; NULL with sql */
	const char *sql;       /* a query of the user's own; NULL: none */
	const char *sort;      /* column; NULL: the view's own order */
	const char *match;     /* regular expression; NULL: none */
	long limit;            /* rows; -1: the view's own, 0: all */
	enum format format;
};

/* Read the command line. Returns -1 to go on, else the exit status to end with. */
int options_read(struct options *options, int argc, char **argv);

#endif
