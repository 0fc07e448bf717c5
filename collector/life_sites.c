#include "life_sites.h"

#include "poll_sites.h"

#include <stdlib.h>
#include <string.h>

const char *const life_names[] = {
	[LIFE_WAKE] = "wake",
	[LIFE_DROP] = "drop",
	[LIFE_SPAWN] = "spawn",
	[LIFE_WAKER] = "waker",
};

int life_sites_add(struct poll_sites *sites, const struct life_site *life, const char *symbol)
{
	struct life_site *grown;

	for (size_t i = 0; i < sites->life_count; i++)
		if (sites->lives[i].kind == life->kind &&
		    sites->lives[i].address == life->address &&
		    sites->lives[i].type == life->type &&
		    sites->lives[i].self_offset == life->self_offset)
			return 0;
	grown = realloc(sites->lives, (sites->life_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	sites->lives = grown;
	grown[sites->life_count] = *life;
	grown[sites->life_count].symbol = symbol ? strdup(symbol) : NULL;
	sites->life_count++;
	return 0;
}
