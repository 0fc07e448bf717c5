/* Rows of a prepared statement as text, JSON or CSV on stdout. */
#ifndef RENDER_H
#define RENDER_H

struct sqlite3_stmt;

enum format {
	FORMAT_TEXT,
	FORMAT_JSON,
	FORMAT_CSV,
};

/*
 * Print all rows of statement, which the caller has bound and finalizes. Return 0,
 * or an SQLite result code if reading failed.
 *
 * As text: columns aligned, `*_ns` as times, `file` and `line` as one place, a
 * `depth` as indentation of the column behind it, the widest column shortened so
 * that lines fit into width characters (0: never).
 */
int render_text(struct sqlite3_stmt *statement, unsigned width);
/* One array of objects, numbers as they are. */
int render_json(struct sqlite3_stmt *statement);
/* RFC 4180 with a line of column names; NULL is empty. */
int render_csv(struct sqlite3_stmt *statement);

#endif
