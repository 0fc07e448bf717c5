/* What the files of this architecture share; nobody else includes it. */
#ifndef INSN_X86_64_H
#define INSN_X86_64_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* DWARF register numbers of the System V x86-64 psABI, figure 3.36. */
enum {
	REGISTER_RAX = 0,
	REGISTER_RDX = 1,
	REGISTER_RBP = 6,
	REGISTER_RSP = 7,
	REGISTER_COUNT = 16
};

/* One decoded instruction. */
struct decoded {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* Decode the instruction at code[0..size). False if there is none. */
bool x86_decode(const uint8_t *code, size_t size, struct decoded *decoded);

/* DWARF number of the register that reg is (a part of), or -1. */
int x86_dwarf_register(ZydisRegister reg);

/* ah, bh, ch or dh? */
bool x86_is_high_byte(ZydisRegister reg);

/* Is the indirect jump, right behind `before`, one through a jump table? */
bool x86_is_table_jump(const struct decoded *jump, const struct decoded *before);

/* Can the kernel put a uprobe on this instruction? */
bool x86_can_probe(const struct decoded *decoded);

/*
 * Does the kernel then emulate it, on every version, instead of running it out of line?
 * Such a trap costs less than a third.
 */
bool x86_is_emulated(const struct decoded *decoded);

/* The registers that it writes to, or to a part of: a bit for each DWARF number. */
uint32_t x86_writes(const struct decoded *decoded);

#endif
