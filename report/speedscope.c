#include "speedscope.h"

#include "asyncrec/array.h"
#include "asyncrec/recording.h"
#include "clean_text.h"
#include "options.h"
#include "output_file.h"
#include "schema_sql.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Threads have as many events as there are polls, so what may be long is written
 * piece by piece, and never in memory as a whole.
 */
struct writer {
	FILE *stream;          /* borrowed */
	sqlite3 *db;           /* borrowed */
	const char *match;     /* regular expression; NULL: none */
	int64_t *types;        /* owned; ids of the shared frames, ascending */
	size_t type_count;     /* of types */
	const char *separator; /* before the next profile */
};

/* Columns of the query frames. */
enum frames_column { DEPTH, TOTAL, OWN, TYPE = 6 };

/* Columns of the query timeline. */
enum timeline_column { TID, THREAD, POLL, PARENT, POLL_TYPE, START, END };

/* A poll that has begun and, as far as is known, not ended. */
struct open_poll {
	int64_t id;      /* of the poll */
	int64_t type_id; /* of its future */
	int64_t end_ns;  /* -1: not known */
};

/* One thread on its way through time. */
struct thread_events {
	int64_t tid;            /* 0: none yet */
	int64_t last_ns;        /* time of the last event */
	struct open_poll *open; /* owned; outermost first */
	size_t open_count;      /* polls in open */
	size_t open_room;       /* it has room for so many */
	const char *separator;  /* before the next event */
};

