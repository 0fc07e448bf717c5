/*
 * The poll functions of a binary: which types of future it can poll, and where
 * the code of each poll begins and ends. Source: DWARF, see poll_sites.c.
 */
#ifndef POLL_SITES_H
#define POLL_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "life_sites.h"
#include "snapshot_plan.h"
#include "state_stores.h"

struct image;

enum future_kind {
	FUTURE_ASYNC_FN,
	FUTURE_ASYNC_BLOCK,
	FUTURE_ASYNC_CLOSURE,
	FUTURE_HANDWRITTEN, /* an `impl Future` */
};

struct await_point {
	unsigned state; /* value of the state field while suspended here */
	char *file;     /* of the `.await`; NULL: unknown; owned */
	unsigned line;  /* 0: unknown */
	char *awaitee;  /* name of the awaited type; NULL: unknown; owned */
};

struct future_type {
	char *name; /* as its author would write it; owned */
	enum future_kind kind;
	char *file;                       /* of its declaration; NULL: unknown; owned */
	unsigned line;                    /* 0: unknown */
	uint64_t size;                    /* bytes; 0: unknown or zero-sized */
	int state_offset;                 /* bytes from self to the state field; -1: has none */
	unsigned state_width;             /* bytes: 1, 2, 4 or 8 */
	struct await_point *await_points; /* owned */
	size_t await_point_count;
	unsigned inlined;       /* live inlined copies of its poll function */
	unsigned physical;      /* physical copies of its poll function */
	bool blocked_on;        /* an executor's `block_on` polls it */
	bool run;               /* a function that runs tasks polls it */
	bool root;              /* a task may begin with it: one of its sites says so */
	unsigned drops_inlined; /* live inlined copies of its drop glue where no site is */
	struct snapshot_plan snapshot; /* owned; of types with sites */
	/* If poll_sites.stores_known, of coroutines: are the hits of its stores an exact count
	 * of its polls? Else why not, by what was found first, and at which virtual address.
	 */
	bool stores_proven;
	enum stores_verdict stores_verdict;
	uint64_t stores_where;
};

/* How an exit tells Ready from Pending. */
enum result_place {
	RESULT_UNKNOWN,
	RESULT_IN_REGISTER,        /* the first one: the discriminant is at offset 0 */
	RESULT_IN_SECOND_REGISTER, /* at offset 8 */
	RESULT_IN_MEMORY, /* at offset bytes from the address that the first one holds */
};

struct poll_result {
	enum result_place place;
	unsigned offset;       /* bytes into the returned Poll */
	unsigned width;        /* bytes: 1, 2, 4 or 8 */
	bool value_is_pending; /* value marks Pending, else it marks Ready */
	uint64_t value;        /* the discriminant, masked to width */
	bool other_known;      /* else every other value means the other */
	uint64_t other;        /* the only one that does */
};

/* As type of a site that runs tasks: which future it polls is not known. */
#define POLL_SITE_NO_TYPE SIZE_MAX

struct poll_site {
	size_t type;          /* index into poll_sites.types, or POLL_SITE_NO_TYPE */
	uint64_t address;     /* first byte of the function, virtual address */
	uint64_t end;         /* first byte behind the function */
	uint64_t offset;      /* of address in the file, bytes */
	char *symbol;         /* linkage name; NULL: none; owned */
	int self_register;    /* DWARF number of the register; -1: unknown */
	uint64_t self_offset; /* bytes from what self_register holds to the future */
	int context_register; /* DWARF number of the register; -1: unknown */
	struct poll_result result;
	bool may_be_root; /* an executor may be what calls it */
	/* A function in which an executor runs a task, which is the future's poll if that is
	 * inlined into it: self_register holds the address of the task. */
	bool runs_task;
	bool blocks_on;      /* then: it polls one future of its own until that is ready */
	uint64_t task_state; /* bytes from there to the lowest byte of the task's state */
	uint8_t task_idle;   /* bits of that byte: with one set the future is not polled */
};

