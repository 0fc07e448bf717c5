#include "noted.h"

#include <stdlib.h>

int noted_add(struct trapped **noted, size_t *count, const struct poll *poll)
{
	struct trapped *grown = realloc(*noted, (*count + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	*noted = grown;
	grown[(*count)++] = (struct trapped){poll->type_id, poll->self,
					     poll->state_known ? poll->state_before : -1};
	return 0;
}

const struct trapped *noted_find(const struct trapped *noted, size_t count, int64_t type_id,
				 uint64_t address)
{
	for (size_t i = 0; i < count; i++)
		if (noted[i].type_id == type_id && noted[i].address == address)
			return &noted[i];
	return NULL;
}

int noted_drop(struct poll *around, const struct poll *drop)
{
	for (; around; around = around->parent)
		if (!around->is_inferred && !around->hosts &&
		    noted_add(&around->drops, &around->drop_count, drop))
			return -1;
	return 0;
}
