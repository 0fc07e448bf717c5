#include "stacks.h"

#include "asyncrec/message.h"
#include "executors.h"
#include "image.h"
#include "perf_ring.h"
#include "probe_plan.h"
#include "source_frames.h"
#include "store.h"
#include "unwind.h"

#include <elfutils/libdwfl.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* What lies further out is of no interest: who runs a task is known. */
enum { MOST_FRAMES = 48 };

/* A stack as it was unwound: a trap with the same words at the same places has it, too. */
struct seen_stack {
	struct unwound_frame *frames; /* owned */
	size_t count;
	uint32_t id;
	struct seen_stack *next; /* of the same trap address */
};

/* The stacks of traps at one address in the process. */
struct seen_at {
	uint64_t address;
	struct seen_stack *stacks; /* owned; the one found last first */
	UT_hash_handle hh;         /* keyed by address */
};

/* A place in code, of whatever process. */
struct code_place {
	uint64_t image; /* index into the plan's images */
	uint64_t linked;
};

struct stack {
	struct code_place *places; /* owned; the trap, then where each call returns to */
	size_t count;
	uint32_t id;
	UT_hash_handle hh; /* keyed by the places; in the order of their ids */
};

struct stacks {
	const struct probe_plan *plan; /* borrowed */
	struct unwinder *unwinder;     /* owned */
	struct seen_at *seen;          /* owned */
	struct stack *stacks;          /* owned */
};

struct stacks *stacks_new(const struct probe_plan *plan)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks)
		return NULL;
	stacks->plan = plan;
	stacks->unwinder = unwinder_new(plan);
	if (!stacks->unwinder) {
		free(stacks);
		return NULL;
	}
	return stacks;
}

void stacks_free(struct stacks *stacks)
{
	struct seen_at *at;
	struct seen_at *next_at;
	struct stack *stack;
	struct stack *next;

	if (!stacks)
		return;
	HASH_ITER(hh, stacks->seen, at, next_at)
	{
		HASH_DEL(stacks->seen, at);
		while (at->stacks) {
			struct seen_stack *seen = at->stacks;

			at->stacks = seen->next;
			free(seen->frames);
			free(seen);
		}
		free(at);
	}
	HASH_ITER(hh, stacks->stacks, stack, next)
	{
		HASH_DEL(stacks->stacks, stack);
		free(stack->places);
		free(stack);
	}
	unwinder_free(stacks->unwinder);
	free(stacks);
}

static bool has_frames(const struct perf_stack *stack, const struct seen_stack *seen)
{
	/* The first is the trap itself. */
	for (size_t i = 1; i < seen->count; i++) {
		const struct unwound_frame *frame = &seen->frames[i];

		if (frame->at > stack->size ||
		    stack->size - frame->at < sizeof(frame->address) ||
		    memcmp(stack->bytes + frame->at, &frame->address, sizeof(frame->address)) !=
			    0)
			return false;
	}
	return true;
}

static struct seen_at *seen_at(struct stacks *stacks, uint64_t address)
{
	struct seen_at *at;

	HASH_FIND(hh, stacks->seen, &address, sizeof(address), at);
	if (at)
		return at;
	at = calloc(1, sizeof(*at));
	if (!at)
		return NULL;
	at->address = address;
	HASH_ADD(hh, stacks->seen, address, sizeof(at->address), at);
	return at;
}

/* The stack with these frames, made if it is new. NULL: no memory. */
static struct stack *stack_of(struct stacks *stacks, const struct unwound_frame *frames,
			      size_t count)
{
	struct code_place places[MOST_FRAMES];
	struct stack *stack;

	for (size_t i = 0; i < count; i++)
		places[i] = (struct code_place){frames[i].image, frames[i].linked};
	HASH_FIND(hh, stacks->stacks, places, count * sizeof(places[0]), stack);
	if (stack)
		return stack;
	stack = calloc(1, sizeof(*stack));
	if (!stack)
		return NULL;
	stack->places = malloc((count + 1) * sizeof(places[0]));
	if (!stack->places) {
		free(stack);
		return NULL;
	}
	memcpy(stack->places, places, count * sizeof(places[0]));
	stack->count = count;
	stack->id = HASH_COUNT(stacks->stacks) + 1;
	HASH_ADD_KEYPTR(hh, stacks->stacks, stack->places, count * sizeof(places[0]), stack);
	return stack;
}

static struct seen_stack *add_seen(struct seen_at *at, const struct unwound_frame *frames,
				   size_t count)
{
	struct seen_stack *seen = calloc(1, sizeof(*seen));

	if (!seen)
		return NULL;
	seen->frames = malloc(count * sizeof(*frames));
	if (!seen->frames) {
		free(seen);
		return NULL;
	}
	memcpy(seen->frames, frames, count * sizeof(*frames));
	seen->count = count;
	seen->next = at->stacks;
	at->stacks = seen;
	return seen;
}

