/*
 * From poll sites to probes: which instructions get a uprobe, what each trap
 * reads, and the few tracefs events that carry them all.
 *
 * All probes of one tracefs event have the same argument names and types, so the
 * plan has events for entries and events for each width of a poll's result.
 */
#ifndef PROBE_PLAN_H
#define PROBE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poll_sites.h"
#include "probe_choice.h"

enum probe_kind {
	PROBE_ENTRY,
	PROBE_EXIT,  /* a return */
	PROBE_TAIL,  /* a jump to another function */
	PROBE_STORE, /* a store of the new state of a coroutine */
	PROBE_USER,  /* a point of the user's own */
	PROBE_LIFE,  /* the entry of a function that tells of the life of a task or future */
};

struct probe {
	uint32_t id; /* 1 and up; its row in table probe, and what a trap reports */
	enum probe_kind kind;
	size_t image;       /* index into probe_plan.images */
	size_t site;        /* entry, exit, tail: index into the sites of that image */
	size_t store;       /* store: index into the stores of that image, of the first that is
			     * at its address */
	size_t store_count; /* store: how many are; some may be of types that are not chosen */
	size_t life;        /* life: index into the lives of that image */
	const struct user_probe *user; /* user: what it is for; borrowed; else NULL */
	uint32_t entry_id;             /* of the entry of the same function */
	uint64_t offset;               /* bytes into the file */
	uint64_t address;              /* virtual address as linked */
	size_t event;                  /* index into probe_plan.events */
	bool polls; /* a trap tells of a poll; else an executor's function is entered */
	bool exits; /* entry: every exit of the function is probed */
	bool has_tail_target; /* tail; entry that is itself a tail call */
	uint64_t tail_target; /* virtual address as linked */
	/* exit: the trap reads the discriminant of the result; store: what a register holds */
	bool result_known;
	unsigned stack_above; /* exit: bytes that are popped between it and the return */
	size_t words; /* entry, drop: words of the type's snapshot plan that a trap reads */
	char *fetch;  /* fetch arguments in tracefs syntax; owned */
};

/* A tracefs event; its probes share names and types of their arguments. */
struct plan_event {
	const char *name;     /* in the recorder's own group; static */
	uint32_t stack_bytes; /* that its traps bring along of the stack; 0: none */
};

struct probe_plan {
	struct poll_sites *images; /* borrowed */
	size_t image_count;
	struct plan_choice choice; /* its patterns are borrowed, and read while planning */
	bool *chosen;              /* owned; future types to probe, all images in a row */
	bool *matching;            /* owned; likewise: memory may show them */
	bool *incomplete;          /* owned; likewise: a poll of it cannot be probed */
	bool *dropped;             /* owned; likewise: its drop glue is probed */
	bool *drop_missed;         /* owned; likewise: or some of it cannot be */
	struct probe *probes;      /* owned */
	size_t probe_count;
	struct plan_event *events; /* owned */
	size_t event_count;
};

/*
 * Plan the probes for the poll sites of image_count images and those of the user;
 * they must outlive the plan. Returns 0 and fills *plan, to be released with probe_plan_free;
 * or -1 after one line on stderr.
 */
int probe_plan_make(struct probe_plan *plan, struct poll_sites *images, size_t image_count,
		    const struct plan_choice *choice);
void probe_plan_free(struct probe_plan *plan);

/* Is the type (index into the types of that image) chosen? */
bool probe_plan_has_type(const struct probe_plan *plan, size_t image, size_t type);

/* Is a future of the type, if memory shows one, part of an await chain? */
bool probe_plan_matches(const struct probe_plan *plan, size_t image, size_t type);

/* Are the stores of the type probed, and do they tell every poll of it? */
bool probe_plan_has_stores(const struct probe_plan *plan, size_t image, size_t type);

/* Will every poll of the type trap at its entry? */
bool probe_plan_sees_all(const struct probe_plan *plan, size_t image, size_t type);

/* Will every drop of a future of the type trap? */
bool probe_plan_sees_drops(const struct probe_plan *plan, size_t image, size_t type);

#endif
