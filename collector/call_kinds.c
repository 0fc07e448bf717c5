#include "call_kinds.h"

#include "asyncrec/array.h"
#include "asyncrec/strings.h"
#include "dwarf_pass.h"
#include "functions.h"
#include "image.h"
#include "insn.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

/* A function, at its address, or a slot that the dynamic linker fills. */
struct place {
	uint64_t address;    /* virtual, as linked */
	enum flow_call kind; /* of a slot with a target: of no meaning */
	uint64_t target;     /* of a slot: the function's address; 0: it is imported */
};

struct places {
	struct place *places; /* owned; sorted by address */
	size_t count;
	size_t room;
};

/* A section of stubs, each of which jumps through a slot. */
struct stubs {
	uint64_t start; /* virtual address */
	uint64_t end;
};

struct call_kinds {
	const struct image *image; /* borrowed */
	struct stubs stubs[4];     /* .plt, .plt.got, .plt.sec */
	size_t stubs_count;
	struct places functions;
	struct places slots;
};

static int add(struct places *places, const struct place *place)
{
	struct place *grown =
		array_room(places->places, places->count, &places->room, sizeof(*grown));

	if (!grown)
		return -1;
	places->places = grown;
	places->places[places->count++] = *place;
	return 0;
}

/* Of two kinds at one address, that which says less comes last. */
static int compare_places(const void *left, const void *right)
{
	const struct place *a = left;
	const struct place *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->kind == FLOW_CALL_NEVER_RETURNS) - (b->kind == FLOW_CALL_NEVER_RETURNS);
}

static void sort(struct places *places)
{
	if (places->count)
		qsort(places->places, places->count, sizeof(*places->places), compare_places);
}

/* The first one at that address, or NULL. */
static const struct place *find(const struct places *places, uint64_t address)
{
	size_t low = 0;
	size_t high = places->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (places->places[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < places->count && places->places[low].address == address
		       ? &places->places[low]
		       : NULL;
}

/* Of a function that the program imports: those of C never unwind. */
static enum flow_call kind_of_import(const char *name)
{
	static const char *const ends[] = {"abort", "exit", "_exit", "__stack_chk_fail"};

	if (strcmp(name, "_Unwind_Resume") == 0)
		return FLOW_CALL_RESUMES_UNWIND;
	if (starts_with(name, "_Unwind_"))
		return FLOW_CALL_RETURNS;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(name, ends[i]) == 0)
			return FLOW_CALL_ABORTS;
	return FLOW_CALL_NEVER_UNWINDS;
}

/* Of one with a symbol; names of rustc's allocator functions may be mangled. */
static enum flow_call kind_of_symbol(const char *name)
{
	static const char *const allocator[] = {"__rust_alloc", "__rust_dealloc",
						"__rust_realloc", "__rust_no_alloc_shim",
						"__rdl_"};

	if (strcmp(name, "_Unwind_Resume") == 0)
		return FLOW_CALL_RESUMES_UNWIND;
	for (size_t i = 0; i < sizeof(allocator) / sizeof(allocator[0]); i++)
		if (strstr(name, allocator[i]))
			return FLOW_CALL_NEVER_UNWINDS;
	return FLOW_CALL_RETURNS;
}

/* Of one that does not return, by its name in the debug information. */
static enum flow_call kind_of_diverging(const char *name)
{
	static const char *const aborts[] = {"panic_in_cleanup", "panic_cannot_unwind",
					     "panic_no_unwind", "abort", "abort_internal"};

	if (starts_with(name, "panic_const_") && strstr(name, "_resumed"))
		return FLOW_CALL_PANICS_FINISHED;
	if (starts_with(name, "panic_nounwind"))
		return FLOW_CALL_ABORTS;
	for (size_t i = 0; i < sizeof(aborts) / sizeof(aborts[0]); i++)
		if (strcmp(name, aborts[i]) == 0)
			return FLOW_CALL_ABORTS;
	return FLOW_CALL_NEVER_RETURNS;
}

static int add_functions(struct call_kinds *kinds, const struct dwarf_pass *pass)
{
	struct functions functions;
	int status = functions_read_all(&functions, kinds->image);

	for (size_t i = 0; i < functions.count && !status; i++) {
		struct place place = {.address = functions.functions[i].address,
				      .kind = kind_of_symbol(functions.functions[i].name)};

		if (place.kind != FLOW_CALL_RETURNS)
			status = add(&kinds->functions, &place);
	}
	functions_free(&functions);
	for (size_t i = 0; i < pass->diverging_count && !status; i++) {
		struct place place = {.address = pass->diverging[i].address,
				      .kind = kind_of_diverging(pass->diverging[i].name)};

		status = add(&kinds->functions, &place);
	}
	sort(&kinds->functions);
	return status;
}

/* The slot that a relocation fills, with a function's address: an image_relocation_seen. */
static int add_slot(void *context, const GElf_Rela *relocation, const GElf_Sym *symbol,
		    const char *name)
{
	struct call_kinds *kinds = context;
	struct place slot = {.address = relocation->r_offset};

	if (GELF_R_SYM(relocation->r_info) == 0)
		slot.target = (uint64_t)relocation->r_addend;
	else if (symbol && symbol->st_value)
		slot.target = symbol->st_value + (uint64_t)relocation->r_addend;
	else if (name)
		slot.kind = kind_of_import(name);
	return slot.target || slot.kind != FLOW_CALL_RETURNS ? add(&kinds->slots, &slot) : 0;
}

static int add_slots(struct call_kinds *kinds)
{
	int status = image_each_relocation(kinds->image, add_slot, kinds);

	sort(&kinds->slots);
	return status;
}

static void find_stubs(struct call_kinds *kinds)
{
	Elf *elf = kinds->image->elf;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;

		if (name && starts_with(name, ".plt") &&
		    kinds->stubs_count < sizeof(kinds->stubs) / sizeof(kinds->stubs[0]))
			kinds->stubs[kinds->stubs_count++] =
				(struct stubs){header.sh_addr, header.sh_addr + header.sh_size};
	}
}

