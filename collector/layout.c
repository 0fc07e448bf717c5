#include "layout.h"

#include "asyncrec/coroutine.h"
#include "asyncrec/strings.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

static bool referred_type(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, type);
}

bool layout_type_of(const struct dwarf_scopes *scopes, Dwarf_Die *die, Dwarf_Die *type)
{
	if (!referred_type(die, type))
		return false;
	dwarf_scopes_define(scopes, type);
	return true;
}

bool layout_child(Dwarf_Die *die, int tag, const char *name, Dwarf_Die *child)
{
	if (dwarf_child(die, child))
		return false;
	do {
		const char *own;

		if (dwarf_tag(child) != tag)
			continue;
		if (!name)
			return true;
		own = dwarf_diename(child);
		if (own && strcmp(own, name) == 0)
			return true;
	} while (dwarf_siblingof(child, child) == 0);
	return false;
}

enum future_kind layout_future_kind(const char *name)
{
	if (starts_with(name, "{async_fn_env#"))
		return FUTURE_ASYNC_FN;
	if (starts_with(name, "{async_block_env#"))
		return FUTURE_ASYNC_BLOCK;
	if (starts_with(name, "{async_closure_env#"))
		return FUTURE_ASYNC_CLOSURE;
	return FUTURE_HANDWRITTEN;
}

static bool unsigned_attribute(Dwarf_Die *die, unsigned name, uint64_t *value)
{
	Dwarf_Attribute attribute;
	Dwarf_Block block;
	Dwarf_Word word;

	if (!dwarf_attr(die, name, &attribute))
		return false;
	if (dwarf_formudata(&attribute, &word) == 0) {
		*value = word;
		return true;
	}
	/* Of a value of 16 bytes, which is a block, the lower half. */
	if (dwarf_formblock(&attribute, &block) || block.length < sizeof(*value))
		return false;
	memcpy(value, block.data, sizeof(*value));
	return true;
}

void layout_skip_wrapper(const struct dwarf_scopes *scopes, Dwarf_Die *type)
{
	Dwarf_Die member;
	Dwarf_Die coroutine;

	if (starts_with(dwarf_diename(type), "GenFuture<") &&
	    layout_child(type, DW_TAG_member, NULL, &member) &&
	    layout_type_of(scopes, &member, &coroutine))
		*type = coroutine;
}

bool layout_polled_type(const struct dwarf_scopes *scopes, Dwarf_Die *pin, Dwarf_Die *polled)
{
	Dwarf_Die member;
	Dwarf_Die pointer;

	if (!starts_with(dwarf_diename(pin), "Pin<&mut ") ||
	    !layout_child(pin, DW_TAG_member, NULL, &member) ||
	    !layout_type_of(scopes, &member, &pointer) ||
	    dwarf_tag(&pointer) != DW_TAG_pointer_type ||
	    !layout_type_of(scopes, &pointer, polled))
		return false;
	layout_skip_wrapper(scopes, polled);
	return true;
}

uint64_t layout_size(Dwarf_Die *type)
{
	uint64_t size = 0;

	unsigned_attribute(type, DW_AT_byte_size, &size);
	return size;
}

uint64_t layout_alignment(Dwarf_Die *type)
{
	uint64_t alignment = 0;

	/* rustc gives that of structs; numbers and pointers are aligned to their size. */
	if (!unsigned_attribute(type, DW_AT_alignment, &alignment))
		alignment = dwarf_tag(type) == DW_TAG_pointer_type ? sizeof(void *)
								   : layout_size(type);
	return alignment ? alignment : 1;
}

bool layout_member_offset(Dwarf_Die *member, uint64_t *offset)
{
	return unsigned_attribute(member, DW_AT_data_member_location, offset);
}

bool layout_discriminant(Dwarf_Die *variant_part, uint64_t *offset, uint64_t *width)
{
	Dwarf_Attribute attribute;
	Dwarf_Die member;
	Dwarf_Die type;

	*offset = 0;
	return dwarf_attr(variant_part, DW_AT_discr, &attribute) &&
	       dwarf_formref_die(&attribute, &member) &&
	       unsigned_attribute(&member, DW_AT_data_member_location, offset) &&
	       referred_type(&member, &type) &&
	       unsigned_attribute(&type, DW_AT_byte_size, width);
}

bool layout_discriminant_value(Dwarf_Die *variant, uint64_t *value)
{
	return unsigned_attribute(variant, DW_AT_discr_value, value);
}

char *layout_decl_file(Dwarf_Die *die)
{
	Dwarf_Files *files;
	const char *file;
	Dwarf_Die unit;
	size_t count;

	/* dwarf_decl_file aborts where a unit's table of files cannot be read. */
	if (!dwarf_diecu(die, &unit, NULL, NULL) || dwarf_getsrcfiles(&unit, &files, &count))
		return NULL;
	file = dwarf_decl_file(die);
	return file ? strdup(file) : NULL;
}

static unsigned decl_line(Dwarf_Die *die)
{
	int line = 0;

	return dwarf_decl_line(die, &line) ? 0 : (unsigned)line;
}

static int add_await_point(struct future_type *type, uint64_t state, Dwarf_Die *variant_member,
			   const struct dwarf_scopes *scopes, const struct type_names *names)
{
	struct await_point *points =
		realloc(type->await_points, (type->await_point_count + 1) * sizeof(*points));
	struct await_point *point;
	Dwarf_Die suspend;
	Dwarf_Die awaitee;
	Dwarf_Die awaited;

	if (!points)
		return -1;
	type->await_points = points;
	point = &points[type->await_point_count++];
	*point = (struct await_point){
		.state = (unsigned)state,
		.file = layout_decl_file(variant_member),
		.line = decl_line(variant_member),
	};
	if (layout_type_of(scopes, variant_member, &suspend) &&
	    layout_child(&suspend, DW_TAG_member, "__awaitee", &awaitee) &&
	    layout_type_of(scopes, &awaitee, &awaited)) {
		char *raw = dwarf_scopes_path(scopes, &awaited);

		point->awaitee = raw ? type_names_author(names, raw) : NULL;
		free(raw);
	}
	return 0;
}

