#include "store_plan.h"

#include "image.h"
#include "probe_plan.h"
#include "schema_sql.h"
#include "user_probe.h"

#include <stdlib.h>

enum statement {
	INSERT_IMAGE,
	INSERT_FUTURE_TYPE,
	INSERT_AWAIT_POINT,
	INSERT_PROBE,
	INSERT_USER_PROBE,
	INSERT_STATE_STORE,
	INSERT_SNAPSHOT_NODE,
	INSERT_SNAPSHOT_VALUE,
	INSERT_FUTURE_VTABLE,
	INSERT_INLINED_POLL,
	INSERT_INLINED_RANGE,
	INSERT_WAKER_FUNCTION,
	INSERT_WAKER_VTABLE,
	STATEMENT_COUNT
};

struct writer {
	sqlite3 *db;                               /* borrowed */
	const struct probe_plan *plan;             /* borrowed */
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* owned */
	size_t image;                /* the one being written: index into plan->images */
	sqlite3_int64 first_type;    /* id of its first future type */
	sqlite3_int64 first_inlined; /* id of its first inlined poll */
	sqlite3_int64 next_node;     /* id of the next snapshot node */
};

static int prepare(struct writer *writer)
{
	const char *const sql[] = {
		[INSERT_IMAGE] = sql_insert_image,
		[INSERT_FUTURE_TYPE] = sql_insert_future_type,
		[INSERT_AWAIT_POINT] = sql_insert_await_point,
		[INSERT_PROBE] = sql_insert_probe,
		[INSERT_USER_PROBE] = sql_insert_user_probe,
		[INSERT_STATE_STORE] = sql_insert_state_store,
		[INSERT_SNAPSHOT_NODE] = sql_insert_snapshot_node,
		[INSERT_SNAPSHOT_VALUE] = sql_insert_snapshot_value,
		[INSERT_FUTURE_VTABLE] = sql_insert_future_vtable,
		[INSERT_INLINED_POLL] = sql_insert_inlined_poll,
		[INSERT_INLINED_RANGE] = sql_insert_inlined_range,
		[INSERT_WAKER_FUNCTION] = sql_insert_waker_function,
		[INSERT_WAKER_VTABLE] = sql_insert_waker_vtable,
	};

	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v2(writer->db, sql[i], -1, &writer->statements[i], NULL) !=
		    SQLITE_OK)
			return -1;
	return 0;
}

/* Run a bound statement, and clear it. */
static int step(struct writer *writer, enum statement which)
{
	sqlite3_stmt *statement = writer->statements[which];
	int status = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return status == SQLITE_DONE ? 0 : -1;
}

/* Bind line unless it is 0, which means unknown. */
static void bind_line(sqlite3_stmt *insert, int column, unsigned line)
{
	if (line)
		sqlite3_bind_int64(insert, column, line);
}

/* Bind first + index, unless index says that there is none. */
static void bind_index(sqlite3_stmt *insert, int column, sqlite3_int64 first, size_t index)
{
	if (index != SIZE_MAX)
		sqlite3_bind_int64(insert, column, first + (sqlite3_int64)index);
}

static int write_await_points(struct writer *writer, const struct future_type *type,
			      sqlite3_int64 type_id)
{
	sqlite3_stmt *insert = writer->statements[INSERT_AWAIT_POINT];

	for (size_t i = 0; i < type->await_point_count; i++) {
		const struct await_point *point = &type->await_points[i];

		sqlite3_bind_int64(insert, 1, type_id);
		sqlite3_bind_int64(insert, 2, point->state);
		sqlite3_bind_text(insert, 3, point->file, -1, SQLITE_STATIC);
		bind_line(insert, 4, point->line);
		sqlite3_bind_text(insert, 5, point->awaitee, -1, SQLITE_STATIC);
		if (step(writer, INSERT_AWAIT_POINT))
			return -1;
	}
	return 0;
}

