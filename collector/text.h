/* Small text files of the kernel, in one piece. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/*
 * All of the file at path as a malloc'd string with a final zero byte, or NULL
 * with the reason in errno.
 */
char *text_read_file(const char *path);

/* The same; its length, without the final zero byte, goes to *length. */
char *text_read(const char *path, size_t *length);

#endif
