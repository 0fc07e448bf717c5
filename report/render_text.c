#include "render.h"

#include "asyncrec/array.h"
#include "asyncrec/strings.h"
#include "duration.h"
#include "short_name.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column as it is printed. */
struct column {
	int source;     /* of the statement */
	char *title;    /* owned */
	bool is_time;   /* nanoseconds */
	bool is_place;  /* a file, whose line is in the next column of the statement */
	int depth;      /* column that holds the indentation, or -1 */
	bool is_text;   /* left aligned; the widest of these gives way */
	bool is_needed; /* some cell is neither zero nor unknown */
	size_t width;   /* bytes */
};

struct table {
	struct column *columns; /* owned */
	size_t column_count;
	char **cells; /* owned, row by row */
	size_t cell_count;
	size_t cell_room;
};

/* `busy_ns` becomes `BUSY`, `exit_status` `EXIT STATUS`. */
static char *title_of(const char *name)
{
	char *title = strdup(strcmp(name, "file") == 0 ? "place" : name);

	if (!title)
		return NULL;
	if (ends_with(title, "_ns"))
		title[strlen(title) - 3] = '\0';
	for (char *c = title; *c; c++)
		*c = (char)(*c == '_' ? ' ' : toupper((unsigned char)*c));
	return title;
}

static int plan_columns(struct table *table, sqlite3_stmt *statement)
{
	int count = sqlite3_column_count(statement);
	int depth = -1;

	table->columns = calloc((size_t)count ? (size_t)count : 1, sizeof(*table->columns));
	if (!table->columns)
		return -1;
	for (int i = 0; i < count; i++) {
		const char *name = sqlite3_column_name(statement, i);
		const char *next = i + 1 < count ? sqlite3_column_name(statement, i + 1) : "";
		struct column *column = &table->columns[table->column_count];

		/* Chains have a depth of their own, which is a number to show. */
		if (strcmp(name, "depth") == 0 && strcmp(next, "chain") != 0) {
			depth = i;
			continue;
		}
		column->source = i;
		column->title = title_of(name);
		if (!column->title)
			return -1;
		column->is_time = ends_with(name, "_ns");
		column->is_place = strcmp(name, "file") == 0 && strcmp(next, "line") == 0;
		column->depth = depth;
		column->width = strlen(column->title);
		table->column_count++;
		if (column->is_place)
			i++;
		depth = -1;
	}
	return 0;
}

static char *cell_text(struct column *column, sqlite3_stmt *statement)
{
	const char *value = (const char *)sqlite3_column_text(statement, column->source);
	int type = sqlite3_column_type(statement, column->source);
	char time[32];
	char *text;

	if (type == SQLITE_NULL)
		return strdup("-");
	if (type != SQLITE_INTEGER || sqlite3_column_int64(statement, column->source))
		column->is_needed = true;
	if (type == SQLITE_TEXT)
		column->is_text = true;
	if (column->is_place) {
		const char *line =
			(const char *)sqlite3_column_text(statement, column->source + 1);

		if (asprintf(&text, "%s:%s", base_name(value), line ? line : "?") < 0)
			return NULL;
		return text;
	}
	if (column->is_time && type != SQLITE_TEXT) {
		duration_format(time, sizeof(time),
				sqlite3_column_int64(statement, column->source));
		return strdup(time);
	}
	if (column->depth >= 0) {
		int depth = sqlite3_column_int(statement, column->depth);

		if (asprintf(&text, "%*s%s", 2 * depth, "", value) < 0)
			return NULL;
		return text;
	}
	return strdup(value ? value : "-");
}

static int add_cell(struct table *table, char *text)
{
	char **grown =
		array_room(table->cells, table->cell_count, &table->cell_room, sizeof(*grown));

	if (!grown)
		return -1;
	table->cells = grown;
	table->cells[table->cell_count++] = text;
	return 0;
}

static int read_rows(struct table *table, sqlite3_stmt *statement)
{
	int status;

	while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
		for (size_t i = 0; i < table->column_count; i++) {
			struct column *column = &table->columns[i];
			char *text = cell_text(column, statement);

			if (!text || add_cell(table, text)) {
				free(text);
				return SQLITE_NOMEM;
			}
			if (strlen(text) > column->width)
				column->width = strlen(text);
		}
	}
	return status == SQLITE_DONE ? SQLITE_OK : status;
}