int layout_describe(struct future_type *type, Dwarf_Die *die, const struct dwarf_scopes *scopes,
		    const struct type_names *names)
{
	uint64_t offset;
	uint64_t width;
	Dwarf_Die part;
	Dwarf_Die variant;

	unsigned_attribute(die, DW_AT_byte_size, &type->size);
	type->state_offset = -1;
	if (type->kind == FUTURE_HANDWRITTEN ||
	    !layout_child(die, DW_TAG_variant_part, NULL, &part) ||
	    !layout_discriminant(&part, &offset, &width))
		return 0;
	if (width != 1 && width != 2 && width != 4 && width != 8)
		return 0;
	type->state_offset = (int)offset;
	type->state_width = (unsigned)width;
	if (!layout_child(&part, DW_TAG_variant, NULL, &variant))
		return 0;
	do {
		Dwarf_Die member;
		uint64_t state;

		if (dwarf_tag(&variant) != DW_TAG_variant ||
		    !layout_discriminant_value(&variant, &state) ||
		    !layout_child(&variant, DW_TAG_member, NULL, &member))
			continue;
		if (state == 0 && !type->file) {
			/* Unresumed carries the place of the whole async fn or block. */
			type->file = layout_decl_file(&member);
			type->line = decl_line(&member);
		}
		if (state >= STATE_SUSPENDED &&
		    add_await_point(type, state, &member, scopes, names))
			return -1;
	} while (dwarf_siblingof(&variant, &variant) == 0);
	return 0;
}

struct poll_result layout_poll_result(Dwarf_Die *poll, bool in_memory)
{
	struct poll_result result = {.place = RESULT_UNKNOWN};
	uint64_t pending_value = 0;
	uint64_t ready_value = 0;
	bool has_pending = false;
	bool has_ready = false;
	uint64_t offset;
	uint64_t width;
	Dwarf_Die part;
	Dwarf_Die variant;

	if (!layout_child(poll, DW_TAG_variant_part, NULL, &part) ||
	    !layout_discriminant(&part, &offset, &width) ||
	    (width != 1 && width != 2 && width != 4 && width != 8 && width != 16) ||
	    !layout_child(&part, DW_TAG_variant, NULL, &variant))
		return result;
	if (width == 16)
		width = 8; /* the lower half tells */
	do {
		const char *name;
		uint64_t value;
		Dwarf_Die member;

		/* The variant without a value is the one that all other values mean. */
		if (dwarf_tag(&variant) != DW_TAG_variant ||
		    !layout_discriminant_value(&variant, &value) ||
		    !layout_child(&variant, DW_TAG_member, NULL, &member))
			continue;
		name = dwarf_diename(&member);
		if (name && strcmp(name, "Pending") == 0) {
			has_pending = true;
			pending_value = value;
		} else if (name && strcmp(name, "Ready") == 0) {
			has_ready = true;
			ready_value = value;
		}
	} while (dwarf_siblingof(&variant, &variant) == 0);
	if (!has_pending && !has_ready)
		return result;
	/* Inside the first eight bytes it may be in the first register or the second. */
	if (in_memory)
		result.place = RESULT_IN_MEMORY;
	else if (offset == 0)
		result.place = RESULT_IN_REGISTER;
	else if (offset == 8)
		result.place = RESULT_IN_SECOND_REGISTER;
	else
		return result;
	result.offset = (unsigned)offset;
	result.width = (unsigned)width;
	result.value_is_pending = has_pending;
	result.value = has_pending ? pending_value : ready_value;
	result.other_known = has_pending && has_ready;
	result.other = has_pending && has_ready ? ready_value : 0;
	if (width < 8) {
		result.value &= (UINT64_C(1) << (8 * width)) - 1;
		result.other &= (UINT64_C(1) << (8 * width)) - 1;
	}
	return result;
}

/* Type and offset of the member of that name. */
static bool member(const struct dwarf_scopes *scopes, Dwarf_Die *type, const char *name,
		   Dwarf_Die *member_type, unsigned *offset)
{
	Dwarf_Die die;
	uint64_t location;

	if (!layout_child(type, DW_TAG_member, name, &die) ||
	    !layout_type_of(scopes, &die, member_type) ||
	    !layout_member_offset(&die, &location))
		return false;
	*offset = (unsigned)location;
	return true;
}

struct waker_layout layout_waker(const struct dwarf_scopes *scopes, Dwarf_Die *context_pointer)
{
	struct waker_layout layout = {0};
	unsigned raw_waker = 0;
	Dwarf_Die context;
	Dwarf_Die waker_pointer;
	Dwarf_Die waker;
	Dwarf_Die raw;
	Dwarf_Die word;

	/* Context { waker: &Waker }, Waker { waker: RawWaker }, RawWaker { data, vtable } */
	layout.known = layout_type_of(scopes, context_pointer, &context) &&
		       member(scopes, &context, "waker", &waker_pointer, &layout.in_context) &&
		       layout_type_of(scopes, &waker_pointer, &waker) &&
		       member(scopes, &waker, "waker", &raw, &raw_waker) &&
		       member(scopes, &raw, "data", &word, &layout.data) &&
		       member(scopes, &raw, "vtable", &word, &layout.vtable);
	layout.data += raw_waker;
	layout.vtable += raw_waker;
	return layout;
}
