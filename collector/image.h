/*
 * An ELF file and its debug information, through libelf and libdwfl (which
 * also finds separate debug files by .gnu_debuglink and build-id).
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A loaded segment. */
struct image_segment {
	uint64_t start;  /* virtual address as linked */
	uint64_t end;    /* likewise, behind it in memory */
	uint64_t filled; /* likewise, behind what the file fills; the rest is zero */
	uint64_t offset; /* of start in the file, bytes */
	bool is_code;
};

struct image {
	char *path;           /* as given; owned */
	int fd;               /* of the file; owned */
	Elf *elf;             /* owned */
	const uint8_t *data;  /* the whole file; lives as long as elf */
	size_t size;          /* of data, bytes */
	Dwfl *dwfl;           /* owned */
	Dwfl_Module *module;  /* owned by dwfl */
	Dwarf *dwarf;         /* owned by dwfl; NULL: not opened, or there are symbols only */
	bool is_rust_library; /* a dylib: programs linked with it may have copies of its code */
	char build_id[65];    /* lower case hexadecimal; "" if there is none */
	struct image_segment segments[16];
	size_t segment_count;
};

/*
 * Open the program or shared library at path, known to the user by name (NULL: by
 * its path). Returns 0, or -1 after one line on stderr if it is not an ELF file that
 * this build can trace. image_close releases it in both cases.
 */
int image_open(struct image *image, const char *path, const char *name);
void image_close(struct image *image);

/*
 * Find and open the debug information of image, which takes a while and is not needed
 * by who knows the poll sites already. Returns 0, also if it is open or if there are
 * symbols only; or -1 after one line on stderr if there are not even those.
 */
int image_open_debug(struct image *image);

/* Path of the separate file that the debug information is from; NULL: it is in the image. */
const char *image_debug_file(const struct image *image);

/*
 * Offset in the file of the virtual address, which must lie in an executable
 * segment. Returns false if it does not.
 */
bool image_file_offset(const struct image *image, uint64_t address, uint64_t *offset);

/*
 * Likewise of size bytes of code from there, which the file must have all; *offset may be
 * set where it does not.
 */
bool image_code_offset(const struct image *image, uint64_t address, uint64_t size,
		       uint64_t *offset);

/* Does the virtual address lie in a segment that is not code? */
bool image_has_data(const struct image *image, uint64_t address);

/*
 * Called for each relocation with an addend, with the context given: symbol is the dynamic
 * symbol that it refers to and name that one's, NULL if there is none. Returns 0 to go on.
 */
typedef int image_relocation_seen(void *context, const GElf_Rela *relocation,
				  const GElf_Sym *symbol, const char *name);

/* Show the relocations of image to seen. Returns 0, or what seen returned to stop. */
int image_each_relocation(const struct image *image, image_relocation_seen *seen,
			  void *context);

/*
 * What the file has at the virtual address, in any segment: a pointer to *size bytes up
 * to the end of the segment's part of the file, or NULL.
 */
const uint8_t *image_bytes(const struct image *image, uint64_t address, size_t *size);

/*
 * Is the code that die has still in the linked file? Then its lowest address is in
 * *entry. The linker leaves the DIEs of functions that it removed, at 0.
 */
bool image_has_code_of(const struct image *image, Dwarf_Die *die, Dwarf_Addr *entry);

/* Code of a function. */
struct image_code {
	uint64_t address; /* of its first byte, virtual */
	uint64_t end;     /* of the first byte behind it */
	uint64_t offset;  /* of address in the file, bytes */
};

/* Where the code of the function die, DW_TAG_subprogram, is. False if it has none. */
bool image_find_code(const struct image *image, Dwarf_Die *die, struct image_code *code);

/* Called for a segment, linked at address, of which the file has bytes[0..size). */
typedef int image_segment_seen(void *context, uint64_t address, const uint8_t *bytes,
			       size_t size);

/*
 * Show the segments that are code, or those that are not, to seen. Returns 0, or what seen
 * returned to stop.
 */
int image_each_segment(const struct image *image, bool code, image_segment_seen *seen,
		       void *context);

/* Called for each aligned word in data: it lies at address and the file has value there. */
typedef int image_word_seen(void *context, uint64_t address, uint64_t value);

/* Likewise the words of the segments that are not code, as the file has them. */
int image_each_word(const struct image *image, image_word_seen *seen, void *context);

#endif
