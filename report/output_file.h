/* A file that is there whole or not at all. */
#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include <stdio.h>

struct output_file {
	const char *path;      /* as the user named it; borrowed */
	const char *recording; /* what its content comes from; borrowed */
	char *target;          /* owned; what path stands for, behind links */
	char *temporary;       /* owned; written first, then renamed; NULL: target is no regular
				  file (a pipe, a device) and is written itself */
	FILE *stream;          /* to write to */
};

/*
 * Begin to write path, which must not be the recording and stays as it is until
 * output_file_close. Returns 0, or -1 after one line on stderr.
 */
int output_file_open(struct output_file *file, const char *path, const char *recording);

/*
 * End it; status is an SQLite result code that says how making the content went. If
 * it is SQLITE_OK and all could be written, path has the new content, else the old
 * one. Returns 0, or -1 after one line on stderr.
 */
int output_file_close(struct output_file *file, int status);

#endif
