#include "stores.h"

#include "asyncrec/array.h"
#include "schema_sql.h"

#include <stdlib.h>

struct awaitee {
	int64_t type_id; /* of the coroutine */
	int64_t state;
	int64_t awaitee; /* type of what it awaits there */
};

struct stores {
	struct awaitee *awaitees; /* owned; by type and state */
	size_t awaitee_count;
	struct store_end *ends; /* owned; by probe */
	size_t count;
	size_t room;
};

/* Columns of store_ends: one row for each poll around, or one without any. */
enum column {
	COLUMN_PROBE,
	COLUMN_TYPE,
	COLUMN_COPY,
	COLUMN_VALUE,
	COLUMN_SHIFT,
	COLUMN_AROUND,
};

static struct store_end *add_end(struct stores *stores)
{
	struct store_end *grown =
		array_room(stores->ends, stores->count, &stores->room, sizeof(*grown));

	if (!grown)
		return NULL;
	stores->ends = grown;
	return &stores->ends[stores->count++];
}

static int add_around(struct store_end *end, int64_t type_id)
{
	int64_t *grown = realloc(end->around, (end->around_count + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	end->around = grown;
	grown[end->around_count++] = type_id;
	return 0;
}

static int take_row(struct stores *stores, sqlite3_stmt *row, int64_t *copy)
{
	int64_t probe_id = sqlite3_column_int64(row, COLUMN_PROBE);
	int64_t type_id = sqlite3_column_int64(row, COLUMN_TYPE);
	int64_t this_copy = sqlite3_column_int64(row, COLUMN_COPY);
	struct store_end *end = stores->count ? &stores->ends[stores->count - 1] : NULL;

	if (!end || end->probe_id != probe_id || *copy != this_copy) {
		end = add_end(stores);
		if (!end)
			return -1;
		*copy = this_copy;
		*end = (struct store_end){
			.probe_id = probe_id,
			.type_id = type_id,
			.is_own = this_copy == 0,
			.value = sqlite3_column_type(row, COLUMN_VALUE) == SQLITE_NULL
					 ? -1
					 : sqlite3_column_int64(row, COLUMN_VALUE),
			.shift = (unsigned)sqlite3_column_int(row, COLUMN_SHIFT),
		};
	}
	return sqlite3_column_type(row, COLUMN_AROUND) == SQLITE_NULL
		       ? 0
		       : add_around(end, sqlite3_column_int64(row, COLUMN_AROUND));
}

static int load_awaitees(struct stores *stores, sqlite3 *db)
{
	sqlite3_stmt *row;
	int status = sqlite3_prepare_v2(db, sql_store_awaitees, -1, &row, NULL);
	size_t room = 0;

	while (status == SQLITE_OK && (status = sqlite3_step(row)) == SQLITE_ROW) {
		struct awaitee *grown = array_room(stores->awaitees, stores->awaitee_count,
						   &room, sizeof(*grown));

		status = SQLITE_NOMEM;
		if (!grown)
			break;
		stores->awaitees = grown;
		grown[stores->awaitee_count++] = (struct awaitee){
			sqlite3_column_int64(row, 0),
			sqlite3_column_int64(row, 1),
			sqlite3_column_int64(row, 2),
		};
		status = SQLITE_OK;
	}
	sqlite3_finalize(row);
	return status;
}

struct stores *stores_load(sqlite3 *db)
{
	struct stores *stores = calloc(1, sizeof(*stores));
	sqlite3_stmt *row = NULL;
	int status =
		stores ? sqlite3_prepare_v2(db, sql_store_ends, -1, &row, NULL) : SQLITE_NOMEM;
	int64_t copy = -1;

	while (status == SQLITE_OK && (status = sqlite3_step(row)) == SQLITE_ROW)
		status = take_row(stores, row, &copy) ? SQLITE_NOMEM : SQLITE_OK;
	sqlite3_finalize(row);
	if (status == SQLITE_DONE)
		status = load_awaitees(stores, db);
	if (status != SQLITE_DONE) {
		stores_free(stores);
		return NULL;
	}
	return stores;
}

void stores_free(struct stores *stores)
{
	if (!stores)
		return;
	for (size_t i = 0; i < stores->count; i++)
		free(stores->ends[i].around);
	free(stores->ends);
	free(stores->awaitees);
	free(stores);
}

const struct store_end *stores_find(const struct stores *stores, int64_t probe_id,
				    size_t *count)
{
	size_t low = 0;
	size_t high = stores->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (stores->ends[middle].probe_id < probe_id)
			low = middle + 1;
		else
			high = middle;
	}
	*count = 0;
	while (low + *count < stores->count && stores->ends[low + *count].probe_id == probe_id)
		++*count;
	return *count ? &stores->ends[low] : NULL;
}

static int compare_awaitee(const void *left, const void *right)
{
	const struct awaitee *a = left;
	const struct awaitee *b = right;

	if (a->type_id != b->type_id)
		return a->type_id < b->type_id ? -1 : 1;
	return a->state < b->state ? -1 : a->state > b->state;
}

int64_t stores_awaitee(const struct stores *stores, int64_t type_id, int64_t state)
{
	const struct awaitee key = {type_id, state, 0};
	const struct awaitee *found =
		stores->awaitee_count ? bsearch(&key, stores->awaitees, stores->awaitee_count,
						sizeof(key), compare_awaitee)
				      : NULL;

	return found ? found->awaitee : 0;
}
