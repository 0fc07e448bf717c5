/*
 * collector/flow_graph_x86_64.c and collector/state_stores.c: stores to the states of
 * coroutines in the forms that LLVM gives them. Each is needed for the proof.
 */
#include "flow_subject.h"

/*
 * Every store that is taken away from a proven coroutine makes the proof fail. Where the
 * bytes are then taken by something else, it is that which tells the end of the poll.
 */
static void every_store_matters(struct subject *subject)
{
	struct coroutine_stores without[3];

	for (size_t i = 0; i < subject->count; i++) {
		const struct coroutine_stores *with = &subject->results[i];

		assert_string_equal(stores_verdict_text(with->verdict), "is proven exact");
		for (size_t j = 0; j < with->store_count; j++) {
			struct flow_access kept;
			size_t node = 0;

			while (subject->graph.nodes[node].address != with->stores[j].address)
				node++;
			kept = subject->graph.nodes[node].access;
			subject->graph.nodes[node].access.object = FLOW_NO_OBJECT;
			assert_int_equal(state_stores_find(&subject->graph, subject->coroutines,
							   subject->count, without),
					 0);
			assert_false(stores_proven(&without[i]));
			subject->graph.nodes[node].access = kept;
			for (size_t k = 0; k < subject->count; k++)
				state_stores_free(&without[k]);
		}
	}
}

/* A state machine as it is: a jump table, a landing pad, the panic of a finished one. */
LABEL(immediate_ready);
LABEL(immediate_pending);
LABEL(immediate_panicked);
LABEL(immediate_call);
LABEL(immediate_pad);
LABEL(immediate_load);
ASSEMBLE(immediate, "	push %rbx\n"
		    "	mov %rdi, %rbx\n"
		    "immediate_load:\n"
		    "	movzbl 32(%rdi), %eax\n"
		    "	lea 9f(%rip), %rcx\n"
		    "	movslq (%rcx,%rax,4), %rax\n"
		    "	add %rcx, %rax\n"
		    "	jmp *%rax\n"
		    "1:\n"
		    "immediate_call:\n"
		    "	call a_function\n"
		    "2:	test %rax, %rax\n"
		    "	jne 3f\n"
		    "immediate_ready:\n"
		    "	movb $1, 32(%rbx)\n"
		    "	pop %rbx\n"
		    "	ret\n"
		    "3:\n"
		    "immediate_pending:\n"
		    "	movb $3, 32(%rbx)\n"
		    "	pop %rbx\n"
		    "	ret\n"
		    "4:	call panics_finished\n"
		    "immediate_pad:\n"
		    "	mov %rax, %rdi\n"
		    "immediate_panicked:\n"
		    "	movb $2, 32(%rbx)\n"
		    "	call resumes_unwind\n"
		    "	.pushsection .rodata\n"
		    "	.balign 4\n"
		    "9:	.long 1b - 9b, 4b - 9b, 4b - 9b, 2b - 9b\n"
		    "	.long 0x7fffffff\n"
		    "	.popsection");

static struct subject immediate_subject(void)
{
	struct subject subject = subject_of(immediate, immediate_end);

	subject.site = (struct flow_call_site){address_of(immediate_call),
					       address_of(immediate_call) + 5,
					       address_of(immediate_pad)};
	subject.function.call_site_count = 1;
	add_coroutine(&subject, 0, OUTER_STATE, immediate, immediate_end);
	return subject;
}

static void immediate_stores_tell_the_outcome(void **state)
{
	struct subject subject = immediate_subject();
	const struct coroutine_stores *found = &subject.results[0];

	(void)state;
	examine(&subject);
	assert_int_equal(found->verdict, STORES_PROVEN);
	assert_int_equal(found->store_count, 3);
	assert_int_equal(found->stores[0].address, address_of(immediate_ready));
	assert_int_equal(found->stores[0].value, 1);
	assert_int_equal(found->stores[1].address, address_of(immediate_pending));
	assert_int_equal(found->stores[1].value, 3);
	assert_int_equal(found->stores[2].address, address_of(immediate_panicked));
	assert_int_equal(found->stores[2].value, 2);
	assert_int_equal(found->load_count, 1);
	assert_int_equal(found->loads[0], address_of(immediate_load));
	every_store_matters(&subject);
	release(&subject);
}

