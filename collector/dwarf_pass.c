#include "dwarf_pass.h"

#include "asyncrec/array.h"
#include "asyncrec/strings.h"
#include "dwarf_scope.h"
#include "image.h"
#include "type_name.h"

#include <dwarf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More threads find no more: memory is what they wait for. */
enum { MOST_WORKERS = 8 };

/* The units to visit; only read while the workers run. */
struct units {
	Dwarf_Die *dies; /* owned; of a split unit the part that its skeleton leads to */
	size_t count;
};

/* What one thread does: every step-th unit from the first on. */
struct worker {
	const struct image *image;
	const struct units *units;
	size_t first;
	size_t step;
	struct dwarf_pass pass; /* the result */
	Dwarf_Die function;     /* the one being visited */
	Dwarf_Addr entry;       /* its address */
	pthread_t thread;
	bool started; /* thread is to be joined */
	bool out_of_memory;
};

bool dwarf_pass_is_resume(const char *name)
{
	return starts_with(name, "{async_");
}

bool dwarf_pass_is_poll(const char *name)
{
	/* In an impl for a generic type it is `poll<T>`. */
	return dwarf_pass_is_resume(name) ||
	       (starts_with(name, "poll") && (name[4] == '\0' || name[4] == '<'));
}

static bool has_prefix(const char *name, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (starts_with(name, prefixes[i]))
			return true;
	return false;
}

/* Functions that executors have; executors.c knows which of them are what they seem. */
static bool is_executor(const char *name)
{
	static const char *const names[] = {"run<",     "block_on<",    "shutdown<",
					    "dealloc<", "drop_future<", "destroy<"};

	return has_prefix(name, names, sizeof(names) / sizeof(names[0]));
}

bool dwarf_pass_is_glue(const char *name)
{
	return starts_with(name, "drop_in_place<");
}

/* Besides drop glue: functions of executors that get what holds a future, and drop it. */
static bool is_drop(const char *name)
{
	static const char *const names[] = {"drop_in_place<", "set_stage<", "cancel_task<",
					    "drop_future_or_output<"};

	return has_prefix(name, names, sizeof(names) / sizeof(names[0]));
}

/* Likewise functions of theirs that start a task. */
static bool is_starter(const char *name)
{
	return strcmp(name, "schedule") == 0;
}

/* Likewise structs. */
static bool is_task_type(const char *name)
{
	return starts_with(name, "Cell<") || starts_with(name, "Header") ||
	       starts_with(name, "LocalFutureObj");
}

static void add_die(struct worker *worker, Dwarf_Die **dies, size_t *count, size_t *room,
		    const Dwarf_Die *die)
{
	Dwarf_Die *grown = array_room(*dies, *count, room, sizeof(*grown));

	if (!grown) {
		worker->out_of_memory = true;
		return;
	}
	*dies = grown;
	grown[(*count)++] = *die;
}

static void add_drop_copy(struct worker *worker, void *origin)
{
	struct dwarf_pass *pass = &worker->pass;
	struct dropping_copy *grown = array_room(pass->drop_copies, pass->drop_copy_count,
						 &pass->drop_copy_room, sizeof(*grown));

	if (!grown) {
		worker->out_of_memory = true;
		return;
	}
	pass->drop_copies = grown;
	grown[pass->drop_copy_count++] = (struct dropping_copy){origin, worker->function.addr};
}

