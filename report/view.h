/* The views: which query each one is, and how options narrow it. */
#ifndef VIEW_H
#define VIEW_H

#include "options.h"

struct sqlite3;

/*
 * Print the view or query that options ask for. Returns 0, or -1 after one line on
 * stderr.
 */
int view_print(struct sqlite3 *db, const struct options *options);

/*
 * Print the rows of the query sql (a section of schema/views.sql) under options;
 * match_column is what --match looks at. Returns 0, or -1 after one line on stderr.
 */
int view_rows(struct sqlite3 *db, const char *sql, const char *match_column,
	      const struct options *options);

/* Characters a line of output may have; 0: any number, for it goes to no terminal. */
unsigned view_width(void);

#endif
