/*
 * The events of a recording, replayed in the order of time: the table function
 * `replay`, one row per poll with all that stacks (call_stack.h) and identity
 * (futures.h) tell of it, and one per hit of a user's own probe with the poll it was in.
 */
#ifndef REPLAY_H
#define REPLAY_H

struct sqlite3;

/*
 * Give db the table function `replay` (columns and meaning: replay_columns in
 * schema/reconstruct.sql), which reads the raw tables of db. Returns an SQLite
 * result code.
 */
int replay_register(struct sqlite3 *db);

#endif
