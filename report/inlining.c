#include "inlining.h"

#include "asyncrec/array.h"
#include "schema_sql.h"

#include <stdlib.h>

/* A row of inlined_range, with its inlined_poll. */
struct range {
	int64_t image_id;
	uint64_t function; /* address of the function, as linked */
	uint64_t start;
	uint64_t end;
	int64_t depth;   /* polls around it in the same function */
	int64_t type_id; /* 0: the future was not chosen */
};

struct inlining {
	struct range *ranges; /* owned; by image and function, and then outer before inner */
	size_t count;
	struct range *outermost; /* owned; those that are in no other, by image and start */
	size_t outermost_count;
};

static int compare_start(const void *left, const void *right)
{
	const struct range *a = left;
	const struct range *b = right;

	if (a->image_id != b->image_id)
		return a->image_id < b->image_id ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static int sort_outermost(struct inlining *inlining)
{
	inlining->outermost = calloc(inlining->count + 1, sizeof(*inlining->outermost));
	if (!inlining->outermost)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < inlining->count; i++)
		if (inlining->ranges[i].depth == 0)
			inlining->outermost[inlining->outermost_count++] = inlining->ranges[i];
	qsort(inlining->outermost, inlining->outermost_count, sizeof(*inlining->outermost),
	      compare_start);
	return SQLITE_OK;
}

struct inlining *inlining_load(sqlite3 *db)
{
	struct inlining *inlining = calloc(1, sizeof(*inlining));
	sqlite3_stmt *row = NULL;
	int status =
		inlining ? sqlite3_prepare_v2(db, sql_inlining, -1, &row, NULL) : SQLITE_NOMEM;
	size_t room = 0;

	while (status == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW) {
		struct range *grown =
			array_room(inlining->ranges, inlining->count, &room, sizeof(*grown));

		if (!grown) {
			status = SQLITE_NOMEM;
			break;
		}
		inlining->ranges = grown;
		inlining->ranges[inlining->count++] = (struct range){
			.image_id = sqlite3_column_int64(row, 0),
			.function = (uint64_t)sqlite3_column_int64(row, 1),
			.start = (uint64_t)sqlite3_column_int64(row, 2),
			.end = (uint64_t)sqlite3_column_int64(row, 3),
			.depth = sqlite3_column_int64(row, 4),
			.type_id = sqlite3_column_int64(row, 5),
		};
	}
	sqlite3_finalize(row);
	if (status == SQLITE_OK)
		status = sort_outermost(inlining);
	if (status != SQLITE_OK) {
		inlining_free(inlining);
		return NULL;
	}
	return inlining;
}

void inlining_free(struct inlining *inlining)
{
	if (!inlining)
		return;
	free(inlining->ranges);
	free(inlining->outermost);
	free(inlining);
}

/* Index of the first range in that function, or of what would be behind it. */
static size_t first_of(const struct inlining *inlining, int64_t image_id, uint64_t function)
{
	size_t low = 0;
	size_t high = inlining->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		const struct range *range = &inlining->ranges[middle];

		if (range->image_id < image_id ||
		    (range->image_id == image_id && range->function < function))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The call itself ends just before where it returns to. */
static bool has_call(const struct range *range, uint64_t return_address)
{
	return return_address > range->start && return_address <= range->end;
}

uint64_t inlining_function(const struct inlining *inlining, int64_t image_id,
			   uint64_t return_address)
{
	size_t low = 0;
	size_t high = inlining->outermost_count;

	/* The last that begins before it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct range *range = &inlining->outermost[middle];

		if (range->image_id < image_id ||
		    (range->image_id == image_id && range->start < return_address))
			low = middle + 1;
		else
			high = middle;
	}
	return low && inlining->outermost[low - 1].image_id == image_id &&
			       has_call(&inlining->outermost[low - 1], return_address)
		       ? inlining->outermost[low - 1].function
		       : 0;
}

size_t inlining_find(const struct inlining *inlining, int64_t image_id,
		     uint64_t function_address, uint64_t return_address, int64_t *types,
		     size_t most, bool *hidden)
{
	size_t count = 0;

	for (size_t i = first_of(inlining, image_id, function_address);
	     i < inlining->count && inlining->ranges[i].image_id == image_id &&
	     inlining->ranges[i].function == function_address;
	     i++) {
		const struct range *range = &inlining->ranges[i];

		if (!has_call(range, return_address))
			continue;
		if (!range->type_id || count == most)
			*hidden = true;
		else
			types[count++] = range->type_id;
	}
	return count;
}