/* Index of the copy that die is, made if it is one of a poll; else parent. */
static size_t add_copy(struct worker *worker, Dwarf_Die *die, size_t parent)
{
	struct dwarf_pass *pass = &worker->pass;
	struct inlined_copy *grown;
	Dwarf_Attribute attribute;
	Dwarf_Die origin;
	Dwarf_Addr entry;
	const char *name;

	if (!dwarf_attr(die, DW_AT_abstract_origin, &attribute) ||
	    !dwarf_formref_die(&attribute, &origin))
		return parent;
	if (waker_functions_visit_copy(&pass->wakers, worker->image, die, &origin,
				       worker->entry))
		worker->out_of_memory = true;
	name = dwarf_diename(&origin);
	if (name && is_starter(name) && image_has_code_of(worker->image, die, &entry))
		add_die(worker, &pass->starters, &pass->starter_count, &pass->starter_room,
			die);
	if (name && dwarf_pass_is_glue(name) && image_has_code_of(worker->image, die, &entry))
		add_drop_copy(worker, origin.addr);
	if (!name || !dwarf_pass_is_poll(name) ||
	    !image_has_code_of(worker->image, die, &entry))
		return parent;
	grown = array_room(pass->copies, pass->copy_count, &pass->copy_room, sizeof(*grown));
	if (!grown) {
		worker->out_of_memory = true;
		return parent;
	}
	pass->copies = grown;
	grown[pass->copy_count] =
		(struct inlined_copy){*die, worker->function, origin.addr, parent};
	return pass->copy_count++;
}

static void find_copies(struct worker *worker, Dwarf_Die *around, size_t parent)
{
	Dwarf_Die die;

	if (dwarf_child(around, &die))
		return;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_inlined_subroutine)
			find_copies(worker, &die, add_copy(worker, &die, parent));
		else if (tag == DW_TAG_lexical_block)
			find_copies(worker, &die, parent);
	} while (dwarf_siblingof(&die, &die) == 0);
}

/* If the function stands in `{impl#N}`, learn from its symbol what that impl is of. */
static void learn_impl(struct worker *worker, Dwarf_Die *die, dwarf_scope scope,
		       const char *name)
{
	const struct dwarf_scopes *scopes = worker->pass.scopes;
	const char *linkage_name;
	char *inner = NULL;

	for (dwarf_scope s = scope; s != DWARF_SCOPE_NONE; s = dwarf_scope_parent(scopes, s)) {
		const char *scope_name = dwarf_scope_name(scopes, s);
		char *longer;
		char *path;

		if (!starts_with(scope_name, "{impl#")) {
			const char *rest = inner ? inner : name;

			longer = malloc(strlen(scope_name) + strlen(rest) + 3);
			if (!longer)
				break;
			strcpy(longer, scope_name);
			strcat(longer, "::");
			strcat(longer, rest);
			free(inner);
			inner = longer;
			continue;
		}
		linkage_name = dwarf_linkage_name(die);
		path = dwarf_scope_path(scopes, s);
		if (linkage_name && path)
			type_names_learn_impl(worker->pass.names, path, inner ? inner : name,
					      linkage_name);
		free(path);
		break;
	}
	free(inner);
}

/* The function lives at address: note it if it does not return. */
static void note_diverging(struct worker *worker, Dwarf_Die *die, const char *name,
			   uint64_t address)
{
	struct dwarf_pass *pass = &worker->pass;
	struct diverging_function *grown;
	Dwarf_Attribute attribute;

	if (!name || !dwarf_attr_integrate(die, DW_AT_noreturn, &attribute))
		return;
	grown = array_room(pass->diverging, pass->diverging_count, &pass->diverging_room,
			   sizeof(*grown));
	if (!grown) {
		worker->out_of_memory = true;
		return;
	}
	pass->diverging = grown;
	grown[pass->diverging_count++] = (struct diverging_function){address, name};
}

static void visit_function(struct worker *worker, Dwarf_Die *die, dwarf_scope scope)
{
	const char *name = dwarf_diename(die);
	Dwarf_Addr entry;

	if (name) {
		learn_impl(worker, die, scope, name);
		if (dwarf_pass_is_poll(name) || is_executor(name))
			add_die(worker, &worker->pass.functions, &worker->pass.function_count,
				&worker->pass.function_room, die);
		if (is_drop(name))
			add_die(worker, &worker->pass.drops, &worker->pass.drop_count,
				&worker->pass.drop_room, die);
	}
	if (image_has_code_of(worker->image, die, &entry)) {
		worker->function = *die;
		worker->entry = entry;
		worker->out_of_memory |=
			waker_functions_visit(&worker->pass.wakers, die, entry) != 0;
		note_diverging(worker, die, name, entry);
		find_copies(worker, die, INLINED_COPY_NONE);
	}
}

