#include "snapshot.h"

#include "asyncrec/coroutine.h"
#include "schema_sql.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { WORD = 8 };

/* A row of snapshot_node; -1 stands for NULL in what counts words. */
struct node {
	size_t parent;   /* number in the same plan; LIVING_NONE: none */
	int64_t type_id; /* 0: none */
	bool awaited;
	int64_t base_word;
	uint64_t offset;
	int64_t vtable_word;
	int64_t word;
	unsigned shift;
	unsigned width;
	bool excluded;
	uint64_t *values; /* owned */
	size_t value_count;
};

/* The nodes of one polled type, or a type that is not polled itself. */
struct plan {
	int64_t type_id;
	struct snapshot_type type;
	struct node *nodes; /* owned */
	size_t count;
	int64_t first_id;  /* of its nodes in snapshot_node; they are in a row */
	UT_hash_handle hh; /* keyed by type_id */
};

struct vtable {
	uint64_t address; /* as linked */
	int64_t type_id;
	UT_hash_handle hh; /* keyed by address */
};

struct snapshots {
	struct plan *plans;     /* owned; one for each type */
	struct vtable *vtables; /* owned */
};

/* Called for each row of a query. Returns 0, or -1 to stop. */
typedef int row_taken(struct snapshots *snapshots, sqlite3_stmt *row);

static int each_row(struct snapshots *snapshots, sqlite3 *db, const char *sql, row_taken *take)
{
	sqlite3_stmt *row;
	int status;

	if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
		return -1;
	while ((status = sqlite3_step(row)) == SQLITE_ROW)
		if (take(snapshots, row))
			break;
	sqlite3_finalize(row);
	return status == SQLITE_DONE ? 0 : -1;
}

static struct plan *plan_of(const struct snapshots *snapshots, int64_t type_id)
{
	struct plan *plan;

	HASH_FIND(hh, snapshots->plans, &type_id, sizeof(type_id), plan);
	return plan;
}

static int take_type(struct snapshots *snapshots, sqlite3_stmt *row)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return -1;
	plan->type_id = sqlite3_column_int64(row, 0);
	plan->type = (struct snapshot_type){
		.size = (uint64_t)sqlite3_column_int64(row, 1),
		.is_coroutine = sqlite3_column_int(row, 2),
		.complete = sqlite3_column_int(row, 3),
		.by_stores = sqlite3_column_int(row, 4),
	};
	HASH_ADD(hh, snapshots->plans, type_id, sizeof(plan->type_id), plan);
	return 0;
}

static int64_t column_or(sqlite3_stmt *row, int column, int64_t otherwise)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL
		       ? otherwise
		       : sqlite3_column_int64(row, column);
}

static int take_node(struct snapshots *snapshots, sqlite3_stmt *row)
{
	struct plan *plan = plan_of(snapshots, sqlite3_column_int64(row, 1));
	int64_t parent_id = column_or(row, 2, -1);
	struct node *grown =
		plan ? realloc(plan->nodes, (plan->count + 1) * sizeof(*grown)) : NULL;
	struct node *node;

	if (!grown)
		return -1;
	plan->nodes = grown;
	if (!plan->count)
		plan->first_id = sqlite3_column_int64(row, 0);
	node = &grown[plan->count++];
	*node = (struct node){
		.parent = parent_id < 0 ? LIVING_NONE : (size_t)(parent_id - plan->first_id),
		.type_id = sqlite3_column_int64(row, 3),
		.awaited = sqlite3_column_int(row, 4),
		.base_word = column_or(row, 5, -1),
		.offset = (uint64_t)sqlite3_column_int64(row, 6),
		.vtable_word = column_or(row, 7, -1),
		.word = column_or(row, 8, -1),
		.shift = (unsigned)sqlite3_column_int(row, 9),
		.width = (unsigned)sqlite3_column_int(row, 10),
		.excluded = sqlite3_column_int(row, 11),
	};
	return 0;
}

