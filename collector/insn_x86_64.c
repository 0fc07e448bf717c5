#include "insn.h"

#include "insn_x86_64.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const unsigned insn_elf_machine = EM_X86_64;
const int insn_stack_register = REGISTER_RSP;
const char *const insn_stack_pointer = "sp";
const char *const insn_result_register = "ax";

/* DWARF register numbers of the System V x86-64 psABI, figure 3.36. */
static const struct {
	const char *tracefs; /* name in a uprobe fetch argument */
	ZydisRegister zydis; /* the whole 64-bit register */
} registers[] = {
	{"ax", ZYDIS_REGISTER_RAX},  {"dx", ZYDIS_REGISTER_RDX},  {"cx", ZYDIS_REGISTER_RCX},
	{"bx", ZYDIS_REGISTER_RBX},  {"si", ZYDIS_REGISTER_RSI},  {"di", ZYDIS_REGISTER_RDI},
	{"bp", ZYDIS_REGISTER_RBP},  {"sp", ZYDIS_REGISTER_RSP},  {"r8", ZYDIS_REGISTER_R8},
	{"r9", ZYDIS_REGISTER_R9},   {"r10", ZYDIS_REGISTER_R10}, {"r11", ZYDIS_REGISTER_R11},
	{"r12", ZYDIS_REGISTER_R12}, {"r13", ZYDIS_REGISTER_R13}, {"r14", ZYDIS_REGISTER_R14},
	{"r15", ZYDIS_REGISTER_R15},
};

_Static_assert(sizeof(registers) / sizeof(registers[0]) == REGISTER_COUNT,
	       "one row a register");

const char *insn_register_name(int dwarf_register)
{
	if (dwarf_register < 0 || dwarf_register >= REGISTER_COUNT)
		return NULL;
	return registers[dwarf_register].tracefs;
}

int insn_argument_register(unsigned index)
{
	static const int arguments[] = {5, 4, 1, 2, 8, 9}; /* rdi rsi rdx rcx r8 r9 */

	return index < sizeof(arguments) / sizeof(arguments[0]) ? arguments[index] : -1;
}

int x86_dwarf_register(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	for (int i = 0; i < REGISTER_COUNT; i++)
		if (registers[i].zydis == whole)
			return i;
	return -1;
}

bool x86_is_high_byte(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_AH || reg == ZYDIS_REGISTER_BH ||
	       reg == ZYDIS_REGISTER_CH || reg == ZYDIS_REGISTER_DH;
}

bool x86_decode(const uint8_t *code, size_t size, struct decoded *decoded)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, size, &decoded->insn,
						   decoded->operands));
}

/* One-byte opcodes that no uprobe can be on: those missing in good_insns_64. */
static bool is_opcode_bad(uint8_t opcode)
{
	static const uint8_t bad[] = {
		0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
		0x60, 0x61, 0x62, 0x6c, 0x6d, 0x6e, 0x6f, 0x82, 0x9a, 0xc4, 0xc5,
		0xcc, 0xcd, 0xce, 0xcf, 0xd4, 0xd5, 0xd6, 0xe4, 0xe5, 0xe6, 0xe7,
		0xea, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb,
	};

	return memchr(bad, opcode, sizeof(bad)) != NULL;
}

/* Loading the stack segment holds off traps for one instruction. */
static bool masks_exceptions(const struct decoded *decoded)
{
	return decoded->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
	       decoded->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       decoded->operands[0].reg.value == ZYDIS_REGISTER_SS;
}

/*
 * Can the kernel put a uprobe on this instruction? It refuses these prefixes and
 * opcodes (is_prefix_bad and good_insns_64 in arch/x86/kernel/uprobes.c), and in a
 * mapping made later without a word: the probe just never fires. Behind a VEX or EVEX
 * prefix it takes the opcode for a one-byte one, and so refuses `vpxor` for `out`.
 */
