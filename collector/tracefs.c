#include "tracefs.h"

#include "image.h"
#include "asyncrec/message.h"
#include "probe_plan.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define GROUP_PREFIX "asyncrec_"

static const char default_root[] = "/sys/kernel/tracing";

/* Where tracefs is mounted (malloc'd), or NULL. */
static char *find_mount(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	char *root = NULL;

	if (!mounts)
		return NULL;
	while (!root && (entry = getmntent(mounts)))
		if (strcmp(entry->mnt_type, "tracefs") == 0)
			root = strdup(entry->mnt_dir);
	endmntent(mounts);
	return root;
}

static int open_file(const struct tracefs *tracefs, const char *name, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", tracefs->root, name);
	return open(path, flags | O_CLOEXEC);
}

/* Kernel time at which the process started, in clock ticks; 0: there is none. */
static unsigned long long start_time(long pid)
{
	unsigned long long ticks = 0;
	char path[64];
	char *stat;
	char *behind_name;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	stat = text_read_file(path);
	/* The second field, the name, may hold blanks and brackets: proc(5). */
	behind_name = stat ? strrchr(stat, ')') : NULL;
	if (!behind_name ||
	    sscanf(behind_name + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu",
		   &ticks) != 1)
		ticks = 0;
	free(stat);
	return ticks;
}

static int remove_event(int events, const char *group, const char *name)
{
	char line[192];
	int length = snprintf(line, sizeof(line), "-:%s/%s\n", group, name);

	return write(events, line, (size_t)length) == length ? 0 : -1;
}

/*
 * Remove what recorders that died left. Events that are still open somewhere
 * (a recorder in another pid namespace) are busy: the kernel keeps them.
 */
static void remove_leftovers(const struct tracefs *tracefs, int events)
{
	char path[4096];
	char *text;
	char *rest;
	char *line;

	snprintf(path, sizeof(path), "%s/uprobe_events", tracefs->root);
	text = text_read_file(path);
	for (rest = text; rest && (line = strsep(&rest, "\n"));) {
		unsigned long long ticks;
		char group[64];
		char name[64];
		long pid;

		if (sscanf(line, "p:%63[^/]/%63s", group, name) != 2 ||
		    sscanf(group, GROUP_PREFIX "%ld_%llu", &pid, &ticks) != 2)
			continue;
		/* All probes of an event go at once; the later lines of it fail. */
		if (start_time(pid) != ticks && remove_event(events, group, name) == 0)
			message_detail("removed %s/%s, left by a recorder that died", group,
				       name);
	}
	free(text);
}

int tracefs_open(struct tracefs *tracefs)
{
	int events;

	*tracefs = (struct tracefs){.root = find_mount()};
	if (!tracefs->root) {
		if (mount("tracefs", default_root, "tracefs", 0, NULL)) {
			message_error(
				"tracefs: not mounted and cannot be: %s; as root: mount -t "
				"tracefs tracefs %s",
				strerror(errno), default_root);
			return -1;
		}
		tracefs->root = strdup(default_root);
	}
	if (!tracefs->root) {
		message_error("tracefs: out of memory");
		return -1;
	}
	events = open_file(tracefs, "uprobe_events", O_WRONLY | O_APPEND);
	if (events < 0) {
		message_error(
			"%s/uprobe_events: %s; %s", tracefs->root, strerror(errno),
			errno == ENOENT
				? "the kernel needs CONFIG_UPROBE_EVENTS"
				: "run it as root: probes need write access to tracefs and "
				  "CAP_PERFMON");
		free(tracefs->root);
		tracefs->root = NULL;
		return -1;
	}
	snprintf(tracefs->group, sizeof(tracefs->group), GROUP_PREFIX "%ld_%llu",
		 (long)getpid(), start_time(getpid()));
	remove_leftovers(tracefs, events);
	close(events);
	return 0;
}

/*
 * The kernel lets go of an event that was closed only when the last thread that inherited
 * it has noticed, which may be a moment later.
 */
static void remove_closed_event(int events, const char *group, const char *name)
{
	enum { MOST_TRIES = 200 };
	const struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; i < MOST_TRIES && remove_event(events, group, name) && errno == EBUSY;
	     i++)
		nanosleep(&pause, NULL);
}

