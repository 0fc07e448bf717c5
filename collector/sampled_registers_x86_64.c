#include "sampled_registers.h"

#include <asm/perf_regs.h>

#define BIT(reg) (1ULL << PERF_REG_X86_##reg)

const uint64_t sampled_registers_mask = BIT(AX) | BIT(BX) | BIT(CX) | BIT(DX) | BIT(SI) |
					BIT(DI) | BIT(BP) | BIT(SP) | BIT(IP) | BIT(R8) |
					BIT(R9) | BIT(R10) | BIT(R11) | BIT(R12) | BIT(R13) |
					BIT(R14) | BIT(R15);

/* Numbers of the System V x86-64 psABI, figure 3.36; samples go by those of perf_regs.h. */
const uint8_t sampled_registers_dwarf[SAMPLED_REGISTER_COUNT] = {
	0, 3, 2, 1, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15,
};

const uint8_t sampled_stack_pointer = 7;
const uint8_t sampled_program_counter = 16;
