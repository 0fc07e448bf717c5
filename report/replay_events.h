/*
 * Replays the events of a recording in the order of time, and gives out the polls, and the
 * hits of the user's own probes, as soon as all is known of each.
 */
#ifndef REPLAY_EVENTS_H
#define REPLAY_EVENTS_H

#include "call_stack.h"

#include <sqlite3.h>

struct replay;

/* Returns a replay of the recording in db, not started, or NULL when memory ran out. */
struct replay *replay_new(sqlite3 *db);
void replay_free(struct replay *replay);

/* Begin, also anew. Returns SQLITE_OK, or another code of SQLite. */
int replay_start(struct replay *replay);

/* Go to the next row. Returns SQLITE_OK, or another code of SQLite. */
int replay_next(struct replay *replay);

/*
 * The current row, valid until the next call; NULL: there are no more. Of a hit, which
 * has no id of its own, only event, parent, future and task are filled in.
 */
const struct poll *replay_row(const struct replay *replay);

#endif
