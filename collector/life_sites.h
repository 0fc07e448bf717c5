/*
 * Functions whose entry tells of the life of tasks and futures, besides their polls, and
 * calls that do. An argument is the address of what they are about.
 */
#ifndef LIFE_SITES_H
#define LIFE_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum life_kind {
	LIFE_WAKE,  /* wakes a task; the argument is the data pointer of its waker */
	LIFE_DROP,  /* drops a future, which the argument points to */
	LIFE_SPAWN, /* makes a task of a future */
	LIFE_WAKER, /* clones or drops a waker; the argument is its data pointer */
	LIFE_COUNT,
	LIFE_ALL = (1 << LIFE_COUNT) - 1, /* bits 1 << kind */
	/* There are more clones and drops of wakers than wakes. */
	LIFE_DEFAULT = LIFE_ALL & ~(1 << LIFE_WAKER)
};

/* As the user writes them, and as table probe has them: "wake", "drop", "spawn", "waker". */
extern const char *const life_names[LIFE_COUNT];

/* The functions of a RawWakerVTable. */
enum waker_operation {
	WAKER_CLONE,
	WAKER_WAKE, /* by value: the waker is dropped, too */
	WAKER_WAKE_BY_REF,
	WAKER_DROP,
	WAKER_OPERATION_COUNT
};

struct life_site {
	enum life_kind kind;
	size_t type;          /* what is dropped or spawned: index into poll_sites.types, or
			       * POLL_SITE_NO_TYPE */
	uint64_t address;     /* first byte of the function, or of the instruction that calls,
			       * virtual address */
	uint64_t end;         /* first byte behind that */
	uint64_t offset;      /* of address in the file, bytes */
	char *symbol;         /* linkage name of the function it is in; NULL: none; owned */
	unsigned argument;    /* the one that is the address; 0: the first */
	bool boxed;           /* spawn: instead the address of a `dyn Future` is behind it, and
			       * then that of the vtable */
	uint32_t stack_bytes; /* spawn: so far the stack may reach to the user's code; 0: it is
			       * right there */
	uint64_t self_offset; /* drop: bytes from what the argument points to to the future;
			       * spawn, boxed: to its address */
	/* wake, waker: bits 1 << enum waker_operation; of vtables that share the function, it
	 * may be both the `wake` of some and the `wake_by_ref` of others */
	unsigned operations;
	bool may_be_inlined; /* wake, waker: it may also run where it was inlined, unseen */
	/* drop: what holds the future may hold none; it does if of the byte guard_offset
	 * bytes from what the argument points to the bits guard_bits are guard_value. */
	uint64_t guard_offset;
	uint8_t guard_bits; /* 0: it always does */
	uint8_t guard_value;
	bool is_executor; /* drop: a function in which an executor ends tasks */
};

/* A RawWakerVTable in the data of the program. */
struct waker_vtable {
	uint64_t address; /* virtual, as linked */
	uint64_t clone;   /* addresses of its functions, likewise */
	uint64_t wake;
	uint64_t wake_by_ref;
	uint64_t drop;
};

struct poll_sites;

/*
 * Add a copy of *life to sites->lives, with its symbol, which may be NULL; not if its
 * function is there already with the same type and offset. Returns 0, or -1 when memory ran
 * out.
 */
int life_sites_add(struct poll_sites *sites, const struct life_site *life, const char *symbol);

#endif
