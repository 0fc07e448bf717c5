#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

char *text_read_file(const char *path)
{
	size_t length;

	return text_read(path, &length);
}

char *text_read(const char *path, size_t *text_length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t length = 0;
	size_t room = 0;
	ssize_t got = 1;

	if (fd < 0)
		return NULL;
	/* Files of procfs and tracefs have no size to ask for. */
	while (got > 0) {
		if (length + 1 >= room) {
			char *grown;

			room = room ? room * 2 : 4096;
			grown = realloc(text, room);
			if (!grown) {
				got = -1;
				break;
			}
			text = grown;
		}
		got = read(fd, text + length, room - length - 1);
		if (got > 0)
			length += (size_t)got;
	}
	if (got < 0) {
		int error = errno;

		free(text);
		close(fd);
		errno = error;
		return NULL;
	}
	close(fd);
	text[length] = '\0';
	*text_length = length;
	return text;
}
