#include "source_frames.h"

#include "asyncrec/array.h"
#include "asyncrec/strings.h"
#include "dwarf_scope.h"
#include "image.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A stretch of code of a function. */
struct stretch {
	uint64_t start; /* virtual address as linked */
	uint64_t end;   /* likewise, behind it */
	Dwarf_Die die;  /* DW_TAG_subprogram */
};

/* A function by its DIE, with what is not in that. */
struct written {
	void *die;         /* its bytes */
	const char *crate; /* of libdw */
	char *function;    /* owned; made when it is asked for */
	UT_hash_handle hh; /* keyed by die */
};

struct source_frames {
	struct stretch *stretches; /* owned; sorted by start */
	size_t count;
	size_t room;
	struct written *written; /* owned */
	bool out_of_memory;      /* while reading */
};

static void add_stretch(struct source_frames *frames, Dwarf_Die *die, uint64_t start,
			uint64_t end)
{
	struct stretch *grown =
		array_room(frames->stretches, frames->count, &frames->room, sizeof(*grown));

	if (!grown) {
		frames->out_of_memory = true;
		return;
	}
	frames->stretches = grown;
	frames->stretches[frames->count++] = (struct stretch){start, end, *die};
}

static void add_function(struct source_frames *frames, Dwarf_Die *die, const char *crate)
{
	struct written *written = calloc(1, sizeof(*written));
	Dwarf_Addr base;
	Dwarf_Addr start;
	Dwarf_Addr end;
	ptrdiff_t next = 0;

	if (!written) {
		frames->out_of_memory = true;
		return;
	}
	written->die = die->addr;
	written->crate = crate;
	HASH_ADD_PTR(frames->written, die, written);
	/* The linker leaves the DIEs of functions that it removed, at 0. */
	while ((next = dwarf_ranges(die, next, &base, &start, &end)) > 0)
		if (start && start < end)
			add_stretch(frames, die, start, end);
}

/* crate: the namespace at the top; NULL: none so far. */
static void visit(struct source_frames *frames, Dwarf_Die *parent, const char *crate)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			add_function(frames, &die, crate);
			break;
		case DW_TAG_namespace:
			visit(frames, &die, crate ? crate : dwarf_diename(&die));
			break;
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
			visit(frames, &die, crate);
			break;
		default:
			break;
		}
	} while (!frames->out_of_memory && dwarf_siblingof(&die, &die) == 0);
}

static int compare_starts(const void *left, const void *right)
{
	const struct stretch *a = left;
	const struct stretch *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

struct source_frames *source_frames_read(const struct image *image)
{
	struct source_frames *frames = calloc(1, sizeof(*frames));
	Dwarf_Addr bias;
	Dwarf *dwarf = dwfl_module_getdwarf(image->module, &bias);
	Dwarf_CU *unit = NULL;
	uint8_t type;
	Dwarf_Die die;
	Dwarf_Die split;

	if (!frames)
		return NULL;
	while (dwarf && !frames->out_of_memory &&
	       dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, &split) == 0)
		visit(frames, split.addr ? &split : &die, NULL);
	if (frames->out_of_memory) {
		source_frames_free(frames);
		return NULL;
	}
	if (frames->count)
		qsort(frames->stretches, frames->count, sizeof(*frames->stretches),
		      compare_starts);
	return frames;
}

void source_frames_free(struct source_frames *frames)
{
	struct written *written;
	struct written *next;

	if (!frames)
		return;
	HASH_ITER(hh, frames->written, written, next)
	{
		HASH_DEL(frames->written, written);
		free(written->function);
		free(written);
	}
	free(frames->stretches);
	free(frames);
}