/* Without the landing pads the store in one is not reached, nor missed. */
static void a_landing_pad_is_reached_from_its_call(void **state)
{
	struct subject subject = immediate_subject();

	(void)state;
	subject.function.call_site_count = 0;
	examine(&subject);
	assert_int_equal(subject.results[0].store_count, 2);
	release(&subject);
}

ASSEMBLE(merged, "	cmpb $0, 32(%rdi)\n"
		 "	jne 1f\n"
		 "	movw $0x103, 31(%rdi)\n"
		 "	ret\n"
		 "1:	movw $0x105, 32(%rdi)\n"
		 "	ret");

static void words_are_stored_with_a_drop_flag(void **state)
{
	struct subject subject = subject_of(merged, merged_end);

	(void)state;
	add_coroutine(&subject, 0, OUTER_STATE, merged, merged_end);
	examine(&subject);
	assert_int_equal(subject.results[0].store_count, 2);
	assert_int_equal(subject.results[0].stores[0].value, 1);
	assert_int_equal(subject.results[0].stores[1].value, 5);
	every_store_matters(&subject);
	release(&subject);
}

ASSEMBLE(in_register, "	movzbl 32(%rdi), %ecx\n"
		      "	mov $3, %al\n"
		      "	test %ecx, %ecx\n"
		      "	je 1f\n"
		      "	mov $4, %al\n"
		      "1:	mov %al, 32(%rdi)\n"
		      "	ret");

ASSEMBLE(in_high_byte, "	movzbl 32(%rdi), %ecx\n"
		       "	mov %ch, 32(%rdi)\n"
		       "	ret");

ASSEMBLE(in_second_byte, "	movzbl 32(%rdi), %ecx\n"
			 "	mov %cx, 31(%rdi)\n"
			 "	ret");

static struct state_store only_store(const uint8_t *code, const uint8_t *end)
{
	struct subject subject = subject_of(code, end);
	struct state_store store;

	add_coroutine(&subject, 0, OUTER_STATE, code, end);
	examine(&subject);
	assert_int_equal(subject.results[0].store_count, 1);
	store = subject.results[0].stores[0];
	every_store_matters(&subject);
	release(&subject);
	return store;
}

static void a_register_is_to_be_fetched(void **state)
{
	struct state_store store = only_store(in_register, in_register_end);

	(void)state;
	assert_true(store.from_register);
	assert_int_equal(store.reg, RAX);
	assert_int_equal(store.shift, 0);
	assert_int_equal(store.bytes, 1 << 3 | 1 << 4);
	store = only_store(in_high_byte, in_high_byte_end);
	assert_int_equal(store.reg, RCX);
	assert_int_equal(store.shift, 8);
	assert_int_equal(store.bytes, 0);
	assert_int_equal(only_store(in_second_byte, in_second_byte_end).shift, 8);
}

/* A child that is made, polled until it is ready, and made anew. */
LABEL(inlined_child);
LABEL(inlined_child_end);
ASSEMBLE(inlined, "	push %r12\n"
		  "	sub $16, %rsp\n"
		  "	lea 80(%rdi), %r12\n"
		  "	mov %rdi, 8(%rsp)\n"
		  "	cmpb $0, 32(%rdi)\n"
		  "	jne inlined_child\n"
		  "1:	movb $0, (%r12)\n"
		  "	jmp 2f\n"
		  "inlined_child:\n"
		  "	cmpb $3, (%r12)\n"
		  "2:	call a_function\n"
		  "	mov 8(%rsp), %rdi\n"
		  "	test %rax, %rax\n"
		  "	jne 3f\n"
		  "	movb $1, 80(%rdi)\n"
		  "	jmp 4f\n"
		  "3:	movb $3, (%r12)\n"
		  "inlined_child_end:\n"
		  "	movb $3, 32(%rdi)\n"
		  "	jmp 5f\n"
		  "4:	cmp $7, %rdx\n"
		  "	je 1b\n"
		  "	movb $1, 32(%rdi)\n"
		  "5:	add $16, %rsp\n"
		  "	pop %r12\n"
		  "	ret");

