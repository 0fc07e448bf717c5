#include "options.h"

#include "asyncrec/message.h"
#include "asyncrec/recording.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: asyncreport [OPTIONS] TRACE.db [VIEW]\n"
	"       asyncreport [OPTIONS] --sql QUERY TRACE.db\n"
	"Show what asyncrec recorded.\n"
	"\n"
	"VIEW is one of\n"
	"  summary  the recording, poll counts and the await tree (the default)\n"
	"  futures  each type of future: polls, results, times\n"
	"  tasks    each future that an executor polled\n"
	"  chains   each await chain, longest wait first\n"
	"  waits    who awaited whom, and in which line, longest wait first\n"
	"  calls    each async function as a call: how often, how long, and who awaited it\n"
	"  cancels  what was dropped before it was done: where, by whom, after what time\n"
	"  panics   where polls panicked, and the await chain they were in\n"
	"  pending  what the tasks that had not ended waited for at the end\n"
	"  polls    every poll, in the order of time\n"
	"  probes   hits of the probes of asyncrec --probe, and in which future they were\n"
	"  wakes    who woke which task, from where, to what effect, and when it was polled\n"
	"\n"
	"      --format FORMAT  text (default), json or csv\n"
	"      --limit N        at most N rows; 0: all\n"
	"      --sort COLUMN    sort by COLUMN: numbers most first, text from A on\n"
	"      --match REGEX    only rows whose name matches\n"
	"      --sql QUERY      the rows of QUERY; asyncrec-schema(5) lists the tables\n"
	"      --from T         only polls that began T seconds (or ms, us, ns) after the\n"
	"                       start of the recording, or later\n"
	"      --to T           only polls that began before T\n"
	"      --flame FILE     draw the await chains as a flame graph into FILE (SVG)\n"
	"      --by WHAT        its widths: wait (default), busy or polls\n"
	"      --speedscope FILE  write the await chains and threads for speedscope\n"
	"  -q, --quiet          print errors only\n"
	"      --version        print the version\n"
	"  -h, --help           print this help\n";

enum {
	OPTION_FORMAT = 256,
	OPTION_LIMIT,
	OPTION_SORT,
	OPTION_MATCH,
	OPTION_SQL,
	OPTION_FROM,
	OPTION_TO,
	OPTION_FLAME,
	OPTION_BY,
	OPTION_SPEEDSCOPE,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"format", required_argument, NULL, OPTION_FORMAT},
	{"limit", required_argument, NULL, OPTION_LIMIT},
	{"sort", required_argument, NULL, OPTION_SORT},
	{"match", required_argument, NULL, OPTION_MATCH},
	{"sql", required_argument, NULL, OPTION_SQL},
	{"from", required_argument, NULL, OPTION_FROM},
	{"to", required_argument, NULL, OPTION_TO},
	{"flame", required_argument, NULL, OPTION_FLAME},
	{"by", required_argument, NULL, OPTION_BY},
	{"speedscope", required_argument, NULL, OPTION_SPEEDSCOPE},
	{"quiet", no_argument, NULL, 'q'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int read_format(const char *text, enum format *format)
{
	static const char *const names[] = {
		[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", [FORMAT_CSV] = "csv"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*format = (enum format)i;
			return 0;
		}
	}
	message_error("--format %s: no such format; choose text, json or csv", text);
	return -1;
}

static int read_limit(const char *text, long *limit)
{
	char *end;

	errno = 0;
	*limit = strtol(text, &end, 10);
	if (!errno && *text && !*end && *limit >= 0)
		return 0;
	message_error("--limit %s: not a number of rows", text);
	return -1;
}

/* A time such as 1.5, 1.5s, 20ms; seconds without a unit. */
static int read_time(const char *option, const char *text, int64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
	char *end;
	double value = strtod(text, &end);

	/* strtod takes words too: inf, nan. */
	if (end != text && (isdigit((unsigned char)text[0]) || text[0] == '.')) {
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcmp(end, units[i].name) != 0 || value * units[i].ns > 1e18)
				continue;
			*ns = llround(value * units[i].ns);
			return 0;
		}
	}
	message_error("--%s %s: not a time; give seconds, such as 1.5, or 20ms, 300us, 4000ns",
		      option, text);
	return -1;
}

static int read_by(const char *text, const char **by)
{
	static const char *const names[] = {"wait", "busy", "polls"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*by = names[i];
			return 0;
		}
	}
	message_error("--by %s: a flame graph is by wait, busy or polls", text);
	return -1;
}

/* Take one option. Returns 0, or -1 after one line on stderr. */
static int take(struct options *options, int option)
{
	switch (option) {
	case OPTION_FORMAT:
		return read_format(optarg, &options->format);
	case OPTION_LIMIT:
		return read_limit(optarg, &options->limit);
	case OPTION_SORT:
		options->sort = optarg;
		return 0;
	case OPTION_MATCH:
		options->match = optarg;
		return 0;
	case OPTION_SQL:
		options->sql = optarg;
		return 0;
	case OPTION_FROM:
		return read_time("from", optarg, &options->from_ns);
	case OPTION_TO:
		return read_time("to", optarg, &options->to_ns);
	case OPTION_FLAME:
		options->flame = optarg;
		return 0;
	case OPTION_BY:
		return read_by(optarg, &options->by);
	case OPTION_SPEEDSCOPE:
		options->speedscope = optarg;
		return 0;
	case 'q':
		message_level = 0;
		return 0;
	default:
		return -1; /* getopt has said what is wrong */
	}
}

/* What the options ask for together. Returns 0, or -1 after one line on stderr. */
static int check(struct options *options)
{
	if (options->to_ns != TIME_NOT_GIVEN && options->from_ns >= options->to_ns) {
		message_error("--from and --to: nothing lies between them; give a later --to");
		return -1;
	}
	if (options->by && !options->flame) {
		message_error("--by %s: for --flame only; give --flame FILE too", options->by);
		return -1;
	}
	if (!options->by)
		options->by = "wait";
	if (!options->view && !options->sql && !options->flame && !options->speedscope)
		options->view = "summary";
	return 0;
}

int options_read(struct options *options, int argc, char **argv)
{
	static char name[] = "asyncreport";
	int option;

	*options = (struct options){
		.limit = -1, .from_ns = TIME_NOT_GIVEN, .to_ns = TIME_NOT_GIVEN};
	argv[0] = name; /* what getopt begins its messages with */
	while ((option = getopt_long(argc, argv, "qh", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_SUCCESS;
		}
		if (option == OPTION_VERSION) {
			puts("asyncreport " ASYNCREC_VERSION);
			return EXIT_SUCCESS;
		}
		if (take(options, option))
			return EXIT_FAILURE;
	}
	options->recording = argv[optind];
	if (!options->recording) {
		message_error("no recording given; see asyncreport --help");
		return EXIT_FAILURE;
	}
	options->view = argv[optind + 1];
	if (options->view && (options->sql || argv[optind + 2])) {
		message_error("%s: one argument too many; see asyncreport --help",
			      options->sql ? options->view : argv[optind + 2]);
		return EXIT_FAILURE;
	}
	return check(options) ? EXIT_FAILURE : -1;
}
