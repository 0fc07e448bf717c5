/* The await chains as a flame graph: an SVG to click into, search and hover over. */
#ifndef FLAME_H
#define FLAME_H

struct options;
struct sqlite3;

/*
 * Draw the chains of db that match options->match into the file options->flame,
 * as wide as options->by says. db must have view_relations (schema/views.sql) and
 * know the SQL function REGEXP. Returns 0, or -1 after one line on stderr.
 */
int flame_write(struct sqlite3 *db, const struct options *options);

#endif