int stacks_find(struct stacks *stacks, pid_t pid, size_t image, uint64_t bias,
		const struct perf_stack *stack, uint32_t *id)
{
	struct unwound_frame frames[MOST_FRAMES];
	struct seen_at *at;
	struct seen_stack *seen;
	struct stack *known;
	size_t count;

	*id = 0;
	at = seen_at(stacks, perf_stack_address(stack));
	if (!at)
		return -1;
	for (seen = at->stacks; seen; seen = seen->next) {
		if (has_frames(stack, seen)) {
			*id = seen->id;
			return 0;
		}
	}
	count = unwinder_walk(stacks->unwinder, pid, image, bias, stack, frames, MOST_FRAMES);
	if (!count)
		return 0;
	known = stack_of(stacks, frames, count);
	seen = known ? add_seen(at, frames, count) : NULL;
	if (!seen)
		return -1;
	seen->id = known->id;
	*id = known->id;
	return 0;
}

/* The functions around a place of which there are only symbols. */
static size_t find_by_symbol(const struct image *image, uint64_t address,
			     struct source_frame *frame, char **name, char **crate)
{
	GElf_Addr bias = 0;
	const char *symbol;

	dwfl_module_getelf(image->module, &bias);
	symbol = dwfl_module_addrname(image->module, address + bias);
	*name = symbol ? rust_demangle(symbol, 0) : NULL;
	*crate = *name ? strndup(*name, strcspn(*name, ":")) : NULL;
	*frame = (struct source_frame){.function = *name, .crate = *crate};
	return *crate != NULL;
}

/* Whose code a frame is. */
enum place {
	PLACE_NONE,       /* the runtime's */
	PLACE_DEPENDENCY, /* what the user took from elsewhere */
	PLACE_OWN,
};

/* What a stack turns out to be. */
struct description {
	struct stack_text text; /* what is stored; borrowed strings */
	FILE *out;              /* to text.frames */
	char *function;         /* owned; text.function */
	enum place place; /* what text names: the first of the user's own, else of others */
};

/* Does cargo have the file from a registry or a repository? Debian's crates are in one, too. */
static bool is_dependency(const char *file)
{
	return file && (strstr(file, "/registry/") || strstr(file, "/git/checkouts/"));
}

static void describe_frame(struct description *description, const struct source_frame *frame)
{
	struct stack_text *text = &description->text;
	enum place place;

	fprintf(description->out, "%s%s", ftell(description->out) ? "\n" : "",
		frame->function ? frame->function : "?");
	if (frame->file)
		fprintf(description->out, " (%s:%u)", frame->file, frame->line);
	if (!frame->crate || executors_own_crate(frame->crate))
		return;
	place = is_dependency(frame->file) ? PLACE_DEPENDENCY : PLACE_OWN;
	if (place <= description->place)
		return;
	description->place = place;
	free(description->function);
	description->function = frame->function ? strdup(frame->function) : NULL;
	text->function = description->function;
	text->file = frame->file;
	text->line = frame->line;
}

static void describe_place(const struct stacks *stacks, struct source_frames *const *sources,
			   const struct stack *stack, size_t index,
			   struct description *description)
{
	enum { MOST_INLINED = 64 };
	const struct code_place *place = &stack->places[index];
	/* A call is of the code before the place where it returns to. */
	uint64_t address = place->linked - (index ? 1 : 0);
	struct source_frame frames[MOST_INLINED];
	char *name = NULL;
	char *crate = NULL;
	size_t count = source_frames_find(sources[place->image], address, frames, MOST_INLINED);

	if (!count)
		count = find_by_symbol(stacks->plan->images[place->image].image, address,
				       frames, &name, &crate);
	for (size_t i = 0; i < count; i++)
		describe_frame(description, &frames[i]);
	free(name);
	free(crate);
}

static int store_stack(const struct stacks *stacks, struct source_frames *const *sources,
		       const struct stack *stack, struct store *store)
{
	struct description description = {0};
	char *lines = NULL;
	size_t size;
	int status = -1;

	description.out = open_memstream(&lines, &size);
	if (!description.out) {
		message_error("recording stacks: out of memory");
		return -1;
	}
	for (size_t i = 0; i < stack->count; i++)
		describe_place(stacks, sources, stack, i, &description);
	if (fclose(description.out) == 0) {
		description.text.frames = lines;
		status = store_add_stack(store, stack->id, &description.text);
	}
	free(description.function);
	free(lines);
	return status;
}

int stacks_store(struct stacks *stacks, struct store *store)
{
	const struct probe_plan *plan = stacks->plan;
	struct source_frames **sources = calloc(plan->image_count + 1, sizeof(*sources));
	int status = sources ? 0 : -1;

	for (const struct stack *stack = stacks->stacks; stack && !status;
	     stack = stack->hh.next) {
		for (size_t i = 0; i < stack->count && !status; i++) {
			size_t image = stack->places[i].image;

			if (!sources[image])
				sources[image] = source_frames_read(plan->images[image].image);
			if (!sources[image])
				status = -1;
		}
		if (!status && store_stack(stacks, sources, stack, store)) {
			status = -1;
			goto out;
		}
	}
	if (status)
		message_error("recording stacks: out of memory");
out:
	for (size_t i = 0; sources && i < plan->image_count; i++)
		source_frames_free(sources[i]);
	free(sources);
	return status;
}
