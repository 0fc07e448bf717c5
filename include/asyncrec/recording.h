/*
 * What recorder and reporter share: the version of the schema and the steps
 * that turn a finished recording into the derived relations.
 */
#ifndef ASYNCREC_RECORDING_H
#define ASYNCREC_RECORDING_H

#include <sqlite3.h>

#define ASYNCREC_VERSION "0.1.0"

/* Version of schema/ as a whole; kept in `PRAGMA user_version`. */
#define RECORDING_SCHEMA_VERSION 1

/* `PRAGMA application_id` of every recording: "arec". */
#define RECORDING_APPLICATION_ID 0x61726563

/*
 * Rebuild every derived table and view of the recording open at db from its
 * raw tables (poll, future, task, poll_count, await_edge, await_chain), in one
 * transaction. db must be writable; it stays owned by the caller.
 * Returns 0, or -1 with the reason in sqlite3_errmsg(db); then nothing changed.
 */
int recording_reconstruct(sqlite3 *db);

#endif
