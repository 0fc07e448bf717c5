/* Which types of futures are traced: what --match, --exclude and --level choose. */
#ifndef PROBE_CHOICE_H
#define PROBE_CHOICE_H

struct probe_plan;

/*
 * Fill in plan->chosen and plan->matching, and let plan->incomplete be all false. Returns
 * 0, or -1 after one line on stderr if nothing is chosen, a pattern is no regular expression
 * or memory ran out.
 */
int probe_choice_make(struct probe_plan *plan);

#endif
