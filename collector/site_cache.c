#include "site_cache.h"

#include "asyncrec/message.h"
#include "asyncrec/recording.h"
#include "asyncrec/strings.h"
#include "image.h"
#include "poll_sites.h"
#include "site_codec.h"

#include <dirent.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
	FILES_KEPT = 64,        /* the least recently used go */
	LARGEST_FILE = 1 << 28, /* bytes; 20,000 sites take 5 MB */
};

/* What a file begins with; the rest is what site_codec.h makes. */
struct file_head {
	char magic[16];
	XXH128_canonical_t digest; /* of the rest */
};

static const char magic[16] = "asyncrec sites 1";

/* A file's name is its image's build-id and this. */
#define SUFFIX ".sites"

struct cache {
	int directory;             /* descriptor, owned; -1: there is no cache */
	bool trusted;              /* nobody else could write there */
	char name[80];             /* of the file in the directory */
	struct site_origin origin; /* of what would be found now, the debug file left out */
};

/* Make it if it is not there and open it; a file descriptor, or -1. */
static int open_directory_at(int parent, const char *name, int flags, struct stat *status)
{
	int directory;

	mkdirat(parent, name, 0700);
	directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	if (directory >= 0 && (fstat(directory, status) || status->st_uid != geteuid())) {
		close(directory);
		errno = EPERM;
		directory = -1;
	}
	return directory;
}

/* Open the cache directory. Returns a descriptor, or -1; *trusted as in struct cache. */
static int open_directory(bool *trusted)
{
	const char *base = secure_getenv("XDG_CACHE_HOME");
	const char *home = secure_getenv("HOME");
	char *under_home = NULL;
	struct stat status;
	int directory = -1;
	int parent;

	/* The XDG base directory specification: a relative path is to be ignored. */
	if ((!base || base[0] != '/') && home && home[0] == '/' &&
	    asprintf(&under_home, "%s/.cache", home) > 0)
		base = under_home;
	if (!base || base[0] != '/') {
		message_detail("no cache: neither XDG_CACHE_HOME nor HOME says where");
		return -1;
	}
	parent = open_directory_at(AT_FDCWD, base, 0, &status);
	if (parent >= 0)
		directory = open_directory_at(parent, "asyncrec", O_NOFOLLOW, &status);
	*trusted = directory >= 0 && !(status.st_mode & (S_IWGRP | S_IWOTH));
	if (directory < 0)
		message_detail("no cache: %s/asyncrec: %s", base, strerror(errno));
	else if (status.st_mode & (S_IRWXG | S_IRWXO))
		fchmod(directory, 0700);
	if (parent >= 0)
		close(parent);
	free(under_home);
	return directory;
}

/* Version and build-id of this program, malloc'd; NULL: it has none. */
static char *describe_writer(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *bits = NULL;
	ssize_t length = elf ? dwelf_elf_gnu_build_id(elf, &bits) : -1;
	char *text = NULL;
	size_t size;
	FILE *out = length > 0 ? open_memstream(&text, &size) : NULL;

	if (out) {
		fputs(ASYNCREC_VERSION " ", out);
		for (ssize_t i = 0; i < length; i++)
			fprintf(out, "%02x", ((const uint8_t *)bits)[i]);
		fclose(out);
	}
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return text;
}

/* A build-id can be set by hand; the code cannot be the same and the sites not. */
static uint64_t digest_code(const struct image *image)
{
	XXH3_state_t *state = XXH3_createState();
	size_t count = 0;
	uint64_t digest;

	if (!state)
		return 0;
	XXH3_64bits_reset(state);
	elf_getphdrnum(image->elf, &count);
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(image->elf, (int)i, &segment) && segment.p_type == PT_LOAD &&
		    segment.p_flags & PF_X && segment.p_offset <= image->size &&
		    segment.p_filesz <= image->size - segment.p_offset)
			XXH3_64bits_update(state, image->data + segment.p_offset,
					   segment.p_filesz);
	}
	digest = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	return digest;
}

