/*
 * Where tasks are woken, on any executor: the functions of every RawWakerVTable in the data
 * of a binary. A Waker is a data pointer and such a table, whose functions all get the data
 * pointer as their first argument.
 */
#ifndef WAKE_SITES_H
#define WAKE_SITES_H

struct functions;
struct image;
struct poll_sites;
struct waker_functions;

/*
 * Add to *sites the tables in image as waker_vtables, and their functions as life sites: the
 * `wake` and `wake_by_ref`, and as LIFE_WAKER the `clone` and `drop`. functions: its symbols;
 * found: what the debug information tells; empty: only those are found that are known by
 * their symbols. Returns 0, or -1 when memory ran out.
 */
int wake_sites_find(const struct image *image, const struct functions *functions,
		    const struct waker_functions *found, struct poll_sites *sites);

#endif