static void a_child_is_found_by_pointers_and_spills(void **state)
{
	struct subject subject = subject_of(inlined, inlined_end);

	(void)state;
	add_coroutine(&subject, 0, OUTER_STATE, inlined, inlined_end);
	/* Its code has gaps: the jump over the load is not of it. */
	add_coroutine(&subject, 0, INNER_STATE, inlined_child, inlined_child_end);
	examine(&subject);
	assert_int_equal(subject.results[1].store_count, 2);
	assert_int_equal(subject.results[1].stores[0].value, 1);
	assert_int_equal(subject.results[1].stores[1].value, 3);
	assert_int_equal(subject.results[0].store_count, 2);
	every_store_matters(&subject);
	release(&subject);
}

/* Two children that follow each other in the same bytes; each has a poll's end of its own. */
LABEL(siblings_first);
LABEL(siblings_second);
LABEL(siblings_rest);
LABEL(siblings_pad);
LABEL(siblings_panicked);
LABEL(siblings_panicked_end);
ASSEMBLE(siblings, "	push %rbx\n"
		   "	mov %rdi, %rbx\n"
		   "	cmpb $4, 32(%rdi)\n"
		   "	je siblings_second\n"
		   "siblings_first:\n"
		   "	cmpb $3, 80(%rbx)\n"
		   "	call a_function\n"
		   "	test %rax, %rax\n"
		   "	jne 1f\n"
		   "	movb $1, 80(%rbx)\n"
		   "	jmp siblings_rest\n"
		   "1:	movb $3, 80(%rbx)\n"
		   "	movb $3, 32(%rbx)\n"
		   "	pop %rbx\n"
		   "	ret\n"
		   "siblings_second:\n"
		   "	cmpb $3, 80(%rbx)\n"
		   "2:	call a_function\n"
		   "	movb $3, 80(%rbx)\n"
		   "	movb $4, 32(%rbx)\n"
		   "	pop %rbx\n"
		   "	ret\n"
		   "siblings_rest:\n"
		   "	movb $0, 80(%rbx)\n"
		   "	jmp 2b\n"
		   "siblings_pad:\n"
		   "	mov %rax, %rdi\n"
		   "siblings_panicked:\n"
		   "	movb $2, 80(%rbx)\n"
		   "siblings_panicked_end:\n"
		   "	movb $2, 32(%rbx)\n"
		   "	call resumes_unwind");

static struct subject siblings_subject(void)
{
	struct subject subject = subject_of(siblings, siblings_end);

	subject.site =
		(struct flow_call_site){address_of(siblings_first), address_of(siblings_rest),
					address_of(siblings_pad)};
	subject.function.call_site_count = 1;
	add_coroutine(&subject, 0, OUTER_STATE, siblings, siblings_end);
	add_coroutine(&subject, 0, INNER_STATE, siblings_first, siblings_second);
	add_coroutine(&subject, 0, INNER_STATE, siblings_second, siblings_rest);
	return subject;
}

static void siblings_in_the_same_bytes_are_told_apart_by_their_code(void **state)
{
	struct subject subject = siblings_subject();

	(void)state;
	subject.function.call_site_count = 0;
	examine(&subject);
	assert_int_equal(subject.results[1].verdict, STORES_PROVEN);
	assert_int_equal(subject.results[1].store_count, 2);
	assert_int_equal(subject.results[2].verdict, STORES_PROVEN);
	assert_int_equal(subject.results[2].store_count, 1);
	release(&subject);
}

