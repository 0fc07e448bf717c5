/*
 * collector/insn_x86_64.c: ways out of a function, and where an unoptimised
 * prologue leaves an argument. Bytes as an assembler makes them.
 */
#include "insn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BASE = 0x1000, RAX = 0, RBX = 3, RSI = 4, RDI = 5 };

static struct insn_exit only_exit(const uint8_t *code, size_t size)
{
	struct insn_exit *exits;
	struct insn_exit first;
	size_t count;

	assert_int_equal(insn_find_exits(code, size, BASE, &exits, &count), 0);
	assert_int_equal(count, 1);
	first = exits[0];
	free(exits);
	return first;
}

static void a_return_is_an_exit(void **state)
{
	/* push rbp; pop rbp; ret */
	static const uint8_t code[] = {0x55, 0x5d, 0xc3};
	struct insn_exit way_out = only_exit(code, sizeof(code));

	(void)state;
	assert_int_equal(way_out.address, BASE + 2);
	assert_false(way_out.tail_call);
}

static void jumps_inside_are_no_exits(void **state)
{
	/* je +1; nop; jmp -3; ret */
	static const uint8_t code[] = {0x74, 0x01, 0x90, 0xeb, 0xfd, 0xc3};

	(void)state;
	assert_int_equal(only_exit(code, sizeof(code)).address, BASE + 5);
}

static void a_direct_jump_out_has_a_target(void **state)
{
	/* jmp 0x2005 */
	static const uint8_t code[] = {0xe9, 0x00, 0x10, 0x00, 0x00};
	struct insn_exit way_out = only_exit(code, sizeof(code));

	(void)state;
	assert_true(way_out.tail_call);
	assert_int_equal(way_out.target, BASE + 0x1005);
}

static void an_indirect_jump_out_is_read_when_it_runs(void **state)
{
	/* jmp *0x18(%rax) */
	static const uint8_t through_memory[] = {0xff, 0x60, 0x18};
	/* jmp *%rcx */
	static const uint8_t through_register[] = {0xff, 0xe1};
	/* jmp *0x10(%rip): counted from the end of the six bytes */
	static const uint8_t through_table[] = {0xff, 0x25, 0x10, 0x00, 0x00, 0x00};
	struct insn_exit way_out = only_exit(through_memory, sizeof(through_memory));

	(void)state;
	assert_true(way_out.tail_call);
	assert_int_equal(way_out.target, 0);
	assert_string_equal(way_out.target_fetch, "+24(%ax)");
	assert_string_equal(only_exit(through_register, sizeof(through_register)).target_fetch,
			    "%cx");
	assert_string_equal(only_exit(through_table, sizeof(through_table)).target_fetch,
			    "+22(%ip)");
}

static void a_jump_table_is_no_exit(void **state)
{
	/* movslq (%rax,%rcx,4),%rcx; add %rax,%rcx; jmp *%rcx; ret */
	static const uint8_t code[] = {0x48, 0x63, 0x0c, 0x88, 0x48,
				       0x01, 0xc1, 0xff, 0xe1, 0xc3};

	(void)state;
	assert_int_equal(only_exit(code, sizeof(code)).address, BASE + 9);
}

static void what_cannot_be_told_is_refused(void **state)
{
	/* je out of the function; ret */
	static const uint8_t conditional[] = {0x74, 0x70, 0xc3};
	/* a two-byte opcode cut off */
	static const uint8_t cut[] = {0x55, 0x0f};
	struct insn_exit *exits;
	size_t count;

	(void)state;
	assert_int_equal(
		insn_find_exits(conditional, sizeof(conditional), BASE, &exits, &count), -1);
	assert_null(exits);
	assert_int_equal(insn_find_exits(cut, sizeof(cut), BASE, &exits, &count), -1);
}

static void the_entry_is_the_first_instruction_if_it_can_be(void **state)
{
	/* push rbp; ret */
	static const uint8_t code[] = {0x55, 0xc3};

	(void)state;
	assert_int_equal(insn_entry_probe(code, sizeof(code), NULL, 0), 0);
}

