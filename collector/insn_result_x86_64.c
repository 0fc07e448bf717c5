#include "insn.h"

#include "insn_x86_64.h"

#include <stdlib.h>

/* Registers that a call may change, by DWARF number: rax rdx rcx rsi rdi r8 to r11. */
static const uint32_t caller_saved = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 0xf << 8;

/* What an instruction does, as far as it matters here. */
struct step {
	size_t at;       /* bytes from the start of the function */
	uint32_t writes; /* a bit for each register it changes */
	uint32_t reads;  /* a bit for each register it uses */
	int from;        /* of a 64-bit move: the register read, or -1 */
	int to;          /* of a 64-bit move: the register written, or -1 */
	unsigned pops;   /* bytes that a pop or `add rsp` takes off the stack; 0: neither */
	bool is_call;
	bool is_branch; /* a jump or return */
	bool is_target; /* of a jump */
	bool can_probe;
};

struct steps {
	struct step *steps; /* owned */
	size_t count;
};

static int whole_register(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && operand->size == 64
		       ? x86_dwarf_register(operand->reg.value)
		       : -1;
}

static uint32_t register_bit(ZydisRegister reg)
{
	int number = x86_dwarf_register(reg);

	return number < 0 ? 0 : 1U << number;
}

static struct step step_of(const struct decoded *decoded, size_t at)
{
	const ZydisDecodedOperand *operands = decoded->operands;
	struct step step = {
		.at = at,
		.from = -1,
		.to = -1,
		.is_call = decoded->insn.meta.category == ZYDIS_CATEGORY_CALL,
		.is_branch = decoded->insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
			     decoded->insn.meta.category == ZYDIS_CATEGORY_COND_BR ||
			     decoded->insn.meta.category == ZYDIS_CATEGORY_RET,
		.can_probe = x86_can_probe(decoded),
		.writes = x86_writes(decoded),
	};

	for (int i = 0; i < decoded->insn.operand_count; i++) {
		int reg = operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER
				  ? x86_dwarf_register(operands[i].reg.value)
				  : -1;

		if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			step.reads |= register_bit(operands[i].mem.base) |
				      register_bit(operands[i].mem.index);
		if (reg >= 0 && operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ)
			step.reads |= 1U << reg;
	}
	if (step.is_call)
		step.writes |= caller_saved;
	if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_MOV) {
		step.from = whole_register(&operands[1]);
		step.to = whole_register(&operands[0]);
	}
	if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_POP)
		step.pops = 8;
	if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_ADD &&
	    whole_register(&operands[0]) == REGISTER_RSP &&
	    operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operands[1].imm.value.s > 0)
		step.pops = (unsigned)operands[1].imm.value.u;
	return step;
}

static size_t find_step(const struct steps *steps, size_t at)
{
	size_t low = 0;
	size_t high = steps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (steps->steps[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Decode the whole function. False if it cannot be decoded or memory ran out. */
static bool read_steps(struct steps *steps, const uint8_t *code, size_t size)
{
	size_t *targets = malloc(size * sizeof(*targets));
	size_t target_count = 0;
	struct decoded current;
	bool good;

	/* No instruction is shorter than a byte. */
	*steps = (struct steps){.steps = malloc(size * sizeof(*steps->steps))};
	good = targets && steps->steps;
	for (size_t i = 0; good && i < size; i += current.insn.length) {
		uint64_t target;

		good = x86_decode(code + i, size - i, &current);
		if (!good)
			break;
		steps->steps[steps->count] = step_of(&current, i);
		if (steps->steps[steps->count++].is_branch &&
		    current.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		    current.insn.mnemonic != ZYDIS_MNEMONIC_RET &&
		    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&current.insn, &current.operands[0],
							  i, &target)) &&
		    target < size)
			targets[target_count++] = (size_t)target;
	}
	for (size_t i = 0; good && i < target_count; i++) {
		size_t index = find_step(steps, targets[i]);

		if (index < steps->count)
			steps->steps[index].is_target = true;
	}
	free(targets);
	return good;
}

/* Where the function keeps the address of its result. */
struct keeper {
	int argument; /* the register it came in, if that never changes; else -1 */
	int holder;   /* a register that holds it from the prologue to the epilogue; or -1 */
};

/* Does anything but step `except`, and pops in the epilogue, change the register? */
static bool changes(const struct steps *steps, int reg, size_t except)
{
	for (size_t i = 0; i < steps->count; i++)
		if (i != except && steps->steps[i].writes & 1U << reg &&
		    steps->steps[i].pops != 8)
			return true;
	return false;
}

static struct keeper find_keeper(const struct steps *steps)
{
	int argument = insn_argument_register(0);
	uint32_t held = 1U << argument;
	struct keeper keeper = {.argument = -1, .holder = -1};

	if (!changes(steps, argument, steps->count))
		keeper.argument = argument;
	/* The straight line at the start, with the registers that have it there. */
	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->steps[i];
		bool copies = step->from >= 0 && held >> step->from & 1;

		if (step->is_branch || step->is_call)
			break;
		if (copies && step->to >= 0 && !(caller_saved & 1U << step->to) &&
		    !changes(steps, step->to, i))
			keeper.holder = step->to;
		held &= ~step->writes;
		if (copies && step->to >= 0)
			held |= 1U << step->to;
	}
	return keeper;
}

