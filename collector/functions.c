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

int functions_read_all(struct functions *functions, const struct image *image)
{
	int symbols = dwfl_module_getsymtab(image->module);
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
			functions->functions[functions->count++] =
				(struct function){address - bias, symbol.st_size, name};
	}
	qsort(functions->functions, functions->count, sizeof(*functions->functions), compare);
	return 0;
}

int functions_read(struct functions *functions, const struct image *image)
{
	int status = functions_read_all(functions, image);
	size_t found = functions->count;

	functions->count = 0;
	for (size_t i = 0; i < found; i++)
		if (i == 0 ||
		    functions->functions[i].address != functions->functions[i - 1].address)
			functions->functions[functions->count++] = functions->functions[i];
	return status;
}

static int compare_begin(const void *left, const void *right)
{
	uint64_t address = *(const uint64_t *)left;
	const struct function *function = right;

	return address < function->address ? -1 : address > function->address;
}

static int compare_extent(const void *left, const void *right)
{
	uint64_t address = *(const uint64_t *)left;
	const struct function *function = right;

	return address < function->address                     ? -1
	       : address - function->address >= function->size ? 1
							       : 0;
}

static const struct function *search(const struct functions *functions, uint64_t address,
				     int (*compare_to)(const void *, const void *))
{
	return functions->count ? bsearch(&address, functions->functions, functions->count,
					  sizeof(*functions->functions), compare_to)
				: NULL;
}

const struct function *functions_at(const struct functions *functions, uint64_t address)
{
	return search(functions, address, compare_begin);
}

const struct function *functions_around(const struct functions *functions, uint64_t address)
{
	return search(functions, address, compare_extent);
}

void functions_free(struct functions *functions)
{
	free(functions->functions);
	*functions = (struct functions){0};
}
