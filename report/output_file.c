#include "output_file.h"

#include "asyncrec/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void release(struct output_file *file)
{
	free(file->target);
	free(file->temporary);
	*file = (struct output_file){0};
}

/* Find out what path stands for, and how to write it. */
static int resolve(struct output_file *file)
{
	struct stat existing;
	struct stat source;
	bool exists = stat(file->path, &existing) == 0;

	if (exists && stat(file->recording, &source) == 0 && existing.st_dev == source.st_dev &&
	    existing.st_ino == source.st_ino) {
		message_error("%s: is the recording itself; name another file", file->path);
		return -1;
	}
	file->target = exists ? realpath(file->path, NULL) : strdup(file->path);
	/* What has no path of its own, such as a pipe behind /dev/stdout. */
	if (!file->target && exists)
		file->target = strdup(file->path);
	if (file->target && exists && !S_ISREG(existing.st_mode))
		return 0;
	if (!file->target ||
	    asprintf(&file->temporary, "%s.%ld", file->target, (long)getpid()) < 0) {
		file->temporary = NULL;
		message_error("%s: out of memory", file->path);
		return -1;
	}
	return 0;
}

int output_file_open(struct output_file *file, const char *path, const char *recording)
{
	int fd;

	*file = (struct output_file){.path = path, .recording = recording};
	if (resolve(file)) {
		release(file);
		return -1;
	}
	fd = file->temporary
		     ? open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)
		     : open(file->target, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		file->stream = fdopen(fd, "w");
	if (file->stream)
		return 0;
	message_error("%s: cannot write: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	release(file);
	return -1;
}

int output_file_close(struct output_file *file, int status)
{
	bool failed = ferror(file->stream) != 0;

	/* What is still in the buffer may fail too. */
	failed = fclose(file->stream) || failed;
	if (!failed && status == SQLITE_OK && file->temporary)
		failed = rename(file->temporary, file->target) != 0;
	if (failed)
		message_error("%s: cannot write: %s", file->path, strerror(errno));
	else if (status != SQLITE_OK)
		message_error("%s: %s", file->recording, sqlite3_errstr(status));
	failed = failed || status != SQLITE_OK;
	if (failed && file->temporary)
		unlink(file->temporary);
	release(file);
	return failed ? -1 : 0;
}