/* Write value, which may be NULL for want of memory, and give it up. */
static int put(struct writer *writer, const char *separator, json_t *value)
{
	int status = -1;

	fputs(separator, writer->stream);
	if (value)
		status = json_dumpf(value, writer->stream, JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(value);
	return status ? SQLITE_NOMEM : SQLITE_OK;
}

/* text as JSON; a new reference, or NULL when memory ran out. */
static json_t *text_of(sqlite3_stmt *row, int column)
{
	char *clean = clean_text((const char *)sqlite3_column_text(row, column));
	json_t *text = clean ? json_string(clean) : NULL;

	free(clean);
	return text;
}

static int compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* The number of a future type among the shared frames. */
static json_t *frame_of(const struct writer *writer, int64_t type_id)
{
	const int64_t *found = writer->types
				       ? bsearch(&type_id, writer->types, writer->type_count,
						 sizeof(*writer->types), compare_ids)
				       : NULL;

	return found ? json_integer(found - writer->types) : NULL;
}

/* A frame for each future type, which has the place of its declaration. */
static int put_types(struct writer *writer, sqlite3_stmt *rows)
{
	int status;

	while ((status = sqlite3_step(rows)) == SQLITE_ROW) {
		int64_t *grown = realloc(writer->types,
					 (writer->type_count + 1) * sizeof(*writer->types));
		json_t *frame = json_pack("{s:o}", "name", text_of(rows, 1));

		if (!grown) {
			json_decref(frame);
			return SQLITE_NOMEM;
		}
		writer->types = grown;
		grown[writer->type_count++] = sqlite3_column_int64(rows, 0);
		if (frame && sqlite3_column_type(rows, 2) != SQLITE_NULL)
			json_object_set_new(frame, "file", text_of(rows, 2));
		if (frame && sqlite3_column_type(rows, 3) != SQLITE_NULL)
			json_object_set_new(frame, "line",
					    json_integer(sqlite3_column_int64(rows, 3)));
		if (put(writer, writer->type_count > 1 ? ",\n" : "\n", frame))
			return SQLITE_NOMEM;
	}
	return status;
}

/* The chains' stacks, root first, and how much time each has, in two arrays. */
static int collect_samples(struct writer *writer, sqlite3_stmt *rows, json_t *samples,
			   json_t *weights)
{
	json_t *stack = json_array();
	int status = stack ? SQLITE_ROW : SQLITE_NOMEM;

	while (status == SQLITE_ROW && (status = sqlite3_step(rows)) == SQLITE_ROW) {
		size_t depth = (size_t)sqlite3_column_int64(rows, DEPTH);
		int64_t own = sqlite3_column_int64(rows, OWN);

		/* The root of all has no type; each other row stands on the one before. */
		if (depth == 0)
			continue;
		while (json_array_size(stack) >= depth)
			json_array_remove(stack, json_array_size(stack) - 1);
		if (json_array_append_new(stack,
					  frame_of(writer, sqlite3_column_int64(rows, TYPE))) ||
		    (own > 0 && (json_array_append_new(samples, json_copy(stack)) ||
				 json_array_append_new(weights, json_integer(own)))))
			status = SQLITE_NOMEM;
	}
	json_decref(stack);
	return status;
}

/* One profile: time by await chain. */
static int put_chains(struct writer *writer, const char *by, const char *name)
{
	json_t *samples = json_array();
	json_t *weights = json_array();
	int64_t total = 0;
	json_t *weight;
	size_t i;
	sqlite3_stmt *rows = NULL;
	int status = sqlite3_prepare_v2(writer->db, sql_frames, -1, &rows, NULL);

	if (status == SQLITE_OK) {
		sqlite3_bind_text(rows, 1, writer->match, -1, SQLITE_STATIC);
		sqlite3_bind_text(rows, 2, by, -1, SQLITE_STATIC);
		status = collect_samples(writer, rows, samples, weights);
	}
	sqlite3_finalize(rows);
	if (status != SQLITE_DONE) {
		json_decref(samples);
		json_decref(weights);
		return status;
	}
	json_array_foreach(weights, i, weight) total += json_integer_value(weight);
	status = put(writer, writer->separator,
		     json_pack("{s:s, s:s, s:s, s:i, s:I, s:o, s:o}", "type", "sampled", "name",
			       name, "unit", "nanoseconds", "startValue", 0, "endValue",
			       (json_int_t)total, "samples", samples, "weights", weights));
	writer->separator = ",\n";
	return status;
}

/* A poll of a type begins (`O`) or ends (`C`). Times never go back within a thread. */
static int put_event(struct writer *writer, struct thread_events *thread, const char *kind,
		     int64_t type_id, int64_t at_ns)
{
	const char *separator = thread->separator;

	if (at_ns > thread->last_ns)
		thread->last_ns = at_ns;
	thread->separator = ",\n";
	return put(writer, separator,
		   json_pack("{s:s, s:o, s:I}", "type", kind, "frame",
			     frame_of(writer, type_id), "at", (json_int_t)thread->last_ns));
}

/*
 * Did the innermost open poll end before a poll with this parent began? One whose
 * end was not seen did if it is not the one around it.
 */
static bool has_ended(const struct open_poll *poll, int64_t parent_id, int64_t start_ns)
{
	return poll->end_ns >= 0 ? poll->end_ns <= start_ns : poll->id != parent_id;
}

static int close_innermost(struct writer *writer, struct thread_events *thread)
{
	const struct open_poll *poll = &thread->open[--thread->open_count];

	/* An end that was not seen: as late as something inside it was. */
	return put_event(writer, thread, "C", poll->type_id,
			 poll->end_ns >= 0 ? poll->end_ns : thread->last_ns);
}

static int end_thread(struct writer *writer, struct thread_events *thread)
{
	int status = SQLITE_OK;

	if (!thread->tid)
		return SQLITE_OK;
	while (status == SQLITE_OK && thread->open_count)
		status = close_innermost(writer, thread);
	fprintf(writer->stream, "],\"endValue\":%lld}", (long long)thread->last_ns);
	thread->tid = 0;
	return status;
}

static int begin_thread(struct writer *writer, struct thread_events *thread, sqlite3_stmt *row)
{
	int64_t start_ns = sqlite3_column_int64(row, START);
	char *name = clean_text((const char *)sqlite3_column_text(row, THREAD));
	int status;

	thread->tid = sqlite3_column_int64(row, TID);
	thread->last_ns = start_ns;
	thread->separator = "\n";
	fputs(writer->separator, writer->stream);
	writer->separator = ",\n";
	fprintf(writer->stream,
		"{\"type\":\"evented\",\"unit\":\"nanoseconds\",\"startValue\":%lld,\"name\":",
		(long long)start_ns);
	status =
		put(writer, "",
		    name ? json_sprintf("thread %lld %s", (long long)thread->tid, name) : NULL);
	fputs(",\"events\":[", writer->stream);
	free(name);
	return status;
}

/* The poll in row begins. */
static int open_poll(struct writer *writer, struct thread_events *thread, sqlite3_stmt *row)
{
	struct open_poll poll = {
		.id = sqlite3_column_int64(row, POLL),
		.type_id = sqlite3_column_int64(row, POLL_TYPE),
		.end_ns = sqlite3_column_type(row, END) == SQLITE_NULL
				  ? -1
				  : sqlite3_column_int64(row, END),
	};
	int64_t start_ns = sqlite3_column_int64(row, START);
	int64_t parent_id = sqlite3_column_int64(row, PARENT);
	struct open_poll *grown;
	int status = SQLITE_OK;

	while (status == SQLITE_OK && thread->open_count &&
	       has_ended(&thread->open[thread->open_count - 1], parent_id, start_ns))
		status = close_innermost(writer, thread);
	if (status != SQLITE_OK)
		return status;
	grown = array_room(thread->open, thread->open_count, &thread->open_room,
			   sizeof(*grown));
	if (!grown)
		return SQLITE_NOMEM;
	thread->open = grown;
	thread->open[thread->open_count++] = poll;
	return put_event(writer, thread, "O", poll.type_id, start_ns);
}

/* One profile for each thread: its polls over time. */
static int put_threads(struct writer *writer)
{
	struct thread_events thread = {0};
	sqlite3_stmt *rows = NULL;
	int status = sqlite3_prepare_v2(writer->db, sql_timeline, -1, &rows, NULL);

	if (status == SQLITE_OK)
		sqlite3_bind_text(rows, 1, writer->match, -1, SQLITE_STATIC);
	while (status == SQLITE_OK && (status = sqlite3_step(rows)) == SQLITE_ROW) {
		status = SQLITE_OK;
		if (sqlite3_column_int64(rows, TID) != thread.tid) {
			status = end_thread(writer, &thread);
			if (status == SQLITE_OK)
				status = begin_thread(writer, &thread, rows);
		}
		if (status == SQLITE_OK)
			status = open_poll(writer, &thread, rows);
	}
	if (status == SQLITE_DONE)
		status = end_thread(writer, &thread);
	free(thread.open);
	sqlite3_finalize(rows);
	return status;
}

static int put_shared(struct writer *writer, const struct options *options)
{
	sqlite3_stmt *types = NULL;
	char *name = clean_text(options->recording);
	int status = sqlite3_prepare_v2(writer->db, sql_frame_types, -1, &types, NULL);

	fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
	      "\"exporter\":\"asyncrec " ASYNCREC_VERSION "\",\n\"name\":",
	      writer->stream);
	if (status == SQLITE_OK)
		status = put(writer, "", name ? json_string(name) : NULL);
	fputs(",\n\"shared\":{\"frames\":[", writer->stream);
	if (status == SQLITE_OK)
		status = put_types(writer, types);
	sqlite3_finalize(types);
	free(name);
	return status == SQLITE_DONE ? SQLITE_OK : status;
}

static int put_all(struct writer *writer, const struct options *options)
{
	int status = put_shared(writer, options);

	fputs("]},\n\"profiles\":[", writer->stream);
	writer->separator = "\n";
	if (status == SQLITE_OK)
		status = put_chains(writer, "wait", "wait by await chain");
	if (status == SQLITE_OK)
		status = put_chains(writer, "busy", "busy by await chain");
	if (status == SQLITE_OK)
		status = put_threads(writer);
	fputs("]}\n", writer->stream);
	free(writer->types);
	return status;
}

int speedscope_write(sqlite3 *db, const struct options *options)
{
	struct writer writer = {.db = db, .match = options->match};
	struct output_file file;
	int status;

	if (output_file_open(&file, options->speedscope, options->recording))
		return -1;
	writer.stream = file.stream;
	status = put_all(&writer, options);
	return output_file_close(&file, status);
}
