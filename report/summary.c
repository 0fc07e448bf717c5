#include "summary.h"

#include "asyncrec/message.h"
#include "duration.h"
#include "options.h"
#include "rows.h"
#include "schema_sql.h"
#include "stretch.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>

/* Rows of each part, unless --limit says otherwise: about a screen. */
enum { DEFAULT_LIMIT = 40 };

/* *has_probes: did the user have probes of his own? */
static int print_head(sqlite3 *db, const struct options *options, bool *has_probes)
{
	sqlite3_stmt *head = NULL;
	char duration[32];
	bool ended;

	if (sqlite3_prepare_v2(db, sql_summary_head, -1, &head, NULL) != SQLITE_OK ||
	    sqlite3_step(head) != SQLITE_ROW) {
		message_error("%s: %s", options->recording, sqlite3_errmsg(db));
		sqlite3_finalize(head);
		return -1;
	}
	printf("program   %s\nbuild-id  %s\n", sqlite3_column_text(head, 0),
	       sqlite3_column_text(head, 1));
	/* A recorder that was killed has not written its end. */
	ended = sqlite3_column_type(head, 3) != SQLITE_NULL;
	duration_format(duration, sizeof(duration), sqlite3_column_int64(head, ended ? 3 : 2));
	printf("recorded  %s, level %s", duration, sqlite3_column_text(head, 5));
	if (!ended)
		printf(", then the recorder was stopped");
	else if (sqlite3_column_type(head, 4) != SQLITE_NULL)
		printf(", exit status %d", sqlite3_column_int(head, 4));
	putchar('\n');
	printf("events    %" PRId64 ", lost %" PRId64 "%s\n",
	       (int64_t)sqlite3_column_int64(head, 6), (int64_t)sqlite3_column_int64(head, 10),
	       sqlite3_column_int64(head, 10)
		       ? " (counts are lower bounds; a larger --buffer may help)"
		       : "");
	printf("seen      %" PRId64 " polls of %" PRId64 " futures in %" PRId64 " tasks",
	       (int64_t)sqlite3_column_int64(head, 7), (int64_t)sqlite3_column_int64(head, 8),
	       (int64_t)sqlite3_column_int64(head, 9));
	stretch_print(stdout, options);
	putchar('\n');
	*has_probes = sqlite3_column_int64(head, 11) > 0;
	sqlite3_finalize(head);
	return 0;
}

int summary_print(sqlite3 *db, const struct options *options)
{
	struct options part = *options;
	bool has_probes;

	if (options->format != FORMAT_TEXT)
		return rows_print(db, sql_view_futures, "name", options);
	if (part.limit < 0)
		part.limit = DEFAULT_LIMIT;
	if (print_head(db, options, &has_probes))
		return -1;
	puts("\nPoll counts (exact: certainly every poll was seen)\n");
	if (rows_print(db, sql_summary_counts, "future", &part))
		return -1;
	puts("\nAwait tree (each future below the one that awaits it, and where)\n");
	part.sort = NULL;
	if (rows_print(db, sql_view_tree, "future", &part))
		return -1;
	if (!has_probes)
		return 0;
	puts("\nProbe hits (of --probe, and in which future they were)\n");
	return rows_print(db, sql_view_probes, "future", &part);
}