static void cache_open(struct cache *cache, const struct image *image)
{
	*cache = (struct cache){.directory = -1};
	if (!image->build_id[0]) {
		message_detail("%s: no build-id, so nothing is cached", image->path);
		return;
	}
	cache->directory = open_directory(&cache->trusted);
	if (cache->directory < 0)
		return;
	snprintf(cache->name, sizeof(cache->name), "%s" SUFFIX, image->build_id);
	cache->origin = (struct site_origin){
		.writer = describe_writer(),
		.build_id = strdup(image->build_id),
		.size = image->size,
		.code = digest_code(image),
	};
	if (!cache->origin.writer || !cache->origin.build_id) {
		close(cache->directory);
		cache->directory = -1;
	}
}

static void cache_close(struct cache *cache)
{
	if (cache->directory >= 0)
		close(cache->directory);
	site_origin_free(&cache->origin);
}

/* Fill in what the debug file is now. Returns -1 if it is not there. */
static int describe_debug_file(struct site_origin *origin, const char *path)
{
	struct stat status;

	if (!path)
		return 0;
	if (stat(path, &status))
		return -1;
	origin->debug_size = (uint64_t)status.st_size;
	origin->debug_mtime_ns =
		status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec;
	return 0;
}

/* Was what is cached found in what would be looked at now? */
static bool is_current(const struct cache *cache, const struct site_origin *cached)
{
	const struct site_origin *now = &cache->origin;
	struct site_origin debug = {0};

	return cached->writer && strcmp(cached->writer, now->writer) == 0 && cached->build_id &&
	       strcmp(cached->build_id, now->build_id) == 0 && cached->size == now->size &&
	       cached->code == now->code && !describe_debug_file(&debug, cached->debug_file) &&
	       cached->debug_size == debug.debug_size &&
	       cached->debug_mtime_ns == debug.debug_mtime_ns;
}

/* The part of the file behind its head, malloc'd, if the user wrote it and it is whole. */
static char *read_content(int fd, size_t *size)
{
	struct stat status;
	struct file_head head;
	XXH128_canonical_t digest;
	char *content;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    status.st_mode & (S_IWGRP | S_IWOTH) || status.st_size > LARGEST_FILE ||
	    status.st_size < (off_t)sizeof(head) ||
	    pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head.magic, magic, sizeof(magic)) != 0)
		return NULL;
	*size = (size_t)status.st_size - sizeof(head);
	content = malloc(*size ? *size : 1);
	if (!content)
		return NULL;
	if (pread(fd, content, *size, sizeof(head)) == (ssize_t)*size) {
		XXH128_canonicalFromHash(&digest, XXH3_128bits(content, *size));
		if (memcmp(&digest, &head.digest, sizeof(digest)) == 0)
			return content;
	}
	free(content);
	return NULL;
}

static bool decode_current(const struct cache *cache, const struct image *image,
			   const char *content, size_t size, struct poll_sites *sites)
{
	struct site_origin origin;
	bool current;

	if (site_codec_decode(content, size, &origin, sites))
		return false;
	current = is_current(cache, &origin);
	site_origin_free(&origin);
	if (!current)
		poll_sites_free(sites);
	sites->image = image;
	return current;
}

