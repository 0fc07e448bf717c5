#include "insn.h"
#include "insn_x86_64.h"

#include <string.h>

void insn_scan_references(const uint8_t *code, size_t size, uint64_t address,
			  insn_call_seen *seen, void *context)
{
	int32_t distance;

	for (size_t i = 0; i + sizeof(distance) <= size; i++) {
		memcpy(&distance, code + i, sizeof(distance));
		seen(context, address + i,
		     address + i + sizeof(distance) + (uint64_t)(int64_t)distance);
	}
}

/* An address that a register was last loaded with, or that of the slot it was loaded from. */
struct loaded {
	uint64_t address; /* virtual; 0: it holds something else */
	bool from_slot;
};

/* The address, relative to the instruction, of what operand is; false: it is not so. */
static bool is_relative(const struct decoded *decoded, const ZydisDecodedOperand *operand,
			uint64_t address, uint64_t *target)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       operand->mem.base == ZYDIS_REGISTER_RIP &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded->insn, operand, address, target));
}

static void follow_loads(const struct decoded *decoded, uint64_t address,
			 struct loaded registers[REGISTER_COUNT])
{
	bool is_move = decoded->insn.mnemonic == ZYDIS_MNEMONIC_MOV;
	bool is_load = is_move || decoded->insn.mnemonic == ZYDIS_MNEMONIC_LEA;

	for (int i = 0; i < decoded->insn.operand_count; i++) {
		const ZydisDecodedOperand *to = &decoded->operands[i];
		int reg = to->type == ZYDIS_OPERAND_TYPE_REGISTER &&
					  to->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE
				  ? x86_dwarf_register(to->reg.value)
				  : -1;
		struct loaded *loaded = reg < 0 ? NULL : &registers[reg];

		if (!loaded)
			continue;
		loaded->from_slot = is_move;
		if (!is_load ||
		    !is_relative(decoded, &decoded->operands[1], address, &loaded->address))
			loaded->address = 0;
	}
}

/* Fill in where a call leads, if something tells. */
static void find_target(const struct decoded *decoded,
			const struct loaded registers[REGISTER_COUNT], struct insn_call *call)
{
	const ZydisDecodedOperand *operand = &decoded->operands[0];
	int reg = operand->type == ZYDIS_OPERAND_TYPE_REGISTER
			  ? x86_dwarf_register(operand->reg.value)
			  : -1;

	call->through_slot = is_relative(decoded, operand, call->address, &call->target);
	if (reg >= 0) {
		call->target = registers[reg].address;
		call->through_slot = registers[reg].from_slot;
	} else if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		   !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded->insn, operand,
							  call->address, &call->target))) {
		call->target = 0;
	}
}

void insn_each_call(const uint8_t *code, size_t size, uint64_t address, insn_call_made *made,
		    void *context)
{
	struct loaded registers[REGISTER_COUNT] = {0};
	struct decoded current;

	for (size_t i = 0; i < size && x86_decode(code + i, size - i, &current);
	     i += current.insn.length) {
		struct insn_call call = {.address = address + i, .size = current.insn.length};

		if (current.insn.meta.category == ZYDIS_CATEGORY_CALL) {
			find_target(&current, registers, &call);
			if (x86_can_probe(&current))
				made(context, &call);
			memset(registers, 0, sizeof(registers));
			continue;
		}
		follow_loads(&current, address + i, registers);
	}
}
