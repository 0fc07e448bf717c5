#include "decode.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <traceevent/event-parse.h>

/* The arguments of probe_plan.c, and the trap's address, which the kernel adds. */
static const struct {
	const char *name;
	size_t offset; /* in struct trap, bytes */
	size_t size;   /* bytes */
} arguments[] = {
	{"id", offsetof(struct trap, probe_id), sizeof(uint32_t)},
	{"__probe_ip", offsetof(struct trap, address), sizeof(uint64_t)},
	{"sp", offsetof(struct trap, sp), sizeof(uint64_t)},
	{"self", offsetof(struct trap, self), sizeof(uint64_t)},
	{"state", offsetof(struct trap, state), sizeof(uint64_t)},
	{"task_state", offsetof(struct trap, task_state), sizeof(uint64_t)},
	{"ret", offsetof(struct trap, return_address), sizeof(uint64_t)},
	{"waker_data", offsetof(struct trap, waker_data), sizeof(uint64_t)},
	{"waker_vtable", offsetof(struct trap, waker_vtable), sizeof(uint64_t)},
	{"direct_data", offsetof(struct trap, direct_data), sizeof(uint64_t)},
	{"direct_vtable", offsetof(struct trap, direct_vtable), sizeof(uint64_t)},
	{"result", offsetof(struct trap, result), sizeof(uint64_t)},
};

enum { ARGUMENT_COUNT = sizeof(arguments) / sizeof(arguments[0]) };

struct known_event {
	int id;
	struct tep_format_field
		*fields[ARGUMENT_COUNT]; /* owned by the tep handle; NULL: none */
	struct tep_format_field *words[SNAPSHOT_MOST_WORDS]; /* likewise; w0 to ... */
	size_t word_count;
	size_t size; /* a record must have at least these bytes */
};

struct decoder {
	struct tep_handle *tep;
	struct known_event *events; /* owned */
	size_t event_count;
};

struct decoder *decoder_new(void)
{
	struct decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return NULL;
	decoder->tep = tep_alloc();
	if (!decoder->tep) {
		free(decoder);
		return NULL;
	}
	return decoder;
}

void decoder_free(struct decoder *decoder)
{
	if (!decoder)
		return;
	tep_free(decoder->tep);
	free(decoder->events);
	free(decoder);
}

static struct tep_format_field *find_field(struct known_event *known, struct tep_event *event,
					   const char *name)
{
	struct tep_format_field *field = tep_find_any_field(event, name);

	if (field && (size_t)field->offset + (size_t)field->size > known->size)
		known->size = (size_t)field->offset + (size_t)field->size;
	return field;
}

int decoder_learn(struct decoder *decoder, const char *format, uint64_t *id)
{
	struct known_event *events =
		realloc(decoder->events, (decoder->event_count + 1) * sizeof(*events));
	struct known_event *known;
	struct tep_event *event = NULL;

	if (!events)
		return -1;
	decoder->events = events;
	if (tep_parse_format(decoder->tep, &event, format, strlen(format), "asyncrec") ||
	    !event)
		return -1;
	known = &events[decoder->event_count++];
	*known = (struct known_event){.id = event->id};
	for (int i = 0; i < ARGUMENT_COUNT; i++)
		known->fields[i] = find_field(known, event, arguments[i].name);
	for (size_t i = 0; i < SNAPSHOT_MOST_WORDS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%zu", i);
		known->words[i] = find_field(known, event, name);
		if (known->words[i])
			known->word_count = i + 1;
	}
	*id = (uint64_t)event->id;
	return known->fields[0] ? 0 : -1;
}

int decoder_decode(const struct decoder *decoder, const void *data, size_t size,
		   struct trap *trap)
{
	const struct known_event *known = NULL;
	uint16_t id; /* common_type, first in every record */

	if (size < sizeof(id))
		return -1;
	memcpy(&id, data, sizeof(id));
	for (size_t i = 0; i < decoder->event_count && !known; i++)
		if (decoder->events[i].id == id)
			known = &decoder->events[i];
	if (!known || size < known->size)
		return -1;
	/* All but the words: most traps read few of them. */
	memset(trap, 0, offsetof(struct trap, words));
	for (int i = 0; i < ARGUMENT_COUNT; i++) {
		unsigned long long value;

		if (!known->fields[i] || tep_read_number_field(known->fields[i], data, &value))
			continue;
		if (arguments[i].size == sizeof(uint32_t)) {
			uint32_t narrow = (uint32_t)value;

			memcpy((char *)trap + arguments[i].offset, &narrow, sizeof(narrow));
		} else {
			memcpy((char *)trap + arguments[i].offset, &value, sizeof(value));
		}
	}
	for (size_t i = 0; i < known->word_count; i++) {
		unsigned long long value = 0;

		if (known->words[i])
			tep_read_number_field(known->words[i], data, &value);
		trap->words[i] = value;
	}
	return 0;
}
