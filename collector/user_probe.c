#include "user_probe.h"

#include "asyncrec/message.h"
#include "functions.h"
#include "image.h"
#include "insn.h"

#include <errno.h>
#include <inttypes.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The functions of one image, read when they are first asked for. */
struct image_functions {
	struct functions functions; /* owned; every name of an address */
	bool read;
};

struct finder {
	struct user_probes *probes;    /* the result */
	struct image *images;          /* borrowed */
	struct image_functions *known; /* owned; one for each image */
	size_t image_count;
	const char *text; /* the one at hand */
};

static int fail(const struct finder *finder, const char *why)
{
	message_error("--probe %s: %s", finder->text, why);
	return -1;
}

static const struct functions *functions_of(struct finder *finder, size_t image)
{
	struct image_functions *known = &finder->known[image];

	if (!known->read && functions_read_all(&known->functions, &finder->images[image])) {
		fail(finder, "out of memory");
		return NULL;
	}
	known->read = true;
	return &known->functions;
}

/* Source place of the instruction, if the debug information tells. */
static void find_line(struct image *image, struct user_probe *probe)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;

	/* There are symbols, so this says nothing. */
	if (image_open_debug(image) || !image->dwarf)
		return;
	while (dwarf_get_units(image->dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
		Dwarf_Line *row;
		const char *file;
		int line;

		if (dwarf_haspc(&die, probe->address) <= 0)
			continue;
		row = dwarf_getsrc_die(&die, probe->address);
		file = row ? dwarf_linesrc(row, NULL, NULL) : NULL;
		if (file && !dwarf_lineno(row, &line) && line > 0) {
			probe->file = strdup(file);
			probe->line = (unsigned)line;
		}
		return;
	}
}

static int check_place(const struct finder *finder, const struct image *image,
		       const struct function *function, uint64_t *offset)
{
	uint64_t start;
	size_t place = *offset;

	if (*offset >= function->size) {
		message_error("--probe %s: the function has %" PRIu64 " bytes only",
			      finder->text, function->size);
		return -1;
	}
	if (!image_file_offset(image, function->address, &start) ||
	    function->size > image->size - start)
		return fail(finder, "the function is not in the code of the file");
	switch (insn_check_probe(image->data + start, function->size, &place)) {
	case INSN_CAN_PROBE:
		*offset = place;
		return 0;
	case INSN_IS_INSIDE:
		message_error("--probe %s: not the beginning of an instruction; that around it "
			      "begins at offset 0x%zx of the function",
			      finder->text, place);
		return -1;
	case INSN_KERNEL_REFUSES:
		return fail(finder, "the kernel can put no uprobe on that instruction; take "
				    "the one before or behind it");
	default:
		return fail(finder, "the function cannot be disassembled as far as there");
	}
}

static int add(struct finder *finder, size_t image, const struct function *function,
	       uint64_t offset)
{
	struct user_probes *probes = finder->probes;
	struct user_probe *grown;
	struct user_probe *probe;
	uint64_t start;

	if (check_place(finder, &finder->images[image], function, &offset))
		return -1;
	for (size_t i = 0; i < probes->count; i++)
		if (probes->probes[i].image == image &&
		    probes->probes[i].address == function->address + offset)
			return 0;
	grown = realloc(probes->probes, (probes->count + 1) * sizeof(*grown));
	if (!grown)
		return fail(finder, "out of memory");
	probes->probes = grown;
	probe = &grown[probes->count++];
	image_file_offset(&finder->images[image], function->address, &start);
	*probe = (struct user_probe){
		.text = finder->text,
		.image = image,
		.symbol = strdup(function->name),
		.name = rust_demangle(function->name, 0),
		.function = function->address,
		.address = function->address + offset,
		.offset = start + offset,
	};
	if (!probe->name)
		probe->name = strdup(function->name);
	if (!probe->symbol || !probe->name)
		return fail(finder, "out of memory");
	find_line(&finder->images[image], probe);
	return 0;
}

enum spelling {
	LINKAGE_NAME,
	DEMANGLED,
	WITH_HASH,
};

static bool is_named(const struct function *function, const char *name, enum spelling spelling)
{
	char *demangled;
	bool equal;

	if (spelling == LINKAGE_NAME)
		return strcmp(function->name, name) == 0;
	demangled = rust_demangle(function->name, spelling == WITH_HASH ? DMGL_VERBOSE : 0);
	equal = demangled && strcmp(demangled, name) == 0;
	free(demangled);
	return equal;
}

/*
 * Functions of that name in one image. Returns their number; *first is the first one, and
 * *copies tells whether all are copies of it, which have its linkage name.
 */
static size_t count_named(const struct functions *functions, const char *name,
			  enum spelling spelling, const struct function **first, bool *copies)
{
	const struct function *last = NULL;
	size_t count = 0;

	*first = NULL;
	*copies = true;
	for (size_t i = 0; i < functions->count; i++) {
		const struct function *function = &functions->functions[i];

		/* One function may have several linkage names. */
		if (!is_named(function, name, spelling) ||
		    (last && last->address == function->address))
			continue;
		if (!*first)
			*first = function;
		else if (strcmp((*first)->name, function->name) != 0)
			*copies = false;
		last = function;
		count++;
	}
	return count;
}