static void the_entry_slides_behind_a_locked_instruction(void **state)
{
	/* lock incq 0(%rip); mov 0x10(%rdi),%rax; ret */
	static const uint8_t code[] = {0xf0, 0x48, 0xff, 0x05, 0,    0,   0,
				       0,    0x48, 0x8b, 0x47, 0x10, 0xc3};
	static const int keep[] = {RDI, -1};

	(void)state;
	assert_int_equal(insn_entry_probe(code, sizeof(code), keep, 2), 8);
}

static void the_entry_does_not_slide_into_a_loop_or_over_what_is_read(void **state)
{
	/* lock incq 0(%rip); dec %rax; jne back to dec; ret */
	static const uint8_t loop[] = {0xf0, 0x48, 0xff, 0x05, 0,    0,    0,
				       0,    0x48, 0xff, 0xc8, 0x75, 0xfb, 0xc3};
	/* lock xadd %rdi,(%rax); ret */
	static const uint8_t changed[] = {0xf0, 0x48, 0x0f, 0xc1, 0x38, 0xc3};
	static const int keep[] = {RDI};

	(void)state;
	assert_int_equal(insn_entry_probe(loop, sizeof(loop), keep, 1), -1);
	assert_int_equal(insn_entry_probe(changed, sizeof(changed), keep, 1), -1);
	assert_int_equal(insn_entry_probe(changed, sizeof(changed), NULL, 0), 5);
}

static void a_store_of_the_prologue_tells_the_register(void **state)
{
	/* sub $0x28,%rsp; mov %rsi,0x8(%rsp); mov %rdi,0x10(%rsp) */
	static const uint8_t code[] = {0x48, 0x83, 0xec, 0x28, 0x48, 0x89, 0x74,
				       0x24, 0x08, 0x48, 0x89, 0x7c, 0x24, 0x10};

	(void)state;
	assert_int_equal(insn_register_stored(code, sizeof(code), true, 0x10), RDI);
	assert_int_equal(insn_register_stored(code, sizeof(code), true, 0x8), RSI);
	assert_int_equal(insn_register_stored(code, sizeof(code), true, 0x18), -1);
}

static void a_value_is_followed_through_moves_and_spills(void **state)
{
	/* mov %rdi,0x8(%rsp); mov 0x8(%rsp),%rax; mov %rax,0x20(%rsp) */
	static const uint8_t code[] = {0x48, 0x89, 0x7c, 0x24, 0x08, 0x48, 0x8b, 0x44,
				       0x24, 0x08, 0x48, 0x89, 0x44, 0x24, 0x20};

	(void)state;
	assert_int_equal(insn_register_stored(code, sizeof(code), true, 0x20), RDI);
}

static void a_stack_probe_is_passed_another_call_is_not(void **state)
{
	/* mov $0x1228,%eax; call +0; sub %rax,%rsp; mov %rsi,0x48(%rsp) */
	static const uint8_t probe[] = {0xb8, 0x28, 0x12, 0x00, 0x00, 0xe8, 0x00, 0x00, 0x00,
					0x00, 0x48, 0x29, 0xc4, 0x48, 0x89, 0x74, 0x24, 0x48};
	/* call +0; mov %rsi,0x48(%rsp) */
	static const uint8_t call[] = {0xe8, 0x00, 0x00, 0x00, 0x00,
				       0x48, 0x89, 0x74, 0x24, 0x48};

	(void)state;
	assert_int_equal(insn_register_stored(probe, sizeof(probe), true, 0x48), RSI);
	assert_int_equal(insn_register_stored(call, sizeof(call), true, 0x48), -1);
}

/* The one exit of a function that returns through memory. */
static struct insn_exit result_exit(const uint8_t *code, size_t size)
{
	struct insn_exit *exits;
	struct insn_exit first;
	size_t count;

	assert_int_equal(insn_find_exits(code, size, BASE, &exits, &count), 0);
	assert_int_equal(count, 1);
	insn_find_results(code, size, BASE, exits, count);
	first = exits[0];
	free(exits);
	return first;
}