static int take_value(struct snapshots *snapshots, sqlite3_stmt *row)
{
	struct plan *plan = plan_of(snapshots, sqlite3_column_int64(row, 0));
	size_t index = plan ? (size_t)(sqlite3_column_int64(row, 1) - plan->first_id) : 0;
	struct node *node;
	uint64_t *grown;

	if (!plan || index >= plan->count)
		return -1;
	node = &plan->nodes[index];
	grown = realloc(node->values, (node->value_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	node->values = grown;
	grown[node->value_count++] = (uint64_t)sqlite3_column_int64(row, 2);
	return 0;
}

static int take_vtable(struct snapshots *snapshots, sqlite3_stmt *row)
{
	uint64_t address = (uint64_t)sqlite3_column_int64(row, 0);
	struct vtable *vtable;

	HASH_FIND(hh, snapshots->vtables, &address, sizeof(address), vtable);
	if (vtable)
		return 0;
	vtable = calloc(1, sizeof(*vtable));
	if (!vtable)
		return -1;
	vtable->address = address;
	vtable->type_id = sqlite3_column_int64(row, 1);
	HASH_ADD(hh, snapshots->vtables, address, sizeof(vtable->address), vtable);
	return 0;
}

struct snapshots *snapshots_load(sqlite3 *db)
{
	struct snapshots *snapshots = calloc(1, sizeof(*snapshots));

	if (snapshots && (each_row(snapshots, db, sql_snapshot_types, take_type) ||
			  each_row(snapshots, db, sql_snapshot_nodes, take_node) ||
			  each_row(snapshots, db, sql_snapshot_values, take_value) ||
			  each_row(snapshots, db, sql_snapshot_vtables, take_vtable))) {
		snapshots_free(snapshots);
		return NULL;
	}
	return snapshots;
}

void snapshots_free(struct snapshots *snapshots)
{
	struct plan *plan;
	struct plan *next_plan;
	struct vtable *vtable;
	struct vtable *next_vtable;

	if (!snapshots)
		return;
	HASH_ITER(hh, snapshots->plans, plan, next_plan)
	{
		HASH_DEL(snapshots->plans, plan);
		for (size_t i = 0; i < plan->count; i++)
			free(plan->nodes[i].values);
		free(plan->nodes);
		free(plan);
	}
	HASH_ITER(hh, snapshots->vtables, vtable, next_vtable)
	{
		HASH_DEL(snapshots->vtables, vtable);
		free(vtable);
	}
	free(snapshots);
}

struct snapshot_type snapshots_type(const struct snapshots *snapshots, int64_t type_id)
{
	const struct plan *plan = plan_of(snapshots, type_id);

	return plan ? plan->type : (struct snapshot_type){0};
}

/* What is read off the words for one node. */
struct reading {
	bool lives;
	bool is_unresumed;    /* it lives, but was not polled so far */
	bool holds_coroutine; /* it is, or there is one in it, that is suspended */
	bool dropped;         /* it lives, but whether anybody waits for it nobody knows */
	int64_t type_id;      /* 0: no future */
	uint64_t address;
	uint64_t value; /* of its discriminant */
	size_t holder;  /* node of the future around it; LIVING_NONE: none */
};

static uint64_t word_of(const uint8_t *words, int64_t index)
{
	uint64_t word;

	memcpy(&word, words + (size_t)index * WORD, sizeof(word));
	return word;
}

static uint64_t masked(uint64_t value, unsigned width)
{
	return width < 64 ? value & ((UINT64_C(1) << width) - 1) : value;
}

static bool is_possible(const struct node *node, const struct node *parent, uint64_t value)
{
	unsigned width = parent->vtable_word >= 0 ? 64 : parent->width;

	for (size_t i = 0; i < node->value_count; i++)
		if (masked(node->values[i], width) == value)
			return !node->excluded;
	return node->excluded;
}

static bool is_coroutine(const struct snapshots *snapshots, int64_t type_id)
{
	return snapshots_type(snapshots, type_id).is_coroutine;
}

/* A node may need words for which there was no room in the trap. */
static bool is_readable(const struct node *node, size_t count)
{
	return node->word < (int64_t)count && node->base_word < (int64_t)count &&
	       node->vtable_word < (int64_t)count;
}

static void read_node(const struct snapshots *snapshots, const struct plan *plan, size_t index,
		      const uint8_t *words, uint64_t self, uint64_t bias,
		      struct reading *readings)
{
	const struct node *node = &plan->nodes[index];
	struct reading *reading = &readings[index];
	uint64_t base = node->base_word < 0 ? self : word_of(words, node->base_word);

	*reading = (struct reading){.type_id = node->type_id, .holder = LIVING_NONE};
	if (node->parent != LIVING_NONE) {
		struct reading *parent = &readings[node->parent];

		if (!parent->lives ||
		    !is_possible(node, &plan->nodes[node->parent], parent->value))
			return;
		/* A node of its own says more than the vtable of what is behind `dyn`. */
		if (plan->nodes[node->parent].vtable_word >= 0)
			parent->type_id = 0;
		reading->holder = parent->type_id ? node->parent : parent->holder;
	}
	if (!base)
		return;
	reading->address = base + node->offset;
	if (node->word >= 0)
		reading->value = masked(word_of(words, node->word) >> node->shift, node->width);
	if (node->vtable_word >= 0) {
		uint64_t address = word_of(words, node->vtable_word) - bias;
		struct vtable *vtable;

		HASH_FIND(hh, snapshots->vtables, &address, sizeof(address), vtable);
		reading->type_id = vtable ? vtable->type_id : 0;
		reading->value = address;
	}
	reading->lives = true;
	/* A coroutine lives while it is suspended. Behind `dyn` its state is not read. */
	if (reading->type_id && node->vtable_word < 0 &&
	    is_coroutine(snapshots, reading->type_id)) {
		reading->holds_coroutine = reading->value >= STATE_SUSPENDED;
		reading->is_unresumed = index && reading->value == STATE_UNRESUMED;
		reading->lives = !index || reading->holds_coroutine || reading->is_unresumed;
	}
}

/*
 * The same future may be found twice: as a local of a coroutine, and through a reference
 * to it in what the coroutine awaits (`select!`), which is the way it is polled.
 */
static void drop_seen_twice(const struct plan *plan, struct reading *readings,
			    const size_t *alive, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct reading *later = &readings[alive[i]];
			struct reading *earlier = &readings[alive[j]];

			if (later->type_id == earlier->type_id &&
			    later->address == earlier->address &&
			    !plan->nodes[alive[j]].awaited)
				earlier->dropped = true;
		}
	}
}

