/*
 * Where executors run their tasks. A poll inside such a function is of a task: no
 * future awaits it, even if the executor itself runs inside the poll of some future, as
 * those of smol and of tokio's worker threads do.
 */
#ifndef EXECUTORS_H
#define EXECUTORS_H

#include <stdbool.h>
#include <stdint.h>

struct functions;
struct image;
struct poll_sites;

enum executor_role {
	EXECUTOR_RUNS_TASK,  /* polls the task whose header its first argument points to */
	EXECUTOR_DROPS_TASK, /* drops the future of such a task */
	EXECUTOR_BLOCKS_ON,  /* polls the future it gets until that is ready */
	EXECUTOR_QUEUES,     /* puts a task in the queue of those to run: a spawned one, too */
	EXECUTOR_STARTS,     /* does so with a task that was just made, and with no other */
};

/* A kind of function in which an executor polls. */
struct executor {
	const char *mangled; /* a part of the mangled name, to look at few of them only */
	/* how the demangled name begins and ends: generic arguments, which v0 mangling has
	 * and legacy mangling has not, are between */
	const char *begin;
	const char *end;
	const char *future; /* the generic parameter that is the type of the future */
	/* of a function that runs or drops a task; types by their paths without generic
	 * arguments: */
	const char *header;   /* the struct at the start of a task; it has a member `state` */
	const char *task;     /* the struct, with the function's own generic arguments, that is
				 the whole task; NULL: behind the header lie ... */
	const char *schedule; /* ... a value of this generic parameter, and then the future, */
	const char *output;   /* which a value of this one replaces */
	uint8_t idle; /* bits of the lowest byte of `state`: with one set it does not poll */
	uint8_t cancelled; /* but if of them just these are set, it drops the future */
	unsigned argument; /* queues, starts: which one is the address of the task; 0: the first
			    */
	bool boxed; /* likewise: instead it points to a struct `task`, whose member `future` is
		     * the address of a `dyn Future` and its vtable */
	enum executor_role role;
};

/*
 * Is the crate of that name one of an executor or of the standard library, whose code
 * spawns on behalf of what calls it?
 */
bool executors_own_crate(const char *crate);

/* The row of the table that the function of that mangled name is of, or NULL. */
const struct executor *executor_of(const char *linkage_name);

/*
 * Add to *sites those of functions, the symbols of image, in which known executors run tasks
 * and that are no sites yet; and move those whose whole code is a jump to where that leads.
 * Returns 0, or -1 when memory ran out.
 */
int executors_find(const struct image *image, const struct functions *functions,
		   struct poll_sites *sites);

#endif