struct call_kinds *call_kinds_new(const struct image *image, const struct dwarf_pass *pass)
{
	struct call_kinds *kinds = calloc(1, sizeof(*kinds));

	if (!kinds)
		return NULL;
	kinds->image = image;
	find_stubs(kinds);
	if (add_functions(kinds, pass) || add_slots(kinds)) {
		call_kinds_free(kinds);
		return NULL;
	}
	return kinds;
}

void call_kinds_free(struct call_kinds *kinds)
{
	if (!kinds)
		return;
	free(kinds->functions.places);
	free(kinds->slots.places);
	free(kinds);
}

bool call_kinds_read(void *context, uint64_t address, void *bytes, size_t size)
{
	const struct call_kinds *kinds = context;
	size_t available;
	const uint8_t *data = image_bytes(kinds->image, address, &available);

	if (!data || available < size)
		return false;
	memcpy(bytes, data, size);
	return true;
}

static bool is_stub(const struct call_kinds *kinds, uint64_t address)
{
	for (size_t i = 0; i < kinds->stubs_count; i++)
		if (address >= kinds->stubs[i].start && address < kinds->stubs[i].end)
			return true;
	return false;
}

/* The slot that the linker's stub at address jumps through; 0: it is none. */
static uint64_t slot_of_stub(const struct call_kinds *kinds, uint64_t address)
{
	enum { STUB_SIZE = 16 };
	size_t available;
	const uint8_t *code = image_bytes(kinds->image, address, &available);
	struct insn_call *calls;
	uint64_t slot = 0;
	size_t count;

	if (!code || available < STUB_SIZE || !is_stub(kinds, address) ||
	    insn_find_calls(code, STUB_SIZE, address, &calls, &count))
		return 0;
	if (count && calls[0].through_slot)
		slot = calls[0].target;
	free(calls);
	return slot;
}

/* Before rustc 1.80 such panics are told by their messages only. */
static bool is_resumed_message(const struct call_kinds *kinds, uint64_t address)
{
	static const char message[] = "`async fn` resumed after";
	char text[sizeof(message) - 1];

	return address && call_kinds_read((void *)kinds, address, text, sizeof(text)) &&
	       memcmp(text, message, sizeof(text)) == 0;
}

enum flow_call call_kinds_of(void *context, uint64_t target, bool through_slot,
			     uint64_t argument)
{
	const struct call_kinds *kinds = context;
	const struct place *function = through_slot ? NULL : find(&kinds->functions, target);
	uint64_t slot = through_slot ? target : 0;
	const struct place *filled;

	if (!target)
		return FLOW_CALL_RETURNS;
	if (!through_slot && !function)
		slot = slot_of_stub(kinds, target);
	if (slot) {
		filled = find(&kinds->slots, slot);
		if (!filled)
			return FLOW_CALL_RETURNS;
		if (!filled->target)
			return filled->kind;
		function = find(&kinds->functions, filled->target);
	}
	if (!function)
		return FLOW_CALL_RETURNS;
	if (function->kind == FLOW_CALL_NEVER_RETURNS && is_resumed_message(kinds, argument))
		return FLOW_CALL_PANICS_FINISHED;
	return function->kind;
}
