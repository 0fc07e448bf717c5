/* A recording, opened for reading. */
#ifndef OPEN_H
#define OPEN_H

struct sqlite3;

/*
 * Open the recording at path, which is never written. One whose derived relations
 * are missing (its recorder was killed) is copied and derived in the copy, which
 * goes away with the connection. Returns 0 and the connection in *db, to be closed
 * by the caller, or -1 after one line on stderr.
 */
int open_recording(const char *path, struct sqlite3 **db);

#endif
