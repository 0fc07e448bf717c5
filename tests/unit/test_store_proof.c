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

/* A landing pad of other code, that counts as code of a child, whose bytes that uses. */
LABEL(pads_call);
LABEL(pads_called);
LABEL(pads_child);
LABEL(pads_pad);
LABEL(pads_rest);
ASSEMBLE(pads, "	push %rbx\n"
	       "	mov %rdi, %rbx\n"
	       "	cmpb $0, 32(%rdi)\n"
	       "	jne pads_child\n"
	       "	mov %rsi, 80(%rbx)\n"
	       "pads_call:\n"
	       "	call a_function\n"
	       "pads_called:\n"
	       "	movb $1, 32(%rbx)\n"
	       "	pop %rbx\n"
	       "	ret\n"
	       "pads_child:\n"
	       "	cmpb $0, 80(%rbx)\n"
	       "	movb $3, 80(%rbx)\n"
	       "	jmp pads_rest\n"
	       "pads_pad:\n"
	       "	mov %rax, %rdi\n"
	       "	jmp 1f\n"
	       "pads_rest:\n"
	       "	movb $3, 32(%rbx)\n"
	       "	pop %rbx\n"
	       "	ret\n"
	       "1:	movb $2, 32(%rbx)\n"
	       "	call resumes_unwind");

static void no_poll_begins_by_unwinding(void **state)
{
	struct subject subject = subject_of(pads, pads_end);

	(void)state;
	subject.site = (struct flow_call_site){address_of(pads_call), address_of(pads_called),
					       address_of(pads_pad)};
	subject.function.call_site_count = 1;
	add_coroutine(&subject, 0, OUTER_STATE, pads, pads_end);
	add_coroutine(&subject, 0, INNER_STATE, pads_child, pads_rest);
	examine(&subject);
	assert_int_equal(subject.results[0].verdict, STORES_PROVEN);
	assert_int_equal(subject.results[1].verdict, STORES_PROVEN);
	release(&subject);
}

/* A future in the frame, in which a call through a register cannot unwind. */
LABEL(through_register_child);
LABEL(through_register_child_end);
ASSEMBLE(through_register, "	sub $0x40, %rsp\n"
			   "	lea never_unwinds(%rip), %rbx\n"
			   "	movb $0, 0x20(%rsp)\n"
			   "through_register_child:\n"
			   "	cmpb $0, 0x20(%rsp)\n"
			   "	call *%rbx\n"
			   "	movb $1, 0x20(%rsp)\n"
			   "through_register_child_end:\n"
			   "	add $0x40, %rsp\n"
			   "	ret");

static void a_call_through_a_register_is_followed(void **state)
{
	struct subject subject = subject_of(through_register, through_register_end);

	(void)state;
	subject.anchors[0] =
		(struct flow_anchor){address_of(through_register_child),
				     address_of(through_register_child_end), RSP, 0, -0x20};
	add_coroutine(&subject, 0, 0, through_register_child, through_register_child_end);
	subject.coroutines[0].is_outer = false;
	examine(&subject);
	assert_int_equal(subject.results[0].verdict, STORES_PROVEN);
	release(&subject);
}

/* What has the future's address is told only later, of a copy of it. */
LABEL(merged_child);
LABEL(merged_rest);
ASSEMBLE(merged, "	test %rsi, %rsi\n"
		 "	je 1f\n"
		 "	mov 8(%rdi), %rbx\n"
		 "	jmp 2f\n"
		 "1:	mov 16(%rdi), %rbx\n"
		 "2:	lea -16(%rbx), %r12\n"
		 "merged_child:\n"
		 "	cmpb $0, 32(%rbx)\n"
		 "	movb $3, 32(%rbx)\n"
		 "merged_rest:\n"
		 "	ret");

/* The store goes to what the loop had in the round before. */
LABEL(stale_child);
LABEL(stale_rest);
ASSEMBLE(stale, "	mov 8(%rdi), %rbx\n"
		"	mov %rbx, %rax\n"
		"1:	lea -16(%rbx), %r12\n"
		"stale_child:\n"
		"	cmpb $0, 32(%rbx)\n"
		"	movb $3, 32(%rax)\n"
		"stale_rest:\n"
		"	mov %rbx, %rax\n"
		"	mov 8(%rbx), %rbx\n"
		"	test %rbx, %rbx\n"
		"	jne 1b\n"
		"	ret");

static enum stores_verdict verdict_by_r12(const uint8_t *code, const uint8_t *end,
					  const uint8_t *child, const uint8_t *rest)
{
	struct subject subject = subject_of(code, end);
	enum stores_verdict verdict;

	subject.anchors[1] =
		(struct flow_anchor){address_of(child), address_of(rest), R12, 1, -16};
	subject.function.anchor_count = 2;
	add_coroutine(&subject, 1, OUTER_STATE, child, rest);
	examine(&subject);
	verdict = subject.results[0].verdict;
	release(&subject);
	return verdict;
}

static void what_paths_bring_together_may_be_named_later(void **state)
{
	(void)state;
	assert_int_equal(verdict_by_r12(merged, merged_end, merged_child, merged_rest),
			 STORES_PROVEN);
	assert_int_equal(verdict_by_r12(stale, stale_end, stale_child, stale_rest),
			 STORES_NO_STORE);
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
		cmocka_unit_test(no_poll_begins_by_unwinding),
		cmocka_unit_test(a_call_through_a_register_is_followed),
		cmocka_unit_test(what_paths_bring_together_may_be_named_later),
		cmocka_unit_test(bytes_that_are_no_code_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