static void a_store_that_may_be_either_ones_is_marked(void **state)
{
	struct subject subject = siblings_subject();

	(void)state;
	examine(&subject);
	for (size_t i = 1; i < 3; i++) {
		const struct coroutine_stores *found = &subject.results[i];
		const struct state_store *last = &found->stores[found->store_count - 1];

		assert_int_equal(found->verdict, STORES_PROVEN);
		assert_int_equal(last->address, address_of(siblings_panicked));
		assert_true(last->shared);
		assert_false(found->stores[0].shared);
	}
	release(&subject);
}

/* LLVM makes a copy of its own of the pads that it merges of two copies of one type. */
static void a_copy_that_only_unwinds_is_not_polled(void **state)
{
	const uint8_t *const starts[] = {siblings_panicked, siblings_rest};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bool also_runs = starts[i] != siblings_panicked;
		struct subject subject = siblings_subject();

		add_coroutine(&subject, 0, INNER_STATE, starts[i], siblings_panicked_end);
		subject.coroutines[2].type = subject.coroutines[1].type;
		subject.coroutines[3].type = subject.coroutines[1].type;
		subject.coroutines[3].depth = 1;
		examine(&subject);
		assert_int_equal(stores_proven(&subject.results[3]), !also_runs);
		if (!also_runs) {
			const struct coroutine_stores *first = &subject.results[1];

			assert_int_equal(subject.results[3].store_count, 0);
			assert_int_equal(first->verdict, STORES_PROVEN);
			assert_int_equal(first->stores[first->store_count - 1].address,
					 address_of(siblings_panicked));
		}
		release(&subject);
	}
}

/* LLVM drops the store of a child that is ready if the next child takes its bytes. */
LABEL(reused_child);
LABEL(reused_child_end);
ASSEMBLE(reused, "reused_child:\n"
		 "	cmpb $0, 80(%rdi)\n"
		 "	je 1f\n"
		 "	movb $3, 80(%rdi)\n"
		 "	ret\n"
		 "1:	nop\n"
		 "reused_child_end:\n"
		 "	movb $0, 80(%rdi)\n"
		 "	ret");

static void the_end_of_a_poll_may_be_that_its_bytes_are_reused(void **state)
{
	struct subject subject = subject_of(reused, reused_end);
	const struct coroutine_stores *found = &subject.results[0];

	(void)state;
	add_coroutine(&subject, 0, INNER_STATE, reused_child, reused_child_end);
	subject.coroutines[0].is_outer = false;
	examine(&subject);
	assert_int_equal(found->store_count, 2);
	assert_int_equal(found->stores[1].address, address_of(reused_child_end));
	assert_true(found->stores[1].is_reuse);
	assert_int_equal(found->stores[1].value, 1);
	every_store_matters(&subject);
	release(&subject);
}

/* A child behind a pointer, made here or before: LLVM keeps what it stored in a register. */
LABEL(boxed_child);
LABEL(boxed_child_end);
ASSEMBLE(boxed, "	push %rbx\n"
		"	push %r14\n"
		"	mov %rdi, %rbx\n"
		"	mov 40(%rdi), %r14\n"
		"	cmpb $0, 32(%rdi)\n"
		"	jne boxed_child\n"
		"	call a_function\n"
		"	mov %rax, %r14\n"
		"	movb $0, 16(%rax)\n"
		"	mov %rax, 40(%rbx)\n"
		"boxed_child:\n"
		"	cmpb $0, 16(%r14)\n"
		"	movb $3, 16(%r14)\n"
		"boxed_child_end:\n"
		"	movb $3, 32(%rbx)\n"
		"	pop %r14\n"
		"	pop %rbx\n"
		"	ret");

