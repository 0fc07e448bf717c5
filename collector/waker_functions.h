/*
 * The functions in the debug information that may be those of a RawWakerVTable, `fn(*const
 * ())`, and the copies of them that were inlined: what one pass over it finds.
 */
#ifndef WAKER_FUNCTIONS_H
#define WAKER_FUNCTIONS_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image;

struct waker_function {
	uint64_t address; /* virtual, as linked */
	uint64_t end;     /* first byte behind it */
	void *origin; /* bytes of its abstract instance's DIE; NULL: has none, so no copies */
	const char *name; /* linkage name, of libdw; NULL: none */
	bool clones;      /* it returns a RawWaker: it is the `clone` of some vtable */
};

/* A live inlined copy of such a function. */
struct waker_copy {
	void *origin;      /* bytes of the abstract instance's DIE: whose copy it is */
	uint64_t function; /* virtual address of the function in whose code it lies */
};

/* Zeroed: empty. The DIEs live as long as the image's Dwarf. */
struct waker_functions {
	struct waker_function *functions; /* owned */
	size_t count;
	size_t room;
	struct waker_copy *copies; /* owned */
	size_t copy_count;
	size_t copy_room;
	struct waker_origin *origins; /* owned; what was asked of inlined functions */
	Dwarf_Die vtable;             /* the struct RawWakerVTable; addr NULL: not seen */
};

/*
 * The subprogram die lies at address in the linked file: note it if it may be of a vtable.
 * Returns 0, or -1 when memory ran out. So do the next two.
 */
int waker_functions_visit(struct waker_functions *set, Dwarf_Die *die, uint64_t address);

/*
 * copy is of origin, an abstract instance, and was inlined into the function at the address
 * function: note it if origin may be of a vtable and the copy is live in image.
 */
int waker_functions_visit_copy(struct waker_functions *set, const struct image *image,
			       Dwarf_Die *copy, Dwarf_Die *origin, uint64_t function);

/* Append what another pass found. */
int waker_functions_append(struct waker_functions *set, const struct waker_functions *other);

void waker_functions_free(struct waker_functions *set);

#endif
