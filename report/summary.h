/* The default view: the recording, poll counts and the await tree. */
#ifndef SUMMARY_H
#define SUMMARY_H

struct options;
struct sqlite3;

/*
 * Print it. As JSON or CSV it is the poll counts alone. Returns 0, or -1 after one
 * line on stderr.
 */
int summary_print(struct sqlite3 *db, const struct options *options);

#endif
