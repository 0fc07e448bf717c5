#include "rows.h"

#include "asyncrec/message.h"
#include "schema_sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Characters a line of output may have; 0: any number, for it goes to no terminal. */
static unsigned output_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return 80;
}

static int render(sqlite3_stmt *statement, enum format format)
{
	switch (format) {
	case FORMAT_JSON:
		return render_json(statement);
	case FORMAT_CSV:
		return render_csv(statement);
	default:
		return render_text(statement, output_width());
	}
}

static bool has_column(sqlite3_stmt *statement, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(statement); i++)
		if (strcmp(sqlite3_column_name(statement, i), name) == 0)
			return true;
	return false;
}

/* Can rows of this query be sorted as asked? Says which columns there are if not. */
static int check_sort(sqlite3 *db, const char *sql, const char *sort)
{
	sqlite3_stmt *statement = NULL;
	sqlite3_str *names;
	char *text;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return 0; /* it will be said when it is run */
	if (has_column(statement, sort)) {
		sqlite3_finalize(statement);
		return 0;
	}
	names = sqlite3_str_new(db);
	for (int i = 0; i < sqlite3_column_count(statement); i++)
		sqlite3_str_appendf(names, "%s%s", i ? ", " : "",
				    sqlite3_column_name(statement, i));
	text = sqlite3_str_finish(names);
	message_error("--sort %s: no such column; choose one of %s", sort, text ? text : "?");
	sqlite3_free(text);
	sqlite3_finalize(statement);
	return -1;
}

int rows_query(sqlite3 *db, const char *sql, const struct options *options)
{
	sqlite3_stmt *statement = NULL;
	const char *rest;
	int status = sqlite3_prepare_v2(db, sql, -1, &statement, &rest);

	if (status == SQLITE_OK && !statement) {
		message_error("--sql: no query in it");
		return -1;
	}
	if (status == SQLITE_OK && rest[strspn(rest, " \t\r\n;")]) {
		message_error("--sql: more than one query; give one");
		sqlite3_finalize(statement);
		return -1;
	}
	if (status == SQLITE_OK) {
		if (options->match)
			sqlite3_bind_text(statement, 1, options->match, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, options->limit > 0 ? options->limit : -1);
		status = render(statement, options->format);
	}
	if (status != SQLITE_OK)
		message_error("%s: %s", options->sql ? "--sql" : options->recording,
			      sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	return status == SQLITE_OK ? 0 : -1;
}

int rows_print(sqlite3 *db, const char *sql, const char *match_column,
	       const struct options *options)
{
	const char *sort = options->sort;
	char *wrapped;
	int status;

	if (sort && check_sort(db, sql, sort))
		return -1;
	wrapped = sort ? sqlite3_mprintf(sql_view_rows, sql, match_column, sort, sort, sort)
		       : sqlite3_mprintf(sql_view_rows_unsorted, sql, match_column);
	if (!wrapped) {
		message_error("%s: out of memory", options->recording);
		return -1;
	}
	status = rows_query(db, wrapped, options);
	sqlite3_free(wrapped);
	return status;
}
