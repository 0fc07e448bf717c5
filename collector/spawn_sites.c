/*
 * Functions that make a task are generic and often inlined; those that queue it are not.
 * But wakers queue tasks, too. So it is the calls of such functions that are looked at:
 * those that are, inlined or not, in a function of the executor that spawns.
 */
#include "spawn_sites.h"

#include "asyncrec/strings.h"
#include "dwarf_pass.h"
#include "dwarf_scope.h"
#include "executors.h"
#include "functions.h"
#include "image.h"
#include "insn.h"
#include "life_sites.h"
#include "poll_sites.h"
#include "sampled_registers.h"
#include "source_frames.h"
#include "task_layout.h"

#include <dwarf.h>
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

/* What a call may lead to: a function that queues tasks, or a slot with its address. */
struct queue {
	uint64_t address;                /* virtual, as linked */
	const struct executor *executor; /* static */
	bool is_slot;
};

struct finder {
	const struct image *image;
	const struct dwarf_pass *pass; /* borrowed; NULL: none */
	struct poll_sites *sites;      /* the result */
	const struct functions *functions;
	struct queue *queues; /* owned */
	size_t queue_count;
	struct source_frames *frames;         /* owned; read when they are first needed */
	const struct function *function;      /* the one that is looked through */
	const struct function *last_function; /* that had a reference; NULL: none */
	bool in_user_code; /* the call at hand was inlined into a function of the user */
	bool out_of_memory;
};

static void add_queue(struct finder *finder, uint64_t address, const struct executor *executor,
		      bool is_slot)
{
	struct queue *grown =
		realloc(finder->queues, (finder->queue_count + 1) * sizeof(*grown));

	if (!grown) {
		finder->out_of_memory = true;
		return;
	}
	finder->queues = grown;
	grown[finder->queue_count++] = (struct queue){address, executor, is_slot};
}

static const struct queue *queue_at(const struct finder *finder, uint64_t address, bool is_slot)
{
	for (size_t i = 0; i < finder->queue_count; i++)
		if (finder->queues[i].address == address &&
		    finder->queues[i].is_slot == is_slot)
			return &finder->queues[i];
	return NULL;
}

/* An image_relocation_seen. */
static int add_slot(void *context, const GElf_Rela *relocation, const GElf_Sym *symbol,
		    const char *name)
{
	struct finder *finder = context;
	uint64_t target = (symbol ? symbol->st_value : 0) + (uint64_t)relocation->r_addend;
	const struct queue *queue = queue_at(finder, target, false);

	(void)name;
	if (queue)
		add_queue(finder, relocation->r_offset, queue->executor, true);
	return finder->out_of_memory ? -1 : 0;
}

/* Bytes of the frame of the function at address, without its return address; 0: unknown. */
static uint64_t frame_bytes(const struct finder *finder, uint64_t address)
{
	Dwarf_Addr bias = 0;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(finder->image->module, &bias);
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *operations;
	uint64_t bytes = 0;
	size_t count;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame))
		return 0;
	/* From the stack pointer to where the frame ends. */
	if (dwarf_frame_cfa(frame, &operations, &count) == 0 && count == 1 &&
	    operations[0].atom == DW_OP_bregx && operations[0].number == sampled_stack_pointer)
		bytes = operations[0].number2 - sizeof(uint64_t);
	free(frame);
	return bytes;
}

/*
 * How much of the stack is worth a look at a call in a function of the executor: it was less
 * than this in debug and release builds of tokio, async-task and futures by rustc 1.63 and
 * 1.96. Unoptimised, each function up to the user's has copies of the future, and tokio has
 * more such functions.
 */