void tracefs_close(struct tracefs *tracefs)
{
	int events = tracefs->defined ? open_file(tracefs, "uprobe_events", O_WRONLY | O_APPEND)
				      : -1;

	for (size_t i = 0; i < tracefs->defined && events >= 0; i++)
		remove_closed_event(events, tracefs->group, tracefs->plan->events[i].name);
	if (events >= 0)
		close(events);
	free(tracefs->root);
	*tracefs = (struct tracefs){0};
}

static char *definition(const struct tracefs *tracefs, const struct probe *probe)
{
	const struct probe_plan *plan = tracefs->plan;
	char *line;

	/* By descriptor: the path may have blanks, and the file may be replaced. */
	if (asprintf(&line, "p:%s/%s /proc/self/fd/%d:0x%" PRIx64 " %s\n", tracefs->group,
		     plan->events[probe->event].name, plan->images[probe->image].image->fd,
		     probe->offset, probe->fetch) < 0)
		return NULL;
	return line;
}

/* What the kernel says of the last definition it refused, or "". */
static void last_error(const struct tracefs *tracefs, char *why, size_t size)
{
	char path[4096];
	char *text;
	char *line;

	why[0] = '\0';
	snprintf(path, sizeof(path), "%s/error_log", tracefs->root);
	text = text_read_file(path);
	for (char *next = text; next && (line = strstr(next, "error: "));) {
		next = line + 7;
		snprintf(why, size, " (%.*s)", (int)strcspn(next, "\n"), next);
	}
	free(text);
}

/* The kernel takes at most 4096 bytes of whole lines a write (WRITE_BUFSIZE). */
enum { WRITE_LIMIT = 4000 };

struct batch {
	int fd;
	size_t length;
	char text[WRITE_LIMIT];
};

/* Does the user want it to end? The signals wait to be taken (target.c). */
static bool is_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		sigismember(&pending, SIGHUP) == 1 || sigismember(&pending, SIGQUIT) == 1);
}

static int flush(struct batch *batch)
{
	ssize_t length = (ssize_t)batch->length;

	/* Many probes take long: the kernel looks at all others for each one. */
	if (is_interrupted()) {
		errno = EINTR;
		return -1;
	}

	batch->length = 0;
	return length == 0 || write(batch->fd, batch->text, (size_t)length) == length ? 0 : -1;
}

static int add_line(struct batch *batch, const char *line)
{
	size_t length = strlen(line);

	if (batch->length + length > WRITE_LIMIT && flush(batch))
		return -1;
	if (length > WRITE_LIMIT) {
		errno = E2BIG;
		return -1;
	}
	memcpy(batch->text + batch->length, line, length);
	batch->length += length;
	return 0;
}

int tracefs_define(struct tracefs *tracefs, const struct probe_plan *plan)
{
	struct batch batch = {.fd = open_file(tracefs, "uprobe_events", O_WRONLY | O_APPEND)};
	int status = batch.fd < 0 ? -1 : 0;

	tracefs->plan = plan;
	tracefs->defined = plan->event_count;
	for (size_t i = 0; i < plan->probe_count && !status; i++) {
		char *line = definition(tracefs, &plan->probes[i]);

		status = line ? add_line(&batch, line) : -1;
		free(line);
	}
	if (!status)
		status = flush(&batch);
	if (status && errno == EINTR) {
		message_error("arming the probes: interrupted");
	} else if (status) {
		int error = errno;
		char why[256];

		last_error(tracefs, why, sizeof(why));
		message_error("%s/uprobe_events: the kernel refused a probe: %s%s",
			      tracefs->root, strerror(error), why);
	}
	if (batch.fd >= 0)
		close(batch.fd);
	return status;
}

char *tracefs_format(const struct tracefs *tracefs, const char *event)
{
	char path[4096];
	char *text;

	snprintf(path, sizeof(path), "%s/events/%s/%s/format", tracefs->root, tracefs->group,
		 event);
	text = text_read_file(path);
	if (!text)
		message_error("%s: cannot read: %s", path, strerror(errno));
	return text;
}
