#include "view.h"

#include "asyncrec/message.h"
#include "schema_sql.h"
#include "summary.h"

#include <regex.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct view {
	const char *name;
	const char *sql;
	const char *match_column;
} views[] = {
	{"futures", sql_view_futures, "name"}, {"tasks", sql_view_tasks, "name"},
	{"chains", sql_view_chains, "chain"},  {"waits", sql_view_waits, "child"},
	{"polls", sql_view_polls, "future"},
};

unsigned view_width(void)
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
		return render_text(statement, view_width());
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

static int run(sqlite3 *db, const char *sql, const struct options *options)
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

int view_rows(sqlite3 *db, const char *sql, const char *match_column,
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
	status = run(db, wrapped, options);
	sqlite3_free(wrapped);
	return status;
}

/* The SQL operator: REGEXP(pattern, text). */
static void regexp(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const regex_t *compiled = sqlite3_user_data(context);
	const char *text = (const char *)sqlite3_value_text(argv[1]);

	(void)argc;
	sqlite3_result_int(context, text && regexec(compiled, text, 0, NULL, 0) == 0);
}

/* Compile --match and make it what the operator REGEXP asks. */
static int add_regexp(sqlite3 *db, const char *pattern, regex_t *compiled)
{
	int status = regcomp(compiled, pattern ? pattern : "", REG_EXTENDED | REG_NOSUB);

	if (status) {
		char why[256];

		regerror(status, compiled, why, sizeof(why));
		message_error("--match '%s': not a regular expression: %s", pattern, why);
		return -1;
	}
	if (sqlite3_create_function(db, "regexp", 2, SQLITE_UTF8, compiled, regexp, NULL,
				    NULL) != SQLITE_OK) {
		message_error("--match: %s", sqlite3_errmsg(db));
		regfree(compiled);
		return -1;
	}
	return 0;
}

static int print(sqlite3 *db, const struct options *options)
{
	if (options->sql)
		return run(db, options->sql, options);
	if (strcmp(options->view, "summary") == 0)
		return summary_print(db, options);
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (strcmp(options->view, views[i].name) == 0)
			return view_rows(db, views[i].sql, views[i].match_column, options);
	message_error("%s: no such view; see asyncreport --help", options->view);
	return -1;
}

int view_print(sqlite3 *db, const struct options *options)
{
	regex_t compiled;
	int status;

	if (add_regexp(db, options->match, &compiled))
		return -1;
	status = print(db, options);
	regfree(&compiled);
	return status;
}
