/*
 * Probe points of the user's own, `--probe`: from what he writes to an instruction, by
 * the rules that kprobes go by (Documentation/trace/kprobes.rst).
 */
#ifndef USER_PROBE_H
#define USER_PROBE_H

#include <stddef.h>
#include <stdint.h>

struct image;

struct user_probe {
	const char *text;  /* as the user wrote it; borrowed */
	size_t image;      /* index of the file it is in */
	char *symbol;      /* linkage name of the function; owned */
	char *name;        /* the same as its author would write it; owned */
	uint64_t function; /* virtual address of its first byte */
	uint64_t address;  /* of the instruction */
	uint64_t offset;   /* of the instruction in the file, bytes */
	char *file;        /* source of the instruction; NULL: unknown; owned */
	unsigned line;     /* 0: unknown */
};

struct user_probes {
	/* owned; by image and address, each place once; several for a function with copies */
	struct user_probe *probes;
	size_t count;
};

/*
 * Find what each of texts[0..text_count) means: `SYMBOL[+OFFSET]`, where SYMBOL is the
 * linkage name or the demangled one with or without its hash, in the first image that
 * has it; or `0xADDRESS`, a virtual address inside a function of just one image. Returns
 * 0 and fills *probes, to be released with user_probes_free; or -1 after one line on
 * stderr if there is no such place or no probe can be on it. texts must outlive *probes.
 */
int user_probes_find(struct user_probes *probes, struct image *images, size_t image_count,
		     const char *const *texts, size_t text_count);
void user_probes_free(struct user_probes *probes);

#endif
