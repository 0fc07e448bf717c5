#include "probe_plan.h"

#include "image.h"
#include "insn.h"
#include "asyncrec/message.h"
#include "asyncrec/strings.h"
#include "probe_choice.h"
#include "probe_fetch.h"
#include "user_probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Index into the arrays that have all images in a row. */
static size_t type_index(const struct probe_plan *plan, size_t image, size_t type)
{
	for (size_t i = 0; i < image; i++)
		type += plan->images[i].type_count;
	return type;
}

bool probe_plan_has_type(const struct probe_plan *plan, size_t image, size_t type)
{
	return plan->chosen[type_index(plan, image, type)];
}

bool probe_plan_matches(const struct probe_plan *plan, size_t image, size_t type)
{
	return plan->matching[type_index(plan, image, type)];
}

/* Does every poll of the type that is in this image trap? */
static bool sees_all_in(const struct probe_plan *plan, size_t image, size_t type)
{
	return probe_plan_has_type(plan, image, type) && !plan->images[image].from_symbols &&
	       !plan->images[image].types[type].inlined &&
	       !plan->incomplete[type_index(plan, image, type)];
}

/* Do the polls of the same type in the other images trap? */
static bool sees_all_elsewhere(const struct probe_plan *plan, size_t image, const char *name)
{
	for (size_t i = 0; i < plan->image_count; i++)
		for (size_t j = 0; i != image && j < plan->images[i].type_count; j++)
			if (strcmp(plan->images[i].types[j].name, name) == 0 &&
			    !sees_all_in(plan, i, j))
				return false;
	return true;
}

bool probe_plan_sees_all(const struct probe_plan *plan, size_t image, size_t type)
{
	bool is_alone = true;

	for (size_t i = 0; i < plan->image_count; i++)
		is_alone &= plan->images[i].image->is_rust_library;
	return !is_alone && sees_all_in(plan, image, type) &&
	       sees_all_elsewhere(plan, image, plan->images[image].types[type].name);
}

bool probe_plan_has_stores(const struct probe_plan *plan, size_t image, size_t type)
{
	const struct future_type *of = &plan->images[image].types[type];

	/* Without inlined copies the entries of its polls tell them all. */
	return plan->choice.level == LEVEL_EXACT && plan->images[image].stores_known &&
	       probe_plan_has_type(plan, image, type) && of->stores_proven && of->inlined;
}

/* May the drop glue of another coroutine, which has none, be the same function? */
static bool shares_drops(const struct probe_plan *plan, size_t image, size_t type)
{
	const struct poll_sites *sites = &plan->images[image];

	for (size_t i = 0; i < sites->type_count; i++)
		if (i != type && sites->types[i].size == sites->types[type].size &&
		    sites->types[i].kind != FUTURE_HANDWRITTEN &&
		    !plan->dropped[type_index(plan, image, i)])
			return true;
	return false;
}

bool probe_plan_sees_drops(const struct probe_plan *plan, size_t image, size_t type)
{
	size_t index = type_index(plan, image, type);

	return plan->dropped[index] && !plan->drop_missed[index] &&
	       !plan->images[image].types[type].drops_inlined &&
	       (plan->images[image].types[type].kind == FUTURE_HANDWRITTEN ||
		!shares_drops(plan, image, type));
}

/*
 * Index of the event of that name (static), made on first use; or -1. One event for
 * each kind of trap: the kernel takes time to close an event, and to add a probe it
 * looks at all others in any case (trace_uprobe.c: validate_ref_ctr_offset).
 */
