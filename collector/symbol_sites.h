/*
 * Poll sites of a program without debug information: what its symbols tell.
 *
 * `<T as Future>::poll` is a poll by its name. `path::{{closure}}` may be any closure;
 * one that calls the functions which panic with "`async fn` resumed after completion"
 * (core::panicking::panic_const, rustc 1.80 and later) is a coroutine's resume function.
 * Names and counts are all there is, and the state where the code shows it; await
 * points, files and lines are in debug information only.
 */
#ifndef SYMBOL_SITES_H
#define SYMBOL_SITES_H

struct image;
struct functions;
struct poll_sites;

/*
 * Add the poll sites that the symbols of image, functions, show to *sites, which has none yet.
 * Returns 0, or -1 when memory ran out.
 */
int symbol_sites_find(const struct image *image, const struct functions *functions,
		      struct poll_sites *sites);

#endif
