#include "root_sites.h"

#include "image.h"
#include "insn.h"
#include "poll_sites.h"

#include <stdlib.h>
#include <string.h>

/* Index of the poll whose function begins at address; site_count: none does. */
static size_t site_at(const struct poll_sites *sites, uint64_t address)
{
	size_t low = 0;
	size_t high = sites->site_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sites->sites[middle].address == address)
			return sites->sites[middle].runs_task ? sites->site_count : middle;
		if (sites->sites[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return sites->site_count;
}

/* Is the code at address that of a poll, or does it have one inlined? */
static bool is_in_poll(const struct poll_sites *sites, uint64_t address)
{
	for (size_t i = 0; i < sites->site_count; i++)
		if (address >= sites->sites[i].address && address < sites->sites[i].end)
			return !sites->sites[i].runs_task;
	for (size_t i = 0; i < sites->range_count; i++)
		if (address >= sites->ranges[i].start && address < sites->ranges[i].end)
			return true;
	return false;
}

static void mark(struct poll_sites *sites, uint64_t address)
{
	size_t site = site_at(sites, address);

	if (site < sites->site_count)
		sites->sites[site].may_be_root = true;
}

/* An insn_call_seen. */
static void mark_called(void *context, uint64_t address, uint64_t target)
{
	struct poll_sites *sites = context;

	if (site_at(sites, target) < sites->site_count && !is_in_poll(sites, address))
		mark(sites, target);
}

/*
 * Mark what a vtable has the address of: in a program that is not relocated, an
 * image_word_seen, ...
 */
static int mark_word(void *context, uint64_t address, uint64_t value)
{
	(void)address;
	mark(context, value);
	return 0;
}

/* ... and in one that is: an image_relocation_seen. */
static int mark_relocated(void *context, const GElf_Rela *relocation, const GElf_Sym *symbol,
			  const char *name)
{
	(void)symbol;
	(void)name;
	mark(context, (uint64_t)relocation->r_addend);
	return 0;
}

/* An image_segment_seen. */
static int mark_calls(void *context, uint64_t address, const uint8_t *code, size_t size)
{
	insn_scan_calls(code, size, address, mark_called, context);
	return 0;
}

static void mark_callable(struct poll_sites *sites)
{
	image_each_word(sites->image, mark_word, sites);
	image_each_relocation(sites->image, mark_relocated, sites);
	image_each_segment(sites->image, true, mark_calls, sites);
}

void root_sites_mark(struct poll_sites *sites)
{
	bool known = false;

	for (size_t i = 0; i < sites->site_count; i++)
		known |= sites->sites[i].runs_task && !sites->sites[i].blocks_on;
	if (!known)
		mark_callable(sites);
	for (size_t i = 0; i < sites->site_count; i++) {
		struct poll_site *site = &sites->sites[i];
		struct future_type *type =
			site->type == POLL_SITE_NO_TYPE ? NULL : &sites->types[site->type];

		if (site->runs_task || (type && type->blocked_on))
			site->may_be_root = true;
		if (site->runs_task && type)
			type->run = true;
		if (site->may_be_root && type)
			type->root = true;
	}
}
