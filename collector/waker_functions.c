#include "waker_functions.h"

#include "asyncrec/array.h"
#include "dwarf_scope.h"
#include "image.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Most inlined functions have many copies: each is looked at once. */
struct waker_origin {
	void *die;         /* its bytes */
	bool fits;         /* it may be of a vtable */
	UT_hash_handle hh; /* keyed by die */
};

static const char *type_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Die type;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
			       dwarf_formref_die(&attribute, &type)
		       ? dwarf_diename(&type)
		       : NULL;
}

/*
 * Is its last parameter a `*const ()`, and the only one? A closure that was made a function
 * has itself before that.
 */
static bool takes_pointer(Dwarf_Die *die)
{
	const char *last = NULL;
	size_t count = 0;
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return false;
	do {
		if (dwarf_tag(&child) != DW_TAG_formal_parameter)
			continue;
		if (++count > 2)
			return false;
		last = type_name(&child);
	} while (dwarf_siblingof(&child, &child) == 0);
	return last && strcmp(last, "*const ()") == 0;
}

/* Has the function the type of one of a vtable? Then whether it is a `clone` is in *clones. */
static bool fits(Dwarf_Die *die, bool *clones)
{
	const char *returned = type_name(die);

	*clones = returned && strcmp(returned, "RawWaker") == 0;
	return (!returned || *clones) && takes_pointer(die);
}

int waker_functions_visit(struct waker_functions *set, Dwarf_Die *die, uint64_t address)
{
	struct waker_function function = {.address = address};
	struct waker_function *grown;
	Dwarf_Attribute attribute;
	Dwarf_Die origin = *die;
	Dwarf_Addr end;

	if (dwarf_attr(die, DW_AT_abstract_origin, &attribute) &&
	    dwarf_formref_die(&attribute, &origin))
		function.origin = origin.addr;
	if (!fits(&origin, &function.clones) || dwarf_highpc(die, &end))
		return 0;
	function.end = end;
	function.name = dwarf_linkage_name(die);
	grown = array_room(set->functions, set->count, &set->room, sizeof(*grown));
	if (!grown)
		return -1;
	set->functions = grown;
	grown[set->count++] = function;
	return 0;
}

int waker_functions_visit_copy(struct waker_functions *set, const struct image *image,
			       Dwarf_Die *copy, Dwarf_Die *origin, uint64_t function)
{
	struct waker_origin *known;
	struct waker_copy *grown;
	Dwarf_Addr entry;
	bool clones;

	HASH_FIND_PTR(set->origins, &origin->addr, known);
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return -1;
		known->die = origin->addr;
		known->fits = fits(origin, &clones);
		HASH_ADD_PTR(set->origins, die, known);
	}
	if (!known->fits || !image_has_code_of(image, copy, &entry))
		return 0;
	grown = array_room(set->copies, set->copy_count, &set->copy_room, sizeof(*grown));
	if (!grown)
		return -1;
	set->copies = grown;
	grown[set->copy_count++] = (struct waker_copy){origin->addr, function};
	return 0;
}

int waker_functions_append(struct waker_functions *set, const struct waker_functions *other)
{
	struct waker_function *functions =
		array_append(set->functions, &set->count, other->functions, other->count,
			     sizeof(*functions));
	struct waker_copy *copies;

	if (!functions)
		return -1;
	set->functions = functions;
	copies = array_append(set->copies, &set->copy_count, other->copies, other->copy_count,
			      sizeof(*copies));
	if (!copies)
		return -1;
	set->copies = copies;
	if (!set->vtable.addr)
		set->vtable = other->vtable;
	return 0;
}

void waker_functions_free(struct waker_functions *set)
{
	struct waker_origin *origin;
	struct waker_origin *next;

	HASH_ITER(hh, set->origins, origin, next)
	{
		HASH_DEL(set->origins, origin);
		free(origin);
	}
	free(set->functions);
	free(set->copies);
	*set = (struct waker_functions){0};
}
