#include "task_layout.h"

#include "asyncrec/strings.h"
#include "dwarf_pass.h"
#include "dwarf_scope.h"
#include "executors.h"
#include "layout.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* tokio's is six levels deep: Cell, Core, CoreStage, UnsafeCell, Stage, Running. */
enum { DEEPEST = 12 };

/* The generic parameter `name` of the function; a method has them at its declaration. */
static bool parameter(const struct dwarf_scopes *scopes, Dwarf_Die *function, const char *name,
		      Dwarf_Die *type)
{
	static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
	Dwarf_Attribute attribute;
	Dwarf_Die child;
	Dwarf_Die linked;

	if (dwarf_child(function, &child) == 0) {
		do {
			const char *own = dwarf_tag(&child) == DW_TAG_template_type_parameter
						  ? dwarf_diename(&child)
						  : NULL;

			/* `fn f(future: impl Future)` has no name for its type. */
			if (own &&
			    (strcmp(own, name) == 0 || starts_with(own, "impl Future<") ||
			     starts_with(own, "impl core::future::future::Future<")))
				return layout_type_of(scopes, &child, type);
		} while (dwarf_siblingof(&child, &child) == 0);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (dwarf_attr(function, links[i], &attribute) &&
		    dwarf_formref_die(&attribute, &linked) &&
		    parameter(scopes, &linked, name, type))
			return true;
	return false;
}

bool task_layout_future(const struct dwarf_scopes *scopes, Dwarf_Die *function,
			const struct executor *executor, Dwarf_Die *future)
{
	Dwarf_Die pinned;

	if (!parameter(scopes, function, executor->future, future))
		return false;
	if (layout_polled_type(scopes, future, &pinned))
		*future = pinned;
	layout_skip_wrapper(scopes, future);
	return true;
}

static uint64_t align_up(uint64_t offset, uint64_t alignment)
{
	return (offset + alignment - 1) / alignment * alignment;
}

/* Of the types that the pass kept by name: the one at that path, which is a whole type
 * name if arguments (`<..>`) are given. */
static bool find_type(const struct dwarf_pass *pass, const char *path, const char *arguments,
		      Dwarf_Die *type)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < pass->task_type_count; i++) {
		char *raw = dwarf_scopes_path(pass->scopes, &pass->task_types[i]);
		bool found = raw && starts_with(raw, path) &&
			     (arguments ? strcmp(raw + length, arguments) == 0
					: raw[length] == '\0' || raw[length] == '<');

		free(raw);
		if (found) {
			*type = pass->task_types[i];
			return true;
		}
	}
	return false;
}

/* Looks for the one place of a type in another. */
struct search {
	const struct dwarf_scopes *scopes;
	const char *name; /* of the type looked for */
	uint64_t size;    /* likewise, bytes */
	uint64_t offset;  /* where it is, bytes */
	unsigned found;   /* how often */
};

static void search_members(struct search *search, Dwarf_Die *type, uint64_t offset, int depth)
{
	Dwarf_Die child;

	if (depth > DEEPEST || dwarf_child(type, &child))
		return;
	do {
		const char *name;
		uint64_t location;
		Dwarf_Die member;

		switch (dwarf_tag(&child)) {
		case DW_TAG_variant_part:
		case DW_TAG_variant:
			search_members(search, &child, offset, depth + 1);
			break;
		case DW_TAG_member:
			if (!layout_type_of(search->scopes, &child, &member) ||
			    !layout_member_offset(&child, &location))
				break;
			layout_skip_wrapper(search->scopes, &member);
			name = dwarf_diename(&member);
			if (name && strcmp(name, search->name) == 0 &&
			    layout_size(&member) == search->size) {
				search->offset = offset + location;
				search->found++;
			} else if (dwarf_tag(&member) == DW_TAG_structure_type) {
				search_members(search, &member, offset + location, depth + 1);
			}
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

static bool header_state(const struct dwarf_pass *pass, const struct executor *executor,
			 uint64_t *offset)
{
	Dwarf_Die header;
	Dwarf_Die member;

	return find_type(pass, executor->header, NULL, &header) &&
	       layout_child(&header, DW_TAG_member, "state", &member) &&
	       layout_member_offset(&member, offset);
}

static bool behind_header(const struct dwarf_pass *pass, Dwarf_Die *function,
			  const struct executor *executor, Dwarf_Die *future, uint64_t *offset)
{
	Dwarf_Die header;
	Dwarf_Die schedule;
	Dwarf_Die output;
	uint64_t alignment = layout_alignment(future);

	if (!find_type(pass, executor->header, NULL, &header) ||
	    !parameter(pass->scopes, function, executor->schedule, &schedule) ||
	    !parameter(pass->scopes, function, executor->output, &output))
		return false;
	/* The output takes the place of the future when that is ready. */
	if (layout_alignment(&output) > alignment)
		alignment = layout_alignment(&output);
	*offset = align_up(align_up(layout_size(&header), layout_alignment(&schedule)) +
				   layout_size(&schedule),
			   alignment);
	return true;
}

bool task_layout_find(const struct dwarf_pass *pass, Dwarf_Die *function,
		      const struct executor *executor, Dwarf_Die *future,
		      struct task_layout *layout)
{
	const char *name = dwarf_diename(function);
	const char *arguments = name ? strchr(name, '<') : NULL;
	struct search search = {.scopes = pass->scopes,
				.name = dwarf_diename(future),
				.size = layout_size(future)};
	Dwarf_Die task;

	if (!search.name || !header_state(pass, executor, &layout->state))
		return false;
	if (!executor->task)
		return behind_header(pass, function, executor, future, &layout->future);
	if (!arguments || !find_type(pass, executor->task, arguments, &task))
		return false;
	search_members(&search, &task, 0, 0);
	layout->future = search.offset;
	return search.found == 1;
}

bool task_layout_box(const struct dwarf_pass *pass, const struct executor *executor,
		     uint64_t *offset)
{
	Dwarf_Die task;
	Dwarf_Die member;

	return find_type(pass, executor->task, NULL, &task) &&
	       layout_child(&task, DW_TAG_member, "future", &member) &&
	       layout_member_offset(&member, offset);
}
