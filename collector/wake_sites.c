/*
 * A table is told by its `clone`: nothing else that takes a `*const ()` returns a RawWaker.
 * The words around a pointer to that function are then those of a RawWakerVTable, unless it
 * is a slot through which code calls the function.
 */
#include "wake_sites.h"

#include "asyncrec/array.h"
#include "asyncrec/message.h"
#include "asyncrec/strings.h"
#include "functions.h"
#include "image.h"
#include "layout.h"
#include "poll_sites.h"
#include "waker_functions.h"

#include <dwarf.h>
#include <inttypes.h>
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

enum { WAKES = 1U << WAKER_WAKE | 1U << WAKER_WAKE_BY_REF };

/*
 * What the `clone` is called, for programs without types in their debug information. A
 * new executor is a new row.
 */
static const char *const clone_names[] = {
	"clone_waker",   /* tokio 1 tasks, async-task 4, waker-fn 1, std's Wake */
	"clone_arc_raw", /* futures 0.3 (ArcWake), block_on of tokio 1 */
};

/* A word of data that holds the address of code. */
struct slot {
	uint64_t address; /* virtual, as linked */
	uint64_t target;
};

/* A function that some table has. */
struct member {
	uint64_t address;
	unsigned operations; /* bits 1 << enum waker_operation: in which places */
};

struct search {
	const struct image *image;
	const struct waker_functions *found;
	const struct functions *functions; /* by symbols */
	struct slot *slots;                /* owned; sorted by address */
	size_t slot_count;
	size_t slot_room;
	struct member *members; /* owned */
	size_t member_count;
	uint64_t offsets[WAKER_OPERATION_COUNT]; /* of the members of RawWakerVTable */
	uint64_t got_start; /* virtual; the global offset table: slots that code calls through
			     */
	uint64_t got_end;
};

static int add_slot(struct search *search, uint64_t address, uint64_t target)
{
	struct slot *grown;
	uint64_t offset;

	if (!image_file_offset(search->image, target, &offset) ||
	    (address >= search->got_start && address < search->got_end))
		return 0;
	grown = array_room(search->slots, search->slot_count, &search->slot_room,
			   sizeof(*grown));
	if (!grown)
		return -1;
	search->slots = grown;
	search->slots[search->slot_count++] = (struct slot){address, target};
	return 0;
}

/* An image_relocation_seen: a word that the dynamic linker fills. */
static int add_relocated(void *context, const GElf_Rela *relocation, const GElf_Sym *symbol,
			 const char *name)
{
	uint64_t target = (uint64_t)relocation->r_addend;

	(void)name;
	if (GELF_R_SYM(relocation->r_info)) {
		if (!symbol || !symbol->st_value)
			return 0;
		target += symbol->st_value;
	}
	return add_slot(context, relocation->r_offset, target);
}

/* An image_word_seen: one that the file has, in a program that is not relocated. */
static int add_word(void *context, uint64_t address, uint64_t value)
{
	return value ? add_slot(context, address, value) : 0;
}

/* The linker puts .got and .got.plt side by side, or has one only. */
static void find_got(struct search *search)
{
	Elf *elf = search->image->elf;
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) ||
		    !starts_with(elf_strptr(elf, names, header.sh_name), ".got"))
			continue;
		if (!search->got_end || header.sh_addr < search->got_start)
			search->got_start = header.sh_addr;
		if (header.sh_addr + header.sh_size > search->got_end)
			search->got_end = header.sh_addr + header.sh_size;
	}
}