/*
 * Of what a coroutine keeps it waits for what it awaits, and for suspended coroutines,
 * which somebody has polled. A hand-written future may keep futures that it does not
 * poll: of those that could be, suspended coroutines rule out the others.
 */
static void drop_not_polled(const struct snapshots *snapshots, const struct plan *plan,
			    struct reading *readings)
{
	for (size_t i = plan->count; i-- > 1;)
		if (readings[i].lives && readings[i].holds_coroutine &&
		    readings[i].holder != LIVING_NONE)
			readings[readings[i].holder].holds_coroutine = true;
	for (size_t i = 1; i < plan->count; i++) {
		struct reading *reading = &readings[i];
		const struct reading *holder;

		if (!reading->lives || reading->holder == LIVING_NONE)
			continue;
		holder = &readings[reading->holder];
		if (holder->dropped ||
		    (is_coroutine(snapshots, holder->type_id)
			     ? !plan->nodes[i].awaited && !reading->holds_coroutine
			     : holder->holds_coroutine && !reading->holds_coroutine))
			reading->dropped = true;
	}
}

/* Move what lives, and is not dropped, to *living. */
static int collect(const struct snapshots *snapshots, const struct plan *plan,
		   const struct reading *readings, struct living_set *living)
{
	size_t *places = malloc(plan->count * sizeof(*places));
	struct living *futures = malloc(plan->count * sizeof(*futures));
	size_t count = 0;

	if (!places || !futures) {
		free(places);
		free(futures);
		return -1;
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct reading *reading = &readings[i];
		const struct living *holder = NULL;

		places[i] = LIVING_NONE;
		if (!reading->lives || !reading->type_id ||
		    (reading->dropped && !reading->is_unresumed))
			continue;
		if (reading->holder != LIVING_NONE) {
			if (places[reading->holder] == LIVING_NONE)
				continue;
			holder = &futures[places[reading->holder]];
		}
		places[i] = count;
		futures[count++] = (struct living){
			.parent = holder ? places[reading->holder] : LIVING_NONE,
			.node = i,
			.type_id = reading->type_id,
			.address = reading->address,
			.state = reading->holds_coroutine &&
						 is_coroutine(snapshots, reading->type_id) &&
						 plan->nodes[i].word >= 0
					 ? (int64_t)reading->value
					 : -1,
			.begun = !reading->is_unresumed,
			.awaited = plan->nodes[i].awaited,
			.certain = !holder || (holder->certain && plan->nodes[i].awaited),
		};
	}
	free(places);
	*living = (struct living_set){futures, count};
	return 0;
}

