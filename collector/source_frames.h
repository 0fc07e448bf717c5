/*
 * From an address in the code of a binary to the functions that it is in, as their
 * authors wrote them: the function inlined deepest first, then what it was inlined into,
 * with the place in each. Source: DWARF.
 */
#ifndef SOURCE_FRAMES_H
#define SOURCE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

struct image;
struct source_frames;

/* One function around an address. The strings live as long as the struct source_frames. */
struct source_frame {
	const char *function; /* path without hash, generic arguments as the symbol has them;
			       * NULL: unknown */
	const char *crate;    /* in which it was written; NULL: unknown */
	const char *file;     /* of the place in it; NULL: unknown */
	unsigned line;        /* 0: unknown */
};

/*
 * Read where the functions of image are, which must outlive the result, from its debug
 * information. Returns them, to be released with source_frames_free, or NULL when memory
 * ran out. Without debug information no address is in any function.
 */
struct source_frames *source_frames_read(const struct image *image);
void source_frames_free(struct source_frames *frames);

/*
 * Fill found[0..most) with the functions around the instruction at address, virtual as
 * linked, innermost first. Returns how many there are, at most `most`.
 */
size_t source_frames_find(struct source_frames *frames, uint64_t address,
			  struct source_frame *found, size_t most);

#endif