static void a_result_address_that_is_returned_is_read_at_the_return(void **state)
{
	/* push %rbx; mov %rdi,%rbx; call +0; mov %rbx,%rax; pop %rbx; ret */
	static const uint8_t code[] = {0x53, 0x48, 0x89, 0xfb, 0xe8, 0,    0,
				       0,    0,    0x48, 0x89, 0xd8, 0x5b, 0xc3};
	struct insn_exit way_out = result_exit(code, sizeof(code));

	(void)state;
	assert_int_equal(way_out.address, BASE + 13);
	assert_int_equal(way_out.result_register, RAX);
	assert_int_equal(way_out.stack_above, 0);
}

static void one_that_is_not_is_read_before_the_epilogue(void **state)
{
	/* push %rbx; sub $0x20,%rsp; mov %rdi,%rbx; call +0; mov %rax,(%rbx);
	 * add $0x20,%rsp; pop %rbx; ret */
	static const uint8_t code[] = {0x53, 0x48, 0x83, 0xec, 0x20, 0x48, 0x89, 0xfb,
				       0xe8, 0,    0,    0,    0,    0x48, 0x89, 0x03,
				       0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3};
	struct insn_exit way_out = result_exit(code, sizeof(code));

	(void)state;
	assert_int_equal(way_out.address, BASE + 16);
	assert_int_equal(way_out.result_register, RBX);
	assert_int_equal(way_out.stack_above, 0x28);
}

static void one_that_stays_in_its_register_is_read_there(void **state)
{
	/* movq $1,(%rdi); ret */
	static const uint8_t code[] = {0x48, 0xc7, 0x07, 0x01, 0, 0, 0, 0xc3};
	struct insn_exit way_out = result_exit(code, sizeof(code));

	(void)state;
	assert_int_equal(way_out.address, BASE + 7);
	assert_int_equal(way_out.result_register, RDI);
}

static void one_that_was_lost_is_not_known(void **state)
{
	/* push %rbx; mov %rdi,%rbx; call +0; xor %ebx,%ebx; mov %rax,(%rcx); pop %rbx; ret */
	static const uint8_t code[] = {0x53, 0x48, 0x89, 0xfb, 0xe8, 0,    0,    0,
				       0,    0x31, 0xdb, 0x48, 0x89, 0x01, 0x5b, 0xc3};

	(void)state;
	assert_int_equal(result_exit(code, sizeof(code)).result_register, -1);
}

static void an_unoptimised_function_returns_its_spilled_argument(void **state)
{
	/* sub $0x28,%rsp; mov %rdi,0x10(%rsp); call +0; mov 0x10(%rsp),%rax;
	 * add $0x28,%rsp; ret */
	static const uint8_t code[] = {0x48, 0x83, 0xec, 0x28, 0x48, 0x89, 0x7c, 0x24,
				       0x10, 0xe8, 0,    0,    0,    0,    0x48, 0x8b,
				       0x44, 0x24, 0x10, 0x48, 0x83, 0xc4, 0x28, 0xc3};

	(void)state;
	assert_int_equal(result_exit(code, sizeof(code)).result_register, RAX);
}

static void check_place(const uint8_t *code, size_t size, size_t offset,
			enum insn_place expected, size_t expected_offset)
{
	assert_int_equal(insn_check_probe(code, size, &offset), expected);
	assert_int_equal(offset, expected_offset);
}

static void a_probe_point_is_the_beginning_of_an_instruction(void **state)
{
	/* push rbp; mov rdi, rsp; lock inc [rdi]; ret; then no instruction; ret */
	static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe7, 0xf0,
				       0xff, 0x07, 0xc3, 0x06, 0xc3};
	const size_t size = sizeof(code);

	(void)state;
	check_place(code, size, 0, INSN_CAN_PROBE, 0);
	check_place(code, size, 1, INSN_CAN_PROBE, 1);
	check_place(code, size, 2, INSN_IS_INSIDE, 1);
	check_place(code, size, 3, INSN_IS_INSIDE, 1);
	check_place(code, size, 4, INSN_KERNEL_REFUSES, 4);
	check_place(code, size, 5, INSN_IS_INSIDE, 4);
	check_place(code, size, 7, INSN_CAN_PROBE, 7);
	check_place(code, size, 8, INSN_NOT_DECODED, 8);
	check_place(code, size, 9, INSN_NOT_DECODED, 9);
}

