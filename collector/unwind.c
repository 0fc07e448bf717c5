#include "unwind.h"

#include "image.h"
#include "perf_ring.h"
#include "probe_plan.h"
#include "sampled_registers.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where an image lies in the process. */
struct place {
	bool known;
	uint64_t bias; /* bytes above the addresses as linked */
};

struct unwinder {
	const struct probe_plan *plan; /* borrowed */
	Dwfl *dwfl;                    /* owned; of the process pid; NULL: none */
	pid_t pid;
	struct place *places; /* owned; of the images in that process */
	/* while it walks */
	const struct perf_stack *stack;
	Dwarf_Word registers[SAMPLED_REGISTER_COUNT]; /* by DWARF number */
	struct unwound_frame *frames;
	size_t count;
	size_t most;
	uint64_t return_at; /* where a word was read that may be the return address */
	uint64_t return_to; /* that word */
};

struct unwinder *unwinder_new(const struct probe_plan *plan)
{
	struct unwinder *unwinder = calloc(1, sizeof(*unwinder));

	if (!unwinder)
		return NULL;
	unwinder->plan = plan;
	unwinder->places = calloc(plan->image_count + 1, sizeof(*unwinder->places));
	if (!unwinder->places) {
		free(unwinder);
		return NULL;
	}
	return unwinder;
}

static void forget_process(struct unwinder *unwinder)
{
	if (unwinder->dwfl)
		dwfl_end(unwinder->dwfl);
	unwinder->dwfl = NULL;
}

void unwinder_free(struct unwinder *unwinder)
{
	if (!unwinder)
		return;
	forget_process(unwinder);
	free(unwinder->places);
	free(unwinder);
}

/* A find_debuginfo of libdwfl: frame information that a program needs to run will do. */
static int no_debug_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
			 const char *file, const char *link, GElf_Word crc, char **path)
{
	(void)module;
	(void)data;
	(void)name;
	(void)base;
	(void)file;
	(void)link;
	(void)crc;
	(void)path;
	return -1;
}

/* A next_thread of libdwfl: there is just the one that trapped. */
static pid_t next_thread(Dwfl *dwfl, void *context, void **thread)
{
	bool is_first = !*thread;

	*thread = context;
	return is_first ? dwfl_pid(dwfl) : 0;
}

/* A get_thread of libdwfl. */
static bool get_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread)
{
	(void)dwfl;
	(void)tid;
	*thread = context;
	return true;
}

/* A memory_read of libdwfl: only the copy of the stack is there to be read. */
static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *context)
{
	struct unwinder *unwinder = context;
	const struct perf_stack *stack = unwinder->stack;
	uint64_t at = address - unwinder->registers[sampled_stack_pointer];

	(void)dwfl;
	if (at >= stack->size || stack->size - at < sizeof(*word))
		return false;
	memcpy(word, stack->bytes + at, sizeof(*word));
	/* The return address lies above all that is restored from the same frame. */
	if (at >= unwinder->return_at) {
		unwinder->return_at = at;
		unwinder->return_to = *word;
	}
	return true;
}

/* A set_initial_registers of libdwfl. */
static bool set_registers(Dwfl_Thread *thread, void *context)
{
	struct unwinder *unwinder = context;

	return dwfl_thread_state_registers(thread, 0, SAMPLED_REGISTER_COUNT,
					   unwinder->registers);
}

/* Report the images where they lie. */
static int report_images(struct unwinder *unwinder)
{
	const struct probe_plan *plan = unwinder->plan;

	for (size_t i = 0; i < plan->image_count; i++) {
		const struct image *image = plan->images[i].image;
		char path[64];
		int fd;

		if (!unwinder->places[i].known)
			continue;
		/* By descriptor: the file may have been replaced. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		if (!dwfl_report_elf(unwinder->dwfl, image->path, image->path, fd,
				     unwinder->places[i].bias, true)) {
			close(fd);
			return -1;
		}
	}
	return dwfl_report_end(unwinder->dwfl, NULL, NULL);
}

static int attach(struct unwinder *unwinder)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = no_debug_file,
	};
	static const Dwfl_Thread_Callbacks thread_callbacks = {
		.next_thread = next_thread,
		.get_thread = get_thread,
		.memory_read = read_memory,
		.set_initial_registers = set_registers,
	};

	unwinder->dwfl = dwfl_begin(&callbacks);
	if (!unwinder->dwfl)
		return -1;
	if (report_images(unwinder) || !dwfl_attach_state(unwinder->dwfl, NULL, unwinder->pid,
							  &thread_callbacks, unwinder)) {
		forget_process(unwinder);
		return -1;
	}
	return 0;
}

/* Note where image lies in the process. */
static void note_place(struct unwinder *unwinder, pid_t pid, size_t image, uint64_t bias)
{
	struct place *place = &unwinder->places[image];

	if (unwinder->pid == pid && place->known && place->bias == bias)
		return;
	forget_process(unwinder);
	/* Another process, or another program in it. */
	if (unwinder->pid != pid || place->known)
		memset(unwinder->places, 0,
		       unwinder->plan->image_count * sizeof(*unwinder->places));
	unwinder->pid = pid;
	*place = (struct place){true, bias};
}

/* The image that the address, in the process, lies in; image_count: none that is known. */
static size_t image_at(const struct unwinder *unwinder, uint64_t address)
{
	const struct probe_plan *plan = unwinder->plan;
	uint64_t offset;
	size_t i = 0;

	while (i < plan->image_count &&
	       (!unwinder->places[i].known ||
		!image_file_offset(plan->images[i].image, address - unwinder->places[i].bias,
				   &offset)))
		i++;
	return i;
}

/* A frame callback of libdwfl. */
static int take_frame(Dwfl_Frame *state, void *context)
{
	struct unwinder *unwinder = context;
	struct unwound_frame frame = {0};
	Dwarf_Addr address;

	/* Asked whether it is an activation, it would go on to the next frame. */
	if (unwinder->count == unwinder->most || !dwfl_frame_pc(state, &address, NULL))
		return DWARF_CB_ABORT;
	frame.image = image_at(unwinder, address);
	if (frame.image == unwinder->plan->image_count)
		return DWARF_CB_ABORT;
	frame.address = address;
	frame.linked = address - unwinder->places[frame.image].bias;
	if (unwinder->count) {
		if (unwinder->return_to != address)
			return DWARF_CB_ABORT;
		frame.at = unwinder->return_at;
	}
	unwinder->frames[unwinder->count++] = frame;
	return DWARF_CB_OK;
}

size_t unwinder_walk(struct unwinder *unwinder, pid_t pid, size_t image, uint64_t bias,
		     const struct perf_stack *stack, struct unwound_frame *frames, size_t most)
{
	note_place(unwinder, pid, image, bias);
	if (!unwinder->dwfl && attach(unwinder))
		return 0;
	for (size_t i = 0; i < SAMPLED_REGISTER_COUNT; i++)
		unwinder->registers[sampled_registers_dwarf[i]] = stack->registers[i];
	unwinder->stack = stack;
	unwinder->frames = frames;
	unwinder->count = 0;
	unwinder->most = most;
	unwinder->return_at = 0;
	dwfl_getthread_frames(unwinder->dwfl, pid, take_frame, unwinder);
	return unwinder->count;
}
