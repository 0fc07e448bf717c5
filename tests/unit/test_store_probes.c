/* collector/store_probes.c: which instruction is probed for a store. */
#include "flow_subject.h"

#include "store_probes.h"

/* In all of them the first store is at NAME_store. It is to be probed at NAME_probed. */
#define STORE(name, text)                                                                      \
	LABEL(name##_store);                                                                   \
	LABEL(name##_probed);                                                                  \
	ASSEMBLE(name, "	movzbl 32(%rdi), %eax\n" text)

STORE(jump, "jump_store:\n"
	    "	movb $3, 32(%rdi)\n"
	    "	mov $1, %ecx\n"
	    "jump_probed:\n"
	    "	jmp 1f\n"
	    "	nop\n"
	    "1:	ret");
STORE(branch, "branch_store:\n"
	      "	movb $3, 32(%rdi)\n"
	      "	test %rsi, %rsi\n"
	      "branch_probed:\n"
	      "	je 1f\n"
	      "	nop\n"
	      "1:	ret");
STORE(far_branch, "far_branch_store:\n"
		  "	movb $3, 32(%rdi)\n"
		  "	test %rsi, %rsi\n"
		  "far_branch_probed:\n"
		  "	je 1f\n"
		  "	.skip 200, 0x90\n"
		  "1:	ret");
STORE(direct_call, "direct_call_store:\n"
		   "	movb $2, 32(%rdi)\n"
		   "	mov %rax, %rdi\n"
		   "direct_call_probed:\n"
		   "	call resumes_unwind");
STORE(pushes, "pushes_store:\n"
	      "	movb $3, 32(%rdi)\n"
	      "pushes_probed:\n"
	      "	push %r12\n"
	      "	pop %r12\n"
	      "	ret");
STORE(held, "held_store:\n"
	    "	movb %cl, 32(%rdi)\n"
	    "	mov $1, %eax\n"
	    "held_probed:\n"
	    "	jmp 1f\n"
	    "1:	ret");
STORE(lost, "lost_store:\n"
	    "lost_probed:\n"
	    "	movb %cl, 32(%rdi)\n"
	    "	xor %ecx, %ecx\n"
	    "	jmp 1f\n"
	    "1:	ret");
STORE(indirect_call, "indirect_call_store:\n"
		     "indirect_call_probed:\n"
		     "	movb $3, 32(%rdi)\n"
		     "	call *%rsi\n"
		     "	jmp 1f\n"
		     "1:	ret");
STORE(moved_stack, "moved_stack_store:\n"
		   "moved_stack_probed:\n"
		   "	movb $3, 32(%rdi)\n"
		   "	add $8, %rsp\n"
		   "	jmp 1f\n"
		   "1:	ret");
STORE(entered, "	je 1f\n"
	       "entered_store:\n"
	       "entered_probed:\n"
	       "	movb $3, 32(%rdi)\n"
	       "	xor %eax, %eax\n"
	       "2:	jmp 3f\n"
	       "1:	movb $1, 32(%rdi)\n"
	       "	test %rsi, %rsi\n"
	       "	jmp 2b\n"
	       "3:	ret");
STORE(tail_call, "tail_call_store:\n"
		 "tail_call_probed:\n"
		 "	movb $3, 32(%rdi)\n"
		 "	jmp a_function");
STORE(may_leave, "may_leave_store:\n"
		 "may_leave_probed:\n"
		 "	movb $3, 32(%rdi)\n"
		 "	test %rsi, %rsi\n"
		 "	je a_function\n"
		 "	jmp 1f\n"
		 "1:	ret");
STORE(prefixed, "prefixed_store:\n"
		"prefixed_probed:\n"
		"	movb $3, 32(%rdi)\n"
		"	bnd jmp 1f\n"
		"1:	ret");
STORE(padding, "padding_store:\n"
	       "padding_probed:\n"
	       "	movb $3, 32(%rdi)\n"
	       "	cs nopw (%rax)\n"
	       "	ret");

static void the_first_cheap_instruction_that_is_run_as_often(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *code;
		const uint8_t *end;
		const uint8_t *store;
		const uint8_t *probed;
	} cases[] = {
#define CASE(name) {#name, name, name##_end, name##_store, name##_probed}
		CASE(jump),        CASE(branch),   CASE(far_branch), CASE(direct_call),
		CASE(pushes),      CASE(held),     CASE(lost),       CASE(indirect_call),
		CASE(moved_stack), CASE(entered),  CASE(tail_call),  CASE(padding),
		CASE(may_leave),   CASE(prefixed),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct subject subject = subject_of(cases[i].code, cases[i].end);
		const struct state_store *store;

		add_coroutine(&subject, 0, OUTER_STATE, cases[i].code, cases[i].end);
		examine(&subject);
		assert_int_equal(subject.results[0].verdict, STORES_PROVEN);
		assert_int_equal(
			store_probes_choose(&subject.graph, subject.results, subject.count), 0);
		store = &subject.results[0].stores[0];
		assert_int_equal(store->address, address_of(cases[i].store));
		if (store->probed != address_of(cases[i].probed))
			fail_msg("%s: probed %d bytes behind the store", cases[i].name,
				 (int)(store->probed - store->address));
		release(&subject);
	}
}

/* A child's store before that of what awaits it. */
LABEL(both_child);
LABEL(both_child_end);
LABEL(both_probed);
ASSEMBLE(both, "	movzbl 32(%rdi), %eax\n"
	       "both_child:\n"
	       "	movzbl 80(%rdi), %eax\n"
	       "	movb $3, 80(%rdi)\n"
	       "both_child_end:\n"
	       "	movb $4, 32(%rdi)\n"
	       "both_probed:\n"
	       "	jmp 1f\n"
	       "1:	ret");

/* The second cannot be probed later, so the first must not be either. */
LABEL(first_child);
LABEL(first_child_end);
ASSEMBLE(first, "	movzbl 32(%rdi), %eax\n"
		"first_child:\n"
		"	movzbl 80(%rdi), %eax\n"
		"	movb $3, 80(%rdi)\n"
		"first_child_end:\n"
		"	movb %cl, 32(%rdi)\n"
		"	xor %ecx, %ecx\n"
		"	jmp 1f\n"
		"1:	ret");

static void stores_keep_their_order(void **state)
{
	struct subject subject = subject_of(both, both_end);

	(void)state;
	add_coroutine(&subject, 0, OUTER_STATE, both, both_end);
	add_coroutine(&subject, 0, INNER_STATE, both_child, both_child_end);
	examine(&subject);
	assert_int_equal(store_probes_choose(&subject.graph, subject.results, subject.count),
			 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(subject.results[i].stores[0].probed, address_of(both_probed));
	release(&subject);

	subject = subject_of(first, first_end);
	add_coroutine(&subject, 0, OUTER_STATE, first, first_end);
	add_coroutine(&subject, 0, INNER_STATE, first_child, first_child_end);
	examine(&subject);
	assert_int_equal(store_probes_choose(&subject.graph, subject.results, subject.count),
			 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(subject.results[i].stores[0].probed,
				 subject.results[i].stores[0].address);
	release(&subject);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_cheap_instruction_that_is_run_as_often),
		cmocka_unit_test(stores_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