static ssize_t event_named(struct probe_plan *plan, const char *name)
{
	struct plan_event *grown;

	for (size_t i = 0; i < plan->event_count; i++)
		if (strcmp(plan->events[i].name, name) == 0)
			return (ssize_t)i;
	grown = realloc(plan->events, (plan->event_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	plan->events = grown;
	grown[plan->event_count] = (struct plan_event){.name = name};
	return (ssize_t)plan->event_count++;
}

static struct probe *append_probe(struct probe_plan *plan, const char *event_name,
				  enum probe_kind kind, size_t image, uint64_t address,
				  uint64_t offset)
{
	ssize_t event = event_named(plan, event_name);
	struct probe *probe;

	if (event < 0)
		return NULL;
	/* Grown by doubling: the count is a power of two when the room is used up. */
	if ((plan->probe_count & (plan->probe_count - 1)) == 0) {
		size_t room = plan->probe_count ? plan->probe_count * 2 : 1;

		probe = realloc(plan->probes, room * sizeof(*probe));
		if (!probe)
			return NULL;
		plan->probes = probe;
	}
	probe = &plan->probes[plan->probe_count++];
	*probe = (struct probe){
		.id = (uint32_t)plan->probe_count,
		.kind = kind,
		.image = image,
		.entry_id = (uint32_t)plan->probe_count,
		.offset = offset,
		.address = address,
		.event = (size_t)event,
	};
	return probe;
}

static struct probe *add_probe(struct probe_plan *plan, const char *event_name,
			       enum probe_kind kind, size_t image, size_t site,
			       uint64_t address)
{
	const struct poll_site *at = &plan->images[image].sites[site];
	struct probe *probe = append_probe(plan, event_name, kind, image, address,
					   at->offset + (address - at->address));

	if (probe)
		probe->site = site;
	return probe;
}

/* Entries of polls and drops of futures, by the number of words that their traps read. */
static const struct {
	const char *name;
	const char *drop;
	size_t room;
} entry_events[] = {
	{"entry", "drop", 0},
	{"entry4", "drop4", 4},
	{"entry8", "drop8", 8},
	{"entry16", "drop16", 16},
	{"entry32", "drop32", 32},
	{"entry64", "drop64", 64},
	{"entry96", "drop96", SNAPSHOT_MOST_WORDS},
};

/* Index into entry_events of the smallest that has room. */
static size_t entry_event(size_t words)
{
	size_t i = 0;

	while (entry_events[i].room < words)
		i++;
	return i;
}

/* Words of the type's snapshot that a trap reads: none if it could show no future. */
static size_t words_of(const struct probe_plan *plan, size_t image, size_t type)
{
	const struct snapshot_plan *snapshot = &plan->images[image].types[type].snapshot;

	for (size_t i = 1; i < snapshot->node_count; i++)
		if (snapshot->nodes[i].vtable != SNAPSHOT_NONE ||
		    (snapshot->nodes[i].type != SNAPSHOT_NONE &&
		     probe_plan_matches(plan, image, snapshot->nodes[i].type)))
			return snapshot->word_count;
	return 0;
}

static const char *exit_event(unsigned width)
{
	switch (width) {
	case 1:
		return "exit8";
	case 2:
		return "exit16";
	case 4:
		return "exit32";
	default:
		return "exit64";
	}
}

static int plan_exit(struct probe_plan *plan, const struct insn_exit *way_out,
		     uint32_t entry_id)
{
	size_t image = plan->probes[entry_id - 1].image;
	size_t site = plan->probes[entry_id - 1].site;
	const struct poll_result *result = &plan->images[image].sites[site].result;
	bool wide = way_out->tail_call || result->place == RESULT_UNKNOWN;
	struct probe *probe;

	probe = add_probe(plan, exit_event(wide ? 8 : result->width),
			  way_out->tail_call ? PROBE_TAIL : PROBE_EXIT, image, site,
			  way_out->address);
	if (!probe)
		return -1;
	probe->entry_id = entry_id;
	probe->polls = plan->probes[entry_id - 1].polls;
	probe->has_tail_target = way_out->target != 0;
	probe->tail_target = way_out->target;
	probe->stack_above = way_out->stack_above;
	return probe_fetch_exit(probe, result, way_out);
}

/* A site of a chosen type that gets no probe. */
static void miss(struct probe_plan *plan, size_t image, const struct poll_site *site)
{
	if (!site->runs_task)
		plan->incomplete[type_index(plan, image, site->type)] = true;
}

/*
 * Is the function that runs a task to stand for the poll of its future? If that has a
 * poll function of its own, only where no probe is on it.
 */
static bool stands_for_poll(const struct probe_plan *plan, size_t image,
			    const struct poll_site *site)
{
	return site->type != POLL_SITE_NO_TYPE &&
	       probe_plan_has_type(plan, image, site->type) &&
	       (plan->choice.level == LEVEL_TASKS ||
		!plan->images[image].types[site->type].physical);
}

static int plan_site(struct probe_plan *plan, size_t image, size_t index, bool polls)
{
	const struct poll_sites *sites = &plan->images[image];
	const struct poll_site *site = &sites->sites[index];
	const uint8_t *code = sites->image->data + site->offset;
	size_t size = site->end - site->address;
	const int keep[] = {site->self_register, site->context_register};
	int start = insn_entry_probe(code, size, keep, sizeof(keep) / sizeof(keep[0]));
	struct insn_exit *ways_out;
	struct probe *entry;
	size_t words;
	size_t event;
	uint32_t entry_id;
	size_t count;
	int status = 0;

	if (start < 0) {
		message_detail("%s at 0x%" PRIx64 ": the kernel can put no uprobe on its entry",
			       site->symbol ? site->symbol : "a function", site->address);
		miss(plan, image, site);
		return 0;
	}
	words = polls && site->self_register >= 0 ? words_of(plan, image, site->type) : 0;
	event = entry_event(words);
	entry = add_probe(plan, entry_events[event].name, PROBE_ENTRY, image, index,
			  site->address + (uint64_t)start);
	if (!entry)
		return -1;
	entry->polls = polls;
	entry->words = words;
	if (probe_fetch_entry(entry, sites, entry_events[event].room))
		return -1;
	if (plan->choice.exits == EXITS_NONE ||
	    (plan->choice.exits == EXITS_ROOTS && !site->may_be_root))
		return 0;
	if (insn_find_exits(code, size, site->address, &ways_out, &count))
		return 0;
	if (site->result.place == RESULT_IN_MEMORY)
		insn_find_results(code, size, site->address, ways_out, count);
	if (site->result.place == RESULT_IN_SECOND_REGISTER)
		insn_find_second_results(code, size, site->address, ways_out, count);
	entry->exits = true;
	entry_id = entry->id;
	if (count == 1 && ways_out->address == site->address && ways_out->target) {
		/* The whole function is a jump: one trap is both ends. */
		entry->has_tail_target = true;
		entry->tail_target = ways_out->target;
		count = 0;
	}
	for (size_t i = 0; i < count && !status; i++)
		status = plan_exit(plan, &ways_out[i], entry_id);
	free(ways_out);
	return status;
}

/* A probe for the stores that are at the address of sites->stores[first]. */
static int plan_store(struct probe_plan *plan, size_t image, size_t first, size_t count)
{
	const struct store_site *stores = &plan->images[image].stores[first];
	const char *holder = NULL;
	struct probe *probe;

	for (size_t i = 0; i < count && !holder; i++)
		holder = insn_register_name(stores[i].reg);
	probe = append_probe(plan, "store", PROBE_STORE, image, stores->probed, stores->offset);
	if (!probe)
		return -1;
	probe->store = first;
	probe->store_count = count;
	probe->result_known = holder != NULL;
	return probe_fetch_store(probe, holder);
}

/*
 * One probe for each address at which chosen types have stores, even where one instruction
 * is probed for several: see store_probes.h.
 */
static int plan_stores(struct probe_plan *plan, size_t image)
{
	const struct poll_sites *sites = &plan->images[image];
	size_t count;

	for (size_t first = 0; first < sites->store_count; first += count) {
		bool is_chosen = false;

		for (count = 0;
		     first + count < sites->store_count &&
		     sites->stores[first + count].address == sites->stores[first].address;
		     count++)
			is_chosen |= probe_plan_has_stores(plan, image,
							   sites->stores[first + count].type);
		if (is_chosen && plan_store(plan, image, first, count))
			return -1;
	}
	return 0;
}

/* Plan the probes of a site, if it is to have any. Returns 0, or -1: no memory. */
static int consider_site(struct probe_plan *plan, size_t image, size_t index)
{
	const struct poll_site *site = &plan->images[image].sites[index];

	if (site->runs_task)
		return plan_site(plan, image, index, stands_for_poll(plan, image, site));
	if (!probe_plan_has_type(plan, image, site->type))
		return 0;
	if (plan->choice.level == LEVEL_TASKS && !site->may_be_root) {
		miss(plan, image, site);
		return 0;
	}
	return plan_site(plan, image, index, true);
}

/*
 * Is the drop of a future of that type worth a trap? Each future is dropped once, so that
 * is one more to the two or more of its polls. But hand-written futures are many, and
 * most have one poll.
 */
static bool wants_drop(enum plan_level level, const struct future_type *type)
{
	switch (level) {
	case LEVEL_TASKS:
		return type->root;
	case LEVEL_ASYNC:
		return type->kind != FUTURE_HANDWRITTEN;
	default:
		return true;
	}
}

/* Is the site one that the user wants, of a type that is traced? */
static bool wants_life(const struct probe_plan *plan, size_t image,
		       const struct life_site *life)
{
	return plan->choice.life & 1U << life->kind &&
	       (life->type == POLL_SITE_NO_TYPE ||
		probe_plan_matches(plan, image, life->type)) &&
	       (life->kind != LIFE_DROP ||
		wants_drop(plan->choice.level, &plan->images[image].types[life->type]));
}

/*
 * Glue that does nothing is not called where the type is known, so that its traps do not
 * tell of all drops: it is a return, and unoptimised it stores its argument first.
 */
static bool does_nothing(const struct life_site *life)
{
	enum { LONGEST_NOTHING = 8 };

	return life->end - life->address <= LONGEST_NOTHING;
}

static void note_drop(struct probe_plan *plan, size_t image, const struct life_site *life,
		      bool is_probed)
{
	size_t index = type_index(plan, image, life->type);

	if (!is_probed || does_nothing(life))
		plan->drop_missed[index] = true;
	else if (!life->is_executor)
		plan->dropped[index] = true;
}

/* Spawns, by how much of the stack their traps bring along; a record is below 64 KiB. */
static const struct plan_event spawn_events[] = {
	{"spawn", 512},      {"spawn4k", 4096},   {"spawn8k", 8192},
	{"spawn16k", 16384}, {"spawn32k", 32768}, {"spawn63k", 64512},
};

static struct plan_event life_event(const struct life_site *life, size_t words)
{
	size_t i = 0;

	if (life->kind == LIFE_DROP)
		return (struct plan_event){.name = entry_events[entry_event(words)].drop};
	if (life->kind != LIFE_SPAWN)
		return (struct plan_event){.name = life_names[life->kind]};
	while (i + 1 < sizeof(spawn_events) / sizeof(spawn_events[0]) &&
	       spawn_events[i].stack_bytes <= life->stack_bytes)
		i++;
	return spawn_events[i];
}

static int plan_life(struct probe_plan *plan, size_t image, size_t index, uint64_t start)
{
	const struct poll_sites *sites = &plan->images[image];
	const struct life_site *life = &sites->lives[index];
	size_t words = life->kind == LIFE_DROP ? words_of(plan, image, life->type) : 0;
	const struct plan_event event = life_event(life, words);
	struct probe *probe = append_probe(plan, event.name, PROBE_LIFE, image,
					   life->address + start, life->offset + start);

	if (!probe)
		return -1;
	probe->life = index;
	probe->words = words;
	plan->events[probe->event].stack_bytes = event.stack_bytes;
	return life->kind == LIFE_DROP
		       ? probe_fetch_drop(probe, sites, entry_events[entry_event(words)].room)
		       : probe_fetch_life(probe, life);
}

static int plan_lives(struct probe_plan *plan, size_t image)
{
	const struct poll_sites *sites = &plan->images[image];

	for (size_t i = 0; i < sites->life_count; i++) {
		const struct life_site *life = &sites->lives[i];
		const int keep[] = {insn_argument_register(life->argument)};
		int start = insn_entry_probe(sites->image->data + life->offset,
					     life->end - life->address, keep, 1);

		if (!wants_life(plan, image, life))
			continue;
		if (life->kind == LIFE_DROP)
			note_drop(plan, image, life, start >= 0);
		if (start < 0)
			message_detail("%s at 0x%" PRIx64
				       ": the kernel can put no uprobe on its entry",
				       life->symbol ? life->symbol : "a function",
				       life->address);
		else if (plan_life(plan, image, i, (uint64_t)start))
			return -1;
	}
	return 0;
}

/*
 * The last event to be opened is the first to trap where several are: a hit on the last
 * instruction of a poll comes before its end.
 */
static int plan_user_probes(struct probe_plan *plan)
{
	const struct plan_choice *choice = &plan->choice;

	for (size_t i = 0; i < choice->user_probe_count; i++) {
		const struct user_probe *user = &choice->user_probes[i];
		struct probe *probe = append_probe(plan, "user", PROBE_USER, user->image,
						   user->address, user->offset);

		if (!probe)
			return -1;
		probe->user = user;
		if (probe_fetch_user(probe))
			return -1;
	}
	return 0;
}

/*
 * The kernel takes time for each probe that grows with their number (trace_uprobe.c:
 * validate_ref_ctr_offset): exits, which are most of them, are the first to do without.
 */
static void limit_exits(struct probe_plan *plan)
{
	enum { MANY_SITES = 5000 };
	size_t sites = 0;

	for (size_t image = 0; image < plan->image_count; image++)
		for (size_t i = 0; i < plan->images[image].site_count; i++)
			sites += plan->images[image].sites[i].type != POLL_SITE_NO_TYPE &&
				 probe_plan_has_type(plan, image,
						     plan->images[image].sites[i].type);
	if (sites <= MANY_SITES)
		return;
	if (!plan->choice.exits_given && plan->choice.exits == EXITS_ALL)
		plan->choice.exits = EXITS_ROOTS;
	message_note("%zu poll sites: the kernel takes long to define so many probes%s; -m, -x "
		     "and --level tasks choose fewer",
		     sites,
		     plan->choice.exits_given ? ""
					      : ", so ends are recorded of what executors poll "
						"alone (--exits all: of all)");
}

/* What is known of each type, of all images in a row. Returns 0, or -1: no memory. */
static int allocate(struct probe_plan *plan)
{
	bool **const arrays[] = {&plan->chosen, &plan->matching, &plan->incomplete,
				 &plan->dropped, &plan->drop_missed};
	size_t count = type_index(plan, plan->image_count, 0);
	int status = 0;

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		*arrays[i] = calloc(count ? count : 1, sizeof(bool));
		status |= !*arrays[i];
	}
	return status ? -1 : 0;
}

int probe_plan_make(struct probe_plan *plan, struct poll_sites *images, size_t image_count,
		    const struct plan_choice *choice)
{
	int status = 0;

	*plan = (struct probe_plan){
		.images = images, .image_count = image_count, .choice = *choice};
	if (allocate(plan)) {
		message_error("planning the probes: out of memory");
		probe_plan_free(plan);
		return -1;
	}
	if (probe_choice_make(choice, images, image_count, plan->chosen, plan->matching)) {
		probe_plan_free(plan);
		return -1;
	}
	limit_exits(plan);
	for (size_t image = 0; image < image_count && !status; image++) {
		/* Before the entries: see plan_user_probes. */
		status = plan_stores(plan, image);
		for (size_t i = 0; i < images[image].site_count && !status; i++)
			status = consider_site(plan, image, i);
		status = status || plan_lives(plan, image);
	}
	if (status || plan_user_probes(plan)) {
		message_error("planning the probes: out of memory");
		probe_plan_free(plan);
		return -1;
	}
	return 0;
}

void probe_plan_free(struct probe_plan *plan)
{
	for (size_t i = 0; i < plan->probe_count; i++)
		free(plan->probes[i].fetch);
	free(plan->probes);
	free(plan->events);
	free(plan->chosen);
	free(plan->matching);
	free(plan->incomplete);
	free(plan->dropped);
	free(plan->drop_missed);
	*plan = (struct probe_plan){0};
}