/* Read the sites of image from the cache. False: they are not there, or not to be used. */
static bool load(const struct cache *cache, const struct image *image, bool with_stores,
		 struct poll_sites *sites)
{
	/* A pipe with the file's name would let open wait. */
	int fd = cache->trusted ? openat(cache->directory, cache->name,
					 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
				: -1;
	const char *why_not = "damaged or out of date";
	char *content;
	size_t size;
	bool loaded = false;

	if (fd < 0)
		return false;
	content = read_content(fd, &size);
	if (content)
		loaded = decode_current(cache, image, content, size, sites);
	if (loaded && with_stores && !sites->stores_known) {
		poll_sites_free(sites);
		sites->image = image;
		loaded = false;
		why_not = "without store sites, which `--level exact` needs";
	}
	if (loaded)
		futimens(fd, NULL);
	message_detail("%s: poll sites in the cache (%s): %s", image->path, cache->name,
		       loaded ? "used" : why_not);
	free(content);
	close(fd);
	return loaded;
}

/* Write head and content to a new file of that name. */
static int write_file(int directory, const char *name, const char *content, size_t size)
{
	struct file_head head;
	FILE *file;
	int fd;
	int status;

	memcpy(head.magic, magic, sizeof(magic));
	XXH128_canonicalFromHash(&head.digest, XXH3_128bits(content, size));
	unlinkat(directory, name, 0); /* of a process that died */
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	status = fwrite(&head, sizeof(head), 1, file) == 1 &&
				 fwrite(content, 1, size, file) == size
			 ? 0
			 : -1;
	return fclose(file) ? -1 : status;
}

struct kept_file {
	char name[NAME_MAX + 1];
	struct timespec used;
};

static int compare_youngest_first(const void *left, const void *right)
{
	const struct timespec *a = &((const struct kept_file *)left)->used;
	const struct timespec *b = &((const struct kept_file *)right)->used;

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? 1 : -1;
	return a->tv_nsec < b->tv_nsec ? 1 : a->tv_nsec > b->tv_nsec ? -1 : 0;
}

/* Remove what was not used for longest, so that FILES_KEPT are left. */
static void remove_oldest(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = copy < 0 ? NULL : fdopendir(copy);
	struct kept_file *files = NULL;
	size_t count = 0;
	struct dirent *entry;

	while (listing && (entry = readdir(listing))) {
		struct kept_file *grown;
		struct stat status;

		if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) ||
		    S_ISDIR(status.st_mode))
			continue;
		grown = realloc(files, (count + 1) * sizeof(*files));
		if (!grown)
			break;
		files = grown;
		files[count].used = status.st_mtim;
		snprintf(files[count++].name, sizeof(files->name), "%s", entry->d_name);
	}
	if (count > FILES_KEPT) {
		qsort(files, count, sizeof(*files), compare_youngest_first);
		for (size_t i = FILES_KEPT; i < count; i++)
			unlinkat(directory, files[i].name, 0);
	}
	free(files);
	if (listing)
		closedir(listing);
	else if (copy >= 0)
		close(copy);
}

/* Keep the sites, if they are all there is to find. What goes wrong is no failure. */
static void save(struct cache *cache, const struct image *image, const struct poll_sites *sites)
{
	const char *debug_file = image_debug_file(image);
	char temporary[32];
	char *content;
	size_t size;
	int status;

	/* With files that are missing now more would be known. */
	if (!sites->site_count || sites->from_symbols || sites->split_missing)
		return;
	cache->origin.debug_file = debug_file ? realpath(debug_file, NULL) : NULL;
	if ((debug_file && !cache->origin.debug_file) ||
	    describe_debug_file(&cache->origin, cache->origin.debug_file) ||
	    site_codec_encode(&cache->origin, sites, &content, &size))
		return;
	snprintf(temporary, sizeof(temporary), "%ld.new", (long)getpid());
	status = write_file(cache->directory, temporary, content, size) ||
		 renameat(cache->directory, temporary, cache->directory, cache->name);
	if (status) {
		message_detail("%s: cannot cache its poll sites: %s", image->path,
			       strerror(errno));
		unlinkat(cache->directory, temporary, 0);
	} else {
		remove_oldest(cache->directory);
	}
	free(content);
}

int site_cache_find(struct image *image, bool use_cache, bool with_stores,
		    struct poll_sites *sites)
{
	struct cache cache = {.directory = -1};
	int status = 0;

	*sites = (struct poll_sites){.image = image};
	if (use_cache)
		cache_open(&cache, image);
	if (cache.directory < 0 || !load(&cache, image, with_stores, sites)) {
		status = image_open_debug(image) || poll_sites_find(image, with_stores, sites)
				 ? -1
				 : 0;
		if (!status && cache.directory >= 0)
			save(&cache, image, sites);
	}
	cache_close(&cache);
	return status;
}
