#include "image.h"
#include "list.h"
#include "options.h"
#include "poll_sites.h"
#include "probe_plan.h"
#include "record.h"
#include "site_cache.h"
#include "target.h"

#include <stdlib.h>

/* The probed files, with their poll sites. */
struct probed {
	struct image *images;     /* owned */
	struct poll_sites *sites; /* owned; one for each image */
	size_t count;
};

static void probed_free(struct probed *probed)
{
	for (size_t i = 0; i < probed->count; i++) {
		poll_sites_free(&probed->sites[i]);
		image_close(&probed->images[i]);
	}
	free(probed->images);
	free(probed->sites);
}

/* Open each file (name: what the user knows a single one by) and find its poll sites. */
static int probed_find(struct probed *probed, const char *const *paths, size_t count,
		       const char *name, bool use_cache)
{
	*probed = (struct probed){
		.images = calloc(count, sizeof(*probed->images)),
		.sites = calloc(count, sizeof(*probed->sites)),
	};
	for (size_t i = 0; probed->images && probed->sites && i < count; i++) {
		probed->count++;
		if (image_open(&probed->images[i], paths[i], name) ||
		    site_cache_find(&probed->images[i], use_cache, &probed->sites[i]))
			return -1;
	}
	return probed->images && probed->sites ? 0 : -1;
}

static int run(const struct options *options, struct target *target)
{
	const char *const *paths =
		options->image_count ? options->images : (const char *const *)&target->path;
	size_t count = options->image_count ? options->image_count : 1;
	struct probe_plan plan = {0};
	struct probed probed;
	int status = STATUS_FAILED;

	if (probed_find(&probed, paths, count, options->image_count ? NULL : target->name,
			options->use_cache) == 0 &&
	    probe_plan_make(&plan, probed.sites, probed.count, &options->choice) == 0) {
		if (options->list)
			status = list_poll_sites(&plan) ? STATUS_FAILED : 0;
		else
			status = record(options, &plan, target);
	}
	probe_plan_free(&plan);
	probed_free(&probed);
	return status;
}

int main(int argc, char **argv)
{
	struct target target = {.go = -1, .failure = -1, .signals = -1, .life = -1};
	struct options options;
	int status = options_read(&options, argc, argv);

	if (status >= 0)
		return status;
	status = 0;
	if (options.pid)
		status = target_attach(&target, options.pid);
	else if (options.program[0])
		status = target_find(&target, options.program[0]);
	if (!status)
		status = run(&options, &target);
	target_close(&target);
	options_free(&options);
	return status;
}
