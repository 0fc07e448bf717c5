/*
 * What registers and stack slots of x86-64 code hold, as far as that matters for
 * following pointers; part of flow_graph_x86_64.c.
 */
#ifndef FLOW_VALUES_X86_64_H
#define FLOW_VALUES_X86_64_H

#include "flow_graph.h"
#include "insn_x86_64.h"

enum value_kind {
	VALUE_UNSEEN,       /* no path has come here yet */
	VALUE_UNKNOWN,      /* it can be anything */
	VALUE_OBJECT,       /* address in an object: the offset is number, or it is other */
	VALUE_NUMBER,       /* number itself */
	VALUE_BYTES,        /* number has a bit for each value the lowest byte may have */
	VALUE_TABLE_ENTRY,  /* read from the jump table at address number */
	VALUE_TABLE_TARGET, /* the same plus the table's address: where it leads */
};

struct value {
	enum value_kind kind;
	int object; /* of VALUE_OBJECT */
	int64_t number;
	int64_t other; /* of VALUE_OBJECT */
};

/* A value that was put into the frame. */
struct slot {
	int object;     /* FLOW_FRAME or FLOW_ALIGNED_FRAME */
	int64_t offset; /* bytes from its start */
	struct value value;
};

/* More than this is forgotten, which makes values unknown. */
enum { MAX_SLOTS = 96 };

/* What is known before one instruction. */
struct values {
	struct value registers[REGISTER_COUNT]; /* by DWARF number */
	struct slot slots[MAX_SLOTS];
	unsigned slot_count;
	bool seen; /* a path has come here */
};

/* The values at the entry of a function. */
void values_at_entry(struct values *values, const struct flow_function *function);

/*
 * Take in that another path comes to the virtual address, with other values. Returns
 * whether that changed anything.
 */
bool values_merge(struct values *values, const struct values *other,
		  const struct flow_function *function, uint64_t address);

/* Apply one instruction at the virtual address. */
void values_step(struct values *values, const struct decoded *decoded, uint64_t address,
		 const struct flow_function *function);

/* Take in what the anchors say of the virtual address. */
void values_anchor(struct values *values, uint64_t address,
		   const struct flow_function *function);

/* What the call at the virtual address leaves: at its return, or at the landing pad. */
void values_after_call(struct values *values, uint64_t address,
		       const struct flow_function *function);

/* The address that a memory operand means, as VALUE_OBJECT, VALUE_NUMBER or unknown. */
struct value values_address(const struct values *values, const struct decoded *decoded,
			    const ZydisDecodedOperand *operand, uint64_t address);

/* A bit for each value from 0 to 63 that the lowest byte may have; 0: any. */
uint64_t values_bytes(const struct value *value);

/* Can the conditional jump, right behind the instruction `test`, be taken or not? */
struct way {
	bool taken;
	bool passed;
};
struct way values_branch(const struct values *before_test, const struct decoded *test,
			 const struct decoded *jump);

/*
 * The conditional jump right behind `test` is not taken: take in what that tells of
 * registers. Returns false if it is always taken. A loop that touches the pages of a large
 * frame ends like this, with the stack pointer at an address computed before.
 */
bool values_passed(struct values *values, const struct decoded *test,
		   const struct decoded *jump);

#endif
