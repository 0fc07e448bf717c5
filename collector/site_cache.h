/*
 * Poll sites found once are kept in the user's cache directory
 * ($XDG_CACHE_HOME/asyncrec or ~/.cache/asyncrec), one file a build-id.
 *
 * A file is believed only if nobody but the user can have written it, it is whole, and
 * the same asyncrec made it from the same program and debug file. Whatever is wrong
 * with it, or with the directory, costs the time to find the sites again, no more.
 */
#ifndef SITE_CACHE_H
#define SITE_CACHE_H

#include <stdbool.h>

struct image;
struct poll_sites;

/*
 * As poll_sites_find, by way of the cache if use_cache; without store sites wanted, some
 * may come from there all the same. Opens the debug information of
 * image, which must outlive the result, only if the sites are not in there.
 */
int site_cache_find(struct image *image, bool use_cache, bool with_stores,
		    struct poll_sites *sites);

#endif
