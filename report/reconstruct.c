#include "asyncrec/recording.h"

#include "replay.h"
#include "schema_sql.h"

#include <stddef.h>

int recording_reconstruct(sqlite3 *db, char **why)
{
	const char *const steps[] = {
		sql_begin,
		sql_derived_drop,
		sql_derived_schema,
		sql_reconstruct_threads,
		sql_reconstruct_polls,
		sql_reconstruct_futures,
		sql_reconstruct_tasks,
		sql_reconstruct_cancels,
		sql_reconstruct_counts,
		sql_reconstruct_pending,
		sql_reconstruct_finish,
		sql_commit,
	};

	*why = NULL;
	if (replay_register(db) != SQLITE_OK) {
		*why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
		return -1;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (sqlite3_exec(db, steps[i], NULL, NULL, why) == SQLITE_OK)
			continue;
		if (!sqlite3_get_autocommit(db))
			sqlite3_exec(db, sql_rollback, NULL, NULL, NULL);
		return -1;
	}
	return 0;
}