static int write_node(struct writer *writer, const struct snapshot_node *node,
		      sqlite3_int64 first_node, sqlite3_int64 polled_type)
{
	sqlite3_stmt *insert = writer->statements[INSERT_SNAPSHOT_NODE];
	sqlite3_stmt *insert_value = writer->statements[INSERT_SNAPSHOT_VALUE];
	sqlite3_int64 id = writer->next_node++;

	sqlite3_bind_int64(insert, 1, id);
	sqlite3_bind_int64(insert, 2, polled_type);
	bind_index(insert, 3, first_node, node->parent);
	if (node->type != SNAPSHOT_NONE &&
	    probe_plan_matches(writer->plan, writer->image, node->type))
		bind_index(insert, 4, writer->first_type, node->type);
	sqlite3_bind_int(insert, 5, node->awaited);
	bind_index(insert, 6, 0, node->base);
	sqlite3_bind_int64(insert, 7, (sqlite3_int64)node->offset);
	bind_index(insert, 8, 0, node->vtable);
	bind_index(insert, 9, 0, node->word);
	sqlite3_bind_int64(insert, 10, node->shift);
	sqlite3_bind_int64(insert, 11, node->width);
	sqlite3_bind_int(insert, 12, node->excluded);
	if (step(writer, INSERT_SNAPSHOT_NODE))
		return -1;
	for (size_t i = 0; i < node->value_count; i++) {
		sqlite3_bind_int64(insert_value, 1, id);
		sqlite3_bind_int64(insert_value, 2, (sqlite3_int64)node->values[i]);
		if (step(writer, INSERT_SNAPSHOT_VALUE))
			return -1;
	}
	return 0;
}

static int write_type(struct writer *writer, size_t index)
{
	const struct future_type *type = &writer->plan->images[writer->image].types[index];
	sqlite3_stmt *insert = writer->statements[INSERT_FUTURE_TYPE];
	sqlite3_int64 id = writer->first_type + (sqlite3_int64)index;

	sqlite3_bind_int64(insert, 1, id);
	bind_index(insert, 2, 1, writer->image);
	sqlite3_bind_text(insert, 3, type->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 4, future_kind_name(type->kind), -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 5, type->file, -1, SQLITE_STATIC);
	bind_line(insert, 6, type->line);
	sqlite3_bind_int64(insert, 7, (sqlite3_int64)type->size);
	sqlite3_bind_int64(insert, 8, type->inlined);
	sqlite3_bind_int(insert, 9, probe_plan_sees_all(writer->plan, writer->image, index));
	sqlite3_bind_int64(insert, 10, type->snapshot.left_out);
	if (writer->plan->choice.level == LEVEL_EXACT)
		sqlite3_bind_int(insert, 11,
				 probe_plan_has_stores(writer->plan, writer->image, index));
	sqlite3_bind_int(insert, 12, probe_plan_sees_drops(writer->plan, writer->image, index));
	return step(writer, INSERT_FUTURE_TYPE) || write_await_points(writer, type, id) ? -1
											: 0;
}

static int write_snapshots(struct writer *writer)
{
	const struct poll_sites *sites = &writer->plan->images[writer->image];

	for (size_t i = 0; i < sites->type_count; i++) {
		const struct snapshot_plan *plan = &sites->types[i].snapshot;
		sqlite3_int64 first_node = writer->next_node;

		for (size_t j = 0; j < plan->node_count; j++)
			if (write_node(writer, &plan->nodes[j], first_node,
				       writer->first_type + (sqlite3_int64)i))
				return -1;
	}
	for (size_t i = 0; i < sites->vtable_count; i++) {
		sqlite3_stmt *insert = writer->statements[INSERT_FUTURE_VTABLE];

		bind_index(insert, 1, 1, writer->image);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)sites->vtables[i].address);
		bind_index(insert, 3, writer->first_type, sites->vtables[i].type);
		if (step(writer, INSERT_FUTURE_VTABLE))
			return -1;
	}
	return 0;
}

