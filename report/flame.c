#include "flame.h"

#include "asyncrec/strings.h"
#include "clean_text.h"
#include "duration.h"
#include "flame_parts.h"
#include "options.h"
#include "output_file.h"
#include "schema_sql.h"
#include "short_name.h"
#include "stretch.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pixels. */
enum { WIDTH = 1200, MARGIN = 10, HEADER = 56, FOOTER = 28, ROW = 17, BASELINE = 12 };

/* Of the 12 pixel monospace font that flame.css asks for. */
static const double CHARACTER_WIDTH = 7.2;

/* Columns of the query frames. */
enum column { DEPTH, TOTAL, OWN, NAME, PLACE, DECLARED };

struct picture {
	FILE *stream;   /* borrowed; what it is drawn into */
	const char *by; /* what is drawn: wait, busy or polls */
	bool is_time;   /* weights are nanoseconds, not polls */
	int64_t total;  /* weight of everything */
	int depth;      /* of the highest frame; the root has 0 */
	int64_t *begin; /* owned; where the next frame of each depth begins */
};

/* text (NULL: none) as the content of an element or attribute. */
static int print_escaped(FILE *stream, const char *text)
{
	char *clean = clean_text(text);

	if (!clean)
		return -1;
	for (const char *c = clean; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", stream);
			break;
		case '<':
			fputs("&lt;", stream);
			break;
		case '>':
			fputs("&gt;", stream);
			break;
		case '"':
			fputs("&quot;", stream);
			break;
		default:
			putc(*c, stream);
		}
	}
	free(clean);
	return 0;
}

/* `338 ms (338123456 ns)` or `12 polls`. */
static void print_weight(const struct picture *picture, int64_t weight)
{
	char time[32];

	if (!picture->is_time) {
		fprintf(picture->stream, "%" PRId64 " polls", weight);
		return;
	}
	duration_format(time, sizeof(time), weight);
	fprintf(picture->stream, "%s (%" PRId64 " ns)", time, weight);
}

/* What shows when the pointer rests on the frame in row. */
static int print_title(const struct picture *picture, sqlite3_stmt *row)
{
	static const struct {
		enum column column;
		const char *text;
	} lines[] = {{NAME, ""}, {PLACE, "\nawaited in "}, {DECLARED, "\ndeclared in "}};
	int64_t total = sqlite3_column_int64(row, TOTAL);
	int64_t own = sqlite3_column_int64(row, OWN);

	fputs("<title>", picture->stream);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *text = (const char *)sqlite3_column_text(row, lines[i].column);

		if (!text)
			continue;
		fputs(lines[i].text, picture->stream);
		if (print_escaped(picture->stream, text))
			return -1;
	}
	if (sqlite3_column_type(row, NAME) == SQLITE_NULL)
		fputs("all", picture->stream);
	fprintf(picture->stream, "\n%s ", picture->by);
	print_weight(picture, total);
	if (picture->total)
		fprintf(picture->stream, ", %.2f %% of all",
			100.0 * (double)total / (double)picture->total);
	if (own && own != total) {
		fputs("\nof it in itself ", picture->stream);
		print_weight(picture, own);
	}
	fputs("</title>", picture->stream);
	return 0;
}

/* What is written on the frame in row, malloc'd: a brief name and where it is awaited. */
static char *label_of(sqlite3_stmt *row)
{
	const char *name = (const char *)sqlite3_column_text(row, NAME);
	const char *place = (const char *)sqlite3_column_text(row, PLACE);
	char *without_paths = short_name(name ? name : "all");
	char *brief = without_paths ? short_name_no_arguments(without_paths) : NULL;
	char *text = NULL;
	char *label = NULL;

	if (brief && asprintf(&text, "%s%s%s", brief, place ? "  " : "",
			      place ? base_name(place) : "") < 0)
		text = NULL;
	if (text)
		label = clean_text(text);
	free(without_paths);
	free(brief);
	free(text);
	return label;
}

/* Shorten label so that it fits into width pixels; as fit in flame.js. */
static void label_fit(char *label, double width)
{
	size_t room = width > 6 ? (size_t)((width - 6) / CHARACTER_WIDTH) : 0;

	if (strlen(label) <= room)
		return;
	if (room < 3) {
		label[0] = '\0';
		return;
	}
	room -= 2;
	/* No part of a character may stay. */
	while (room && ((unsigned char)label[room] & 0xc0) == 0x80)
		room--;
	memcpy(label + room, "..", sizeof(".."));
}

/*
 * The same colour for the same type everywhere: blue for waits, as off-CPU flame
 * graphs have it, warm for busy time, green for polls.
 */
