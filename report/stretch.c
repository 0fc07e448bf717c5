#include "stretch.h"

#include "asyncrec/message.h"
#include "options.h"
#include "schema_sql.h"

#include <sqlite3.h>
#include <stddef.h>

static int set_bounds(sqlite3 *db, const struct options *options)
{
	sqlite3_stmt *bounds = NULL;
	int status = sqlite3_prepare_v2(db, sql_stretch_bounds, -1, &bounds, NULL);

	if (status == SQLITE_OK) {
		if (options->from_ns != TIME_NOT_GIVEN)
			sqlite3_bind_int64(bounds, 1, options->from_ns);
		if (options->to_ns != TIME_NOT_GIVEN)
			sqlite3_bind_int64(bounds, 2, options->to_ns);
		status = sqlite3_step(bounds) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
	}
	sqlite3_finalize(bounds);
	return status;
}

int stretch_narrow(sqlite3 *db, const struct options *options)
{
	const char *const steps[] = {
		sql_stretch_polls,      sql_stretch_futures,       sql_reconstruct_tasks,
		sql_stretch_wakes,      sql_reconstruct_wake_sums, sql_stretch_spawns,
		sql_reconstruct_counts,
	};
	int status;

	if (options->from_ns == TIME_NOT_GIVEN && options->to_ns == TIME_NOT_GIVEN)
		return 0;
	status = set_bounds(db, options);
	for (size_t i = 0; status == SQLITE_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
		status = sqlite3_exec(db, steps[i], NULL, NULL, NULL);
	if (status == SQLITE_OK)
		return 0;
	message_error("%s: cannot narrow it to a stretch of time: %s", options->recording,
		      sqlite3_errmsg(db));
	return -1;
}

void stretch_print(FILE *stream, const struct options *options)
{
	if (options->from_ns != TIME_NOT_GIVEN)
		fprintf(stream, " from %.9g s", (double)options->from_ns / 1e9);
	if (options->to_ns != TIME_NOT_GIVEN)
		fprintf(stream, " to %.9g s", (double)options->to_ns / 1e9);
}
