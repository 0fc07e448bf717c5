#include "probe_choice.h"

#include "asyncrec/message.h"
#include "asyncrec/strings.h"
#include "poll_sites.h"

#include <regex.h>
#include <stdlib.h>

const char *const plan_level_names[] = {
	[LEVEL_TASKS] = "tasks",
	[LEVEL_ASYNC] = "async",
	[LEVEL_ALL] = "all",
	[LEVEL_EXACT] = "exact",
};
const char *const plan_exits_names[] = {
	[EXITS_ALL] = "all", [EXITS_ROOTS] = "roots", [EXITS_NONE] = "none"};

static int compile(regex_t **compiled, char *const *patterns, size_t count)
{
	*compiled = calloc(count ? count : 1, sizeof(**compiled));
	if (!*compiled)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int status = regcomp(*compiled + i, patterns[i], REG_EXTENDED | REG_NOSUB);

		if (status) {
			char why[256];

			regerror(status, *compiled + i, why, sizeof(why));
			message_error("'%s': not a regular expression: %s", patterns[i], why);
			while (i-- > 0)
				regfree(*compiled + i);
			free(*compiled);
			*compiled = NULL;
			return -1;
		}
	}
	return 0;
}

static void release(regex_t *compiled, size_t count)
{
	for (size_t i = 0; compiled && i < count; i++)
		regfree(compiled + i);
	free(compiled);
}

static bool matches_any(const regex_t *compiled, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (regexec(compiled + i, name, 0, NULL, 0) == 0)
			return true;
	return false;
}

/* Which level shows what the chosen one does not. */
static const char *advice(enum plan_level level)
{
	switch (level) {
	case LEVEL_TASKS:
		return ", `--level async` adds what tasks await";
	case LEVEL_ASYNC:
		return ", `--level all` adds hand-written ones";
	case LEVEL_ALL:
		return ", `--level exact` adds inlined ones";
	default:
		return "";
	}
}

/* May a trap tell of polls of that type? Those of a root may be its executor's. */
static bool is_in_level(enum plan_level level, const struct future_type *type)
{
	switch (level) {
	case LEVEL_TASKS:
		return type->root;
	case LEVEL_ASYNC:
		return (type->physical || type->run) && type->kind != FUTURE_HANDWRITTEN;
	case LEVEL_EXACT:
		return type->physical || type->run || (type->stores_proven && type->inlined);
	default:
		return type->physical || type->run;
	}
}

/* Pointers to futures are futures; but what they point to is what matters. */
static bool is_pointer(const struct future_type *type)
{
	return starts_with(type->name, "core::pin::Pin<") || starts_with(type->name, "&mut ") ||
	       starts_with(type->name, "alloc::boxed::Box<");
}

/*
 * Handles that executors of the futures crate move between polls: one address may hold
 * many in turn. The future behind them stays where it is, and is polled in them.
 */
static bool is_moved_handle(const struct future_type *type)
{
	return starts_with(type->name, "futures_task::future_obj::FutureObj<") ||
	       starts_with(type->name, "futures_task::future_obj::LocalFutureObj<");
}

int probe_choice_make(const struct plan_choice *choice, const struct poll_sites *images,
		      size_t image_count, bool *chosen, bool *matching)
{
	regex_t *match = NULL;
	regex_t *exclude = NULL;
	size_t index = 0;
	bool any = choice->user_probe_count > 0;
	int status = -1;

	if (compile(&match, choice->match, choice->match_count) ||
	    compile(&exclude, choice->exclude, choice->exclude_count))
		goto out;
	for (size_t image = 0; image < image_count; image++) {
		for (size_t i = 0; i < images[image].type_count; i++, index++) {
			const struct future_type *type = &images[image].types[i];

			if (is_moved_handle(type) ||
			    (choice->match_count &&
			     !matches_any(match, choice->match_count, type->name)) ||
			    matches_any(exclude, choice->exclude_count, type->name))
				continue;
			matching[index] = choice->level >= LEVEL_ALL || !is_pointer(type);
			chosen[index] = is_in_level(choice->level, type);
			any |= chosen[index];
		}
	}
	if (any)
		status = 0;
	else
		message_error(
			"no future to trace: none that can be probed matches the options; "
			"`asyncrec --list` shows them%s",
			advice(choice->level));
out:
	release(match, choice->match_count);
	release(exclude, choice->exclude_count);
	return status;
}
