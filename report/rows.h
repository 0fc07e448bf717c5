/* The rows of a query on stdout, as the options have them. */
#ifndef ROWS_H
#define ROWS_H

#include "options.h"

struct sqlite3;

/*
 * Print the rows of the query sql (a section of schema/views.sql) under options;
 * match_column is what --match looks at. db must know the SQL function REGEXP.
 * Returns 0, or -1 after one line on stderr.
 */
int rows_print(struct sqlite3 *db, const char *sql, const char *match_column,
	       const struct options *options);

/*
 * Print the rows of sql as it is; ?1 in it is options->match and ?2 options->limit.
 * Returns 0, or -1 after one line on stderr.
 */
int rows_query(struct sqlite3 *db, const char *sql, const struct options *options);

#endif
