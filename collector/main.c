#include "image.h"
#include "list.h"
#include "options.h"
#include "poll_sites.h"
#include "probe_plan.h"
#include "record.h"
#include "site_cache.h"
#include "target.h"
#include "user_probe.h"

#include <stdlib.h>

/* The probed files, with their poll sites and what else the user wants to see. */
struct probed {
	struct image *images;     /* owned */
	struct poll_sites *sites; /* owned; one for each image */
	size_t count;
	struct user_probes user; /* owned */
};

static void probed_free(struct probed *probed)
{
	for (size_t i = 0; i < probed->count; i++) {
		poll_sites_free(&probed->sites[i]);
		image_close(&probed->images[i]);
	}
	user_probes_free(&probed->user);
	free(probed->images);
	free(probed->sites);
}

/* Open each file (name: what the user knows a single one by) and find what to probe. */
static int probed_find(struct probed *probed, const char *const *paths, size_t count,
		       const char *name, const struct options *options)
{
	*probed = (struct probed){
		.images = calloc(count, sizeof(*probed->images)),
		.sites = calloc(count, sizeof(*probed->sites)),
	};
	if (!probed->images || !probed->sites)
		return -1;
	for (size_t i = 0; i < count; i++) {
		probed->count++;
		if (image_open(&probed->images[i], paths[i], name) ||
		    site_cache_find(&probed->images[i], options->use_cache,
				    options->choice.level == LEVEL_EXACT, &probed->sites[i]))
			return -1;
		/* Other code can be of interest, too. */
		if (!probed->sites[i].site_count && !options->probe_count) {
			poll_sites_explain_none(&probed->sites[i]);
			return -1;
		}
	}
	return user_probes_find(&probed->user, probed->images, count, options->probes,
				options->probe_count);
}

static int run(const struct options *options, struct target *target)
{
	const char *const *paths =
		options->image_count ? options->images : (const char *const *)&target->path;
	size_t count = options->image_count ? options->image_count : 1;
	struct plan_choice choice = options->choice;
	struct probe_plan plan = {0};
	struct probed probed;
	int status = probed_find(&probed, paths, count,
				 options->image_count ? NULL : target->name, options);

	choice.user_probes = probed.user.probes;
	choice.user_probe_count = probed.user.count;
	if (status || probe_plan_make(&plan, probed.sites, probed.count, &choice)) {
		status = STATUS_FAILED;
	} else {
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
