#include "probe_fetch.h"

#include "insn.h"
#include "probe_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* tracefs expression of a word of a snapshot, which may lie behind other words. */
static void print_word(FILE *fetch, const struct snapshot_plan *plan, size_t word,
		       const char *self, uint64_t self_offset)
{
	const struct snapshot_word *at = &plan->words[word];

	if (at->base == SNAPSHOT_NONE) {
		fprintf(fetch, "+%" PRIu64 "(%%%s)", self_offset + at->offset, self);
		return;
	}
	fprintf(fetch, "+%" PRIu64 "(", at->offset);
	print_word(fetch, plan, at->base, self, self_offset);
	fputc(')', fetch);
}

/*
 * The words of a snapshot of the future self_offset bytes from what the register self
 * holds, in an event that has room for more.
 */
static void print_words(FILE *fetch, struct probe *probe, const struct snapshot_plan *plan,
			const char *self, uint64_t self_offset, size_t room)
{
	/* The kernel takes at most 4096 bytes a definition, which begins with the place. */
	enum { LONGEST = 3800, LONGEST_EMPTY = 12, LONGEST_WORD = 64 };

	for (size_t i = 0; i < room; i++) {
		/* What lies deepest comes last, and is left out if the line gets too long. */
		if (i < probe->words &&
		    (size_t)ftell(fetch) + (room - i) * LONGEST_EMPTY + LONGEST_WORD > LONGEST)
			probe->words = i;
		fprintf(fetch, " w%zu=", i);
		if (i < probe->words)
			print_word(fetch, plan, i, self, self_offset);
		else
			fputs("\\0", fetch);
		fputs(":x64", fetch);
	}
}

/* The polled future (type NULL: none): its address, its state, that of the task it is in. */
static void print_self(FILE *fetch, const struct poll_site *site,
		       const struct future_type *type)
{
	const char *self = insn_register_name(site->self_register);

	if (self)
		fprintf(fetch, " self=%%%s:x64", self);
	else
		fputs(" self=\\0:x64", fetch);
	if (self && type && poll_site_has_state(site, type))
		fprintf(fetch, " state=+%" PRIu64 "(%%%s):u8",
			site->self_offset + (uint64_t)type->state_offset, self);
	else
		fputs(" state=\\0:u8", fetch);
	if (self && site->runs_task)
		fprintf(fetch, " task_state=+%" PRIu64 "(%%%s):u8", site->task_state, self);
	else
		fputs(" task_state=\\0:u8", fetch);
}

/* The waker: as the register holds a Context, and as if it held a Waker. */
static void print_waker(FILE *fetch, const struct poll_site *site,
			const struct waker_layout *waker)
{
	const char *context = insn_register_name(site->context_register);

	if (context && waker->known)
		fprintf(fetch,
			" waker_data=+%u(+%u(%%%s)):x64 waker_vtable=+%u(+%u(%%%s)):x64"
			" direct_data=+%u(%%%s):x64 direct_vtable=+%u(%%%s):x64",
			waker->data, waker->in_context, context, waker->vtable,
			waker->in_context, context, waker->data, context, waker->vtable,
			context);
	else
		fputs(" waker_data=\\0:x64 waker_vtable=\\0:x64"
		      " direct_data=\\0:x64 direct_vtable=\\0:x64",
		      fetch);
}

/* What a trap at the entry of a poll reads; room: the words that its event has. */
int probe_fetch_entry(struct probe *probe, const struct poll_sites *image, size_t room)
{
	const struct poll_site *site = &image->sites[probe->site];
	const struct future_type *type = probe->polls ? &image->types[site->type] : NULL;
	size_t size;
	FILE *fetch = open_memstream(&probe->fetch, &size);

	if (!fetch)
		return -1;
	fprintf(fetch, "id=\\%" PRIu32 ":u32 sp=%%%s:x64 ret=+0(%%%s):x64", probe->id,
		insn_stack_pointer, insn_stack_pointer);
	print_self(fetch, site, type);
	print_waker(fetch, site, &image->waker);
	print_words(fetch, probe, type ? &type->snapshot : NULL,
		    insn_register_name(site->self_register), site->self_offset, room);
	return fclose(fetch) ? -1 : 0;
}

