/* Questions about strings that recorder and reporter both ask. */
#ifndef ASYNCREC_STRINGS_H
#define ASYNCREC_STRINGS_H

#include <stdbool.h>
#include <string.h>

/* Does text (NULL: no) begin with start? */
static inline bool starts_with(const char *text, const char *start)
{
	return text && strncmp(text, start, strlen(start)) == 0;
}

/* Does text end with end? */
static inline bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* The part of path behind its last slash; points into path. */
static inline const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

#endif
