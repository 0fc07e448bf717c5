/* What can be asked of poll sites, however they were found. */
#include "poll_sites.h"

#include "asyncrec/message.h"
#include "image.h"

#include <stdlib.h>

const char *future_kind_name(enum future_kind kind)
{
	static const char *const names[] = {
		[FUTURE_ASYNC_FN] = "async_fn",
		[FUTURE_ASYNC_BLOCK] = "async_block",
		[FUTURE_ASYNC_CLOSURE] = "async_closure",
		[FUTURE_HANDWRITTEN] = "future",
	};

	return names[kind];
}

void poll_sites_explain_none(const struct poll_sites *sites)
{
	const char *path = sites->image->path;

	if (sites->split_missing)
		message_error(
			"%s: its debug information is split off into .dwo or .dwp files that "
			"libdw cannot find or read; build with split-debuginfo off",
			path);
	else
		message_error("%s: no async code in it: no function polls a future; name the "
			      "program that does with --exe",
			      path);
}

bool poll_site_has_state(const struct poll_site *site, const struct future_type *type)
{
	/* rustc 1.63 to 1.96 made the state one byte in every coroutine seen. */
	return type->state_offset >= 0 && type->state_width == 1 && site->self_register >= 0;
}

void poll_sites_free(struct poll_sites *sites)
{
	for (size_t i = 0; i < sites->type_count; i++) {
		struct future_type *type = &sites->types[i];

		for (size_t j = 0; j < type->await_point_count; j++) {
			free(type->await_points[j].file);
			free(type->await_points[j].awaitee);
		}
		snapshot_plan_free(&type->snapshot);
		free(type->await_points);
		free(type->name);
		free(type->file);
	}
	for (size_t i = 0; i < sites->site_count; i++)
		free(sites->sites[i].symbol);
	for (size_t i = 0; i < sites->life_count; i++)
		free(sites->lives[i].symbol);
	free(sites->lives);
	free(sites->waker_vtables);
	free(sites->types);
	free(sites->sites);
	free(sites->inlined);
	free(sites->ranges);
	free(sites->stores);
	free(sites->vtables);
	*sites = (struct poll_sites){0};
}