static void visit_struct(struct worker *worker, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	if (name && is_task_type(name))
		add_die(worker, &worker->pass.task_types, &worker->pass.task_type_count,
			&worker->pass.task_type_room, die);
	if (name && strcmp(name, "RawWakerVTable") == 0)
		worker->pass.wakers.vtable = *die;
}

/* rustc names the vtable of `dyn Future` for T `<T as core::future::future::Future>::{vtable}`.
 */
static void visit_variable(struct worker *worker, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	if (name && name[0] == '<' && ends_with(name, "::Future>::{vtable}"))
		add_die(worker, &worker->pass.vtables, &worker->pass.vtable_count,
			&worker->pass.vtable_room, die);
}

static void visit(struct worker *worker, Dwarf_Die *parent, dwarf_scope scope)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return;
	do {
		dwarf_scope inner;

		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			visit_function(worker, &die, scope);
			break;
		case DW_TAG_variable:
			visit_variable(worker, &die);
			break;
		case DW_TAG_structure_type:
			visit_struct(worker, &die);
			/* fall through */
		case DW_TAG_namespace:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
			inner = dwarf_scopes_add(worker->pass.scopes, &die, scope);
			if (inner != DWARF_SCOPE_NONE)
				visit(worker, &die, inner);
			else
				worker->out_of_memory = true;
			break;
		default:
			break;
		}
	} while (!worker->out_of_memory && dwarf_siblingof(&die, &die) == 0);
}

/* The start routine of a worker's thread. */
static void *work(void *argument)
{
	struct worker *worker = argument;

	worker->pass.scopes = dwarf_scopes_new();
	worker->pass.names = type_names_new();
	worker->out_of_memory = !worker->pass.scopes || !worker->pass.names;
	for (size_t i = worker->first; i < worker->units->count && !worker->out_of_memory;
	     i += worker->step)
		visit(worker, &worker->units->dies[i], DWARF_SCOPE_NONE);
	return NULL;
}

/* Append the DIEs of another array. Returns 0, or -1 when memory ran out. */
static int append(Dwarf_Die **dies, size_t *count, const Dwarf_Die *more, size_t more_count)
{
	Dwarf_Die *grown = array_append(*dies, count, more, more_count, sizeof(*grown));

	if (!grown)
		return -1;
	*dies = grown;
	return 0;
}

static int append_diverging(struct dwarf_pass *pass, const struct dwarf_pass *found)
{
	struct diverging_function *grown =
		array_append(pass->diverging, &pass->diverging_count, found->diverging,
			     found->diverging_count, sizeof(*grown));

	if (!grown)
		return -1;
	pass->diverging = grown;
	return 0;
}

static int append_drop_copies(struct dwarf_pass *pass, const struct dwarf_pass *found)
{
	struct dropping_copy *grown =
		array_append(pass->drop_copies, &pass->drop_copy_count, found->drop_copies,
			     found->drop_copy_count, sizeof(*grown));

	if (!grown)
		return -1;
	pass->drop_copies = grown;
	return 0;
}

static int append_copies(struct dwarf_pass *pass, const struct dwarf_pass *found)
{
	size_t first = pass->copy_count;
	struct inlined_copy *grown =
		array_append(pass->copies, &pass->copy_count, found->copies, found->copy_count,
			     sizeof(*grown));

	if (!grown)
		return -1;
	pass->copies = grown;
	for (size_t i = first; i < pass->copy_count; i++)
		if (grown[i].parent != INLINED_COPY_NONE)
			grown[i].parent += first;
	return 0;
}

