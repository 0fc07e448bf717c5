#include "target.h"

#include "asyncrec/message.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals that people and supervisors send to the program they see: asyncrec. */
static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
				SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};

/* 0 if path can be executed, else the reason (errno). */
static int executable(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return errno;
	if (S_ISDIR(status.st_mode))
		return EISDIR;
	return access(path, X_OK) ? errno : 0;
}

/* Search PATH for program; malloc'd, or NULL with the reason in errno. */
static char *search(const char *program)
{
	const char *path = getenv("PATH");
	int reason = ENOENT;

	for (const char *rest = path ? path : "/bin:/usr/bin"; rest;) {
		size_t length = strcspn(rest, ":");
		int why;
		char *found;

		if (asprintf(&found, "%.*s%s%s", (int)length, rest, length ? "/" : "./",
			     program) < 0)
			return NULL;
		why = executable(found);
		if (!why)
			return found;
		free(found);
		if (why == EACCES)
			reason = why;
		rest = rest[length] ? rest + length + 1 : NULL;
	}
	errno = reason;
	return NULL;
}

int target_find(struct target *target, const char *program)
{
	int reason = 0;

	*target = (struct target){.go = -1, .failure = -1, .signals = -1, .life = -1};
	if (strchr(program, '/')) {
		reason = executable(program);
		target->path = reason ? NULL : strdup(program);
	} else {
		target->path = search(program);
		reason = target->path ? 0 : errno;
	}
	if (target->path)
		target->name = strdup(target->path);
	if (target->name)
		return 0;
	message_error("%s: cannot execute: %s", program, strerror(reason ? reason : ENOMEM));
	return reason == ENOENT || reason == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

/*
 * The file that pid runs: by its name while that still leads to it, so that separate
 * debug files beside it are found; else, when it was deleted or replaced, by what the
 * kernel holds.
 */
static char *running_path(const char *link, const char *name)
{
	struct stat held;
	struct stat named;

	if (stat(link, &held) == 0 && stat(name, &named) == 0 && held.st_dev == named.st_dev &&
	    held.st_ino == named.st_ino)
		return strdup(name);
	return strdup(link);
}

int target_attach(struct target *target, pid_t pid)
{
	char name[4096];
	char link[64];
	ssize_t length;

	*target = (struct target){
		.pid = pid, .attached = true, .go = -1, .failure = -1, .signals = -1};
	target->life = (int)syscall(SYS_pidfd_open, pid, 0);
	if (target->life < 0) {
		message_error("process %ld: %s", (long)pid, strerror(errno));
		return STATUS_FAILED;
	}
	snprintf(link, sizeof(link), "/proc/%ld/exe", (long)pid);
	length = readlink(link, name, sizeof(name) - 1);
	if (length < 0) {
		message_error("process %ld: cannot see its program: %s; %s", (long)pid,
			      strerror(errno),
			      errno == ENOENT ? "a kernel thread has none" : "run it as root");
		return STATUS_FAILED;
	}
	name[length] = '\0';
	target->path = running_path(link, name);
	target->name = strdup(name);
	if (target->path && target->name)
		return 0;
	message_error("process %ld: out of memory", (long)pid);
	return STATUS_FAILED;
}

/* In the child: wait for the word to go, then become the program. */
static _Noreturn void become(const struct target *target, int go, int failure,
			     char *const *arguments)
{
	char word;
	int reason;

	sigprocmask(SIG_SETMASK, &target->untraced, NULL);
	/* The end of the pipe without a word: the recorder gave up or died. */
	if (read(go, &word, 1) != 1)
		_exit(STATUS_FAILED);
	execv(target->path, arguments);
	reason = errno;
	if (write(failure, &reason, sizeof(reason)) < 0)
		_exit(STATUS_FAILED);
	_exit(STATUS_CANNOT_EXECUTE);
}

int target_prepare(struct target *target, char *const *arguments)
{
	int go[2] = {-1, -1};
	int failure[2] = {-1, -1};
	sigset_t taken;

	sigemptyset(&taken);
	sigaddset(&taken, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&taken, passed_on[i]);
	sigprocmask(SIG_BLOCK, &taken, &target->untraced);
	target->signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
	if (target->attached && target->signals >= 0)
		return 0;
	if (target->signals < 0 || pipe2(go, O_CLOEXEC) || pipe2(failure, O_CLOEXEC))
		goto fail;
	target->pid = fork();
	if (target->pid < 0)
		goto fail;
	if (target->pid == 0) {
		close(go[1]);
		become(target, go[0], failure[1], arguments);
	}
	close(go[0]);
	close(failure[1]);
	target->go = go[1];
	target->failure = failure[0];
	return 0;
fail:
	message_error("%s: cannot start: %s", target->path, strerror(errno));
	for (int i = 0; i < 2; i++) {
		if (go[i] >= 0)
			close(go[i]);
		if (failure[i] >= 0)
			close(failure[i]);
	}
	target->pid = 0;
	return -1;
}

int target_start(struct target *target)
{
	ssize_t length = write(target->go, "", 1);
	int reason = 0;

	close(target->go);
	target->go = -1;
	/* A successful exec closes the child's end. */
	if (length == 1)
		length = read(target->failure, &reason, sizeof(reason));
	close(target->failure);
	target->failure = -1;
	if (length == 0)
		return 0;
	message_error("%s: cannot execute: %s", target->path,
		      length == sizeof(reason) ? strerror(reason) : "it could not be started");
	return STATUS_CANNOT_EXECUTE;
}

static void reap(struct target *target)
{
	int status;

	if (target->ended || waitpid(target->pid, &status, WNOHANG) != target->pid)
		return;
	target->ended = true;
	target->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void target_signals(struct target *target)
{
	struct signalfd_siginfo info;

	while (read(target->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (target->attached)
			target->stop |= info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM ||
					info.ssi_signo == SIGHUP || info.ssi_signo == SIGQUIT;
		else if (info.ssi_signo == SIGCHLD)
			reap(target);
		/* The terminal has sent its signals to the program too. */
		else if (!target->ended && info.ssi_code != SI_KERNEL)
			kill(target->pid, (int)info.ssi_signo);
	}
	if (target->attached) {
		struct pollfd life = {.fd = target->life, .events = POLLIN};

		target->ended = poll(&life, 1, 0) == 1;
	}
}

void target_close(struct target *target)
{
	if (target->go >= 0)
		close(target->go);
	if (target->failure >= 0)
		close(target->failure);
	/* With the pipe closed a child that was not started ends by itself. */
	if (target->pid > 0 && !target->attached && !target->ended)
		waitpid(target->pid, NULL, 0);
	if (target->signals >= 0) {
		close(target->signals);
		sigprocmask(SIG_SETMASK, &target->untraced, NULL);
	}
	if (target->life >= 0)
		close(target->life);
	free(target->path);
	free(target->name);
	*target = (struct target){.go = -1, .failure = -1, .signals = -1, .life = -1};
}
