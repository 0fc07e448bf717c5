#include "inferred_polls.h"

#include "inlining.h"
#include "noted.h"

#include <stdlib.h>
#include <string.h>

/* The future of that type that the one at index holds, or LIVING_NONE. */
static size_t held_by(const struct living_set *set, size_t index, int64_t type_id)
{
	for (size_t i = 1; i < set->count; i++)
		if (set->futures[i].parent == index && set->futures[i].type_id == type_id)
			return i;
	return LIVING_NONE;
}

/* The one future of that type in set, if there is just one; else LIVING_NONE. */
static size_t only_living(const struct living_set *set, int64_t type_id)
{
	size_t found = LIVING_NONE;

	for (size_t i = 1; i < set->count; i++) {
		if (set->futures[i].type_id != type_id)
			continue;
		if (found != LIVING_NONE)
			return LIVING_NONE;
		found = i;
	}
	return found;
}

/*
 * Where in outer's memory a future of that type is that outer does not hold itself: the
 * poll of its holder, and in *holder its index. Outer and 0 if that is not known.
 */
static struct poll *find_holder(struct inferred *inferred, struct poll *outer, int64_t type_id,
				size_t *holder)
{
	const struct living_set *set = &outer->living;
	struct poll *around;
	size_t index;

	*holder = 0;
	if (held_by(set, 0, type_id) != LIVING_NONE)
		return outer;
	index = only_living(set, type_id);
	if (index == LIVING_NONE || set->futures[index].parent == LIVING_NONE ||
	    !set->futures[index].parent)
		return outer;
	*holder = set->futures[index].parent;
	around = inferred_living(inferred, outer, set, *holder, false);
	for (struct poll *poll = around; poll && poll != outer; poll = poll->parent)
		poll->certain |= !outer->doubtful;
	return around;
}

struct poll *inferred_place_types(struct inferred *inferred, struct poll *outer,
				  const struct poll *poll, const int64_t *types, size_t count)
{
	struct poll *around = outer;
	size_t living = LIVING_NONE;
	size_t node = 0;

	if (outer->living.count && count) {
		around = find_holder(inferred, outer, types[0], &living);
		node = outer->living.futures[living].node;
	}
	for (size_t i = 0; i < count && around; i++) {
		uint64_t address = 0;
		int64_t state = STATE_UNKNOWN;

		if (living != LIVING_NONE)
			living = held_by(&outer->living, living, types[i]);
		if (living != LIVING_NONE) {
			const struct living *future = &outer->living.futures[living];

			address = future->address;
			state = future->begun ? future->state : STATE_UNRESUMED;
			node = future->node;
		} else if (around->self_known && node != LIVING_NONE) {
			node = snapshots_place(inferred->snapshots, outer->type_id, node,
					       types[i], around->self,
					       poll->self_known ? poll->self : 0, &address);
			/* What does not live where that was read begins. */
			if (node != LIVING_NONE && outer->living.count)
				state = STATE_UNRESUMED;
		} else {
			node = LIVING_NONE;
		}
		around = inferred_poll(inferred, outer, around, types[i], address, node, state);
		if (around)
			around->certain |= !outer->doubtful;
	}
	return around;
}

/* The innermost future living in outer's memory in which poll's future lies. */
static struct poll *place_by_memory(struct inferred *inferred, struct poll *outer,
				    const struct poll *poll)
{
	const struct living_set *set = &outer->living;
	struct poll *around;
	size_t found = 0;

	for (size_t i = 1; i < set->count; i++) {
		const struct living *future = &set->futures[i];
		struct snapshot_type type =
			snapshots_type(inferred->snapshots, future->type_id);

		/* One that has not begun has now. */
		if (poll->self_known && poll->self - future->address < type.size &&
		    future->parent == found && !type.complete &&
		    (future->type_id != poll->type_id || future->address != poll->self))
			found = i;
	}
	if (!found)
		return outer;
	around = inferred_living(inferred, outer, set, found, false);
	for (struct poll *certain = around; certain && certain != outer;
	     certain = certain->parent)
		certain->certain = true;
	return around;
}

