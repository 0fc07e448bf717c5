#include "functions.h"

#include "image.h"

#include <gelf.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
	const struct function *a = left;
	const struct function *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

int functions_read(struct functions *functions, const struct image *image)
{
	int symbols = dwfl_module_getsymtab(image->module);
	size_t found = 0;
	GElf_Addr bias = 0;

	*functions = (struct functions){0};
	if (symbols <= 0)
		return 0;
	dwfl_module_getelf(image->module, &bias);
	functions->functions = calloc((size_t)symbols, sizeof(*functions->functions));
	if (!functions->functions)
		return -1;
	for (int i = 0; i < symbols; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(image->module, i, &symbol, &address,
							   NULL, NULL, NULL);

		if (name && GELF_ST_TYPE(symbol.st_info) == STT_FUNC &&
		    symbol.st_shndx != SHN_UNDEF && symbol.st_size)
			functions->functions[found++] =
				(struct function){address - bias, symbol.st_size, name};
	}
	qsort(functions->functions, found, sizeof(*functions->functions), compare);
	for (size_t i = 0; i < found; i++)
		if (i == 0 ||
		    functions->functions[i].address != functions->functions[i - 1].address)
			functions->functions[functions->count++] = functions->functions[i];
	return 0;
}

void functions_free(struct functions *functions)
{
	free(functions->functions);
	*functions = (struct functions){0};
}
