/* A program without async code, for what asyncrec passes through.
 * plain-c echo        copies stdin to stdout, writes "err" to stderr
 * plain-c exit N      exits with N
 * plain-c kill N      ends by signal N
 * plain-c wait        prints "ready", waits for SIGUSR1, prints "usr1", exits 7 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 0;
	if (strcmp(what, "exit") == 0)
		return number;
	if (strcmp(what, "kill") == 0) {
		signal(number, SIG_DFL);
		raise(number);
	}
	if (strcmp(what, "wait") == 0) {
		sigset_t set;
		int got = 0;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		puts("ready");
		fflush(stdout);
		sigwait(&set, &got);
		puts("usr1");
		return 7;
	}
	for (int c = getchar(); c != EOF; c = getchar())
		putchar(c);
	fputs("err\n", stderr);
	return 0;
}
