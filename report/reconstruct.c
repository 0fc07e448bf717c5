#include "asyncrec/recording.h"

#include "replay.h"
#include "schema_sql.h"
#include "wakes.h"

#include <stddef.h>

int recording_reconstruct(sqlite3 *db, char **why)
{
	/* One of the two. */
	static const struct {
		const char *sql;
		int (*run)(sqlite3 *db);
	} steps[] = {
		{.sql = sql_begin},
		{.sql = sql_derived_drop},
		{.sql = sql_derived_schema},
		{.sql = sql_reconstruct_threads},
		{.sql = sql_reconstruct_polls},
		{.sql = sql_reconstruct_futures},
		{.sql = sql_reconstruct_tasks},
		{.run = wakes_reconstruct},
		{.sql = sql_reconstruct_wakes},
		{.sql = sql_reconstruct_wake_sums},
		{.sql = sql_reconstruct_spawns},
		{.sql = sql_reconstruct_cancels},
		{.sql = sql_reconstruct_counts},
		{.sql = sql_reconstruct_pending},
		{.sql = sql_reconstruct_finish},
		{.sql = sql_commit},
	};

	*why = NULL;
	if (replay_register(db) != SQLITE_OK) {
		*why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
		return -1;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].run) {
			if (steps[i].run(db) == SQLITE_OK)
				continue;
			*why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
		} else if (sqlite3_exec(db, steps[i].sql, NULL, NULL, why) == SQLITE_OK) {
			continue;
		}
		if (!sqlite3_get_autocommit(db))
			sqlite3_exec(db, sql_rollback, NULL, NULL, NULL);
		return -1;
	}
	return 0;
}