/*
 * Does the return at step `end` give the address in rax, as the convention has it? It
 * does if rax is set just before and then not used: nobody sets it for nothing, and a
 * function whose result is in memory has nothing else to return.
 */
static bool is_returned(const struct steps *steps, size_t end)
{
	for (size_t i = end; i-- > 0 && !steps->steps[i + 1].is_target;) {
		const struct step *step = &steps->steps[i];

		if (step->is_branch || step->is_call)
			return false;
		if (step->writes >> REGISTER_RAX & 1)
			return step->to == REGISTER_RAX;
		if (step->reads >> REGISTER_RAX & 1)
			return false;
	}
	return false;
}

/* Move the exit at step `end` to where the holder has not been popped yet. */
static void move_before_epilogue(const struct steps *steps, const struct keeper *keeper,
				 size_t end, uint64_t address, struct insn_exit *way_out)
{
	unsigned above = 0;
	bool popped = false;
	size_t i = end;

	while (i > 0 && !steps->steps[i].is_target && steps->steps[i - 1].pops) {
		i--;
		above += steps->steps[i].pops;
		popped |= steps->steps[i].writes >> keeper->holder & 1;
	}
	/* If it was not popped here, it was before, or in a way not known. */
	if (!popped || !steps->steps[i].can_probe)
		return;
	way_out->address = address + steps->steps[i].at;
	way_out->stack_above = above;
	way_out->result_register = keeper->holder;
}

void insn_find_results(const uint8_t *code, size_t size, uint64_t address,
		       struct insn_exit *exits, size_t count)
{
	struct keeper keeper;
	struct steps steps;

	if (read_steps(&steps, code, size)) {
		keeper = find_keeper(&steps);
		for (size_t i = 0; i < count; i++) {
			size_t end = find_step(&steps, (size_t)(exits[i].address - address));

			if (exits[i].tail_call || end == steps.count)
				continue;
			if (is_returned(&steps, end))
				exits[i].result_register = REGISTER_RAX;
			else if (keeper.argument >= 0)
				exits[i].result_register = keeper.argument;
			else if (keeper.holder >= 0)
				move_before_epilogue(&steps, &keeper, end, address, &exits[i]);
		}
	}
	free(steps.steps);
}

/* Does the block that the return at step `end` is in set the register? */
static bool is_set(const struct steps *steps, int reg, size_t end)
{
	for (size_t i = end; i-- > 0 && !steps->steps[i + 1].is_target;) {
		const struct step *step = &steps->steps[i];

		if (step->is_branch || step->is_call)
			return false;
		if (step->writes >> reg & 1)
			return true;
	}
	return false;
}

void insn_find_second_results(const uint8_t *code, size_t size, uint64_t address,
			      struct insn_exit *exits, size_t count)
{
	struct steps steps;

	if (read_steps(&steps, code, size)) {
		for (size_t i = 0; i < count; i++) {
			size_t end = find_step(&steps, (size_t)(exits[i].address - address));

			if (!exits[i].tail_call && is_set(&steps, REGISTER_RDX, end))
				exits[i].result_register = REGISTER_RDX;
		}
	}
	free(steps.steps);
}