/* Leave out what readers of Rust names miss least, in every cell of a text column. */
static int shorten_names(struct table *table, size_t index)
{
	struct column *column = &table->columns[index];

	column->width = strlen(column->title);
	for (size_t i = index; i < table->cell_count; i += table->column_count) {
		if (column->is_text && !column->is_place) {
			char *brief = short_name(table->cells[i]);

			if (!brief)
				return -1;
			free(table->cells[i]);
			table->cells[i] = brief;
		}
		if (strlen(table->cells[i]) > column->width)
			column->width = strlen(table->cells[i]);
	}
	return 0;
}

/* Columns of nothing but zeros say little where room is short. */
static void drop_zeros(struct table *table)
{
	size_t columns = table->column_count;
	size_t cells = 0;
	size_t kept = 0;

	for (size_t i = 0, column = 0; i < table->cell_count; i++, column++) {
		if (column == columns)
			column = 0;
		if (table->columns[column].is_needed)
			table->cells[cells++] = table->cells[i];
		else
			free(table->cells[i]);
	}
	for (size_t i = 0; i < columns; i++) {
		if (table->columns[i].is_needed || !table->cell_count)
			table->columns[kept++] = table->columns[i];
		else
			free(table->columns[i].title);
	}
	table->cell_count = cells;
	table->column_count = kept;
}

static size_t total_width(const struct table *table)
{
	size_t total = 0;

	for (size_t i = 0; i < table->column_count; i++)
		total += table->columns[i].width + (i ? 2 : 0);
	return total;
}

/* Take from the widest text columns until the table fits into width. */
static int fit(struct table *table, unsigned width)
{
	enum { NARROWEST = 12 };
	size_t total = total_width(table);

	if (total <= width)
		return 0;
	drop_zeros(table);
	for (size_t i = 0; i < table->column_count; i++)
		if (shorten_names(table, i))
			return -1;
	total = total_width(table);
	while (total > width) {
		struct column *widest = NULL;

		for (size_t i = 0; i < table->column_count; i++)
			if (table->columns[i].is_text &&
			    (!widest || table->columns[i].width > widest->width))
				widest = &table->columns[i];
		if (!widest || widest->width <= NARROWEST)
			break;
		widest->width--;
		total--;
	}
	return 0;
}

/* Start of a UTF-8 character at or before i. */
static size_t character_start(const char *text, size_t i)
{
	while (i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80)
		i--;
	return i;
}

/* text in at most width bytes: the middle goes, beginning and end tell most. */
static void print_shortened(const char *text, size_t width)
{
	static const char gap[] = "...";
	size_t length = strlen(text);
	size_t head;
	size_t tail;

	head = character_start(text, (width - (sizeof(gap) - 1)) / 2);
	tail = length - (width - (sizeof(gap) - 1) - head);
	while (tail < length && ((unsigned char)text[tail] & 0xc0) == 0x80)
		tail++;
	printf("%.*s%s%s", (int)head, text, gap, text + tail);
}

static void print_cell(const struct column *column, const char *text, bool last)
{
	char *brief = strlen(text) > column->width ? short_name_no_arguments(text) : NULL;

	if (brief)
		text = brief;
	if (strlen(text) > column->width)
		print_shortened(text, column->width);
	else if (!column->is_text)
		printf("%*s", (int)column->width, text);
	else
		printf("%-*s", last ? 0 : (int)column->width, text);
	free(brief);
}

static void print_table(const struct table *table)
{
	for (size_t i = 0; i < table->column_count; i++) {
		printf("%s", i ? "  " : "");
		print_cell(&table->columns[i], table->columns[i].title,
			   i + 1 == table->column_count);
	}
	putchar('\n');
	for (size_t i = 0, column = 0; i < table->cell_count; i++) {
		bool last = column + 1 == table->column_count;

		printf("%s", column ? "  " : "");
		print_cell(&table->columns[column], table->cells[i], last);
		column = last ? 0 : column + 1;
		if (last)
			putchar('\n');
	}
}

int render_text(sqlite3_stmt *statement, unsigned width)
{
	struct table table = {0};
	int status =
		plan_columns(&table, statement) ? SQLITE_NOMEM : read_rows(&table, statement);

	if (status == SQLITE_OK && table.column_count) {
		if (width && fit(&table, width))
			status = SQLITE_NOMEM;
		else
			print_table(&table);
	}
	for (size_t i = 0; i < table.cell_count; i++)
		free(table.cells[i]);
	for (size_t i = 0; i < table.column_count; i++)
		free(table.columns[i].title);
	free(table.cells);
	free(table.columns);
	return status;
}
