#include "executors.h"

#include "asyncrec/strings.h"
#include "functions.h"
#include "image.h"
#include "insn.h"
#include "poll_sites.h"

#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One row a kind of function; a new executor is a new row. */
static const struct executor executors[] = {
	{
		/* tokio 1: fn poll<T, S>(ptr: NonNull<Header>) */
		.mangled = "4task3raw4poll",
		.begin = "tokio::runtime::task::raw::poll",
		.end = "",
		.role = EXECUTOR_RUNS_TASK,
		.future = "T",
		.header = "tokio::runtime::task::core::Header",
		.task = "tokio::runtime::task::core::Cell",
		.idle = 0x23,      /* RUNNING, COMPLETE, CANCELLED */
		.cancelled = 0x20, /* CANCELLED */
	},
	{
		/* async-task 4 (smol, async-std): unsafe fn run(ptr: *const ()) -> bool */
		.mangled = "async_task3raw",
		.begin = "async_task::raw::RawTask<",
		.end = ">::run",
		.role = EXECUTOR_RUNS_TASK,
		.future = "F",
		.header = "async_task::header::Header",
		.schedule = "S",
		.output = "T",
		.idle = 0x0c,      /* COMPLETED, CLOSED */
		.cancelled = 0x08, /* CLOSED */
	},
	{
		/* the same with v0 mangling */
		.mangled = "async_task3raw",
		.begin = "<async_task::raw::RawTask<",
		.end = ">>::run",
		.role = EXECUTOR_RUNS_TASK,
		.future = "F",
		.header = "async_task::header::Header",
		.schedule = "S",
		.output = "T",
		.idle = 0x0c,
		.cancelled = 0x08,
	},
	{
		/* tokio 1: fn shutdown<T, S>(ptr: NonNull<Header>), when the runtime ends */
		.mangled = "4task3raw8shutdown",
		.begin = "tokio::runtime::task::raw::shutdown",
		.end = "",
		.role = EXECUTOR_DROPS_TASK,
		.future = "T",
		.header = "tokio::runtime::task::core::Header",
		.task = "tokio::runtime::task::core::Cell",
		.idle = 0x03, /* RUNNING, COMPLETE */
	},
	{
		/* async-task 4: unsafe fn drop_future(ptr: *const ()) */
		.mangled = "async_task3raw",
		.begin = "async_task::raw::RawTask<",
		.end = ">::drop_future",
		.role = EXECUTOR_DROPS_TASK,
		.future = "F",
		.header = "async_task::header::Header",
		.schedule = "S",
		.output = "T",
	},
	{
		/* the same with v0 mangling */
		.mangled = "async_task3raw",
		.begin = "<async_task::raw::RawTask<",
		.end = ">>::drop_future",
		.role = EXECUTOR_DROPS_TASK,
		.future = "F",
		.header = "async_task::header::Header",
		.schedule = "S",
		.output = "T",
	},
	{
		/* every crate: fn block_on<F>(future: F) */
		.mangled = "8block_on",
		.begin = "",
		.end = "::block_on",
		.role = EXECUTOR_BLOCKS_ON,
		.future = "F",
	},
	/* tokio 1: methods that take (&self, task: Notified) */
	{
		.mangled = "12multi_thread",
		.begin = "",
		.end = "::schedule_task",
		.role = EXECUTOR_QUEUES,
		.argument = 1,
	},
	{
		.mangled = "14current_thread",
		.begin = "",
		.end = "::schedule",
		.role = EXECUTOR_QUEUES,
		.argument = 1,
	},
	{
		.mangled = "5local6Shared",
		.begin = "",
		.end = "::schedule",
		.role = EXECUTOR_QUEUES,
		.argument = 1,
	},
	{
		.mangled = "8blocking4pool7Spawner",
		.begin = "",
		.end = "::spawn_task",
		.role = EXECUTOR_QUEUES,
		.argument = 1,
	},
	{
		/* async-task 4: fn schedule(self); wakers do without it */
		.mangled = "async_task8runnable8Runnable",
		.begin = "",
		.end = "::schedule",
		.role = EXECUTOR_STARTS,
	},
	/* futures 0.3: methods that take (&self, future: FutureObj) */
	{
		.mangled = "ThreadPool12spawn_obj_ok",
		.begin = "",
		.end = "::spawn_obj_ok",
		.role = EXECUTOR_STARTS,
		.task = "futures_task::future_obj::LocalFutureObj",
		.argument = 1,
		.boxed = true,
	},
	{
		.mangled = "futures_executor",
		.begin = "<futures_executor::local_pool::LocalSpawner as futures_task::spawn::",
		.end = "_obj",
		.role = EXECUTOR_STARTS,
		.task = "futures_task::future_obj::LocalFutureObj",
		.argument = 1,
		.boxed = true,
	},
};

