/*
 * Who woke which task, and what came of it.
 *
 * A wake has the data pointer of a waker. Polls get a Context with one: the task whose root
 * was polled with that pointer last is the one that is woken. A future that polls others
 * with wakers of its own (FuturesUnordered) is woken by them for each of those: such a
 * nested waker belongs to the outermost future that was polled with it.
 */
#ifndef WAKES_H
#define WAKES_H

#include <sqlite3.h>

/*
 * Fill table wake, and what table task says of wakes, from the events and the polls of the
 * recording. Returns SQLITE_OK, or an error of SQLite, with its message in db.
 */
int wakes_reconstruct(sqlite3 *db);

#endif
