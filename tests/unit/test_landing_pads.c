/*
 * collector/landing_pads.c: call site tables, in the two encodings that rustc's LLVM
 * writes. They are assembled into this program and read from its file.
 */
#include "landing_pads.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Two functions that differ in the encoding of their tables, and one without a table. */
__asm__(".pushsection .text\n"
	"personality:\n"
	"	ret\n"
	"short_table:\n"
	"	.cfi_startproc\n"
	"	.cfi_personality 0x1b, personality\n" /* pcrel sdata4 */
	"	.cfi_lsda 0x1b, 7f\n"
	"1:	call personality\n"
	"2:	call personality\n"
	"3:	ret\n"
	"4:	nop\n"
	"	.cfi_endproc\n"
	"long_table:\n"
	"	.cfi_startproc\n"
	"	.cfi_personality 0x1b, personality\n"
	"	.cfi_lsda 0x1b, 8f\n"
	"	nop\n"
	"5:	call personality\n"
	"6:	nop\n"
	"	.cfi_endproc\n"
	"broken_table:\n"
	"	.cfi_startproc\n"
	"	.cfi_personality 0x1b, personality\n"
	"	.cfi_lsda 0x1b, 9f\n"
	"	nop\n"
	"	.cfi_endproc\n"
	"no_table:\n"
	"	.cfi_startproc\n"
	"	nop\n"
	"	.cfi_endproc\n"
	".popsection\n"
	".pushsection .gcc_except_table, \"a\"\n"
	"7:	.byte 0xff, 0xff, 0x01\n" /* no base, no types, uleb128 */
	"	.uleb128 8\n"
	"	.uleb128 1b - short_table, 2b - 1b, 4b - short_table, 0\n"
	"	.uleb128 2b - short_table, 3b - 2b, 0, 0\n"
	"8:	.byte 0xff, 0x9b\n" /* types, pcrel indirect sdata4 */
	"	.uleb128 15\n"
	"	.byte 0x03\n" /* udata4 */
	"	.uleb128 13\n"
	"	.long 5b - long_table, 5, 6b - long_table\n"
	"	.uleb128 1\n"
	"9:	.byte 0xff, 0xff, 0x01\n"
	"	.uleb128 0xffffff\n" /* longer than the section */
	"	.byte 0, 0, 0, 0\n"
	".popsection\n");
extern const uint8_t short_table[], long_table[], broken_table[], no_table[];

/* Address of the linked file's first byte, in memory; in the file it is 0. */
extern const uint8_t __executable_start[]; /* NOLINT: the linker's name */

static uint64_t linked_address(const uint8_t *place)
{
	return (uint64_t)(place - __executable_start);
}

/* This program, as a file. */
struct program {
	int fd;
	Elf *elf;
	struct landing_pads *pads;
};

static int open_program(void **state)
{
	static struct program program;

	elf_version(EV_CURRENT);
	program.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	program.elf = elf_begin(program.fd, ELF_C_READ_MMAP, NULL);
	program.pads = landing_pads_open(program.elf);
	*state = &program;
	return program.pads ? 0 : -1;
}

static int close_program(void **state)
{
	struct program *program = *state;

	landing_pads_close(program->pads);
	elf_end(program->elf);
	close(program->fd);
	return 0;
}

static void each_call_has_its_pad(void **state)
{
	const struct program *program = *state;
	uint64_t function = linked_address(short_table);
	struct flow_call_site *sites;
	size_t count;

	assert_int_equal(landing_pads_find(program->pads, function, &sites, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(sites[0].start, function);
	assert_int_equal(sites[0].end, function + 5);
	assert_int_equal(sites[0].pad, function + 11);
	assert_int_equal(sites[1].start, function + 5);
	assert_int_equal(sites[1].end, function + 10);
	assert_int_equal(sites[1].pad, 0);
	free(sites);
}

static void a_table_may_have_words(void **state)
{
	const struct program *program = *state;
	uint64_t function = linked_address(long_table);
	struct flow_call_site *sites;
	size_t count;

	assert_int_equal(landing_pads_find(program->pads, function, &sites, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(sites[0].start, function + 1);
	assert_int_equal(sites[0].end, function + 6);
	assert_int_equal(sites[0].pad, function + 6);
	free(sites);
}

static void a_function_without_a_table_has_none(void **state)
{
	const struct program *program = *state;
	struct flow_call_site *sites;
	size_t count;

	assert_int_equal(
		landing_pads_find(program->pads, linked_address(no_table), &sites, &count), 0);
	assert_int_equal(count, 0);
	assert_null(sites);
}

static void a_broken_table_is_refused(void **state)
{
	const struct program *program = *state;
	struct flow_call_site *sites;
	size_t count;

	assert_int_equal(
		landing_pads_find(program->pads, linked_address(broken_table), &sites, &count),
		-1);
	assert_null(sites);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_has_its_pad),
		cmocka_unit_test(a_table_may_have_words),
		cmocka_unit_test(a_function_without_a_table_has_none),
		cmocka_unit_test(a_broken_table_is_refused),
	};

	return cmocka_run_group_tests(tests, open_program, close_program);
}
