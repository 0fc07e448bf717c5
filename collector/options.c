#include "options.h"

#include "asyncrec/recording.h"
#include "asyncrec/message.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for a few hundred milliseconds of traps at full speed on one processor. */
static const size_t default_buffer_size = 8 << 20;

static const char help[] =
	"Usage: asyncrec [OPTIONS] [-o FILE] [--] PROGRAM [ARG...]\n"
	"       asyncrec [OPTIONS] [-o FILE] -p PID\n"
	"       asyncrec --list PROGRAM\n"
	"Record every poll of the futures of an asynchronous Rust program.\n"
	"\n"
	"  -o, --output FILE    write the recording to FILE (default: trace.db)\n"
	"  -p, --pid PID        record the running process PID, until -d, Ctrl-C or its end\n"
	"  -d, --duration SECONDS\n"
	"                       record no longer than this; the program goes on\n"
	"  -l, --level LEVEL    tasks: what executors poll;\n"
	"                       async: and coroutines (async fn, block, closure; the "
	"default);\n"
	"                       all: and hand-written futures;\n"
	"                       exact: and inlined coroutines, as far as proven exact\n"
	"  -m, --match REGEX    only futures whose name matches; repeatable\n"
	"  -x, --exclude REGEX  no futures whose name matches; repeatable\n"
	"      --exits WHICH    where to record the end of polls: all (default), roots\n"
	"                       (of those that executors make) or none\n"
	"      --life WHAT      what to record of tasks and futures besides their polls:\n"
	"                       none, all, or some of wake, drop, spawn, waker joined by\n"
	"                       commas (default: wake,drop,spawn)\n"
	"  -b, --buffer SIZE    ring buffer of each processor: bytes, or with K, M or G\n"
	"                       (default: 8M)\n"
	"      --exe FILE       what to probe, when PROGRAM is a script or wrapper that\n"
	"                       runs it, or a shared library of it; repeatable\n"
	"      --probe SYMBOL[+OFFSET] | 0xADDRESS\n"
	"                       record each time the program comes there, too; repeatable\n"
	"      --no-cache       find the poll sites anew, and do not keep them for next time\n"
	"      --list           print the poll sites of PROGRAM and run nothing; with -v\n"
	"                       also the await points, and with -l exact the proofs\n"
	"  -q, --quiet          print errors only\n"
	"  -v, --verbose        print more\n"
	"      --version        print the version\n"
	"  -h, --help           print this help\n"
	"\n"
	"Exit status: PROGRAM's own (128+N if signal N ended it); 125 if asyncrec failed,\n"
	"126 if PROGRAM cannot be executed, 127 if it is not found.\n";

enum {
	OPTION_EXITS = 256,
	OPTION_EXE,
	OPTION_LIFE,
	OPTION_PROBE,
	OPTION_NO_CACHE,
	OPTION_LIST,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"output", required_argument, NULL, 'o'},
	{"pid", required_argument, NULL, 'p'},
	{"duration", required_argument, NULL, 'd'},
	{"level", required_argument, NULL, 'l'},
	{"match", required_argument, NULL, 'm'},
	{"exclude", required_argument, NULL, 'x'},
	{"exits", required_argument, NULL, OPTION_EXITS},
	{"buffer", required_argument, NULL, 'b'},
	{"life", required_argument, NULL, OPTION_LIFE},
	{"exe", required_argument, NULL, OPTION_EXE},
	{"probe", required_argument, NULL, OPTION_PROBE},
	{"no-cache", no_argument, NULL, OPTION_NO_CACHE},
	{"list", no_argument, NULL, OPTION_LIST},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int read_size(const char *text, size_t *size)
{
	static const char units[] = "KMG";
	char *end;
	const char *unit;
	unsigned shift = 0;
	uintmax_t number;

	errno = 0;
	number = strtoumax(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (errno || text[0] < '0' || text[0] > '9' || *end || number == 0 ||
	    number > (UINT64_C(1) << 40) >> shift) {
		message_error("--buffer %s: not a size; give bytes, or a number with K, M or G",
			      text);
		return -1;
	}
	*size = (size_t)(number << shift);
	return 0;
}

static int read_pid(const char *text, pid_t *pid)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || !*text || *end || number <= 0 || number > INT_MAX) {
		message_error("--pid %s: not a process id", text);
		return -1;
	}
	*pid = (pid_t)number;
	return 0;
}