static void a_landing_pad_is_passed_over(void **state)
{
	/* endbr64; endbr64; ret */
	static const uint8_t code[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xf3, 0x0f, 0x1e, 0xfa, 0xc3};

	(void)state;
	check_place(code, sizeof(code), 0, INSN_CAN_PROBE, 4);
	check_place(code, sizeof(code), 4, INSN_CAN_PROBE, 4);
	check_place(code, sizeof(code), 1, INSN_IS_INSIDE, 0);
	/* with nothing behind it */
	check_place(code, 4, 0, INSN_CAN_PROBE, 0);
}

/* As Linux 6.18 answered when each was tried in a running program. */
static void the_kernels_rules(void **state)
{
	static const struct {
		enum insn_place place;
		uint8_t code[8];
	} cases[] = {
		{INSN_KERNEL_REFUSES, {0xc5, 0xf1, 0xef, 0xd0}}, /* vpxor xmm2, xmm1, xmm0 */
		{INSN_KERNEL_REFUSES, {0xc5, 0xfe, 0x6f, 0x00}}, /* vmovdqu ymm0, [rax] */
		{INSN_KERNEL_REFUSES, {0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x00}}, /* vmovdqu64 */
		{INSN_KERNEL_REFUSES, {0x8e, 0xd0}},                         /* mov ss, eax */
		{INSN_KERNEL_REFUSES, {0x3e, 0xff, 0xe0}},  /* notrack jmp rax */
		{INSN_KERNEL_REFUSES, {0xf1}},              /* int1 */
		{INSN_KERNEL_REFUSES, {0xfb}},              /* sti */
		{INSN_KERNEL_REFUSES, {0xf4}},              /* hlt */
		{INSN_KERNEL_REFUSES, {0xe4, 0x03}},        /* in al, 3 */
		{INSN_CAN_PROBE, {0xc5, 0xf1, 0xeb, 0xd0}}, /* vpor xmm2, xmm1, xmm0 */
		{INSN_CAN_PROBE, {0xc5, 0xfc, 0x11, 0x00}}, /* vmovups [rax], ymm0 */
		{INSN_CAN_PROBE, {0x62, 0xf1, 0x74, 0x48, 0x58, 0xd0}}, /* vaddps zmm */
		{INSN_CAN_PROBE, {0x66, 0x0f, 0xef, 0xc8}},             /* pxor xmm1, xmm0 */
		{INSN_CAN_PROBE, {0x66, 0x0f, 0x6f, 0x00}},             /* movdqa xmm0, [rax] */
		{INSN_CAN_PROBE, {0x64, 0x48, 0x8b, 0x00}},             /* mov rax, fs:[rax] */
		{INSN_CAN_PROBE, {0xf3, 0xa4}},                         /* rep movsb */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_place(cases[i].code, sizeof(cases[i].code), 0, cases[i].place, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_return_is_an_exit),
		cmocka_unit_test(jumps_inside_are_no_exits),
		cmocka_unit_test(a_direct_jump_out_has_a_target),
		cmocka_unit_test(an_indirect_jump_out_is_read_when_it_runs),
		cmocka_unit_test(a_jump_table_is_no_exit),
		cmocka_unit_test(what_cannot_be_told_is_refused),
		cmocka_unit_test(the_entry_is_the_first_instruction_if_it_can_be),
		cmocka_unit_test(the_entry_slides_behind_a_locked_instruction),
		cmocka_unit_test(the_entry_does_not_slide_into_a_loop_or_over_what_is_read),
		cmocka_unit_test(a_result_address_that_is_returned_is_read_at_the_return),
		cmocka_unit_test(one_that_is_not_is_read_before_the_epilogue),
		cmocka_unit_test(one_that_stays_in_its_register_is_read_there),
		cmocka_unit_test(one_that_was_lost_is_not_known),
		cmocka_unit_test(an_unoptimised_function_returns_its_spilled_argument),
		cmocka_unit_test(a_store_of_the_prologue_tells_the_register),
		cmocka_unit_test(a_value_is_followed_through_moves_and_spills),
		cmocka_unit_test(a_stack_probe_is_passed_another_call_is_not),
		cmocka_unit_test(a_probe_point_is_the_beginning_of_an_instruction),
		cmocka_unit_test(a_landing_pad_is_passed_over),
		cmocka_unit_test(the_kernels_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
