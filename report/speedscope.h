/* The await chains and threads for https://www.speedscope.app, as JSON. */
#ifndef SPEEDSCOPE_H
#define SPEEDSCOPE_H

struct options;
struct sqlite3;

/*
 * Write the file options->speedscope from the chains of db that match
 * options->match: a profile of wait time and one of busy time by await chain, and
 * one over time for each thread. db must have view_relations (schema/views.sql) and
 * know the SQL function REGEXP. Returns 0, or -1 after one line on stderr.
 */
int speedscope_write(struct sqlite3 *db, const struct options *options);

#endif
