/*
 * An ELF file and its debug information, through libelf and libdwfl (which
 * also finds separate debug files by .gnu_debuglink and build-id).
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Virtual addresses of a segment of data, as linked. */
struct image_range {
	uint64_t start;
	uint64_t end;
};

struct image {
	char *path;          /* as given; owned */
	int fd;              /* of the file; owned */
	Elf *elf;            /* owned */
	const uint8_t *data; /* the whole file; lives as long as elf */
	size_t size;         /* of data, bytes */
	Dwfl *dwfl;          /* owned */
	Dwfl_Module *module; /* owned by dwfl */
	Dwarf *dwarf;        /* owned by dwfl; NULL: not opened, or there are symbols only */
	char build_id[65];   /* lower case hexadecimal; "" if there is none */
	struct image_range data_ranges[8]; /* segments that are not code */
	size_t data_range_count;
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

/* Does the virtual address lie in a segment that is not code? */
bool image_has_data(const struct image *image, uint64_t address);

#endif
