/*
 * The registers that a trap with a copy of its stack brings along, to unwind it; those of
 * one architecture (sampled_registers_x86_64.c).
 */
#ifndef SAMPLED_REGISTERS_H
#define SAMPLED_REGISTERS_H

#include <stdint.h>

enum { SAMPLED_REGISTER_COUNT = 17 };

/* As perf_event_attr.sample_regs_user has them. */
extern const uint64_t sampled_registers_mask;

/* The DWARF number of each one, in the order of the sample. */
extern const uint8_t sampled_registers_dwarf[SAMPLED_REGISTER_COUNT];

/* DWARF numbers of the stack pointer and of the program counter. */
extern const uint8_t sampled_stack_pointer;
extern const uint8_t sampled_program_counter;

#endif
