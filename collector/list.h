/* `asyncrec --list`: the poll sites of a program, as a table on stdout. */
#ifndef LIST_H
#define LIST_H

struct probe_plan;

/*
 * Print one line per site that the plan probes, then with -v its await points.
 * Returns 0, or -1 after one line on stderr if stdout cannot be written.
 */
int list_poll_sites(const struct probe_plan *plan);

#endif
