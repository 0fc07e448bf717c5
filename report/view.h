/* The views: which query each one is. */
#ifndef VIEW_H
#define VIEW_H

#include "options.h"

struct sqlite3;

/*
 * Print the view or query that options ask for, and write the files; once on a
 * connection. Returns 0, or -1 after one line on stderr.
 */
int view_print(struct sqlite3 *db, const struct options *options);

#endif
