/* Which types of futures are traced, and how: what the options of the user choose. */
#ifndef PROBE_CHOICE_H
#define PROBE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

struct poll_sites;
struct user_probe;

enum plan_level {
	LEVEL_TASKS, /* the roots of tasks only */
	LEVEL_ASYNC, /* coroutines only */
	LEVEL_ALL,   /* every Future::poll */
	LEVEL_EXACT, /* and every inlined poll whose stores are proven to tell it */
	LEVEL_COUNT
};

enum plan_exits {
	EXITS_ALL,
	EXITS_ROOTS, /* of polls that an executor may make */
	EXITS_NONE,
	EXITS_COUNT
};

/* As the user writes them. */
extern const char *const plan_level_names[LEVEL_COUNT];
extern const char *const plan_exits_names[EXITS_COUNT];

/* Which poll sites to probe. */
struct plan_choice {
	enum plan_level level;
	enum plan_exits exits;
	bool exits_given;     /* by the user; else many sites get fewer exits */
	unsigned life;        /* bits 1 << enum life_kind: what of it to record */
	char *const *match;   /* extended regular expressions; a name must match one */
	size_t match_count;   /* 0: every name does */
	char *const *exclude; /* the same; a name that matches one is left out */
	size_t exclude_count;
	const struct user_probe *user_probes; /* probe points besides those of polls */
	size_t user_probe_count;
};

/*
 * Of all types of images[0..image_count), those of an image after those of the one before:
 * set chosen[i] if traps may tell of its polls, and matching[i] if memory may; both are
 * false on entry. Returns 0, or -1 after one line on stderr if nothing is chosen, a pattern
 * is no regular expression or memory ran out.
 */
int probe_choice_make(const struct plan_choice *choice, const struct poll_sites *images,
		      size_t image_count, bool *chosen, bool *matching);

#endif
