/* Arrays that grow, for recorder and reporter. */
#ifndef ASYNCREC_ARRAY_H
#define ASYNCREC_ARRAY_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Room for one more element in an owned array that grows by doubling: it has count elements
 * of size bytes, and room for *room. Returns the array, which may have moved, or NULL when
 * memory ran out; then it is as it was.
 */
static inline void *array_room(void *array, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *grown = array;

	if (count == *room) {
		grown = realloc(array, more * size);
		if (grown)
			*room = more;
	}
	return grown;
}

/*
 * Append more[0..more_count) to an owned array of *count elements of size bytes. Returns the
 * array, which may have moved and is never NULL then, or NULL when memory ran out; then it is
 * as it was.
 */
static inline void *array_append(void *array, size_t *count, const void *more,
				 size_t more_count, size_t size)
{
	char *grown = realloc(array, (*count + more_count + 1) * size);

	if (!grown)
		return NULL;
	if (more_count)
		memcpy(grown + *count * size, more, more_count * size);
	*count += more_count;
	return grown;
}

#endif
