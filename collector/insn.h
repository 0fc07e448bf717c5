/*
 * Instruction rules of one architecture; the only place that knows registers
 * and encodings. insn_x86_64.c implements it with the Zydis disassembler.
 */
#ifndef INSN_H
#define INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ELF machine (EM_*) that this build understands. */
extern const unsigned insn_elf_machine;

/* One way out of a function. */
struct insn_exit {
	uint64_t address; /* virtual address of the instruction to probe */
	bool tail_call;   /* a jump out of the function, else a return */
	uint64_t target;  /* of a tail call, virtual address; 0: known only when it runs */
	/* then: the tracefs expression that reads it at the jump; "": none */
	char target_fetch[32];
	/* of a return; see insn_find_results and insn_find_second_results */
	int result_register;  /* DWARF number; -1: not known */
	unsigned stack_above; /* bytes that are popped between this and the return */
};

/*
 * Find every way out of the function whose bytes are code[0..size), linked at
 * address: return instructions and jumps that leave [address, address + size).
 * Returns 0 and a malloc'd array in *exits (may be NULL when *count is 0), or
 * -1 if the bytes cannot be decoded to the end, if no uprobe can be on one of them, or
 * if memory ran out: then the exits must not be trusted.
 */
int insn_find_exits(const uint8_t *code, size_t size, uint64_t address,
		    struct insn_exit **exits, size_t *count);

/*
 * For a function that returns its result through memory, whose address it gets in the
 * first argument register: fill in what the exits that insn_find_exits found in the
 * same code can read it by. Optimised code need not return that address, as the
 * calling convention would have it; an exit is then moved to where it is still held.
 */
void insn_find_results(const uint8_t *code, size_t size, uint64_t address,
		       struct insn_exit *exits, size_t count);

/*
 * For a function whose result is told by the second result register: fill in that
 * register as result_register of those exits that are seen to set it. Optimised code
 * need not: LLVM takes away what no caller uses, and the rest moves to the first.
 */
void insn_find_second_results(const uint8_t *code, size_t size, uint64_t address,
			      struct insn_exit *exits, size_t count);

/*
 * Where a uprobe that shall see the entry of the function code[0..size) can be: bytes
 * from its first instruction. That is 0, unless the kernel can put no uprobe there
 * (arch/x86/kernel/uprobes.c: some prefixes and opcodes); then the first later
 * instruction that every entry passes just once, with the stack pointer and the
 * registers in keep[0..keep_count) (DWARF numbers; -1 is passed over) unchanged.
 * Returns -1 if there is none.
 */
int insn_entry_probe(const uint8_t *code, size_t size, const int *keep, size_t keep_count);

enum insn_place {
	INSN_CAN_PROBE,
	INSN_IS_INSIDE,      /* of an instruction */
	INSN_NOT_DECODED,    /* the bytes there, or before it, are no instructions */
	INSN_KERNEL_REFUSES, /* it can put no uprobe there: see insn_entry_probe */
};

/*
 * Can a uprobe be at *offset, which is below size, of the function code[0..size)? The
 * first instruction, if it just marks a target of indirect calls (endbr64), is passed
 * over: *offset is then set behind it. If *offset is inside of an instruction, it is
 * set to where that begins.
 */
enum insn_place insn_check_probe(const uint8_t *code, size_t size, size_t *offset);

/*
 * Where the unoptimised prologue in code[0..size) stores a register into the
 * stack slot at `slot` bytes from the stack pointer as it is after the prologue
 * (frame_is_sp) or from the frame pointer. Returns the DWARF register number
 * that held the value at entry, or -1.
 */
int insn_register_stored(const uint8_t *code, size_t size, bool frame_is_sp, int64_t slot);

/* Where a call or jump leads. */
struct insn_call {
	uint64_t target; /* virtual address: of the code, or of the slot that holds its address
			  */
	bool through_slot;
};

/*
 * Find the calls, and the jumps out, in the function code[0..size) linked at address
 * whose target the instruction tells. Returns 0 and a malloc'd array in *calls (may be
 * NULL when *count is 0), or -1 if memory ran out.
 */
int insn_find_calls(const uint8_t *code, size_t size, uint64_t address,
		    struct insn_call **calls, size_t *count);

/* Called for what looks like a call or jump at address to target, both as linked. */
typedef void insn_call_seen(void *context, uint64_t address, uint64_t target);

/*
 * Look through code[0..size), linked at address, for calls and jumps with a target of
 * their own, without decoding: some that are told of are none.
 */
void insn_scan_calls(const uint8_t *code, size_t size, uint64_t address, insn_call_seen *seen,
		     void *context);

/* Is the function code[0..size), linked at address, nothing but a jump to *target? */
bool insn_is_lone_jump(const uint8_t *code, size_t size, uint64_t address, uint64_t *target);

/*
 * A coroutine's resume function begins with reading its state, a byte of the future.
 * Find that in code[0..size): *argument is the DWARF number of the argument register
 * that the future's address came in, *offset the bytes from there to the state. False
 * if it does not begin so.
 */
bool insn_find_state(const uint8_t *code, size_t size, int *argument, int *offset);

/* Name of a DWARF register as tracefs spells it ("di"), or NULL. */
const char *insn_register_name(int dwarf_register);

/* DWARF number of integer argument register `index` (0 first), or -1. */
int insn_argument_register(unsigned index);

/* DWARF number of the stack pointer. */
extern const int insn_stack_register;

/* tracefs names of the stack pointer and the first result register. */
extern const char *const insn_stack_pointer;
extern const char *const insn_result_register;

#endif
