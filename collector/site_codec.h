/*
 * Poll sites as a string of bytes (MessagePack) and back. Each struct has one table of
 * its fields in site_codec.c: a new field is a new row there.
 */
#ifndef SITE_CODEC_H
#define SITE_CODEC_H

#include <stddef.h>
#include <stdint.h>

struct poll_sites;

/* What poll sites were found in, and by which asyncrec: they hold for nothing else. */
struct site_origin {
	char *writer;           /* version and build-id of asyncrec; owned */
	char *build_id;         /* of the image, lower case hexadecimal; owned */
	uint64_t size;          /* of the image, bytes */
	uint64_t code;          /* digest of its code */
	char *debug_file;       /* where its debug information is; NULL: in the image; owned */
	uint64_t debug_size;    /* of that file, bytes */
	int64_t debug_mtime_ns; /* time of its last change, since 1970 */
};

void site_origin_free(struct site_origin *origin);

/*
 * Write both as bytes. Returns 0 and a malloc'd string of *size bytes in *bytes, or -1
 * when memory ran out.
 */
int site_codec_encode(const struct site_origin *origin, const struct poll_sites *sites,
		      char **bytes, size_t *size);

/*
 * Read bytes[0..size). Returns 0 and fills *origin and *sites but for its image; to be
 * released with site_origin_free and poll_sites_free. Returns -1 if they are not what
 * site_codec_encode writes, or if memory ran out; both are then empty.
 */
int site_codec_decode(const char *bytes, size_t size, struct site_origin *origin,
		      struct poll_sites *sites);

#endif