static int note_trapped(struct poll *outer, const struct poll *poll)
{
	/* It may go on for as long as the program does. */
	if (outer->hosts && inferred_has_trapped(outer, poll->type_id, poll->self))
		return 0;
	return noted_add(&outer->trapped, &outer->trapped_count, poll);
}

uint64_t inferred_host(const struct inferred *inferred, int64_t image_id,
		       uint64_t return_address)
{
	return inlining_function(inferred->inlining, image_id, return_address);
}

/* Are all the polls from poll out to host of coroutines? */
static bool are_coroutines(const struct inferred *inferred, const struct poll *poll,
			   const struct poll *host)
{
	for (; poll != host; poll = poll->parent)
		if (!snapshots_type(inferred->snapshots, poll->type_id).is_coroutine)
			return false;
	return true;
}

enum inferred_over inferred_over(const struct inferred *inferred, const struct poll *host,
				 const struct poll *poll)
{
	bool pending = false;

	for (size_t i = 0; i < host->inner_count; i++) {
		const struct poll *inner = host->inner[i];

		/* Combinators poll the next, or the same again. */
		if (inner->child_pending && !host->hidden &&
		    are_coroutines(inferred, inner, host))
			return INFERRED_IS_OVER;
		pending |= inner->child_pending;
	}
	return pending && inferred_has_trapped(host, poll->type_id, poll->self)
		       ? INFERRED_MAY_BE_OVER
		       : INFERRED_GOES_ON;
}

size_t inferred_stands_for(const struct poll *outer, const int64_t *types, size_t count)
{
	return outer->runs_task && count && types[0] == outer->type_id;
}

/*
 * Between poll and outer there may be a function that is no poll, with polls inlined: a
 * closure, mostly. Put those in.
 */
static struct poll *place_by_host(struct inferred *inferred, struct poll *outer,
				  const struct poll *poll)
{
	int64_t types[2 * MOST_INLINED];
	uint64_t host = inferred_host(inferred, poll->image_id, poll->return_address);
	int64_t *found = types + MOST_INLINED;
	size_t around = 0;
	size_t count;

	if (!host)
		return outer;
	count = inlining_find(inferred->inlining, poll->image_id, host, poll->return_address,
			      found, MOST_INLINED, &outer->hidden);
	if (inferred_stands_for(outer, found, count))
		found++, count--;
	/* What is inlined into outer around its call of that function no address tells. */
	else if (count && outer->type_id)
		around = outer->self_known && poll->self_known
				 ? snapshots_path(inferred->snapshots, outer->type_id, found[0],
						  poll->self - outer->self, types, MOST_INLINED)
				 : LIVING_NONE;
	if (around == LIVING_NONE)
		return outer;
	memmove(types + around, found, count * sizeof(*found));
	return inferred_place_types(inferred, outer, poll, types, around + count);
}

/* Is poll called from the very function of outer? */
static bool calls_itself(const struct poll *outer, const struct poll *poll)
{
	/* The call ends where it returns to. */
	return poll->return_address - 1 - outer->function_address < outer->function_size;
}

int inferred_place(struct inferred *inferred, struct poll *poll)
{
	struct poll *outer = poll->parent;
	int64_t types[MOST_INLINED];
	size_t first;
	size_t count;
	struct poll *place;

	if (!outer)
		return 0;
	/* It may lie in the memory of any of those around it. */
	for (struct poll *around = outer; around; around = around->parent)
		if (!around->is_inferred && note_trapped(around, poll))
			return -1;
	count = inlining_find(inferred->inlining, outer->image_id, outer->function_address,
			      poll->return_address, types, MOST_INLINED, &outer->hidden);
	first = inferred_stands_for(outer, types, count);
	if (count > first)
		place = inferred_place_types(inferred, outer, poll, types + first,
					     count - first);
	else if (calls_itself(outer, poll))
		place = outer;
	else
		place = place_by_memory(inferred, outer, poll);
	if (place == outer && !calls_itself(outer, poll))
		place = place_by_host(inferred, outer, poll);
	if (!place)
		return -1;
	if (place != outer) {
		outer->children--;
		inferred_put(poll, place);
	}
	return 0;
}
