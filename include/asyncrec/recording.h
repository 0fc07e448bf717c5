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
 * Rebuild every derived table of the recording open at db (schema/derived.sql)
 * from its raw tables (schema/recording.sql), in one transaction. db must be
 * writable; it stays owned by the caller. Returns 0, or -1 with the reason in
 * *why, to be released with sqlite3_free; then nothing changed.
 */
int recording_reconstruct(sqlite3 *db, char **why);

#endif
