/*
 * Where a task keeps its future: bytes from the header, whose address the executor's
 * function gets. They depend on the type of the future, so they are read off the debug
 * information of each instance of the function.
 */
#ifndef TASK_LAYOUT_H
#define TASK_LAYOUT_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

struct dwarf_pass;
struct dwarf_scopes;
struct executor;

struct task_layout {
	uint64_t future; /* bytes from the start of the task */
	uint64_t state;  /* likewise: the lowest byte of the header's state */
};

/*
 * The type of the future that the executor's function polls, its generic parameter; a
 * `Pin<&mut ..>` around it is taken off. False if the debug information has none.
 */
bool task_layout_future(const struct dwarf_scopes *scopes, Dwarf_Die *function,
			const struct executor *executor, Dwarf_Die *future);

/*
 * The layout of the tasks that function, which runs tasks, gets; future is what
 * task_layout_future gave. False if it is not found, or not without doubt.
 */
bool task_layout_find(const struct dwarf_pass *pass, Dwarf_Die *function,
		      const struct executor *executor, Dwarf_Die *future,
		      struct task_layout *layout);

/*
 * Where in what the executor's function gets the address of the boxed future is, bytes from
 * its start. False if the debug information does not tell.
 */
bool task_layout_box(const struct dwarf_pass *pass, const struct executor *executor,
		     uint64_t *offset);

#endif
