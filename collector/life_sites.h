/*
 * Functions whose entry tells of the life of tasks and futures, besides their polls. The
 * first argument of all is the address of what they are about.
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
	LIFE_COUNT,
	LIFE_ALL = (1 << LIFE_COUNT) - 1 /* bits 1 << kind */
};

/* As the user writes them, and as table probe has them: "wake", "drop", "spawn". */
extern const char *const life_names[LIFE_COUNT];

struct life_site {
	enum life_kind kind;
	size_t type;          /* what is dropped or spawned: index into poll_sites.types, or
			       * POLL_SITE_NO_TYPE */
	uint64_t address;     /* first byte of the function, virtual address */
	uint64_t end;         /* first byte behind the function */
	uint64_t offset;      /* of address in the file, bytes */
	char *symbol;         /* linkage name; NULL: none; owned */
	uint64_t self_offset; /* drop: bytes from what the argument points to to the future */
	/* drop: what holds the future may hold none; it does if of the byte guard_offset
	 * bytes from what the argument points to the bits guard_bits are guard_value. */
	uint64_t guard_offset;
	uint8_t guard_bits; /* 0: it always does */
	uint8_t guard_value;
	bool is_executor; /* drop: a function in which an executor ends tasks */
};

struct poll_sites;

/*
 * Add a copy of *life to sites->lives, with its symbol, which may be NULL; not if its
 * function is there already with the same type and offset. Returns 0, or -1 when memory ran
 * out.
 */
int life_sites_add(struct poll_sites *sites, const struct life_site *life, const char *symbol);

#endif