/* Append what a worker found, which may be emptied. Returns 0, or -1: no memory. */
static int take(struct dwarf_pass *pass, struct dwarf_pass *found)
{
	if (!pass->scopes) {
		bool split_missing = pass->split_missing;

		*pass = *found;
		pass->split_missing = split_missing;
		*found = (struct dwarf_pass){0};
		return 0;
	}
	if (dwarf_scopes_append(pass->scopes, found->scopes) ||
	    append(&pass->functions, &pass->function_count, found->functions,
		   found->function_count) ||
	    append(&pass->task_types, &pass->task_type_count, found->task_types,
		   found->task_type_count) ||
	    append(&pass->vtables, &pass->vtable_count, found->vtables, found->vtable_count) ||
	    append(&pass->starters, &pass->starter_count, found->starters,
		   found->starter_count) ||
	    append(&pass->drops, &pass->drop_count, found->drops, found->drop_count) ||
	    append_copies(pass, found) || append_drop_copies(pass, found) ||
	    append_diverging(pass, found) ||
	    waker_functions_append(&pass->wakers, &found->wakers))
		return -1;
	type_names_take(pass->names, found->names);
	return 0;
}

static int share_out(struct dwarf_pass *pass, const struct image *image,
		     const struct units *units)
{
	struct worker workers[MOST_WORKERS];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = processors < 1 ? 1 : (size_t)processors;
	int status = 0;

	if (count > MOST_WORKERS)
		count = MOST_WORKERS;
	for (size_t i = 0; i < count; i++) {
		workers[i] = (struct worker){
			.image = image, .units = units, .first = i, .step = count};
		workers[i].started = i + 1 < count && pthread_create(&workers[i].thread, NULL,
								     work, &workers[i]) == 0;
		if (!workers[i].started)
			work(&workers[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
		status |= workers[i].out_of_memory || take(pass, &workers[i].pass);
		dwarf_pass_free(&workers[i].pass);
	}
	return status || dwarf_scopes_finish(pass->scopes) ? -1 : 0;
}

/*
 * Let libdw read all abbreviations of a unit. It does when they are first needed, in a
 * way that is not safe if the DIEs of one unit are read by two threads, one of them
 * through a reference from another unit (elfutils 0.188, __libdw_findabbrev).
 */
static void load_abbreviations(Dwarf_Die *unit)
{
	Dwarf_Abbrev *abbreviation;
	Dwarf_Off offset = 0;
	size_t length;

	while ((abbreviation = dwarf_getabbrev(unit, offset, &length)) &&
	       abbreviation != DWARF_END_ABBREV)
		offset += length;
}

/*
 * The units of the image. When libdw knows them all, with their abbreviations, several
 * threads may ask it for DIEs: what it still allocates then it does for each thread.
 */
static int find_units(struct dwarf_pass *pass, const struct image *image, struct units *units)
{
	Dwarf_CU *unit = NULL;
	uint8_t type;
	Dwarf_Die die;
	Dwarf_Die split;
	size_t room = 0;

	while (dwarf_get_units(image->dwarf, unit, &unit, NULL, &type, &die, &split) == 0) {
		Dwarf_Die *grown;

		if (type == DW_UT_skeleton && !split.addr) {
			pass->split_missing = true;
			continue;
		}
		grown = array_room(units->dies, units->count, &room, sizeof(*grown));
		if (!grown)
			return -1;
		units->dies = grown;
		grown[units->count] = split.addr ? split : die;
		load_abbreviations(&grown[units->count++]);
	}
	return 0;
}

int dwarf_pass_run(struct dwarf_pass *pass, const struct image *image)
{
	struct units units = {0};
	int status;

	*pass = (struct dwarf_pass){0};
	status = find_units(pass, image, &units) || share_out(pass, image, &units);
	free(units.dies);
	return status ? -1 : 0;
}

void dwarf_pass_free(struct dwarf_pass *pass)
{
	dwarf_scopes_free(pass->scopes);
	type_names_free(pass->names);
	free(pass->functions);
	free(pass->task_types);
	free(pass->vtables);
	free(pass->starters);
	free(pass->drops);
	free(pass->drop_copies);
	free(pass->copies);
	free(pass->diverging);
	waker_functions_free(&pass->wakers);
	*pass = (struct dwarf_pass){0};
}
