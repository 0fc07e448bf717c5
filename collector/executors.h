/*
 * Where executors run their tasks. A poll inside such a function is of a task: no
 * future awaits it, even if the executor itself runs inside the poll of some future, as
 * those of smol and of tokio's worker threads do.
 */
#ifndef EXECUTORS_H
#define EXECUTORS_H

struct image;
struct poll_sites;

/*
 * Add to *sites the functions of known executors in image, as sites that run tasks.
 * Returns 0, or -1 when memory ran out.
 */
int executors_find(const struct image *image, struct poll_sites *sites);

#endif
