#include "view.h"

#include "asyncrec/message.h"
#include "flame.h"
#include "rows.h"
#include "schema_sql.h"
#include "speedscope.h"
#include "stretch.h"
#include "summary.h"

#include <regex.h>
#include <sqlite3.h>
#include <string.h>

static const struct view {
	const char *name;
	const char *sql;
	const char *match_column;
} views[] = {
	{"futures", sql_view_futures, "name"}, {"tasks", sql_view_tasks, "name"},
	{"chains", sql_view_chains, "chain"},  {"waits", sql_view_waits, "child"},
	{"calls", sql_view_calls, "callee"},   {"pending", sql_view_pending, "chain"},
	{"polls", sql_view_polls, "future"},   {"probes", sql_view_probes, "probe"},
	{"wakes", sql_view_wakes, "woken"},    {"cancels", sql_view_cancels, "future"},
	{"panics", sql_view_panics, "chain"},
};

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
	if (options->flame && flame_write(db, options))
		return -1;
	if (options->speedscope && speedscope_write(db, options))
		return -1;
	if (options->sql)
		return rows_query(db, options->sql, options);
	if (!options->view)
		return 0;
	if (strcmp(options->view, "summary") == 0)
		return summary_print(db, options);
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (strcmp(options->view, views[i].name) == 0)
			return rows_print(db, views[i].sql, views[i].match_column, options);
	message_error("%s: no such view; see asyncreport --help", options->view);
	return -1;
}

int view_print(sqlite3 *db, const struct options *options)
{
	regex_t compiled;
	int status;

	if (stretch_narrow(db, options) || add_regexp(db, options->match, &compiled))
		return -1;
	status = sqlite3_exec(db, sql_view_relations, NULL, NULL, NULL);
	if (status == SQLITE_OK)
		status = print(db, options);
	else
		message_error("%s: %s", options->recording, sqlite3_errmsg(db));
	regfree(&compiled);
	return status;
}