int probe_fetch_exit(struct probe *probe, const struct poll_result *result,
		     const struct insn_exit *way_out)
{
	char value[64] = "\\0";
	unsigned bits = 64;
	const char *holder = result->place == RESULT_IN_REGISTER
				     ? insn_result_register
				     : insn_register_name(way_out->result_register);

	if (way_out->tail_call) {
		if (way_out->target_fetch[0])
			snprintf(value, sizeof(value), "%s", way_out->target_fetch);
	} else if (result->place != RESULT_UNKNOWN) {
		probe->result_known = holder != NULL;
		if (holder && result->place == RESULT_IN_MEMORY)
			snprintf(value, sizeof(value), "+%u(%%%s)", result->offset, holder);
		else if (holder)
			snprintf(value, sizeof(value), "%%%s", holder);
		bits = result->width * 8;
	}
	return asprintf(&probe->fetch, "id=\\%" PRIu32 ":u32 sp=%%%s:x64 result=%s:u%u",
			probe->id, insn_stack_pointer, value, bits) < 0
		       ? -1
		       : 0;
}

int probe_fetch_store(struct probe *probe, const char *holder)
{
	return asprintf(&probe->fetch, "id=\\%" PRIu32 ":u32 sp=%%%s:x64 result=%s%s:u64",
			probe->id, insn_stack_pointer, holder ? "%" : "\\0",
			holder ? holder : "") < 0
		       ? -1
		       : 0;
}

int probe_fetch_user(struct probe *probe)
{
	return asprintf(&probe->fetch, "id=\\%" PRIu32 ":u32 sp=%%%s:x64", probe->id,
			insn_stack_pointer) < 0
		       ? -1
		       : 0;
}

/* A spawn: the address of the task, or that and the size of the future that is to be one. */
static int fetch_spawn(struct probe *probe, const struct life_site *life)
{
	const char *argument = insn_register_name(insn_argument_register(life->argument));
	char self[64];
	char size[64] = "\\0";

	snprintf(self, sizeof(self), "%%%s", argument);
	if (life->boxed) {
		snprintf(self, sizeof(self), "+%" PRIu64 "(%%%s)", life->self_offset, argument);
		/* A vtable has the function that drops first, then the size. */
		snprintf(size, sizeof(size), "+8(+%" PRIu64 "(%%%s))", life->self_offset + 8,
			 argument);
	}
	return asprintf(&probe->fetch,
			"id=\\%" PRIu32 ":u32 sp=%%%s:x64 self=%s:x64 state=%s:u64", probe->id,
			insn_stack_pointer, self, size) < 0
		       ? -1
		       : 0;
}

int probe_fetch_life(struct probe *probe, const struct life_site *life)
{
	if (life->kind == LIFE_SPAWN)
		return fetch_spawn(probe, life);
	return asprintf(&probe->fetch,
			"id=\\%" PRIu32 ":u32 sp=%%%s:x64 ret=+0(%%%s):x64 self=%%%s:x64",
			probe->id, insn_stack_pointer, insn_stack_pointer,
			insn_register_name(insn_argument_register(0))) < 0
		       ? -1
		       : 0;
}

int probe_fetch_drop(struct probe *probe, const struct poll_sites *image, size_t room)
{
	const struct life_site *life = &image->lives[probe->life];
	const struct future_type *type = &image->types[life->type];
	const char *self = insn_register_name(insn_argument_register(0));
	size_t size;
	FILE *fetch = open_memstream(&probe->fetch, &size);

	if (!fetch)
		return -1;
	fprintf(fetch, "id=\\%" PRIu32 ":u32 sp=%%%s:x64 ret=+0(%%%s):x64 self=%%%s:x64",
		probe->id, insn_stack_pointer, insn_stack_pointer, self);
	if (type->state_offset >= 0)
		fprintf(fetch, " state=+%" PRIu64 "(%%%s):u8",
			life->self_offset + (uint64_t)type->state_offset, self);
	else
		fputs(" state=\\0:u8", fetch);
	if (life->guard_bits)
		fprintf(fetch, " task_state=+%" PRIu64 "(%%%s):u8", life->guard_offset, self);
	else
		fputs(" task_state=\\0:u8", fetch);
	print_words(fetch, probe, &type->snapshot, self, life->self_offset, room);
	return fclose(fetch) ? -1 : 0;
}
