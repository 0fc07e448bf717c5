/*
 * collector/flow_graph_x86_64.c and collector/state_stores.c: what cannot be proven, and
 * what may be left out of a proof.
 */
#include "flow_subject.h"

/* Of an inlined copy that cannot be reached no more than its panics is left. */
LABEL(dead_child);
LABEL(dead_child_end);
ASSEMBLE(dead, "	cmpb $0, 32(%rdi)\n"
	       "	jne dead_child\n"
	       "	movb $1, 32(%rdi)\n"
	       "	ret\n"
	       "dead_child:\n"
	       "	nop\n"
	       "	call panics_finished\n"
	       "dead_child_end:\n"
	       "	ud2");

static void what_is_not_polled_needs_no_store(void **state)
{
	struct subject subject = subject_of(dead, dead_end);

	(void)state;
	add_coroutine(&subject, 0, OUTER_STATE, dead, dead_end);
	add_coroutine(&subject, 0, INNER_STATE, dead_child, dead_child_end);
	examine(&subject);
	assert_int_equal(subject.results[1].verdict, STORES_NOT_POLLED);
	assert_true(stores_proven(&subject.results[1]));
	assert_int_equal(subject.results[0].verdict, STORES_PROVEN);
	release(&subject);
}

/* Behind this table lies one of another function. */
LABEL(two_tables_first);
LABEL(two_tables_second);
ASSEMBLE(two_tables, "	movzbl 32(%rdi), %eax\n"
		     "	lea two_tables_first(%rip), %rcx\n"
		     "	movslq (%rcx,%rax,4), %rax\n"
		     "	add %rcx, %rax\n"
		     "	jmp *%rax\n"
		     "1:	movb $1, 32(%rdi)\n"
		     "2:	ret\n"
		     "	.pushsection .rodata\n"
		     "	.balign 4\n"
		     "two_tables_first:\n"
		     "	.long 1b - two_tables_first, 1b - two_tables_first\n"
		     "two_tables_second:\n"
		     "	.long 2b - two_tables_first\n"
		     "	.popsection");
ASSEMBLE(uses_second_table, "	lea two_tables_second(%rip), %rdx\n"
			    "	mov %rdi, %rbx\n"
			    "	movslq (%rdx,%rax,4), %rax\n");

static void a_jump_table_ends_where_the_next_begins(void **state)
{
	struct subject subject = subject_of(two_tables, two_tables_end);
	const uint64_t tables[] = {address_of(two_tables_first), address_of(two_tables_second)};

	(void)state;
	assert_int_equal(verdict_of(two_tables, two_tables_end), STORES_PATH_WITHOUT);
	subject.function.tables = tables;
	subject.function.table_count = 2;
	add_coroutine(&subject, 0, OUTER_STATE, two_tables, two_tables_end);
	examine(&subject);
	assert_int_equal(subject.results[0].verdict, STORES_PROVEN);
	release(&subject);
}

static void the_jump_tables_of_an_image_are_found(void **state)
{
	uint64_t *tables;
	size_t count;

	(void)state;
	assert_int_equal(flow_find_tables(two_tables,
					  (size_t)(uses_second_table_end - two_tables),
					  address_of(two_tables), &tables, &count),
			 0);
	assert_int_equal(count, 2);
	assert_int_equal(tables[0], address_of(two_tables_first));
	assert_int_equal(tables[1], address_of(two_tables_second));
	free(tables);
}

ASSEMBLE(no_store, "	cmpb $0, 32(%rdi)\n"
		   "	ret");
ASSEMBLE(no_load, "	movb $1, 32(%rdi)\n"
		  "	ret");
ASSEMBLE(path_without, "	cmpb $0, 32(%rdi)\n"
		       "	je 1f\n"
		       "	movb $1, 32(%rdi)\n"
		       "1:	ret");
ASSEMBLE(without_begin, "	test %rsi, %rsi\n"
			"	je 1f\n"
			"	cmpb $0, 32(%rdi)\n"
			"1:	movb $3, 32(%rdi)\n"
			"	ret");
ASSEMBLE(path_with_two, "	cmpb $0, 32(%rdi)\n"
			"	movb $3, 32(%rdi)\n"
			"	jne 1f\n"
			"	movb $1, 32(%rdi)\n"
			"1:	ret");
