/* Futures of which traps told while a poll went on: struct trapped in call_stack.h. */
#ifndef NOTED_H
#define NOTED_H

#include "call_stack.h"

/* Add the future that poll, or a ROW_DROP, is of to noted[0..count). 0, or -1: no memory. */
int noted_add(struct trapped **noted, size_t *count, const struct poll *poll);

/* The one of that type at that address, or NULL. */
const struct trapped *noted_find(const struct trapped *noted, size_t count, int64_t type_id,
				 uint64_t address);

/* The future that a ROW_DROP is about is dropped in the poll around. 0, or -1: no memory. */
int noted_drop(struct poll *around, const struct poll *drop);

#endif