static int write_inlined(struct writer *writer)
{
	const struct poll_sites *sites = &writer->plan->images[writer->image];

	for (size_t i = 0; i < sites->inlined_count; i++) {
		const struct inlined_poll *poll = &sites->inlined[i];
		sqlite3_stmt *insert = writer->statements[INSERT_INLINED_POLL];

		bind_index(insert, 1, writer->first_inlined, i);
		bind_index(insert, 2, 1, writer->image);
		bind_index(insert, 3, writer->first_inlined, poll->parent);
		if (probe_plan_matches(writer->plan, writer->image, poll->type))
			bind_index(insert, 4, writer->first_type, poll->type);
		sqlite3_bind_int64(insert, 5, (sqlite3_int64)poll->function);
		bind_line(insert, 6, poll->line);
		if (step(writer, INSERT_INLINED_POLL))
			return -1;
	}
	for (size_t i = 0; i < sites->range_count; i++) {
		sqlite3_stmt *insert = writer->statements[INSERT_INLINED_RANGE];

		bind_index(insert, 1, writer->first_inlined, sites->ranges[i].poll);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)sites->ranges[i].start);
		sqlite3_bind_int64(insert, 3, (sqlite3_int64)sites->ranges[i].end);
		if (step(writer, INSERT_INLINED_RANGE))
			return -1;
	}
	return 0;
}

static void bind_result(sqlite3_stmt *insert, const struct poll_result *result)
{
	sqlite3_bind_text(insert, 13, result->value_is_pending ? "pending" : "ready", -1,
			  SQLITE_STATIC);
	sqlite3_bind_int64(insert, 14, (sqlite3_int64)result->value);
	if (result->other_known)
		sqlite3_bind_int64(insert, 24, (sqlite3_int64)result->other);
}

/* What every probe has; kind as table probe has it, static. */
static void bind_probe(sqlite3_stmt *insert, const struct probe *probe, const char *kind)
{
	sqlite3_bind_int64(insert, 1, probe->id);
	bind_index(insert, 2, 1, probe->image);
	sqlite3_bind_text(insert, 4, kind, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 5, probe->entry_id);
	sqlite3_bind_int64(insert, 6, (sqlite3_int64)probe->offset);
	sqlite3_bind_int64(insert, 7, (sqlite3_int64)probe->address);
	sqlite3_bind_int64(insert, 17, probe->stack_above);
}

/* Of a probe on no end of a function: known, exits, runs_task, blocks_on, self_offset,
 * task_idle, task_drops. */
static void bind_no_end(sqlite3_stmt *insert)
{
	static const int zeros[] = {9, 10, 11, 12, 18, 19, 20, 21, 23};

	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		sqlite3_bind_int(insert, zeros[i], 0);
}

static int write_state_store(struct writer *writer, const struct probe *probe,
			     const struct store_site *store)
{
	sqlite3_stmt *insert = writer->statements[INSERT_STATE_STORE];

	sqlite3_bind_int64(insert, 1, probe->id);
	bind_index(insert, 2, writer->first_inlined, store->inlined);
	bind_index(insert, 3, writer->first_type, store->type);
	if (store->reg < 0)
		sqlite3_bind_int(insert, 4, store->value);
	sqlite3_bind_int64(insert, 5, store->shift);
	sqlite3_bind_int(insert, 6, store->is_reuse);
	sqlite3_bind_int(insert, 7, store->shared);
	return step(writer, INSERT_STATE_STORE);
}

static int write_store_probe(struct writer *writer, const struct probe *probe)
{
	const struct store_site *stores =
		&writer->plan->images[probe->image].stores[probe->store];
	sqlite3_stmt *insert = writer->statements[INSERT_PROBE];

	bind_probe(insert, probe, "store");
	bind_no_end(insert);
	sqlite3_bind_int64(insert, 16, (sqlite3_int64)stores->function);
	if (step(writer, INSERT_PROBE))
		return -1;
	for (size_t i = 0; i < probe->store_count; i++)
		if (probe_plan_has_stores(writer->plan, probe->image, stores[i].type) &&
		    write_state_store(writer, probe, &stores[i]))
			return -1;
	return 0;
}

static int write_user_probe(struct writer *writer, const struct probe *probe)
{
	const struct user_probe *user = probe->user;
	sqlite3_stmt *insert = writer->statements[INSERT_PROBE];

	bind_probe(insert, probe, "user");
	sqlite3_bind_text(insert, 8, user->symbol, -1, SQLITE_STATIC);
	bind_no_end(insert);
	sqlite3_bind_int64(insert, 16, (sqlite3_int64)user->function);
	if (step(writer, INSERT_PROBE))
		return -1;
	insert = writer->statements[INSERT_USER_PROBE];
	sqlite3_bind_int64(insert, 1, probe->id);
	sqlite3_bind_text(insert, 2, user->text, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 3, user->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 4, (sqlite3_int64)(user->address - user->function));
	sqlite3_bind_text(insert, 5, user->file, -1, SQLITE_STATIC);
	bind_line(insert, 6, user->line);
	return step(writer, INSERT_USER_PROBE);
}

