/*
 * The traced program: one that is found, started with all probes armed before its
 * first instruction, given the signals it would get untraced, and waited for; or one
 * that runs already.
 */
#ifndef TARGET_H
#define TARGET_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct target {
	char *path;        /* to open the program by; owned */
	char *name;        /* what the user knows it by; owned */
	pid_t pid;         /* 0: not prepared; of the program */
	bool attached;     /* it ran before and goes on after the recording */
	int go;            /* a byte written here starts the program; -1: closed */
	int failure;       /* the child's errno arrives here if exec fails; -1: closed */
	int signals;       /* signalfd; -1: closed */
	int life;          /* attached: pidfd; -1: closed */
	sigset_t untraced; /* signal mask as it was */
	bool ended;
	bool stop;  /* attached: the user wants the recording to end */
	int status; /* exit status in the shell's terms: 128+N for signal N */
};

/*
 * Find program as execvp(3) would. Returns 0 and fills *target, to be released
 * with target_close; or, after one line on stderr, the exit status to end with.
 */
int target_find(struct target *target, const char *program);

/*
 * Take the running process pid. Returns 0 and fills *target, to be released with
 * target_close; or, after one line on stderr, the exit status to end with.
 */
int target_attach(struct target *target, pid_t pid);

/*
 * Make the child, which waits. From now on the signals meant for the program are
 * taken by target_signals. Of an attached process only the latter. Returns 0, or -1
 * after one line on stderr.
 */
int target_prepare(struct target *target, char *const *arguments);

/*
 * Let the child become the program. Returns 0 when it has, or, after one line on
 * stderr, the exit status to end with.
 */
int target_start(struct target *target);

/*
 * Take the signals that have come: pass them on (attached: they end the recording),
 * and see whether the program ended.
 */
void target_signals(struct target *target);

/* Kill a child that has not been started, and release *target. */
void target_close(struct target *target);

#endif
