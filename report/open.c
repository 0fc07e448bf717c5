#include "open.h"

#include "asyncrec/recording.h"
#include "asyncrec/message.h"
#include "schema_sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number that the query gives, or -1. */
static sqlite3_int64 number(sqlite3 *db, const char *query)
{
	sqlite3_stmt *statement = NULL;
	sqlite3_int64 value = -1;

	if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int check(sqlite3 *db, const char *path)
{
	sqlite3_int64 version;

	if (number(db, sql_read_application_id) != RECORDING_APPLICATION_ID) {
		message_error("%s: not a recording of asyncrec; record one with asyncrec -o",
			      path);
		return -1;
	}
	version = number(db, sql_read_schema_version);
	if (version != RECORDING_SCHEMA_VERSION) {
		message_error(
			"%s: its schema is version %lld, this asyncreport reads version %d; "
			"use the asyncreport that came with its asyncrec",
			path, (long long)version, RECORDING_SCHEMA_VERSION);
		return -1;
	}
	return 0;
}

/* A path as an `immutable` URI: nobody writes there, so no lock or log is needed. */
static sqlite3 *open_immutable(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_str *text = sqlite3_str_new(NULL);
	char *uri;

	sqlite3_str_appendall(text, "file:");
	for (const char *c = path; *c; c++) {
		if (strchr("%?#", *c))
			sqlite3_str_appendf(text, "%%%02X", (unsigned char)*c);
		else
			sqlite3_str_appendchar(text, 1, *c);
	}
	sqlite3_str_appendall(text, "?immutable=1");
	uri = sqlite3_str_finish(text);
	if (uri && sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) !=
			   SQLITE_OK) {
		sqlite3_close(db);
		db = NULL;
	}
	sqlite3_free(uri);
	return db;
}

static sqlite3 *open_read_only(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    number(db, sql_read_application_id) >= 0)
		return db;
	sqlite3_close(db);
	return open_immutable(path);
}

/* Copy the recording into a temporary database and derive the rest there. */
static int derive_in_copy(const char *path, sqlite3 **db)
{
	sqlite3 *copy = NULL;
	sqlite3_backup *backup = NULL;
	char *why = NULL;
	int status = -1;

	if (sqlite3_open("", &copy) != SQLITE_OK ||
	    !(backup = sqlite3_backup_init(copy, "main", *db, "main")) ||
	    sqlite3_backup_step(backup, -1) != SQLITE_DONE) {
		why = sqlite3_mprintf("%s", sqlite3_errmsg(copy));
	} else {
		sqlite3_backup_finish(backup);
		backup = NULL;
		status = recording_reconstruct(copy, &why);
	}
	sqlite3_backup_finish(backup);
	if (status) {
		message_error(
			"%s: its recorder was stopped early, and the rest cannot be derived: "
			"%s",
			path, why ? why : "out of memory");
		sqlite3_free(why);
		sqlite3_close(copy);
		return -1;
	}
	message_note("%s: its recorder was stopped early; this is what it had stored", path);
	sqlite3_close(*db);
	*db = copy;
	return 0;
}

int open_recording(const char *path, sqlite3 **db)
{
	*db = NULL;
	if (access(path, R_OK)) {
		message_error("%s: cannot open: %s", path, strerror(errno));
		return -1;
	}
	*db = open_read_only(path);
	if (!*db) {
		message_error("%s: cannot open: not a recording of asyncrec", path);
		return -1;
	}
	if (check(*db, path) ||
	    (number(*db, sql_is_derived) == 0 && derive_in_copy(path, db))) {
		sqlite3_close(*db);
		*db = NULL;
		return -1;
	}
	return 0;
}