static int write_waker_function(struct writer *writer, uint32_t probe_id,
				const struct life_site *life)
{
	sqlite3_stmt *insert = writer->statements[INSERT_WAKER_FUNCTION];
	const char *operation = "either";

	if (life->operations == 1U << WAKER_CLONE)
		operation = "clone";
	else if (life->operations == 1U << WAKER_WAKE)
		operation = "wake";
	else if (life->operations == 1U << WAKER_WAKE_BY_REF)
		operation = "wake_by_ref";
	else if (life->operations == 1U << WAKER_DROP)
		operation = "drop";
	sqlite3_bind_int64(insert, 1, probe_id);
	sqlite3_bind_text(insert, 2, operation, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 3, (sqlite3_int64)life->end);
	sqlite3_bind_int(insert, 4, life->may_be_inlined);
	return step(writer, INSERT_WAKER_FUNCTION);
}

/* As table waker_vtable has it: do calls of the function at address trap? */
static int traps(const struct writer *writer, uint64_t address)
{
	const struct probe_plan *plan = writer->plan;

	for (size_t i = 0; i < plan->probe_count; i++) {
		const struct probe *probe = &plan->probes[i];
		const struct life_site *life;

		if (probe->kind != PROBE_LIFE || probe->image != writer->image)
			continue;
		life = &plan->images[probe->image].lives[probe->life];
		if (life->address == address && life->operations)
			return life->may_be_inlined ? 1 : 2;
	}
	return 0;
}

static int write_waker_vtables(struct writer *writer)
{
	const struct poll_sites *sites = &writer->plan->images[writer->image];
	sqlite3_stmt *insert = writer->statements[INSERT_WAKER_VTABLE];

	for (size_t i = 0; i < sites->waker_vtable_count; i++) {
		const struct waker_vtable *vtable = &sites->waker_vtables[i];
		int wake = traps(writer, vtable->wake);
		int wake_by_ref = traps(writer, vtable->wake_by_ref);
		int clone = traps(writer, vtable->clone);
		int drop = traps(writer, vtable->drop);

		bind_index(insert, 1, 1, writer->image);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)vtable->address);
		sqlite3_bind_int64(insert, 3, (sqlite3_int64)vtable->clone);
		sqlite3_bind_int64(insert, 4, (sqlite3_int64)vtable->wake);
		sqlite3_bind_int64(insert, 5, (sqlite3_int64)vtable->wake_by_ref);
		sqlite3_bind_int64(insert, 6, (sqlite3_int64)vtable->drop);
		sqlite3_bind_int(insert, 7, wake < wake_by_ref ? wake : wake_by_ref);
		sqlite3_bind_int(insert, 8, clone < drop ? clone : drop);
		if (step(writer, INSERT_WAKER_VTABLE))
			return -1;
	}
	return 0;
}

static int write_life_probe(struct writer *writer, const struct probe *probe)
{
	const struct poll_sites *sites = &writer->plan->images[probe->image];
	const struct life_site *life = &sites->lives[probe->life];
	const struct future_type *type =
		life->kind == LIFE_DROP ? &sites->types[life->type] : NULL;
	sqlite3_stmt *insert = writer->statements[INSERT_PROBE];

	bind_probe(insert, probe, life_names[life->kind]);
	bind_no_end(insert);
	bind_index(insert, 3, writer->first_type, life->type);
	sqlite3_bind_text(insert, 8, life->symbol, -1, SQLITE_STATIC);
	sqlite3_bind_int(insert, 9, type && type->state_offset >= 0);
	sqlite3_bind_int(insert, 10, type != NULL);
	sqlite3_bind_int64(insert, 16, (sqlite3_int64)life->address);
	sqlite3_bind_int(insert, 18, life->is_executor);
	sqlite3_bind_int64(insert, 19, (sqlite3_int64)life->self_offset);
	sqlite3_bind_int(insert, 20, life->guard_bits);
	sqlite3_bind_int(insert, 23, life->guard_value);
	if (step(writer, INSERT_PROBE))
		return -1;
	return life->operations ? write_waker_function(writer, probe->id, life) : 0;
}