static void a_child_in_a_box_is_followed(void **state)
{
	struct subject subject = subject_of(boxed, boxed_end);

	(void)state;
	subject.hop = (struct flow_hop){0, 40, 1};
	subject.function.hop_count = 1;
	add_coroutine(&subject, 0, OUTER_STATE, boxed, boxed_end);
	add_coroutine(&subject, 1, 16, boxed_child, boxed_child_end);
	examine(&subject);
	assert_int_equal(subject.results[1].store_count, 1);
	every_store_matters(&subject);
	release(&subject);
}

/* A future on the stack of a function with a large frame, as block_on has it. */
LABEL(on_stack_child);
LABEL(on_stack_child_end);
ASSEMBLE(on_stack, "	lea -0x5000(%rsp), %r11\n"
		   "1:	sub $0x1000, %rsp\n"
		   "	movq $0, (%rsp)\n"
		   "	cmp %r11, %rsp\n"
		   "	jne 1b\n"
		   "	movb $0, 0x60(%rsp)\n"
		   "2:	nop\n"
		   "on_stack_child:\n"
		   "	cmpb $0, 0x60(%rsp)\n"
		   "	call a_function\n"
		   "	test %eax, %eax\n"
		   "	je 3f\n"
		   "	movb $3, 0x60(%rsp)\n"
		   "	jmp 2b\n"
		   "3:	movb $1, 0x60(%rsp)\n"
		   "on_stack_child_end:\n"
		   "	add $0x5000, %rsp\n"
		   "	ret");

static struct subject on_stack_subject(void)
{
	struct subject subject = subject_of(on_stack, on_stack_end);

	/* Debug information has it at 0x50 from the stack pointer while it is polled. */
	subject.anchors[0] = (struct flow_anchor){
		address_of(on_stack_child), address_of(on_stack_child_end), RSP, 0, -0x50};
	add_coroutine(&subject, 0, 0x10, on_stack_child, on_stack_child_end);
	subject.coroutines[0].is_outer = false;
	return subject;
}

static void a_future_in_the_frame_is_found(void **state)
{
	struct subject subject = on_stack_subject();

	(void)state;
	subject.function.never_unwinds = true;
	examine(&subject);
	assert_int_equal(subject.results[0].store_count, 2);
	every_store_matters(&subject);
	release(&subject);
}

/* LLVM drops the store of a panic to bytes that die with the frame, and the landing pad. */
static void a_future_in_the_frame_may_be_unwound_without_a_store(void **state)
{
	struct subject subject = on_stack_subject();

	(void)state;
	examine(&subject);
	assert_int_equal(subject.results[0].verdict, STORES_PATH_WITHOUT);
	release(&subject);
}

static void a_place_that_is_told_twice_is_doubtful(void **state)
{
	struct subject subject = subject_of(on_stack, on_stack_end);

	(void)state;
	subject.anchors[0] = (struct flow_anchor){
		address_of(on_stack_child), address_of(on_stack_child) + 1, RSP, 0, -0x50};
	subject.anchors[1] =
		(struct flow_anchor){address_of(on_stack_child_end),
				     address_of(on_stack_child_end) + 1, RSP, 0, -0x48};
	subject.function.anchor_count = 2;
	add_coroutine(&subject, 0, 0x10, on_stack_child, on_stack_child_end);
	subject.coroutines[0].is_outer = false;
	examine(&subject);
	assert_int_equal(subject.results[0].verdict, STORES_UNKNOWN_PLACE);
	release(&subject);
}

static void the_place_that_fits_is_chosen(void **state)
{
	struct subject subject = subject_of(inlined, inlined_end);

	(void)state;
	add_coroutine(&subject, 0, INNER_STATE + 16, inlined_child, inlined_child_end);
	add_coroutine(&subject, 0, INNER_STATE, inlined_child, inlined_child_end);
	subject.coroutines[0].is_outer = false;
	subject.coroutines[1].copy = subject.coroutines[0].copy;
	examine(&subject);
	assert_false(subject.results[0].chosen);
	assert_int_equal(subject.results[0].verdict, STORES_UNKNOWN_PLACE);
	assert_true(subject.results[1].chosen);
	assert_int_equal(subject.results[1].verdict, STORES_PROVEN);
	release(&subject);
}