bool x86_can_probe(const struct decoded *decoded)
{
	ZydisInstructionAttributes refused =
		ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_SEGMENT_CS |
		ZYDIS_ATTRIB_HAS_SEGMENT_DS | ZYDIS_ATTRIB_HAS_SEGMENT_ES |
		ZYDIS_ATTRIB_HAS_SEGMENT_SS;

	if (decoded->insn.attributes & refused || masks_exceptions(decoded))
		return false;
	if ((decoded->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	     decoded->insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) &&
	    is_opcode_bad(decoded->insn.opcode))
		return false;
	for (int i = 0; i < decoded->insn.raw.prefix_count; i++) {
		switch (decoded->insn.raw.prefixes[i].value) {
		case 0x26: /* es */
		case 0x2e: /* cs */
		case 0x36: /* ss */
		case 0x3e: /* ds; notrack */
		case 0xf0: /* lock */
			return false;
		default:
			break;
		}
	}
	switch (decoded->insn.meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
		return false;
	default:
		return decoded->insn.mnemonic != ZYDIS_MNEMONIC_UD2;
	}
}

/* arch/x86/kernel/uprobes.c: branch_setup_xol_ops and push_setup_xol_ops. */
bool x86_is_emulated(const struct decoded *decoded)
{
	const ZydisDecodedInstruction *insn = &decoded->insn;

	if (insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	    insn->raw.prefix_count > (insn->attributes & ZYDIS_ATTRIB_HAS_REX ? 1 : 0))
		return false;
	if (insn->opcode_map == ZYDIS_OPCODE_MAP_0F)
		return (insn->opcode & 0xf0) == 0x80;
	if (insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	switch (insn->opcode) {
	case 0xe8: /* call */
	case 0xe9: /* jmp */
	case 0xeb:
		return true;
	default: /* push; jcc */
		return (insn->opcode & 0xf8) == 0x50 || (insn->opcode & 0xf0) == 0x70;
	}
}

uint32_t x86_writes(const struct decoded *decoded)
{
	uint32_t writes = 0;

	for (int i = 0; i < decoded->insn.operand_count; i++) {
		const ZydisDecodedOperand *operand = &decoded->operands[i];
		int reg = operand->type == ZYDIS_OPERAND_TYPE_REGISTER
				  ? x86_dwarf_register(operand->reg.value)
				  : -1;

		if (reg >= 0 && operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			writes |= 1U << reg;
	}
	return writes;
}

/*
 * LLVM dispatches through a table of 32-bit offsets with `add base, offset;
 * jmp base` and, without position independence, `jmp [table + index * 8]`. Any
 * other indirect jump leaves the function.
 */
bool x86_is_table_jump(const struct decoded *jump, const struct decoded *before)
{
	const ZydisDecodedOperand *target = &jump->operands[0];

	if (target->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return target->mem.index != ZYDIS_REGISTER_NONE;
	return target->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       before->insn.mnemonic == ZYDIS_MNEMONIC_ADD &&
	       before->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       before->operands[0].reg.value == target->reg.value;
}

/* How tracefs reads where an indirect jump goes: `%ax`, `+24(%cx)`, `+4660(%ip)`. */
static void describe_target(const struct decoded *jump, char *fetch, size_t size)
{
	const ZydisDecodedOperand *target = &jump->operands[0];
	const char *base;
	int64_t displacement;

	if (target->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		base = insn_register_name(x86_dwarf_register(target->reg.value));
		if (base)
			snprintf(fetch, size, "%%%s", base);
		return;
	}
	if (target->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    target->mem.index != ZYDIS_REGISTER_NONE)
		return;
	displacement = target->mem.disp.value;
	if (target->mem.base == ZYDIS_REGISTER_RIP) {
		/* The instruction counts from its end, the trap is at its start. */
		base = "ip";
		displacement += jump->insn.length;
	} else {
		base = insn_register_name(x86_dwarf_register(target->mem.base));
	}
	if (base)
		snprintf(fetch, size, "%+" PRId64 "(%%%s)", displacement, base);
}

int insn_find_exits(const uint8_t *code, size_t size, uint64_t address,
		    struct insn_exit **exits, size_t *count)
{
	struct decoded current;
	struct decoded before = {0};
	size_t room = 0;

	*exits = NULL;
	*count = 0;
	for (size_t i = 0; i < size; i += current.insn.length, before = current) {
		struct insn_exit way_out = {.address = address + i, .result_register = -1};

		if (!x86_decode(code + i, size - i, &current))
			goto fail;
		if (current.insn.mnemonic != ZYDIS_MNEMONIC_RET) {
			if (current.insn.meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
			    current.insn.meta.category != ZYDIS_CATEGORY_COND_BR)
				continue;
			if (current.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
				ZydisCalcAbsoluteAddress(&current.insn, &current.operands[0],
							 address + i, &way_out.target);
				if (way_out.target >= address &&
				    way_out.target < address + size)
					continue;
				/* A trap there would not tell whether the jump is taken. */
				if (current.insn.meta.category == ZYDIS_CATEGORY_COND_BR)
					goto fail;
			} else if (x86_is_table_jump(&current, &before)) {
				continue;
			} else {
				describe_target(&current, way_out.target_fetch,
						sizeof(way_out.target_fetch));
			}
			way_out.tail_call = true;
		}
		if (!x86_can_probe(&current))
			goto fail;
		if (*count == room) {
			struct insn_exit *grown;

			room = room ? room * 2 : 4;
			grown = realloc(*exits, room * sizeof(**exits));
			if (!grown)
				goto fail;
			*exits = grown;
		}
		(*exits)[(*count)++] = way_out;
	}
	return 0;
fail:
	free(*exits);
	*exits = NULL;
	*count = 0;
	return -1;
}

/* Does it leave the straight line, or may it? */
static bool is_branch(const struct decoded *decoded)
{
	switch (decoded->insn.meta.category) {
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		return true;
	default:
		return false;
	}
}

static bool changes(const struct decoded *decoded, const int *keep, size_t keep_count)
{
	for (int i = 0; i < decoded->insn.operand_count; i++) {
		const ZydisDecodedOperand *operand = &decoded->operands[i];
		int reg;

		if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		reg = x86_dwarf_register(operand->reg.value);
		if (reg >= 0 && registers[reg].zydis == ZYDIS_REGISTER_RSP)
			return true;
		for (size_t j = 0; j < keep_count; j++)
			if (reg >= 0 && reg == keep[j])
				return true;
	}
	return false;
}

/* May anything in code[0..size) jump to a place from 1 to last? */
static bool is_jumped_to(const uint8_t *code, size_t size, size_t last)
{
	struct decoded current;

	for (size_t i = 0; i < size; i += current.insn.length) {
		uint64_t target;

		if (!x86_decode(code + i, size - i, &current))
			return true;
		if (current.insn.meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
		    current.insn.meta.category != ZYDIS_CATEGORY_COND_BR)
			continue;
		/* Where a jump table leads is not known here. */
		if (current.operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return true;
		ZydisCalcAbsoluteAddress(&current.insn, &current.operands[0], i, &target);
		if (target >= 1 && target <= last)
			return true;
	}
	return false;
}

int insn_entry_probe(const uint8_t *code, size_t size, const int *keep, size_t keep_count)
{
	enum { FARTHEST = 64 }; /* bytes */
	struct decoded current;

	for (size_t i = 0; i < size && i <= FARTHEST; i += current.insn.length) {
		if (!x86_decode(code + i, size - i, &current))
			return -1;
		if (x86_can_probe(&current))
			return i && is_jumped_to(code, size, i) ? -1 : (int)i;
		if (is_branch(&current) || changes(&current, keep, keep_count))
			return -1;
	}
	return -1;
}

enum insn_place insn_check_probe(const uint8_t *code, size_t size, size_t *offset)
{
	struct decoded current;

	for (size_t i = 0; i < size; i += current.insn.length) {
		if (!x86_decode(code + i, size - i, &current))
			return INSN_NOT_DECODED;
		if (i == 0 && *offset == 0 && current.insn.mnemonic == ZYDIS_MNEMONIC_ENDBR64 &&
		    current.insn.length < size)
			*offset = current.insn.length;
		if (i == *offset)
			return x86_can_probe(&current) ? INSN_CAN_PROBE : INSN_KERNEL_REFUSES;
		if (*offset < i + current.insn.length) {
			*offset = i;
			return INSN_IS_INSIDE;
		}
	}
	return INSN_NOT_DECODED;
}

/* What the prologue has put where: the number of the argument register, or -1. */
struct prologue {
	int held[sizeof(registers) / sizeof(registers[0])]; /* by register */
	struct {
		int64_t slot; /* bytes from the stack pointer */
		int held;
	} spills[8]; /* unoptimised code runs short of registers */
	unsigned spill_count;
};

static int spilled(const struct prologue *prologue, int64_t slot)
{
	for (unsigned i = prologue->spill_count; i-- > 0;)
		if (prologue->spills[i].slot == slot)
			return prologue->spills[i].held;
	return -1;
}

static bool is_stack_slot(const ZydisDecodedOperand *operand, ZydisRegister base)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->mem.base == base &&
	       operand->mem.index == ZYDIS_REGISTER_NONE && operand->size == 64;
}

/* What a 64-bit operand holds. */
static int operand_held(const struct prologue *prologue, const ZydisDecodedOperand *operand)
{
	int reg;

	if (is_stack_slot(operand, ZYDIS_REGISTER_RSP))
		return spilled(prologue, operand->mem.disp.value);
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER || operand->size != 64)
		return -1;
	reg = x86_dwarf_register(operand->reg.value);
	return reg < 0 ? -1 : prologue->held[reg];
}

/*
 * A call in a prologue is of `__rust_probestack` if `sub rsp, rax` follows: it makes
 * large frames and preserves every register.
 */
static bool is_stack_probe(const uint8_t *code, size_t size, struct decoded *next)
{
	return x86_decode(code, size, next) && next->insn.mnemonic == ZYDIS_MNEMONIC_SUB &&
	       next->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       next->operands[0].reg.value == ZYDIS_REGISTER_RSP &&
	       next->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       next->operands[1].reg.value == ZYDIS_REGISTER_RAX;
}

int insn_register_stored(const uint8_t *code, size_t size, bool frame_is_sp, int64_t slot)
{
	/* The prologue ends long before: a stack probe loop, a few moves, the stores. */
	enum { PROLOGUE_INSTRUCTIONS = 64 };
	ZydisRegister base = frame_is_sp ? ZYDIS_REGISTER_RSP : ZYDIS_REGISTER_RBP;
	struct prologue prologue = {0};
	struct decoded current;
	size_t i = 0;

	for (int reg = 0; reg < REGISTER_COUNT; reg++)
		prologue.held[reg] = reg;
	for (int n = 0; n < PROLOGUE_INSTRUCTIONS && i < size; n++, i += current.insn.length) {
		const ZydisDecodedOperand *to = current.operands;
		bool is_mov;
		int held;
		int reg;

		if (!x86_decode(code + i, size - i, &current))
			return -1;
		if (current.insn.mnemonic == ZYDIS_MNEMONIC_CALL) {
			i += current.insn.length;
			if (!is_stack_probe(code + i, size - i, &current))
				return -1;
			continue;
		}
		is_mov = current.insn.mnemonic == ZYDIS_MNEMONIC_MOV;
		if (!is_mov && current.insn.mnemonic != ZYDIS_MNEMONIC_LEA)
			continue;
		held = is_mov ? operand_held(&prologue, current.operands + 1) : -1;
		if (is_stack_slot(to, base) && to->mem.disp.value == slot)
			return held;
		if (is_stack_slot(to, ZYDIS_REGISTER_RSP)) {
			if (prologue.spill_count ==
			    sizeof(prologue.spills) / sizeof(prologue.spills[0]))
				return -1;
			prologue.spills[prologue.spill_count].slot = to->mem.disp.value;
			prologue.spills[prologue.spill_count++].held = held;
		}
		reg = to->type == ZYDIS_OPERAND_TYPE_REGISTER
			      ? x86_dwarf_register(to->reg.value)
			      : -1;
		if (reg >= 0)
			prologue.held[reg] = held;
	}
	return -1;
}

int insn_find_calls(const uint8_t *code, size_t size, uint64_t address,
		    struct insn_call **calls, size_t *count)
{
	struct decoded current;
	size_t room = 0;

	*calls = NULL;
	*count = 0;
	for (size_t i = 0; i < size && x86_decode(code + i, size - i, &current);
	     i += current.insn.length) {
		const ZydisDecodedOperand *target = &current.operands[0];
		struct insn_call call = {0};

		if (current.insn.meta.category != ZYDIS_CATEGORY_CALL &&
		    current.insn.meta.category != ZYDIS_CATEGORY_UNCOND_BR)
			continue;
		call.through_slot = target->type == ZYDIS_OPERAND_TYPE_MEMORY &&
				    target->mem.base == ZYDIS_REGISTER_RIP;
		if ((target->type != ZYDIS_OPERAND_TYPE_IMMEDIATE && !call.through_slot) ||
		    !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&current.insn, target, address + i,
							   &call.target)) ||
		    (!call.through_slot && call.target >= address &&
		     call.target < address + size))
			continue;
		if (*count == room) {
			struct insn_call *grown;

			room = room ? room * 2 : 16;
			grown = realloc(*calls, room * sizeof(*grown));
			if (!grown) {
				free(*calls);
				*calls = NULL;
				return -1;
			}
			*calls = grown;
		}
		(*calls)[(*count)++] = call;
	}
	return 0;
}