static Dwarf_Die *function_at(struct source_frames *frames, uint64_t address)
{
	size_t low = 0;
	size_t high = frames->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (frames->stretches[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < frames->stretches[low - 1].end ? &frames->stretches[low - 1].die
							       : NULL;
}

/* The copy inlined into around, be it in a block, that the code at address is of. */
static bool inlined_at(Dwarf_Die *around, uint64_t address, Dwarf_Die *inlined)
{
	Dwarf_Die die;

	if (dwarf_child(around, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);

		if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) ||
		    dwarf_haspc(&die, address) <= 0)
			continue;
		if (tag == DW_TAG_lexical_block)
			return inlined_at(&die, address, inlined);
		*inlined = die;
		return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

/* What is known of the function that die is, is a copy of, or defines. */
static struct written *find_written(struct source_frames *frames, Dwarf_Die *die)
{
	static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
	struct written *written = NULL;
	Dwarf_Attribute attribute;
	Dwarf_Die at = *die;

	/* The outermost of them stands in the namespace of the function. */
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (dwarf_attr(&at, links[i], &attribute) &&
		    !dwarf_formref_die(&attribute, &at))
			return NULL;
	HASH_FIND_PTR(frames->written, &at.addr, written);
	return written;
}

/* Closures go by the function they stand in. */
static void cut_closures(char *name)
{
	for (;;) {
		size_t length = strlen(name);
		char *last = strrchr(name, ':');

		if (!last || last == name || last[-1] != ':' || length == 0 ||
		    name[length - 1] != '}' || last[1] != '{')
			return;
		last[-1] = '\0';
	}
}

static const char *function_name(struct written *written, Dwarf_Die *die)
{
	const char *linkage_name;

	if (written->function)
		return written->function;
	linkage_name = dwarf_linkage_name(die);
	written->function = linkage_name ? rust_demangle(linkage_name, 0) : NULL;
	if (!written->function && dwarf_diename(die))
		written->function = strdup(linkage_name ? linkage_name : dwarf_diename(die));
	if (written->function)
		cut_closures(written->function);
	return written->function;
}

/* The file that the attribute of die numbers. */
static const char *file_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Die unit;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &number) ||
	    !dwarf_diecu(die, &unit, NULL, NULL) || dwarf_getsrcfiles(&unit, &files, &count))
		return NULL;
	return dwarf_filesrc(files, number, NULL, NULL);
}

static unsigned line_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word line;

	return dwarf_attr(die, name, &attribute) && !dwarf_formudata(&attribute, &line)
		       ? (unsigned)line
		       : 0;
}

/* The place of the instruction itself. */
static void find_line(Dwarf_Die *function, uint64_t address, struct source_frame *frame)
{
	Dwarf_Die unit;
	Dwarf_Line *row = dwarf_diecu(function, &unit, NULL, NULL)
				  ? dwarf_getsrc_die(&unit, address)
				  : NULL;
	int line;

	if (!row || dwarf_lineno(row, &line) || line <= 0)
		return;
	frame->file = dwarf_linesrc(row, NULL, NULL);
	frame->line = (unsigned)line;
}

size_t source_frames_find(struct source_frames *frames, uint64_t address,
			  struct source_frame *found, size_t most)
{
	enum { DEEPEST = 64 };
	Dwarf_Die around[DEEPEST]; /* the function, and what is inlined into each other */
	Dwarf_Die *function = function_at(frames, address);
	size_t depth = 0;

	if (!function || !most)
		return 0;
	around[depth++] = *function;
	while (depth < DEEPEST && inlined_at(&around[depth - 1], address, &around[depth]))
		depth++;
	for (size_t i = 0; i < depth && i < most; i++) {
		Dwarf_Die *die = &around[depth - 1 - i];
		struct written *written = find_written(frames, die);

		found[i] = (struct source_frame){0};
		if (written) {
			found[i].function = function_name(written, die);
			found[i].crate = written->crate;
		}
		if (i == 0) {
			find_line(function, address, &found[i]);
		} else {
			found[i].file = file_of(&around[depth - i], DW_AT_call_file);
			found[i].line = line_of(&around[depth - i], DW_AT_call_line);
		}
	}
	return depth < most ? depth : most;
}