/* One that might as well lie at its own place or that of another is at neither. */
static void of_places_that_fit_none_is_chosen(void **state)
{
	struct subject subject = subject_of(inlined, inlined_end);

	(void)state;
	add_coroutine(&subject, 0, OUTER_STATE, inlined, inlined_end);
	add_coroutine(&subject, 0, INNER_STATE, inlined, inlined_end);
	subject.coroutines[1].copy = subject.coroutines[0].copy;
	subject.coroutines[0].depth = subject.coroutines[1].depth;
	subject.coroutines[0].is_outer = true;
	examine(&subject);
	assert_false(subject.results[0].chosen);
	assert_false(subject.results[1].chosen);
	release(&subject);
}

/* LLVM merges the panics of two copies of one type and says it is the code of one. */
LABEL(copies_first);
LABEL(copies_second);
LABEL(copies_panicked);
LABEL(copies_rest);
ASSEMBLE(copies, "	test %rsi, %rsi\n"
		 "	jne copies_second\n"
		 "copies_first:\n"
		 "	cmpb $0, 80(%rdi)\n"
		 "	je 1f\n"
		 "	movb $3, 80(%rdi)\n"
		 "	ret\n"
		 "copies_second:\n"
		 "	cmpb $0, 80(%rdi)\n"
		 "	je 1f\n"
		 "	movb $4, 80(%rdi)\n"
		 "	ret\n"
		 "1:\n"
		 "copies_panicked:\n"
		 "	movb $2, 80(%rdi)\n"
		 "	ret\n"
		 "copies_rest:\n"
		 "	ret");

static void copies_of_one_type_share_their_panics(void **state)
{
	struct subject subject = subject_of(copies, copies_end);

	(void)state;
	add_coroutine(&subject, 0, INNER_STATE, copies_first, copies_second);
	add_coroutine(&subject, 0, INNER_STATE, copies_second, copies_rest);
	subject.coroutines[0].is_outer = false;
	subject.coroutines[1].type = subject.coroutines[0].type;
	examine(&subject);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(subject.results[i].store_count, 2);
		assert_int_equal(subject.results[i].stores[1].address,
				 address_of(copies_panicked));
		/* One of the two is polled on every way to it. */
		assert_false(subject.results[i].stores[1].shared);
	}
	every_store_matters(&subject);
	release(&subject);
}

/* To the same panics there is a way on which neither is polled. */
LABEL(unsure_first);
LABEL(unsure_second);
LABEL(unsure_rest);
ASSEMBLE(unsure, "	test %rsi, %rsi\n"
		 "	jne unsure_second\n"
		 "	test %rdx, %rdx\n"
		 "	jne 1f\n"
		 "unsure_first:\n"
		 "	cmpb $0, 80(%rdi)\n"
		 "	je 1f\n"
		 "	movb $3, 80(%rdi)\n"
		 "	ret\n"
		 "unsure_second:\n"
		 "	cmpb $0, 80(%rdi)\n"
		 "	je 1f\n"
		 "	movb $4, 80(%rdi)\n"
		 "	ret\n"
		 "1:	movb $2, 80(%rdi)\n"
		 "	ret\n"
		 "unsure_rest:\n"
		 "	ret");

static void a_panic_of_copies_that_may_be_nobodys_is_marked(void **state)
{
	struct subject subject = subject_of(unsure, unsure_end);

	(void)state;
	add_coroutine(&subject, 0, INNER_STATE, unsure_first, unsure_second);
	add_coroutine(&subject, 0, INNER_STATE, unsure_second, unsure_rest);
	subject.coroutines[0].is_outer = false;
	subject.coroutines[1].type = subject.coroutines[0].type;
	examine(&subject);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(subject.results[i].verdict, STORES_PROVEN);
		assert_int_equal(subject.results[i].store_count, 2);
		assert_true(subject.results[i].stores[1].shared);
	}
	release(&subject);
}

