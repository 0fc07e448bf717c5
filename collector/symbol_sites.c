#include "symbol_sites.h"

#include "asyncrec/strings.h"
#include "functions.h"
#include "image.h"
#include "insn.h"
#include "poll_sites.h"

#include <gelf.h>
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

/* Addresses of code that panics when a coroutine is resumed too late, and of slots
 * (of the global offset table) that hold such an address. */
struct panics {
	uint64_t *addresses; /* owned; sorted */
	size_t count;
};

static int compare_addresses(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static bool is_panic_name(const char *name)
{
	return strstr(name, "panic_const_async") && strstr(name, "_resumed");
}

static int add_address(struct panics *panics, uint64_t address)
{
	uint64_t *grown = realloc(panics->addresses, (panics->count + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	panics->addresses = grown;
	grown[panics->count++] = address;
	return 0;
}

static bool is_panic(const struct panics *panics, size_t count, uint64_t address)
{
	return count && bsearch(&address, panics->addresses, count, sizeof(*panics->addresses),
				compare_addresses);
}

/* The functions found so far, for slots that hold the address of one. */
struct slot_search {
	struct panics *panics;
	size_t functions; /* the first so many of them, sorted, are functions */
};

/* A slot that the dynamic linker fills with such an address: an image_relocation_seen. */
static int add_slot(void *context, const GElf_Rela *relocation, const GElf_Sym *symbol,
		    const char *name)
{
	struct slot_search *search = context;

	(void)symbol;
	(void)name;
	/* In a position independent program they have no symbol. */
	return GELF_R_SYM(relocation->r_info) == 0 &&
			       is_panic(search->panics, search->functions,
					(uint64_t)relocation->r_addend)
		       ? add_address(search->panics, relocation->r_offset)
		       : 0;
}

static int find_panics(const struct image *image, const struct functions *functions,
		       struct panics *panics)
{
	struct slot_search search = {.panics = panics};

	for (size_t i = 0; i < functions->count; i++)
		if (is_panic_name(functions->functions[i].name) &&
		    add_address(panics, functions->functions[i].address))
			return -1;
	search.functions = panics->count;
	if (image_each_relocation(image, add_slot, &search))
		return -1;
	if (panics->count)
		qsort(panics->addresses, panics->count, sizeof(*panics->addresses),
		      compare_addresses);
	return 0;
}

/* The last `::{{closure}}` or `::{closure#0}`, of legacy and v0 mangling; NULL: none. */
static char *closure_suffix(char *name)
{
	char *suffix = NULL;

	for (char *at = name; (at = strstr(at, "::{")); at++)
		suffix = at;
	if (!suffix || (strncmp(suffix, "::{{closure}}", 13) != 0 &&
			strncmp(suffix, "::{closure#", 11) != 0))
		return NULL;
	return strchr(suffix, '}') && ends_with(name, "}") ? suffix : NULL;
}

/*
 * The type that the demangled name of a poll function (`<T as Future>::poll`) tells, in
 * place; or NULL.
 */
static char *polled_name(char *name)
{
	static const char end[] = " as core::future::future::Future>::poll";

	if (name[0] != '<' || !ends_with(name, end))
		return NULL;
	name[strlen(name) - (sizeof(end) - 1)] = '\0';
	/* Before rustc 1.67 this stood around every coroutine, which has no name here. */
	return strncmp(name + 1, "core::future::from_generator::GenFuture<", 40) == 0
		       ? NULL
		       : name + 1;
}

/* `{{closure}}`, for closures around a coroutine, as the author may take it: in place. */
static void tidy_closures(char *name)
{
	static const char word[] = "{{closure}}";

	for (char *at = name; (at = strstr(at, word)); at++) {
		memmove(at, at + 1, strlen(at));
		memmove(at + sizeof(word) - 3, at + sizeof(word) - 2,
			strlen(at + sizeof(word) - 2) + 1);
	}
}

static bool calls_panic(const struct image *image, const struct panics *panics,
			const struct function *function, uint64_t offset)
{
	struct insn_call *calls;
	bool found = false;
	size_t count;

	if (insn_find_calls(image->data + offset, function->size, function->address, &calls,
			    &count))
		return false;
	for (size_t i = 0; i < count && !found; i++)
		found = is_panic(panics, panics->count, calls[i].target);
	free(calls);
	return found;
}

static int add_site(struct poll_sites *sites, const struct function *function, uint64_t offset,
		    const char *name, bool is_resume)
{
	struct future_type *types =
		realloc(sites->types, (sites->type_count + 1) * sizeof(*types));
	struct poll_site *grown =
		realloc(sites->sites, (sites->site_count + 1) * sizeof(*grown));
	struct future_type *type;
	struct poll_site *site;

	sites->types = types ? types : sites->types;
	sites->sites = grown ? grown : sites->sites;
	if (!types || !grown)
		return -1;
	type = &types[sites->type_count];
	site = &grown[sites->site_count];
	*type = (struct future_type){
		.name = strdup(name),
		.kind = is_resume ? FUTURE_ASYNC_FN : FUTURE_HANDWRITTEN,
		.state_offset = -1,
	};
	*site = (struct poll_site){
		.type = sites->type_count,
		.address = function->address,
		.end = function->address + function->size,
		.offset = offset,
		.symbol = strdup(function->name),
		.self_register = -1,
		.context_register = -1,
	};
	sites->type_count++;
	sites->site_count++;
	if (is_resume && insn_find_state(sites->image->data + offset, function->size,
					 &site->self_register, &type->state_offset))
		type->state_width = 1;
	return type->name && site->symbol ? 0 : -1;
}

static int consider(const struct image *image, const struct panics *panics,
		    const struct function *function, struct poll_sites *sites)
{
	char *name = rust_demangle(function->name, 0);
	char *suffix = name ? closure_suffix(name) : NULL;
	const char *polled = name && !suffix ? polled_name(name) : NULL;
	uint64_t offset;
	int status = 0;

	if ((suffix || polled) &&
	    image_code_offset(image, function->address, function->size, &offset)) {
		if (polled) {
			status = add_site(sites, function, offset, polled, false);
		} else if (calls_panic(image, panics, function, offset)) {
			*suffix = '\0';
			tidy_closures(name);
			status = add_site(sites, function, offset, name, true);
		}
	}
	free(name);
	return status;
}

int symbol_sites_find(const struct image *image, const struct functions *functions,
		      struct poll_sites *sites)
{
	struct panics panics = {0};
	int status = find_panics(image, functions, &panics);

	for (size_t i = 0; i < functions->count && !status; i++)
		status = consider(image, &panics, &functions->functions[i], sites);
	free(panics.addresses);
	return status ? -1 : 0;
}
