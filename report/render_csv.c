#include "render.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void print_field(const char *text, bool first)
{
	if (!first)
		putchar(',');
	if (!text)
		return;
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

int render_csv(sqlite3_stmt *statement)
{
	int columns = sqlite3_column_count(statement);
	int status;

	for (int i = 0; i < columns; i++)
		print_field(sqlite3_column_name(statement, i), i == 0);
	fputs("\r\n", stdout);
	while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
		for (int i = 0; i < columns; i++)
			print_field((const char *)sqlite3_column_text(statement, i), i == 0);
		fputs("\r\n", stdout);
	}
	return status == SQLITE_DONE ? SQLITE_OK : status;
}
