#include "list.h"

#include "insn.h"
#include "message.h"
#include "poll_sites.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

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

int list_poll_sites(const struct poll_sites *sites)
{
	printf("%-10s %-13s %-4s %-7s %-7s %s\n", "OFFSET", "KIND", "SELF", "CONTEXT", "INLINED",
	       "FUTURE");
	for (size_t i = 0; i < sites->site_count; i++) {
		const struct poll_site *site = &sites->sites[i];
		const struct future_type *type = &sites->types[site->type];

		printf("0x%08" PRIx64 " %-13s %-4s %-7s %-7u %s", site->offset,
		       future_kind_name(type->kind), register_or_dash(site->self_register),
		       register_or_dash(site->context_register), type->inlined, type->name);
		if (type->file)
			printf(" (%s:%u)", base_name(type->file), type->line);
		putchar('\n');
		if (message_level >= 2)
			print_await_points(type);
	}
	if (fflush(stdout) || ferror(stdout)) {
		message_error("--list: cannot write to stdout: %s", strerror(errno));
		return -1;
	}
	return 0;
}