static uint32_t stack_bytes(const struct finder *finder, const struct executor *executor,
			    uint64_t address)
{
	enum { LEAST = 3584, FRAMES = 8, FEW_FRAMES = 3 };
	uint64_t bytes = frame_bytes(finder, address);

	bytes = LEAST + bytes * (executor->role == EXECUTOR_STARTS ? FEW_FRAMES : FRAMES);
	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static void add_site(struct finder *finder, const struct executor *executor, uint64_t address,
		     uint64_t size)
{
	struct life_site life = {
		.kind = LIFE_SPAWN,
		.type = POLL_SITE_NO_TYPE,
		.address = address,
		.end = address + size,
		.argument = executor->argument,
		.boxed = executor->boxed,
		.stack_bytes =
			finder->in_user_code ? 0 : stack_bytes(finder, executor, address),
	};

	if (life.boxed &&
	    (!finder->pass || !task_layout_box(finder->pass, executor, &life.self_offset)))
		return;
	if (!image_code_offset(finder->image, address, size, &life.offset))
		return;
	if (life_sites_add(finder->sites, &life,
			   finder->function ? finder->function->name : NULL))
		finder->out_of_memory = true;
}

/*
 * Cut what is in brackets, from the last character of name[0..length) back, and the `::`
 * before it. Returns the length of what is left; length: it ends in no such bracket.
 */
static size_t cut_brackets(const char *name, size_t length)
{
	char closing;
	char opening;
	size_t depth = 0;

	if (!length || (name[length - 1] != '>' && name[length - 1] != '}'))
		return length;
	closing = name[length - 1];
	opening = closing == '>' ? '<' : '{';
	for (size_t i = length; i-- > 0;) {
		/* `fn() -> T` */
		if (name[i] == closing && !(i && name[i - 1] == '-'))
			depth++;
		else if (name[i] == opening)
			depth--;
		if (!depth)
			return i >= 2 && name[i - 1] == ':' ? i - 2 : length;
	}
	return length;
}

/* What a function of an executor queues tasks for, as its name tells. */
enum purpose {
	PURPOSE_UNKNOWN,
	PURPOSE_SPAWN,
	PURPOSE_WAKE,
};

/* name: of the function, or of a closure in it. */
static enum purpose purpose_of(const char *name)
{
	size_t length = strlen(name);
	size_t start;
	const char *spawn;

	for (size_t left; (left = cut_brackets(name, length)) < length;)
		length = left;
	for (start = length; start > 0 && name[start - 1] != ':'; start--)
		;
	name += start;
	length -= start;
	spawn = strstr(name, "spawn");
	if ((spawn && spawn < name + length) || starts_with(name, "bind_new_task") ||
	    starts_with(name, "schedule_option_task")) /* tokio 1.36 and later */
		return PURPOSE_SPAWN;
	return (length == 8 && starts_with(name, "schedule")) ||
			       (length == 9 && starts_with(name, "yield_now"))
		       ? PURPOSE_WAKE
		       : PURPOSE_UNKNOWN;
}

static enum purpose purpose_of_symbol(const char *symbol)
{
	char *name = rust_demangle(symbol, 0);
	enum purpose purpose = name ? purpose_of(name) : PURPOSE_UNKNOWN;

	free(name);
	return purpose;
}

/*
 * Is the call at address made to spawn? skip: of the functions around it, so many are the
 * executor's that starts a task, inlined.
 */
static bool is_spawn(struct finder *finder, const struct executor *executor, uint64_t address,
		     size_t skip)
{
	enum { MOST_FRAMES = 16 };
	struct source_frame frames[MOST_FRAMES];
	enum purpose purpose = PURPOSE_UNKNOWN;
	bool spawns = false;
	size_t count;

	finder->in_user_code = false;
	if (finder->function)
		purpose = purpose_of_symbol(finder->function->name);
	/* The debug information takes a while to read. */
	if (purpose != PURPOSE_UNKNOWN || !finder->image->dwarf)
		return purpose == PURPOSE_SPAWN;
	if (!finder->frames)
		finder->frames = source_frames_read(finder->image);
	if (!finder->frames) {
		finder->out_of_memory = true;
		return false;
	}
	count = source_frames_find(finder->frames, address, frames, MOST_FRAMES);
	for (size_t i = skip; i < count; i++) {
		/* Others than executors make tasks, too. */
		if (!frames[i].crate || !executors_own_crate(frames[i].crate)) {
			finder->in_user_code = frames[i].crate != NULL;
			return spawns || (i == skip && executor->role == EXECUTOR_STARTS);
		}
		spawns |= frames[i].function && purpose_of(frames[i].function) == PURPOSE_SPAWN;
	}
	return spawns;
}

/* An insn_call_made. */
static void consider_call(void *context, const struct insn_call *call)
{
	struct finder *finder = context;
	const struct queue *queue =
		call->target ? queue_at(finder, call->target, call->through_slot) : NULL;

	if (queue && is_spawn(finder, queue->executor, call->address, 0))
		add_site(finder, queue->executor, call->address, call->size);
}

/* The code refers to what may be a queue: an insn_call_seen. */
static void consider_reference(void *context, uint64_t address, uint64_t target)
{
	struct finder *finder = context;
	const struct function *function;
	uint64_t offset;

	if (!queue_at(finder, target, false) && !queue_at(finder, target, true))
		return;
	function = functions_around(finder->functions, address);
	if (!function || function == finder->last_function ||
	    !image_code_offset(finder->image, function->address, function->size, &offset))
		return;
	finder->last_function = function;
	finder->function = function;
	insn_each_call(finder->image->data + offset, function->size, function->address,
		       consider_call, finder);
}

static void find_queues(struct finder *finder)
{
	const struct functions *functions = finder->functions;

	for (size_t i = 0; i < functions->count && !finder->out_of_memory; i++) {
		const struct function *function = &functions->functions[i];
		const struct executor *executor = executor_of(function->name);

		if (executor &&
		    (executor->role == EXECUTOR_QUEUES || executor->role == EXECUTOR_STARTS))
			add_queue(finder, function->address, executor, false);
	}
	if (finder->queue_count && !finder->out_of_memory)
		image_each_relocation(finder->image, add_slot, finder);
}

/* An image_segment_seen. */
static int find_calls(void *context, uint64_t address, const uint8_t *code, size_t size)
{
	insn_scan_references(code, size, address, consider_reference, context);
	return 0;
}

/* The one call in an inlined copy of a function that starts tasks. */
struct inlined_call {
	struct finder *finder;
	const struct executor *executor; /* static */
};

/* An insn_call_made. */
static void add_inlined_call(void *context, const struct insn_call *call)
{
	const struct inlined_call *inlined = context;

	if (is_spawn(inlined->finder, inlined->executor, call->address, 1))
		add_site(inlined->finder, inlined->executor, call->address, call->size);
}

/* Where a function that starts tasks is inlined, its call is of what is not known. */
static void find_inlined(struct finder *finder, Dwarf_Die *die)
{
	const char *symbol = dwarf_linkage_name(die);
	struct inlined_call inlined = {finder, symbol ? executor_of(symbol) : NULL};
	Dwarf_Addr base;
	Dwarf_Addr start;
	Dwarf_Addr end;
	ptrdiff_t next = 0;

	if (!inlined.executor || inlined.executor->role != EXECUTOR_STARTS)
		return;
	while ((next = dwarf_ranges(die, next, &base, &start, &end)) > 0) {
		size_t size = 0;
		const uint8_t *code = image_bytes(finder->image, start, &size);

		finder->function = functions_around(finder->functions, start);
		if (code && start < end && end - start <= size)
			insn_each_call(code, end - start, start, add_inlined_call, &inlined);
	}
}

int spawn_sites_find(const struct image *image, const struct functions *functions,
		     const struct dwarf_pass *pass, struct poll_sites *sites)
{
	struct finder finder = {
		.image = image, .functions = functions, .pass = pass, .sites = sites};

	find_queues(&finder);
	if (finder.queue_count)
		image_each_segment(image, true, find_calls, &finder);
	for (size_t i = 0; pass && i < pass->starter_count && functions->count; i++)
		find_inlined(&finder, &pass->starters[i]);
	source_frames_free(finder.frames);
	free(finder.queues);
	return finder.out_of_memory ? -1 : 0;
}
