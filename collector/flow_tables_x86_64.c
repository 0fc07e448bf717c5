#include "flow_graph.h"

#include "asyncrec/array.h"
#include "insn_x86_64.h"

#include <stdlib.h>

struct tables {
	uint64_t *tables; /* owned */
	size_t count;
	size_t room;
};

static int add(struct tables *tables, uint64_t address)
{
	uint64_t *grown =
		array_room(tables->tables, tables->count, &tables->room, sizeof(*grown));

	if (!grown)
		return -1;
	tables->tables = grown;
	tables->tables[tables->count++] = address;
	return 0;
}

/* `movslq (table,index,4), register` */
static bool reads_entry(const struct decoded *decoded)
{
	return decoded->insn.mnemonic == ZYDIS_MNEMONIC_MOVSXD &&
	       decoded->operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       decoded->operands[1].mem.scale == 4;
}

static bool forms_address(const struct decoded *decoded)
{
	return decoded->insn.mnemonic == ZYDIS_MNEMONIC_LEA &&
	       decoded->operands[1].mem.base == ZYDIS_REGISTER_RIP;
}

static int compare_addresses(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

int flow_find_tables(const uint8_t *code, size_t size, uint64_t address, uint64_t **tables,
		     size_t *count)
{
	/* A register that has held an address for longer is not looked for. */
	enum { LONGEST = 256 }; /* bytes of code */
	uint64_t formed[REGISTER_COUNT] = {0};
	size_t formed_at[REGISTER_COUNT] = {0};
	struct tables found = {0};
	struct decoded decoded;
	int status = 0;

	for (size_t i = 0; i < size && !status;) {
		int reg;

		if (!x86_decode(code + i, size - i, &decoded)) {
			i++;
			continue;
		}
		if (forms_address(&decoded)) {
			reg = x86_dwarf_register(decoded.operands[0].reg.value);
			if (reg >= 0) {
				ZydisCalcAbsoluteAddress(&decoded.insn, &decoded.operands[1],
							 address + i, &formed[reg]);
				formed_at[reg] = i;
			}
		} else if (reads_entry(&decoded)) {
			reg = x86_dwarf_register(decoded.operands[1].mem.base);
			if (reg >= 0 && formed[reg] && i - formed_at[reg] <= LONGEST)
				status = add(&found, formed[reg]);
		}
		i += decoded.insn.length;
	}
	if (status) {
		free(found.tables);
		found = (struct tables){0};
	}
	if (found.count)
		qsort(found.tables, found.count, sizeof(*found.tables), compare_addresses);
	*tables = found.tables;
	*count = found.count;
	return status;
}
