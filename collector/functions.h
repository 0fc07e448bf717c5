/* The functions that a binary has symbols for, in the file or its separate debug file. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

struct image;

struct function {
	uint64_t address; /* virtual address as linked */
	uint64_t size;    /* bytes */
	const char *name; /* mangled; lives as long as the image */
};

struct functions {
	struct function *functions; /* owned; by address, one an address */
	size_t count;
};

/*
 * Read the symbol table of image. Returns 0 and fills *functions, to be released with
 * functions_free, also when there are none; or -1 when memory ran out.
 */
int functions_read(struct functions *functions, const struct image *image);

/* The same with every name that an address has. */
int functions_read_all(struct functions *functions, const struct image *image);

/* Of what functions_read gave: the one that begins at address, or NULL; ... */
const struct function *functions_at(const struct functions *functions, uint64_t address);
/* ... the one that the byte at address is of, or NULL. */
const struct function *functions_around(const struct functions *functions, uint64_t address);

void functions_free(struct functions *functions);

#endif
