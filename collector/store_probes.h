/*
 * Which instruction to put a probe on for a store. The kernel runs most of them out of
 * line, which takes three times as long as one that it emulates: a jump, a call, a push.
 * If such a one follows in the straight line that the store is in, it is executed as
 * often, and is probed instead.
 */
#ifndef STORE_PROBES_H
#define STORE_PROBES_H

#include "flow_graph.h"
#include "state_stores.h"

/*
 * Set `probed` of the stores in results[0..count), which are all that were found in the
 * graph of one function. Several stores may be probed at one instruction; that comes
 * behind them all, and no store is then probed behind another that follows it. Returns 0,
 * or -1 when memory ran out.
 */
int store_probes_choose(const struct flow_graph *graph, struct coroutine_stores *results,
			size_t count);

#endif