ASSEMBLE(two_loads, "1:	cmpb $0, 32(%rdi)\n"
		    "	je 1b\n"
		    "	movb $3, 32(%rdi)\n"
		    "	ret");
ASSEMBLE(leaves_by_jump, "	cmpb $0, 32(%rdi)\n"
			 "	je 1f\n"
			 "	movb $3, 32(%rdi)\n"
			 "	ret\n"
			 "1:	jmp a_function");
ASSEMBLE(in_vector, "	cmpb $0, 32(%rdi)\n"
		    "	movups %xmm0, 24(%rdi)\n"
		    "	movb $1, 32(%rdi)\n"
		    "	ret");
ASSEMBLE(changed, "	cmpb $0, 32(%rdi)\n"
		  "	orb $1, 32(%rdi)\n"
		  "	movb $1, 32(%rdi)\n"
		  "	ret");
ASSEMBLE(unknown_table, "	movzbl 32(%rdi), %eax\n"
			"	movslq (%rdx,%rax,4), %rax\n"
			"	add %rdx, %rax\n"
			"	jmp *%rax\n"
			"	movb $1, 32(%rdi)\n"
			"	ret");
ASSEMBLE(lost_base, "	cmpb $0, 32(%rdi)\n"
		    "	je 1f\n"
		    "	add %rdx, %rdi\n"
		    "	movb $3, 32(%rdi)\n"
		    "	ret\n"
		    "1:	movb $1, 32(%rdi)\n"
		    "	ret");
ASSEMBLE(not_probed, "	cmpb $0, 32(%rdi)\n"
		     "	.byte 0x2e\n" /* cs: the kernel refuses it */
		     "	movb $1, 32(%rdi)\n"
		     "	ret");

static void what_cannot_be_proven_is_told_why(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(no_store, no_store_end), STORES_NO_STORE);
	assert_int_equal(verdict_of(no_load, no_load_end), STORES_NO_LOAD);
	assert_int_equal(verdict_of(path_without, path_without_end), STORES_PATH_WITHOUT);
	assert_int_equal(verdict_of(path_with_two, path_with_two_end), STORES_PATH_WITH_TWO);
	assert_int_equal(verdict_of(two_loads, two_loads_end), STORES_PATH_WITHOUT);
	assert_int_equal(verdict_of(leaves_by_jump, leaves_by_jump_end), STORES_PATH_WITHOUT);
	assert_int_equal(verdict_of(in_vector, in_vector_end), STORES_UNKNOWN_VALUE);
	assert_int_equal(verdict_of(changed, changed_end), STORES_UNKNOWN_VALUE);
	assert_int_equal(verdict_of(unknown_table, unknown_table_end), STORES_UNKNOWN_JUMP);
	assert_int_equal(verdict_of(lost_base, lost_base_end), STORES_PATH_WITHOUT);
	assert_int_equal(verdict_of(not_probed, not_probed_end), STORES_NO_PROBE);
}

static void a_store_where_no_poll_began_is_told(void **state)
{
	struct subject subject = subject_of(without_begin, without_begin_end);

	(void)state;
	add_coroutine(&subject, 0, OUTER_STATE, without_begin, without_begin_end);
	subject.coroutines[0].is_outer = false;
	examine(&subject);
	assert_int_equal(subject.results[0].verdict, STORES_WITHOUT_BEGIN);
	release(&subject);
}

static void bytes_that_are_no_code_are_refused(void **state)
{
	/* a two-byte opcode cut off */
	static const uint8_t cut[] = {0x55, 0x0f};
	struct flow_function function = {.code = cut, .size = sizeof(cut)};
	struct flow_graph graph;

	(void)state;
	assert_int_equal(flow_graph_make(&function, &graph), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_table_ends_where_the_next_begins),
		cmocka_unit_test(the_jump_tables_of_an_image_are_found),
		cmocka_unit_test(what_is_not_polled_needs_no_store),
		cmocka_unit_test(what_cannot_be_proven_is_told_why),
		cmocka_unit_test(a_store_where_no_poll_began_is_told),
		cmocka_unit_test(bytes_that_are_no_code_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
