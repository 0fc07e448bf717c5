#include "list.h"

#include "asyncrec/strings.h"
#include "image.h"
#include "insn.h"
#include "asyncrec/message.h"
#include "poll_sites.h"
#include "probe_plan.h"
#include "user_probe.h"

#include <errno.h>
#include <inttypes.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *register_or_dash(int dwarf_register)
{
	const char *name = insn_register_name(dwarf_register);

	return name ? name : "-";
}

static void print_await_points(const struct future_type *type)
{
	for (size_t i = 0; i < type->await_point_count; i++) {
		const struct await_point *point = &type->await_points[i];

		printf("    state %u awaits %s at %s:%u\n", point->state,
		       point->awaitee ? point->awaitee : "?",
		       point->file ? base_name(point->file) : "?", point->line);
	}
}

/* The futures that the memory of a polled one shows, each behind what it lies in. */
static void print_snapshot(const struct poll_sites *sites, const struct snapshot_plan *plan)
{
	/* The first is the polled future itself. */
	for (size_t i = 1; i < plan->node_count; i++) {
		const struct snapshot_node *node = &plan->nodes[i];
		int depth = 0;

		if (node->type == SNAPSHOT_NONE && node->vtable == SNAPSHOT_NONE)
			continue;
		for (size_t outer = node->parent; outer; outer = plan->nodes[outer].parent)
			depth++;
		printf("    %*sholds %s%s\n", depth * 2, "",
		       node->type == SNAPSHOT_NONE ? "a dyn Future"
						   : sites->types[node->type].name,
		       node->awaited ? ", awaited" : "");
	}
	if (plan->word_count)
		printf("    in %zu words, %u futures left out\n", plan->word_count,
		       plan->left_out);
}

static void print_site(const struct poll_sites *sites, const struct poll_site *site)
{
	const struct future_type *type = &sites->types[site->type];

	printf("0x%08" PRIx64 " %-13s %-4s %-7s %-7u %s", site->offset,
	       future_kind_name(type->kind), register_or_dash(site->self_register),
	       register_or_dash(site->context_register), type->inlined, type->name);
	if (type->file)
		printf(" (%s:%u)", base_name(type->file), type->line);
	putchar('\n');
	if (message_level >= 2) {
		print_await_points(type);
		print_snapshot(sites, &type->snapshot);
	}
}

static void print_runner(const struct poll_site *site)
{
	char *name = site->symbol ? rust_demangle(site->symbol, 0) : NULL;

	printf("0x%08" PRIx64 " %-13s %-4s %-7s %-7s %s\n", site->offset, "(executor)", "-",
	       "-", "-", name ? name : "?");
	free(name);
}

static void print_user_probe(const struct user_probe *probe)
{
	printf("0x%08" PRIx64 " %-13s %-4s %-7s %-7s %s", probe->offset, "(probe)", "-", "-",
	       "-", probe->name);
	if (probe->address > probe->function)
		printf("+0x%" PRIx64, probe->address - probe->function);
	if (probe->file)
		printf(" (%s:%u)", base_name(probe->file), probe->line);
	putchar('\n');
}

/* Distinct instructions that store the state of the type. */
static size_t count_stores(const struct poll_sites *sites, size_t type)
{
	uint64_t last = 0;
	size_t count = 0;

	for (size_t i = 0; i < sites->store_count; i++) {
		const struct store_site *store = &sites->stores[i];

		if (store->type != type || (count && store->address == last))
			continue;
		last = store->address;
		count++;
	}
	return count;
}

/* How each coroutine is counted: by its entries, by its stores, or why not. */
static void print_proofs(const struct probe_plan *plan, size_t image)
{
	const struct poll_sites *sites = &plan->images[image];

	printf("%s\n%-8s %-6s %s\n", sites->image->path, "COUNTED", "STORES", "COROUTINE");
	for (size_t i = 0; i < sites->type_count; i++) {
		const struct future_type *type = &sites->types[i];

		if (type->kind == FUTURE_HANDWRITTEN || (!type->inlined && !type->physical) ||
		    !probe_plan_matches(plan, image, i))
			continue;
		if (probe_plan_has_stores(plan, image, i))
			printf("%-8s %-6zu %s\n", "proven", count_stores(sites, i), type->name);
		else if (probe_plan_sees_all(plan, image, i))
			printf("%-8s %-6s %s\n", "entries", "-", type->name);
		else if (type->stores_proven)
			/* The stores would do, but it has none: an entry cannot be probed. */
			printf("%-8s %-6s %s: has an entry that no probe can be put on\n",
			       "partly", "-", type->name);
		else
			printf("%-8s %-6s %s: %s, at 0x%" PRIx64 "\n", "partly", "-",
			       type->name, stores_verdict_text(type->stores_verdict),
			       type->stores_where);
	}
}

int list_poll_sites(const struct probe_plan *plan)
{
	size_t image = SIZE_MAX;

	for (size_t i = 0; i < plan->probe_count; i++) {
		const struct probe *probe = &plan->probes[i];
		const struct poll_sites *sites = &plan->images[probe->image];
		const struct poll_site *site;

		if (probe->kind != PROBE_ENTRY && probe->kind != PROBE_USER)
			continue;
		if (probe->image != image) {
			image = probe->image;
			printf("%s\n%-10s %-13s %-4s %-7s %-7s %s\n", sites->image->path,
			       "OFFSET", "KIND", "SELF", "CONTEXT", "INLINED", "FUTURE");
		}
		if (probe->user) {
			print_user_probe(probe->user);
			continue;
		}
		site = &sites->sites[probe->site];
		if (!probe->polls)
			print_runner(site);
		else
			print_site(sites, site);
	}
	for (size_t i = 0; i < plan->image_count; i++)
		if (plan->choice.level == LEVEL_EXACT && message_level >= 2 &&
		    plan->images[i].stores_known)
			print_proofs(plan, i);
	if (fflush(stdout) || ferror(stdout)) {
		message_error("--list: cannot write to stdout: %s", strerror(errno));
		return -1;
	}
	return 0;
}
