/*
 * One pass over the debug information of a binary, its units shared out among
 * threads: what stands where, and the functions and inlined copies to look at closer.
 */
#ifndef DWARF_PASS_H
#define DWARF_PASS_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "waker_functions.h"

struct dwarf_scopes;
struct image;
struct type_names;

/* No copy. */
#define INLINED_COPY_NONE SIZE_MAX

/* A live inlined copy of a function that by its name is a poll. */
struct inlined_copy {
	Dwarf_Die die;      /* DW_TAG_inlined_subroutine */
	Dwarf_Die function; /* the DW_TAG_subprogram in whose code it lies */
	void *origin;       /* bytes of the abstract instance's DIE: whose copy it is */
	size_t parent;      /* index of the nearest copy around it, or INLINED_COPY_NONE */
};

/* A live inlined copy of drop glue. */
struct dropping_copy {
	void *origin;   /* bytes of the abstract instance's DIE: whose copy it is */
	void *function; /* of the DIE of the DW_TAG_subprogram in whose code it lies */
};

/* A function in the linked file that does not return. */
struct diverging_function {
	uint64_t address; /* virtual, as linked */
	const char *name; /* of libdw; without namespaces */
};

/* The DIEs live as long as the image's Dwarf. */
struct dwarf_pass {
	struct dwarf_scopes *scopes; /* owned; finished */
	struct type_names *names;    /* owned */
	Dwarf_Die *functions;        /* owned; by their names a poll or an executor's */
	size_t function_count;
	size_t function_room;
	Dwarf_Die *task_types; /* owned; structs that by their names are parts of a task */
	size_t task_type_count;
	size_t task_type_room;
	Dwarf_Die *vtables; /* owned; variables that are vtables of futures */
	size_t vtable_count;
	size_t vtable_room;
	Dwarf_Die *drops; /* owned; functions that by their names drop what they get */
	size_t drop_count;
	size_t drop_room;
	struct dropping_copy *drop_copies; /* owned */
	size_t drop_copy_count;
	size_t drop_copy_room;
	struct inlined_copy *copies; /* owned; outer before inner */
	size_t copy_count;
	size_t copy_room;
	Dwarf_Die *starters; /* owned; live inlined copies of functions that by their names
			      * start tasks */
	size_t starter_count;
	size_t starter_room;
	struct diverging_function *diverging; /* owned */
	size_t diverging_count;
	size_t diverging_room;
	struct waker_functions wakers; /* owned */
	bool split_missing;            /* a unit's split part was not found */
};

/*
 * Visit every unit of image, which must have debug information. Returns 0 and fills
 * *pass, to be released with dwarf_pass_free in both cases; or -1 when memory ran out.
 */
int dwarf_pass_run(struct dwarf_pass *pass, const struct image *image);
void dwarf_pass_free(struct dwarf_pass *pass);

/* Is it the name of a coroutine's resume function, `{async_fn#0}`? */
bool dwarf_pass_is_resume(const char *name);

/* Is it that, or the name of a poll function, `poll` or `poll<T>`? */
bool dwarf_pass_is_poll(const char *name);

/* Is it the name of drop glue, `drop_in_place<T>`? */
bool dwarf_pass_is_glue(const char *name);

#endif