void insn_scan_calls(const uint8_t *code, size_t size, uint64_t address, insn_call_seen *seen,
		     void *context)
{
	enum { CALL = 0xe8, JUMP = 0xe9, LENGTH = 5 };

	for (size_t i = 0; i + LENGTH <= size; i++) {
		int32_t distance;

		if (code[i] != CALL && code[i] != JUMP)
			continue;
		memcpy(&distance, code + i + 1, sizeof(distance));
		seen(context, address + i, address + i + LENGTH + (uint64_t)(int64_t)distance);
	}
}

bool insn_is_lone_jump(const uint8_t *code, size_t size, uint64_t address, uint64_t *target)
{
	struct decoded jump;

	return x86_decode(code, size, &jump) &&
	       jump.insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR &&
	       jump.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&jump.insn, &jump.operands[0], address,
						     target)) &&
	       (*target < address || *target >= address + size);
}

bool insn_find_state(const uint8_t *code, size_t size, int *argument, int *offset)
{
	int held[REGISTER_COUNT]; /* the argument register whose value each one has, or -1 */
	struct decoded current;

	for (int reg = 0; reg < REGISTER_COUNT; reg++)
		held[reg] = reg == insn_argument_register(0) || reg == insn_argument_register(1)
				    ? reg
				    : -1;
	for (size_t i = 0; i < size && x86_decode(code + i, size - i, &current);
	     i += current.insn.length) {
		const ZydisDecodedOperand *from = &current.operands[1];
		bool is_move = current.insn.mnemonic == ZYDIS_MNEMONIC_MOV;
		int source = -1;

		if (is_branch(&current))
			return false;
		if (current.insn.mnemonic == ZYDIS_MNEMONIC_MOVZX && from->size == 8 &&
		    from->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    from->mem.index == ZYDIS_REGISTER_NONE) {
			int base = x86_dwarf_register(from->mem.base);

			if (base >= 0 && held[base] >= 0 && from->mem.disp.value >= 0) {
				*argument = held[base];
				*offset = (int)from->mem.disp.value;
				return true;
			}
		}
		if (is_move && from->type == ZYDIS_OPERAND_TYPE_REGISTER && from->size == 64)
			source = x86_dwarf_register(from->reg.value);
		source = source < 0 ? -1 : held[source];
		for (int operand = 0; operand < current.insn.operand_count; operand++) {
			const ZydisDecodedOperand *to = &current.operands[operand];
			int reg = to->type == ZYDIS_OPERAND_TYPE_REGISTER
					  ? x86_dwarf_register(to->reg.value)
					  : -1;

			if (reg >= 0 && to->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
				held[reg] = is_move ? source : -1;
		}
	}
	return false;
}