int snapshots_read(const struct snapshots *snapshots, int64_t type_id, const void *words,
		   size_t count, uint64_t self, uint64_t bias, struct living_set *living)
{
	const struct plan *plan = plan_of(snapshots, type_id);
	struct reading *readings;
	size_t *alive;
	size_t alive_count = 0;
	int status = -1;

	*living = (struct living_set){0};
	if (!plan || !plan->count || !words)
		return 0;
	readings = malloc(plan->count * sizeof(*readings));
	alive = malloc(plan->count * sizeof(*alive));
	if (readings && alive) {
		for (size_t i = 0; i < plan->count; i++) {
			if (is_readable(&plan->nodes[i], count))
				read_node(snapshots, plan, i, words, self, bias, readings);
			else
				readings[i] = (struct reading){.holder = LIVING_NONE};
			if (i && readings[i].lives && readings[i].type_id)
				alive[alive_count++] = i;
		}
		drop_seen_twice(plan, readings, alive, alive_count);
		drop_not_polled(snapshots, plan, readings);
		status = collect(snapshots, plan, readings, living);
	}
	free(readings);
	free(alive);
	return status;
}

/* The future around node `index` of plan. */
static size_t holder_of(const struct plan *plan, size_t index)
{
	size_t parent = plan->nodes[index].parent;

	while (parent != LIVING_NONE && !plan->nodes[parent].type_id)
		parent = plan->nodes[parent].parent;
	return parent;
}

size_t snapshots_place(const struct snapshots *snapshots, int64_t polled_type, size_t holder,
		       int64_t inner_type, uint64_t holder_address, uint64_t inside,
		       uint64_t *address)
{
	const struct plan *plan = plan_of(snapshots, polled_type);
	uint64_t size = snapshots_type(snapshots, inner_type).size;
	size_t found = LIVING_NONE;
	bool doubtful = false;

	*address = 0;
	for (size_t i = 1; plan && holder < plan->count && i < plan->count; i++) {
		const struct node *node = &plan->nodes[i];
		uint64_t place = holder_address + node->offset - plan->nodes[holder].offset;

		if (node->type_id != inner_type || holder_of(plan, i) != holder ||
		    node->base_word != plan->nodes[holder].base_word)
			continue;
		if (inside - place < size) {
			*address = place;
			return i;
		}
		/* What a coroutine polls it awaits, even if it also keeps others. */
		if (found != LIVING_NONE && plan->nodes[found].awaited && !node->awaited)
			continue;
		doubtful = found != LIVING_NONE && *address != place &&
			   plan->nodes[found].awaited == node->awaited;
		found = i;
		*address = place;
	}
	if (!doubtful)
		return found;
	*address = 0;
	return LIVING_NONE;
}

size_t snapshots_path(const struct snapshots *snapshots, int64_t polled_type,
		      int64_t inner_type, uint64_t inside, int64_t *types, size_t most)
{
	const struct plan *plan = plan_of(snapshots, polled_type);
	uint64_t size = snapshots_type(snapshots, inner_type).size;
	size_t found = LIVING_NONE;
	size_t depth = 0;

	for (size_t i = 1; plan && i < plan->count; i++) {
		const struct node *node = &plan->nodes[i];

		if (node->type_id == inner_type && node->base_word < 0 &&
		    inside - node->offset < size) {
			found = i;
			break;
		}
	}
	if (found == LIVING_NONE)
		return LIVING_NONE;
	for (size_t i = holder_of(plan, found); i != LIVING_NONE && i; i = holder_of(plan, i))
		depth++;
	if (depth > most)
		return LIVING_NONE;
	for (size_t i = found, place = depth; place > 0; place--) {
		i = holder_of(plan, i);
		types[place - 1] = plan->nodes[i].type_id;
	}
	return depth;
}