static int write_probe(struct writer *writer, const struct probe *probe)
{
	static const char *const kinds[] = {
		[PROBE_ENTRY] = "entry", [PROBE_EXIT] = "exit", [PROBE_TAIL] = "tail"};
	const struct poll_sites *sites = &writer->plan->images[probe->image];
	const struct poll_site *site = &sites->sites[probe->site];
	bool is_entry = probe->kind == PROBE_ENTRY;
	sqlite3_stmt *insert = writer->statements[INSERT_PROBE];

	bind_probe(insert, probe, kinds[probe->kind]);
	if (probe->polls)
		bind_index(insert, 3, writer->first_type, site->type);
	sqlite3_bind_text(insert, 8, site->symbol, -1, SQLITE_STATIC);
	sqlite3_bind_int(insert, 9,
			 is_entry && probe->polls &&
				 poll_site_has_state(site, &sites->types[site->type]));
	sqlite3_bind_int(insert, 10, is_entry && site->self_register >= 0);
	sqlite3_bind_int(insert, 11,
			 is_entry && site->context_register >= 0 && sites->waker.known);
	sqlite3_bind_int(insert, 12, probe->exits);
	if (probe->result_known)
		bind_result(insert, &site->result);
	if (probe->has_tail_target)
		sqlite3_bind_int64(insert, 15, (sqlite3_int64)probe->tail_target);
	sqlite3_bind_int64(insert, 16, (sqlite3_int64)site->address);
	sqlite3_bind_int(insert, 18, site->runs_task);
	sqlite3_bind_int64(insert, 19, (sqlite3_int64)site->self_offset);
	sqlite3_bind_int(insert, 20, site->task_idle);
	sqlite3_bind_int(insert, 21, site->blocks_on);
	sqlite3_bind_int64(insert, 22, (sqlite3_int64)(site->end - site->address));
	sqlite3_bind_int(insert, 23, 0);
	return step(writer, INSERT_PROBE);
}

/* The probes of polls are in the order of the images, and before those of the user. */
static int write_probes(struct writer *writer, size_t *next)
{
	const struct probe_plan *plan = writer->plan;

	for (; *next < plan->probe_count && plan->probes[*next].image == writer->image &&
	       !plan->probes[*next].user;
	     ++*next) {
		const struct probe *probe = &plan->probes[*next];

		if (probe->kind == PROBE_STORE  ? write_store_probe(writer, probe)
		    : probe->kind == PROBE_LIFE ? write_life_probe(writer, probe)
						: write_probe(writer, probe))
			return -1;
	}
	return 0;
}

static int write_image(struct writer *writer)
{
	const struct poll_sites *sites = &writer->plan->images[writer->image];
	sqlite3_stmt *insert = writer->statements[INSERT_IMAGE];

	bind_index(insert, 1, 1, writer->image);
	sqlite3_bind_text(insert, 2, sites->image->path, -1, SQLITE_STATIC);
	if (sites->image->build_id[0])
		sqlite3_bind_text(insert, 3, sites->image->build_id, -1, SQLITE_STATIC);
	if (step(writer, INSERT_IMAGE))
		return -1;
	for (size_t i = 0; i < sites->type_count; i++)
		if (write_type(writer, i))
			return -1;
	return write_snapshots(writer) || write_inlined(writer) || write_waker_vtables(writer)
		       ? -1
		       : 0;
}

int store_plan_write(sqlite3 *db, const struct probe_plan *plan)
{
	struct writer writer = {
		.db = db, .plan = plan, .first_type = 1, .first_inlined = 1, .next_node = 1};
	size_t next_probe = 0;
	int status = prepare(&writer);

	for (; writer.image < plan->image_count && !status; writer.image++) {
		status = write_image(&writer) || write_probes(&writer, &next_probe);
		writer.first_type += (sqlite3_int64)plan->images[writer.image].type_count;
		writer.first_inlined += (sqlite3_int64)plan->images[writer.image].inlined_count;
	}
	for (; next_probe < plan->probe_count && !status; next_probe++)
		status = write_user_probe(&writer, &plan->probes[next_probe]);
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(writer.statements[i]);
	return status ? -1 : 0;
}