enum { EXECUTOR_COUNT = sizeof(executors) / sizeof(executors[0]) };

/* Crates whose functions spawn for others. */
static const char *const own_crates[] = {
	/* of the compiler */
	"alloc",
	"core",
	"proc_macro",
	"std",
	"test",
	/* of executors, and of what stands between them and their users */
	"async_executor",
	"async_global_executor",
	"async_io",
	"async_std",
	"async_task",
	"blocking",
	"futures_channel",
	"futures_core",
	"futures_executor",
	"futures_io",
	"futures_lite",
	"futures_task",
	"futures_util",
	"smol",
	"tokio",
	"tokio_stream",
	"tokio_util",
};

bool executors_own_crate(const char *crate)
{
	for (size_t i = 0; i < sizeof(own_crates) / sizeof(own_crates[0]); i++)
		if (strcmp(crate, own_crates[i]) == 0)
			return true;
	return false;
}

static bool is_named(const struct executor *executor, const char *name)
{
	size_t begin = strlen(executor->begin);
	const char *arguments;

	if (!starts_with(name, executor->begin))
		return false;
	if (!executor->end[0])
		return !name[begin] || starts_with(name + begin, "::<");
	if (ends_with(name, executor->end))
		return true;
	/* v0 mangling: behind the name of the function there are its generic arguments. */
	arguments = strstr(name, "::<");
	return arguments && (size_t)(arguments - name) >= strlen(executor->end) &&
	       strncmp(arguments - strlen(executor->end), executor->end,
		       strlen(executor->end)) == 0;
}

const struct executor *executor_of(const char *linkage_name)
{
	const struct executor *found = NULL;
	char *name = NULL;

	for (size_t i = 0; i < EXECUTOR_COUNT && !found; i++) {
		if (!strstr(linkage_name, executors[i].mangled))
			continue;
		if (!name)
			name = rust_demangle(linkage_name, 0);
		if (name && is_named(&executors[i], name))
			found = &executors[i];
	}
	free(name);
	return found;
}

static bool has_site(const struct poll_sites *sites, uint64_t address)
{
	for (size_t i = 0; i < sites->site_count; i++)
		if (sites->sites[i].runs_task && sites->sites[i].address == address)
			return true;
	return false;
}

/* Let site lie at that function. False if its code is not in the file. */
static bool place(struct poll_site *site, const struct image *image,
		  const struct function *function)
{
	uint64_t offset;

	if (!image_code_offset(image, function->address, function->size, &offset))
		return false;
	site->address = function->address;
	site->end = function->address + function->size;
	site->offset = offset;
	return true;
}

/*
 * Optimised, raw::poll is a jump to what it calls, with the argument where it was. There
 * the poll can be seen to end.
 */
static void follow_jump(struct poll_site *site, const struct image *image,
			const struct functions *functions)
{
	uint64_t target;

	while (insn_is_lone_jump(image->data + site->offset, site->end - site->address,
				 site->address, &target)) {
		const struct function *function = functions_at(functions, target);

		if (!function || !place(site, image, function))
			return;
	}
}

static int add_site(const struct image *image, const struct function *function,
		    struct poll_sites *sites)
{
	struct poll_site site = {
		.type = POLL_SITE_NO_TYPE,
		.runs_task = true,
		.self_register = -1,
		.context_register = -1,
	};
	struct poll_site *grown;

	if (!place(&site, image, function))
		return 0;
	grown = realloc(sites->sites, (sites->site_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	sites->sites = grown;
	site.symbol = strdup(function->name);
	grown[sites->site_count++] = site;
	return 0;
}

int executors_find(const struct image *image, const struct functions *functions,
		   struct poll_sites *sites)
{
	int status = 0;

	for (size_t i = 0; i < functions->count && !status; i++) {
		const struct function *function = &functions->functions[i];
		const struct executor *executor = executor_of(function->name);

		if (executor && executor->role == EXECUTOR_RUNS_TASK &&
		    !has_site(sites, function->address))
			status = add_site(image, function, sites);
	}
	for (size_t i = 0; i < sites->site_count && !status; i++)
		if (sites->sites[i].runs_task)
			follow_jump(&sites->sites[i], image, functions);
	return status;
}