/* The function itself, as that around an inlined copy. */
#define INLINED_POLL_NONE SIZE_MAX

/* A live copy of a poll function that was inlined into another function. */
struct inlined_poll {
	size_t type;       /* index into poll_sites.types */
	size_t parent;     /* index of the inlined poll around it, or INLINED_POLL_NONE */
	uint64_t function; /* address of the function in whose code it lies, as linked */
	unsigned line;     /* of the call that was inlined; 0: unknown */
};

/* Code of an inlined poll and of what is inlined into it, virtual addresses as linked. */
struct inlined_range {
	uint64_t start;
	uint64_t end;
	size_t poll; /* index into poll_sites.inlined */
};

/* An instruction that ends polls of a coroutine: it stores the new state. */
struct store_site {
	size_t type;       /* index into poll_sites.types */
	size_t inlined;    /* whose poll: index into poll_sites.inlined, or INLINED_POLL_NONE:
			    * that of the function it lies in */
	uint64_t function; /* virtual address of that function */
	uint64_t address;  /* virtual address */
	uint64_t probed;   /* virtual address of the instruction to probe for it, which is
			    * executed as often: see store_probes.h */
	uint64_t offset;   /* of probed in the file, bytes */
	int reg;           /* DWARF number of the register that holds the state; -1: value is it
			    */
	unsigned shift;    /* bits from the register's low end to the state's */
	uint8_t value;     /* the new state */
	bool is_reuse;     /* what it stores is no state: it takes the bytes of the coroutine,
			    * which thus was ready: value is 1 */
	bool shared;       /* it may be the store of another coroutine: counts are exact if it
			    * was never hit */
};

/* The vtable of `dyn Future` for a type of future. */
struct future_vtable {
	uint64_t address; /* virtual address as linked */
	size_t type;      /* index into poll_sites.types */
};

/* Where the two words of the RawWaker lie, from the address of the Context. */
struct waker_layout {
	bool known;
	unsigned in_context; /* bytes from the Context to the pointer to the Waker */
	unsigned data;       /* bytes from the Waker to the data pointer */
	unsigned vtable;     /* bytes from the Waker to the vtable pointer */
};

struct poll_sites {
	const struct image *image; /* borrowed: where they are */
	struct future_type *types; /* owned */
	size_t type_count;
	struct poll_site *sites; /* owned, sorted by address */
	size_t site_count;
	struct inlined_poll *inlined; /* owned; outer before inner */
	size_t inlined_count;
	struct inlined_range *ranges; /* owned; those of a poll in a row, in that order */
	size_t range_count;
	struct store_site *stores; /* owned; by address; of copies that are proven exact */
	size_t store_count;
	bool stores_known;       /* stores were looked for */
	struct life_site *lives; /* owned */
	size_t life_count;
	struct waker_vtable *waker_vtables; /* owned */
	size_t waker_vtable_count;
	struct future_vtable *vtables; /* owned */
	size_t vtable_count;
	struct waker_layout waker;
	bool from_symbols;  /* found without debug information: much is not known */
	bool split_missing; /* a file that parts of the debug information are in was not found
			     */
};

/*
 * Find the poll sites of image, which must outlive the result, and with_stores also the
 * store sites. On success, also if
 * there are none, returns 0 and fills *sites, to be released with poll_sites_free. On
 * failure prints one line on stderr (see message.h) and returns -1.
 */
int poll_sites_find(const struct image *image, bool with_stores, struct poll_sites *sites);

/* Say on stderr why *sites is empty. */
void poll_sites_explain_none(const struct poll_sites *sites);

void poll_sites_free(struct poll_sites *sites);

/* Can a trap at the entry of site read the state of the polled coroutine? */
bool poll_site_has_state(const struct poll_site *site, const struct future_type *type);

/* "async_fn", "async_block", "async_closure" or "future". */
const char *future_kind_name(enum future_kind kind);

#endif
