#include "render.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>

/* The value of one column as JSON; a new reference, or NULL when memory ran out. */
static json_t *value_of(sqlite3_stmt *statement, int column)
{
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		return json_integer(sqlite3_column_int64(statement, column));
	case SQLITE_FLOAT:
		return json_real(sqlite3_column_double(statement, column));
	case SQLITE_NULL:
		return json_null();
	default: {
		const char *text = (const char *)sqlite3_column_text(statement, column);
		json_t *value = text ? json_string(text) : NULL;

		/* A program's own bytes need not be UTF-8. */
		return value ? value : json_null();
	}
	}
}

int render_json(sqlite3_stmt *statement)
{
	int columns = sqlite3_column_count(statement);
	const char *separator = "";
	int status;

	putchar('[');
	while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
		json_t *row = json_object();

		for (int i = 0; i < columns; i++)
			json_object_set_new(row, sqlite3_column_name(statement, i),
					    value_of(statement, i));
		printf("%s\n", separator);
		if (!row || json_dumpf(row, stdout, 0)) {
			json_decref(row);
			return SQLITE_NOMEM;
		}
		json_decref(row);
		separator = ",";
	}
	puts("\n]");
	return status == SQLITE_DONE ? SQLITE_OK : status;
}
