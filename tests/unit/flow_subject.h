/*
 * Functions that the tests of collector/flow_graph_x86_64.c and collector/state_stores.c
 * look at: assembled into the test program and read where they lie; none is ever run.
 *
 * In all of them the outer coroutine comes in %rdi and has its state at 32; the state of
 * the one inlined in it is at 80.
 */
#ifndef FLOW_SUBJECT_H
#define FLOW_SUBJECT_H

#include "state_stores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	OUTER_STATE = 32,
	INNER_STATE = 80,
	RAX = 0,
	RCX = 2,
	RDI = 5,
	RBX = 3,
	RSP = 7,
	R12 = 12
};

/* Assemble a function, from NAME to NAME_end. */
#define ASSEMBLE(name, text)                                                                   \
	extern const uint8_t name[], name##_end[];                                             \
	__asm__(".pushsection .text\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")

/* A place in such a function. */
#define LABEL(name) extern const uint8_t name[]

LABEL(a_function);
LABEL(resumes_unwind);
LABEL(panics);
LABEL(panics_finished);
LABEL(never_unwinds);
__asm__(".pushsection .text\n"
	"a_function:\nresumes_unwind = . + 1\npanics = . + 2\npanics_finished = . + 3\n"
	"never_unwinds = . + 4\n"
	"nop\nnop\nnop\nnop\nnop\n"
	".popsection\n");

static inline uint64_t address_of(const uint8_t *place)
{
	return (uint64_t)(uintptr_t)place;
}

static inline enum flow_call what_call(void *context, uint64_t target, bool through_slot,
				       uint64_t argument)
{
	(void)context;
	(void)through_slot;
	(void)argument;
	if (target == address_of(resumes_unwind))
		return FLOW_CALL_RESUMES_UNWIND;
	if (target == address_of(panics))
		return FLOW_CALL_NEVER_RETURNS;
	if (target == address_of(panics_finished))
		return FLOW_CALL_PANICS_FINISHED;
	if (target == address_of(never_unwinds))
		return FLOW_CALL_NEVER_UNWINDS;
	return FLOW_CALL_RETURNS;
}

static inline bool read_memory(void *context, uint64_t address, void *bytes, size_t size)
{
	(void)context;
	memcpy(bytes, (const void *)(uintptr_t)address, size); /* NOLINT: it is an address */
	return true;
}

/* A function under test and what is found in it. */
struct subject {
	struct flow_function function;
	struct flow_anchor anchors[4];
	struct flow_hop hop;
	struct flow_call_site site;
	struct flow_coroutine coroutines[4];
	struct code_range ranges[4];
	size_t count; /* of coroutines */
	struct flow_graph graph;
	struct coroutine_stores results[4];
};

static inline struct subject subject_of(const uint8_t *code, const uint8_t *end)
{
	struct subject subject = {
		.function =
			{
				.code = code,
				.size = (size_t)(end - code),
				.address = address_of(code),
				.call = what_call,
				.read = read_memory,
			},
		.anchors = {{address_of(code), address_of(code) + 1, RDI, 0, 0}},
	};

	subject.function.anchor_count = 1;
	return subject;
}

static inline void add_coroutine(struct subject *subject, int object, int64_t state,
				 const uint8_t *start, const uint8_t *end)
{
	subject->ranges[subject->count] =
		(struct code_range){address_of(start), address_of(end)};
	subject->coroutines[subject->count] = (struct flow_coroutine){
		.copy = (unsigned)subject->count,
		.type = (unsigned)subject->count,
		.object = object,
		.state_offset = state,
		.range_count = 1,
		.depth = (unsigned)subject->count,
		.is_outer = subject->count == 0 && object == 0,
	};
	subject->count++;
}

static inline void examine(struct subject *subject)
{
	subject->function.anchors = subject->anchors;
	subject->function.hops = &subject->hop;
	subject->function.call_sites = &subject->site;
	for (size_t i = 0; i < subject->count; i++)
		subject->coroutines[i].ranges = &subject->ranges[i];
	assert_int_equal(flow_graph_make(&subject->function, &subject->graph), 0);
	assert_int_equal(state_stores_find(&subject->graph, subject->coroutines, subject->count,
					   subject->results),
			 0);
}

static inline void release(struct subject *subject)
{
	for (size_t i = 0; i < subject->count; i++)
		state_stores_free(&subject->results[i]);
	flow_graph_free(&subject->graph);
}

/* The verdict on the outer coroutine of a function that has no other. */
static inline enum stores_verdict verdict_of(const uint8_t *code, const uint8_t *end)
{
	struct subject subject = subject_of(code, end);
	enum stores_verdict verdict;

	add_coroutine(&subject, 0, OUTER_STATE, code, end);
	examine(&subject);
	verdict = subject.results[0].verdict;
	release(&subject);
	return verdict;
}

#endif