/*
 * One copy ends and the next begins without a trace: its last store was dropped for the
 * first of the next one, and that for the store that ends its poll. Two polls, one store.
 */
LABEL(untraced_first);
LABEL(untraced_second);
LABEL(untraced_rest);
ASSEMBLE(untraced, "untraced_first:\n"
		   "	cmpb $3, 80(%rdi)\n"
		   "	nop\n"
		   "untraced_second:\n"
		   "	movb $3, 80(%rdi)\n"
		   "untraced_rest:\n"
		   "	ret");

static void copies_of_one_type_are_proven_each(void **state)
{
	struct subject subject = subject_of(untraced, untraced_end);

	(void)state;
	add_coroutine(&subject, 0, INNER_STATE, untraced_first, untraced_second);
	add_coroutine(&subject, 0, INNER_STATE, untraced_second, untraced_rest);
	subject.coroutines[0].is_outer = false;
	subject.coroutines[1].type = subject.coroutines[0].type;
	examine(&subject);
	assert_false(stores_proven(&subject.results[0]));
	assert_false(stores_proven(&subject.results[1]));
	release(&subject);
}

/* rsp is known behind a call of __rust_probestack, and so are the other registers. */
ASSEMBLE(large_frame, "	mov $0x4000, %eax\n"
		      "	call a_function\n"
		      "	sub %rax, %rsp\n"
		      "	mov %rdi, 0x3000(%rsp)\n"
		      "	mov 0x3000(%rsp), %rax\n"
		      "	cmpb $0, 32(%rax)\n"
		      "	movb $1, 32(%rdi)\n"
		      "	add $0x4000, %rsp\n"
		      "	ret");

/* The branch that would come to a second store is never taken: cl is 1. */
ASSEMBLE(impossible, "	cmpb $0, 32(%rdi)\n"
		     "	movb $3, 32(%rdi)\n"
		     "	mov $1, %ecx\n"
		     "	test $1, %cl\n"
		     "	je 1f\n"
		     "	ret\n"
		     "1:	movb $1, 32(%rdi)\n"
		     "	ret");

static void known_values_are_used(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(large_frame, large_frame_end), STORES_PROVEN);
	assert_int_equal(verdict_of(impossible, impossible_end), STORES_PROVEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(immediate_stores_tell_the_outcome),
		cmocka_unit_test(a_landing_pad_is_reached_from_its_call),
		cmocka_unit_test(words_are_stored_with_a_drop_flag),
		cmocka_unit_test(a_register_is_to_be_fetched),
		cmocka_unit_test(a_child_is_found_by_pointers_and_spills),
		cmocka_unit_test(siblings_in_the_same_bytes_are_told_apart_by_their_code),
		cmocka_unit_test(a_store_that_may_be_either_ones_is_marked),
		cmocka_unit_test(a_copy_that_only_unwinds_is_not_polled),
		cmocka_unit_test(the_end_of_a_poll_may_be_that_its_bytes_are_reused),
		cmocka_unit_test(a_child_in_a_box_is_followed),
		cmocka_unit_test(a_future_in_the_frame_is_found),
		cmocka_unit_test(a_future_in_the_frame_may_be_unwound_without_a_store),
		cmocka_unit_test(a_place_that_is_told_twice_is_doubtful),
		cmocka_unit_test(the_place_that_fits_is_chosen),
		cmocka_unit_test(of_places_that_fit_none_is_chosen),
		cmocka_unit_test(copies_of_one_type_share_their_panics),
		cmocka_unit_test(a_panic_of_copies_that_may_be_nobodys_is_marked),
		cmocka_unit_test(copies_of_one_type_are_proven_each),
		cmocka_unit_test(known_values_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