static int compare_slots(const void *left, const void *right)
{
	const struct slot *a = left;
	const struct slot *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

static int find_slots(struct search *search)
{
	size_t kept = 0;

	find_got(search);
	if (image_each_word(search->image, add_word, search) ||
	    image_each_relocation(search->image, add_relocated, search))
		return -1;
	if (search->slot_count)
		qsort(search->slots, search->slot_count, sizeof(*search->slots), compare_slots);
	/* Some linkers write into the file, too, what is to be filled in. */
	for (size_t i = 0; i < search->slot_count; i++)
		if (i == 0 || search->slots[i].address != search->slots[i - 1].address)
			search->slots[kept++] = search->slots[i];
	search->slot_count = kept;
	return 0;
}

/* The function whose address is stored there; 0: none is. */
static uint64_t target_at(const struct search *search, uint64_t address)
{
	struct slot wanted = {.address = address};
	const struct slot *slot = search->slot_count
					  ? bsearch(&wanted, search->slots, search->slot_count,
						    sizeof(wanted), compare_slots)
					  : NULL;

	return slot ? slot->target : 0;
}

/* The order is the compiler's choice. */
static void read_layout(struct search *search)
{
	static const char *const names[] = {[WAKER_CLONE] = "clone",
					    [WAKER_WAKE] = "wake",
					    [WAKER_WAKE_BY_REF] = "wake_by_ref",
					    [WAKER_DROP] = "drop"};
	Dwarf_Die vtable = search->found->vtable;
	Dwarf_Die member;

	for (size_t i = 0; i < WAKER_OPERATION_COUNT; i++)
		if (!vtable.addr || !layout_child(&vtable, DW_TAG_member, names[i], &member) ||
		    !layout_member_offset(&member, &search->offsets[i]))
			search->offsets[i] = i * sizeof(uint64_t);
}

/* Its last name, without generic arguments, is that of a `clone`? */
static bool is_clone_name(const char *mangled)
{
	bool is_clone = false;
	char *name = NULL;
	char *arguments;

	for (size_t i = 0; i < sizeof(clone_names) / sizeof(clone_names[0]) && !is_clone; i++) {
		const char *last;

		if (!strstr(mangled, clone_names[i]))
			continue;
		if (!name)
			name = rust_demangle(mangled, 0);
		if (!name)
			break;
		arguments = strstr(name, "::<");
		while (arguments && strstr(arguments + 1, "::<"))
			arguments = strstr(arguments + 1, "::<");
		if (arguments && ends_with(arguments, ">"))
			*arguments = '\0';
		last = strrchr(name, ':');
		is_clone = last && strcmp(last + 1, clone_names[i]) == 0;
	}
	free(name);
	return is_clone;
}

static int compare_addresses(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* The addresses of all functions that are the `clone` of a table, sorted; NULL: no memory. */
static uint64_t *find_clones(const struct search *search, size_t *count)
{
	uint64_t *clones =
		calloc(search->found->count + search->functions->count + 1, sizeof(*clones));

	*count = 0;
	for (size_t i = 0; clones && i < search->found->count; i++)
		if (search->found->functions[i].clones)
			clones[(*count)++] = search->found->functions[i].address;
	for (size_t i = 0; clones && i < search->functions->count; i++)
		if (is_clone_name(search->functions->functions[i].name))
			clones[(*count)++] = search->functions->functions[i].address;
	if (clones)
		qsort(clones, *count, sizeof(*clones), compare_addresses);
	return clones;
}

/* The function is in that place of some table. */
static int note_member(struct search *search, uint64_t address, enum waker_operation operation)
{
	struct member *grown;

	for (size_t i = 0; i < search->member_count; i++) {
		if (search->members[i].address != address)
			continue;
		search->members[i].operations |= 1U << operation;
		return 0;
	}
	grown = realloc(search->members, (search->member_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	search->members = grown;
	grown[search->member_count++] = (struct member){address, 1U << operation};
	return 0;
}

/* If the slot begins a table, take that. */
static int take_table(struct search *search, const struct slot *slot, struct poll_sites *sites)
{
	uint64_t targets[WAKER_OPERATION_COUNT];
	uint64_t address = slot->address - search->offsets[WAKER_CLONE];
	struct waker_vtable *grown;

	for (size_t i = 0; i < WAKER_OPERATION_COUNT; i++) {
		targets[i] = target_at(search, address + search->offsets[i]);
		if (!targets[i])
			return 0;
	}
	grown = realloc(sites->waker_vtables, (sites->waker_vtable_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	sites->waker_vtables = grown;
	grown[sites->waker_vtable_count++] = (struct waker_vtable){
		.address = address,
		.clone = targets[WAKER_CLONE],
		.wake = targets[WAKER_WAKE],
		.wake_by_ref = targets[WAKER_WAKE_BY_REF],
		.drop = targets[WAKER_DROP],
	};
	for (size_t i = 0; i < WAKER_OPERATION_COUNT; i++)
		if (note_member(search, targets[i], (enum waker_operation)i))
			return -1;
	return 0;
}

static int find_tables(struct search *search, struct poll_sites *sites)
{
	size_t count;
	uint64_t *clones = find_clones(search, &count);
	int status = clones ? 0 : -1;

	for (size_t i = 0; i < search->slot_count && !status; i++)
		if (bsearch(&search->slots[i].target, clones, count, sizeof(*clones),
			    compare_addresses))
			status = take_table(search, &search->slots[i], sites);
	free(clones);
	return status;
}

/* Is it a `wake`? */
static bool is_wake(const struct search *search, uint64_t address)
{
	for (size_t i = 0; i < search->member_count; i++)
		if (search->members[i].address == address)
			return search->members[i].operations & 1U << WAKER_WAKE;
	return false;
}

/*
 * May the function run without a trap, inlined into another? A `wake` may well consist of
 * the `wake_by_ref` and the `drop` of its table: it is then the one that is called.
 */
static bool may_be_inlined(const struct search *search, const struct waker_function *function)
{
	if (!function)
		return true;
	for (size_t i = 0; i < search->found->copy_count && function->origin; i++)
		if (search->found->copies[i].origin == function->origin &&
		    (function->clones || !is_wake(search, search->found->copies[i].function)))
			return true;
	return false;
}

static const struct waker_function *known_function(const struct search *search,
						   uint64_t address)
{
	for (size_t i = 0; i < search->found->count; i++)
		if (search->found->functions[i].address == address)
			return &search->found->functions[i];
	return NULL;
}

static int add_site(struct search *search, const struct member *member,
		    struct poll_sites *sites)
{
	const struct waker_function *known = known_function(search, member->address);
	const struct function *symbol = functions_at(search->functions, member->address);
	const char *name = symbol ? symbol->name : known ? known->name : NULL;
	struct life_site site = {
		.kind = member->operations & WAKES ? LIFE_WAKE : LIFE_WAKER,
		.type = POLL_SITE_NO_TYPE,
		.address = member->address,
		.end = known    ? known->end
		       : symbol ? symbol->address + symbol->size
				: 0,
		.operations = member->operations,
		.may_be_inlined = may_be_inlined(search, known),
	};
	bool is_one = member->operations == 1U << WAKER_CLONE ||
		      member->operations == 1U << WAKER_DROP ||
		      !(member->operations & ~(unsigned)WAKES);

	if (!is_one) {
		/* Mostly one that does nothing, for a waker that wakes nobody. */
		message_detail("%s at 0x%" PRIx64 ": one function for the wakes and the drops "
			       "of wakers: its calls are not recorded",
			       name ? name : "a function", member->address);
		return 0;
	}
	if (site.end <= site.address ||
	    !image_code_offset(search->image, site.address, site.end - site.address,
			       &site.offset))
		return 0;
	return life_sites_add(sites, &site, name);
}

int wake_sites_find(const struct image *image, const struct functions *functions,
		    const struct waker_functions *found, struct poll_sites *sites)
{
	struct search search = {.image = image, .found = found, .functions = functions};
	int status;

	read_layout(&search);
	status = find_slots(&search) || find_tables(&search, sites);
	for (size_t i = 0; i < search.member_count && !status; i++)
		status = add_site(&search, &search.members[i], sites);
	free(search.slots);
	free(search.members);
	return status ? -1 : 0;
}