static void print_colour(const struct picture *picture, const char *name)
{
	uint32_t hash = 2166136261U; /* FNV-1a */
	unsigned strong;
	unsigned weak;

	for (; name && *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	strong = 205 + (hash >> 8) % 50;
	weak = 100 + (hash >> 16) % 90;
	if (strcmp(picture->by, "wait") == 0)
		fprintf(picture->stream, "rgb(%u,%u,%u)", weak, weak + 30, strong);
	else if (strcmp(picture->by, "busy") == 0)
		fprintf(picture->stream, "rgb(%u,%u,80)", strong, weak);
	else
		fprintf(picture->stream, "rgb(%u,%u,%u)", weak, strong, weak);
}

/* Draw the frame in row, which stands begin from the left. */
static int print_frame(const struct picture *picture, sqlite3_stmt *row, int64_t begin)
{
	FILE *stream = picture->stream;
	int64_t total = sqlite3_column_int64(row, TOTAL);
	int depth = sqlite3_column_int(row, DEPTH);
	double scale =
		picture->total ? (double)(WIDTH - 2 * MARGIN) / (double)picture->total : 0;
	double left = MARGIN + (double)begin * scale;
	double width = depth ? (double)total * scale : WIDTH - 2 * MARGIN;
	int top = HEADER + (picture->depth - depth) * ROW;
	char *label = label_of(row);
	int status = -1;

	fprintf(stream,
		"<g class=\"frame\" data-at=\"%" PRId64 "\" data-value=\"%" PRId64
		"\" data-depth=\"%d\" data-label=\"",
		begin, total, depth);
	if (label && !print_escaped(stream, label)) {
		fputs("\">", stream);
		status = print_title(picture, row);
		fprintf(stream,
			"<rect x=\"%.6f\" y=\"%d\" width=\"%.6f\" height=\"%d\" fill=\"", left,
			top, width, ROW);
		print_colour(picture, (const char *)sqlite3_column_text(row, NAME));
		fprintf(stream, "\"/><text x=\"%.2f\" y=\"%d\">", left + 3, top + BASELINE);
		label_fit(label, width);
		if (print_escaped(stream, label))
			status = -1;
		fputs("</text></g>\n", stream);
	}
	free(label);
	return status;
}

/* Everything around the frames, up to them. */
static int print_head(const struct picture *picture, sqlite3_stmt *of,
		      const struct options *options)
{
	FILE *stream = picture->stream;
	int height = HEADER + (picture->depth + 1) * ROW + FOOTER;

	fprintf(stream,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg id=\"flame\" xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
		"width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" data-margin=\"%d\" "
		"data-character-width=\"%g\">\n"
		"<style>\n%s</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text id=\"heading\" x=\"%d\" y=\"24\">Await chains by %s",
		WIDTH, height, WIDTH, height, MARGIN, CHARACTER_WIDTH, flame_css, MARGIN,
		picture->by);
	stretch_print(stream, options);
	fputs(": ", stream);
	if (sqlite3_step(of) == SQLITE_ROW &&
	    print_escaped(stream, (const char *)sqlite3_column_text(of, 0)))
		return -1;
	fprintf(stream,
		"</text>\n"
		"<text id=\"search\" class=\"button\" x=\"%d\" y=\"44\" "
		"style=\"display:none\">search</text>\n"
		"<text id=\"reset\" class=\"button\" x=\"%d\" y=\"44\" "
		"style=\"display:none\">reset zoom</text>\n"
		"<text id=\"found\" x=\"%d\" y=\"44\"/>\n"
		"<text id=\"details\" x=\"%d\" y=\"%d\"/>\n",
		MARGIN, MARGIN + 70, MARGIN + 170, MARGIN, height - 9);
	return 0;
}

/* Find out how large everything is. Returns an SQLite result code. */
static int measure(struct picture *picture, sqlite3_stmt *rows)
{
	int status;

	while ((status = sqlite3_step(rows)) == SQLITE_ROW) {
		int depth = sqlite3_column_int(rows, DEPTH);

		if (depth == 0)
			picture->total = sqlite3_column_int64(rows, TOTAL);
		if (depth > picture->depth)
			picture->depth = depth;
	}
	sqlite3_reset(rows);
	return status == SQLITE_DONE ? SQLITE_OK : status;
}

static int draw(struct picture *picture, sqlite3_stmt *rows, sqlite3_stmt *of,
		const struct options *options)
{
	int status = measure(picture, rows);

	if (status != SQLITE_OK)
		return status;
	/* One more, for frames above the highest, which are not there. */
	picture->begin = calloc((size_t)picture->depth + 2, sizeof(*picture->begin));
	if (!picture->begin || print_head(picture, of, options))
		return SQLITE_NOMEM;
	while (status == SQLITE_OK && (status = sqlite3_step(rows)) == SQLITE_ROW) {
		int depth = sqlite3_column_int(rows, DEPTH);
		int64_t begin = picture->begin[depth];

		picture->begin[depth] += sqlite3_column_int64(rows, TOTAL);
		picture->begin[depth + 1] = begin;
		status = print_frame(picture, rows, begin) ? SQLITE_NOMEM : SQLITE_OK;
	}
	fprintf(picture->stream, "<script><![CDATA[\n%s]]></script>\n</svg>\n", flame_js);
	return status == SQLITE_DONE ? SQLITE_OK : status;
}

int flame_write(sqlite3 *db, const struct options *options)
{
	struct picture picture = {.by = options->by};
	struct output_file file;
	sqlite3_stmt *rows = NULL;
	sqlite3_stmt *of = NULL;
	int status;

	if (output_file_open(&file, options->flame, options->recording))
		return -1;
	picture.stream = file.stream;
	picture.is_time = strcmp(options->by, "polls") != 0;
	status = sqlite3_prepare_v2(db, sql_frames, -1, &rows, NULL);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(db, sql_frames_of, -1, &of, NULL);
	if (status == SQLITE_OK) {
		sqlite3_bind_text(rows, 1, options->match, -1, SQLITE_STATIC);
		sqlite3_bind_text(rows, 2, options->by, -1, SQLITE_STATIC);
		status = draw(&picture, rows, of, options);
	}
	free(picture.begin);
	sqlite3_finalize(rows);
	sqlite3_finalize(of);
	return output_file_close(&file, status);
}