static int read_duration(const char *text, uint64_t *ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!*text || *end || !(seconds > 0 && seconds < 1e9)) {
		message_error("--duration %s: not a number of seconds", text);
		return -1;
	}
	*ns = (uint64_t)(seconds * 1e9);
	return 0;
}

static int append(const char ***list, size_t *count, const char *text)
{
	const char **grown = realloc(*list, (*count + 1) * sizeof(*grown));

	if (!grown) {
		message_error("options: out of memory");
		return -1;
	}
	grown[(*count)++] = text;
	*list = grown;
	return 0;
}

/* The place of text among count names; or -1 after one line on stderr. */
static int read_choice(const char *option, const char *text, const char *const *names,
		       int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	message_error("%s %s: no such choice; asyncrec --help names them", option, text);
	return -1;
}

static int read_level(const char *text, enum plan_level *level)
{
	int choice = read_choice("--level", text, plan_level_names, LEVEL_COUNT);

	if (choice >= 0)
		*level = (enum plan_level)choice;
	return choice < 0 ? -1 : 0;
}

static int read_exits(const char *text, enum plan_exits *exits)
{
	int choice = read_choice("--exits", text, plan_exits_names, EXITS_COUNT);

	if (choice >= 0)
		*exits = (enum plan_exits)choice;
	return choice < 0 ? -1 : 0;
}

/* all, none, or some of life_names joined by commas. */
static int read_life(const char *text, unsigned *life)
{
	char *copy = strdup(text);
	char *rest = copy;
	const char *name;
	int status = copy ? 0 : -1;

	*life = 0;
	if (copy && strcmp(copy, "all") == 0)
		*life = LIFE_ALL;
	else if (copy && strcmp(copy, "none") != 0)
		while (!status && (name = strsep(&rest, ","))) {
			int choice = read_choice("--life", name, life_names, LIFE_COUNT);

			if (choice < 0)
				status = -1;
			else
				*life |= 1U << choice;
		}
	free(copy);
	return status;
}

/* Take one option. Returns 0, or -1 after one line on stderr. */
static int take(struct options *options, int option)
{
	struct plan_choice *choice = &options->choice;

	switch (option) {
	case 'o':
		options->output = optarg;
		return 0;
	case 'p':
		return read_pid(optarg, &options->pid);
	case 'd':
		return read_duration(optarg, &options->duration_ns);
	case 'l':
		return read_level(optarg, &choice->level);
	case 'm':
		return append((const char ***)&choice->match, &choice->match_count, optarg);
	case 'x':
		return append((const char ***)&choice->exclude, &choice->exclude_count, optarg);
	case OPTION_EXITS:
		choice->exits_given = true;
		return read_exits(optarg, &choice->exits);
	case OPTION_LIFE:
		return read_life(optarg, &choice->life);
	case 'b':
		return read_size(optarg, &options->buffer_size);
	case OPTION_EXE:
		return append(&options->images, &options->image_count, optarg);
	case OPTION_PROBE:
		return append(&options->probes, &options->probe_count, optarg);
	case OPTION_NO_CACHE:
		options->use_cache = false;
		return 0;
	case OPTION_LIST:
		options->list = true;
		return 0;
	case 'q':
		message_level = 0;
		return 0;
	case 'v':
		message_level = 2;
		return 0;
	default:
		return -1; /* getopt has said what is wrong */
	}
}

int options_read(struct options *options, int argc, char **argv)
{
	static char name[] = "asyncrec";
	int option;

	*options = (struct options){
		.output = "trace.db",
		.buffer_size = default_buffer_size,
		.choice = {.level = LEVEL_ASYNC, .life = LIFE_DEFAULT},
		.use_cache = true,
	};
	argv[0] = name; /* what getopt begins its messages with */
	while ((option = getopt_long(argc, argv, "+o:p:d:l:m:x:b:qvh", long_options, NULL)) !=
	       -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (option == OPTION_VERSION) {
			puts("asyncrec " ASYNCREC_VERSION);
			return 0;
		}
		if (take(options, option)) {
			options_free(options);
			return STATUS_FAILED;
		}
	}
	options->program = argv + optind;
	if (options->pid ? options->program[0] != NULL
			 : !options->program[0] && !(options->list && options->image_count)) {
		message_error("%s; see asyncrec --help",
			      options->pid ? "a process or a program to record, not both"
					   : "no program given");
		options_free(options);
		return STATUS_FAILED;
	}
	return -1;
}

void options_free(struct options *options)
{
	free((void *)options->choice.match);
	free((void *)options->choice.exclude);
	free(options->images);
	free(options->probes);
	*options = (struct options){0};
}