/* A probe on each copy of the function, which has an address of its own. */
static int add_copies(struct finder *finder, size_t image, const struct functions *functions,
		      const struct function *function, uint64_t offset)
{
	uint64_t last = 0;
	int status = 0;

	for (size_t i = 0; i < functions->count && !status; i++) {
		const struct function *copy = &functions->functions[i];

		if (copy->address == last || strcmp(copy->name, function->name) != 0)
			continue;
		last = copy->address;
		status = add(finder, image, copy, offset);
	}
	return status;
}

/*
 * Look for the name in each image, in each spelling. Returns 0, -1 after one line on
 * stderr, or 1 if nothing has that name.
 */
static int find_symbol(struct finder *finder, const char *name, uint64_t offset)
{
	for (size_t image = 0; image < finder->image_count; image++) {
		const struct functions *functions = functions_of(finder, image);

		if (!functions)
			return -1;
		for (int spelling = LINKAGE_NAME; spelling <= WITH_HASH; spelling++) {
			const struct function *first;
			bool copies;
			size_t count = count_named(functions, name, spelling, &first, &copies);

			if (count && copies)
				return add_copies(finder, image, functions, first, offset);
			if (count) {
				message_error("--probe %s: %zu functions of %s have that name; "
					      "give the linkage name of one, such as %s, or "
					      "its address",
					      finder->text, count, finder->images[image].path,
					      first->name);
				return -1;
			}
		}
	}
	return 1;
}

/* The last function that begins at or before address; NULL: none. By binary search. */
static const struct function *nearest_before(const struct functions *functions,
					     uint64_t address)
{
	size_t low = 0;
	size_t high = functions->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (functions->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &functions->functions[low - 1] : NULL;
}

static int find_address(struct finder *finder, uint64_t address)
{
	const struct function *found = NULL;
	const struct function *before = NULL;
	size_t found_image = 0;
	bool in_code = false;

	for (size_t image = 0; image < finder->image_count; image++) {
		const struct functions *functions = functions_of(finder, image);
		uint64_t offset;

		if (!functions)
			return -1;
		if (!image_file_offset(&finder->images[image], address, &offset))
			continue;
		in_code = true;
		before = nearest_before(functions, address);
		if (!before || address - before->address >= before->size)
			continue;
		if (found)
			return fail(finder, "an address in several of the files; give a "
					    "symbol and offset");
		found = before;
		found_image = image;
	}
	if (!in_code)
		return fail(finder, "not an address of code as linked; `nm` shows those of the "
				    "functions");
	if (!before)
		return fail(finder, "no symbol before it, so the function is not known");
	if (!found) {
		message_error("--probe %s: outside of any function: %s, the nearest before it, "
			      "ends at 0x%" PRIx64,
			      finder->text, before->name, before->address + before->size);
		return -1;
	}
	return add(finder, found_image, found, address - found->address);
}

/* A whole text that is a number. */
static bool read_number(const char *text, int base, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, base);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static int find(struct finder *finder)
{
	const char *plus = strrchr(finder->text, '+');
	uint64_t offset = 0;
	uint64_t address;
	char *name;
	int status;

	if (strncmp(finder->text, "0x", 2) == 0 && read_number(finder->text, 16, &address))
		return find_address(finder, address);
	/* A name may have a plus sign, too: `<dyn A + B>`. */
	if (plus && !read_number(plus + 1, 0, &offset))
		plus = NULL;
	name = plus ? strndup(finder->text, (size_t)(plus - finder->text))
		    : strdup(finder->text);
	if (!name)
		return fail(finder, "out of memory");
	status = find_symbol(finder, name, offset);
	free(name);
	if (status > 0)
		return fail(finder, "no function has that name; `nm -C` lists those there are");
	return status;
}

static int compare_places(const void *left, const void *right)
{
	const struct user_probe *a = left;
	const struct user_probe *b = right;

	if (a->image != b->image)
		return a->image < b->image ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

int user_probes_find(struct user_probes *probes, struct image *images, size_t image_count,
		     const char *const *texts, size_t text_count)
{
	struct finder finder = {
		.probes = probes,
		.images = images,
		.known = calloc(image_count, sizeof(*finder.known)),
		.image_count = image_count,
	};
	int status = 0;

	*probes = (struct user_probes){0};
	if (!finder.known) {
		message_error("--probe: out of memory");
		return -1;
	}
	for (size_t i = 0; i < text_count && !status; i++) {
		finder.text = texts[i];
		status = find(&finder);
	}
	for (size_t i = 0; i < image_count; i++)
		functions_free(&finder.known[i].functions);
	free(finder.known);
	if (status)
		user_probes_free(probes);
	else if (probes->count)
		qsort(probes->probes, probes->count, sizeof(*probes->probes), compare_places);
	return status;
}

void user_probes_free(struct user_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++) {
		free(probes->probes[i].symbol);
		free(probes->probes[i].name);
		free(probes->probes[i].file);
	}
	free(probes->probes);
	*probes = (struct user_probes){0};
}
