#include "executors.h"

#include "asyncrec/strings.h"
#include "functions.h"
#include "image.h"
#include "poll_sites.h"

#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * One row an executor: how the name of the function that runs a task begins and ends.
 * Generic arguments, which v0 mangling has and legacy mangling has not, are between.
 */
static const struct {
	const char *mangled; /* a part of the mangled name, to look at few of them only */
	const char *begin;
	const char *end;
} executors[] = {
	/* tokio 1: fn poll<T, S>(ptr: NonNull<Header>) */
	{"4task3raw4poll", "tokio::runtime::task::raw::poll", ""},
	/* async-task 4 (smol, async-std): unsafe fn run(ptr: *const ()) -> bool */
	{"async_task3raw", "async_task::raw::RawTask<", ">::run"},
	{"async_task3raw", "<async_task::raw::RawTask<", ">>::run"},
};

static bool runs_tasks(const struct function *function)
{
	bool found = false;
	char *name = NULL;

	for (size_t i = 0; i < sizeof(executors) / sizeof(executors[0]) && !found; i++) {
		const char *rest;

		if (!strstr(function->name, executors[i].mangled))
			continue;
		if (!name)
			name = rust_demangle(function->name, 0);
		if (!name || !starts_with(name, executors[i].begin))
			continue;
		/* Behind the name of the function there may be its arguments only. */
		rest = name + strlen(executors[i].begin);
		found = executors[i].end[0] ? ends_with(name, executors[i].end)
					    : !*rest || starts_with(rest, "::<");
	}
	free(name);
	return found;
}

int executors_find(const struct image *image, struct poll_sites *sites)
{
	struct functions functions;
	int status = functions_read(&functions, image);

	for (size_t i = 0; i < functions.count && !status; i++) {
		const struct function *function = &functions.functions[i];
		struct poll_site *grown;
		uint64_t offset;

		if (!runs_tasks(function) ||
		    !image_file_offset(image, function->address, &offset) ||
		    function->size > image->size - offset)
			continue;
		grown = realloc(sites->sites, (sites->site_count + 1) * sizeof(*grown));
		if (!grown) {
			status = -1;
			break;
		}
		sites->sites = grown;
		grown[sites->site_count++] = (struct poll_site){
			.type = POLL_SITE_RUNS_TASKS,
			.address = function->address,
			.end = function->address + function->size,
			.offset = offset,
			.symbol = strdup(function->name),
			.self_register = -1,
			.context_register = -1,
		};
	}
	functions_free(&functions);
	return status;
}
