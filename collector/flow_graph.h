/*
 * The flow of control and of pointers through one physical function: which instruction
 * may follow which, and which bytes of the objects of interest each one reads or writes.
 * flow_graph_x86_64.c makes it by abstract interpretation of the code.
 */
#ifndef FLOW_GRAPH_H
#define FLOW_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Objects that the function itself has. Numbers from 0 on are the caller's.
 *  - its frame: offsets are from the stack pointer at entry;
 *  - the frame below the place where it aligns its stack pointer;
 *  - what a register pointed to at entry: FLOW_ENTRY - its DWARF number;
 *  - what a call returned or a load gave: FLOW_RESULT - the instruction's offset in the
 *    code;
 *  - what paths that come together bring to one register: below these.
 */
enum {
	FLOW_FRAME = -1,
	FLOW_ALIGNED_FRAME = -2,
	FLOW_NO_OBJECT = -3,
	FLOW_ENTRY = -4,
	FLOW_RESULT = -100,
};

/* As a node: none. */
#define FLOW_NONE UINT32_MAX

/* While the code at [from, to) runs, a register holds an address in an object. */
struct flow_anchor {
	uint64_t from;  /* virtual address */
	uint64_t to;    /* virtual address behind the last instruction */
	int reg;        /* DWARF number */
	int object;     /* any number from 0 on that the caller gave it */
	int64_t offset; /* bytes from the start of the object to where the register points */
};

/* An object holds the address of another one: a Box. */
struct flow_hop {
	int from;       /* object */
	int64_t offset; /* bytes from its start to the pointer */
	int to;         /* object that the pointer leads to */
};

/* Calls at [start, end) continue at pad when they unwind. Virtual addresses. */
struct flow_call_site {
	uint64_t start;
	uint64_t end;
	uint64_t pad; /* 0: nowhere in this function */
};

/* What a call does, as far as its target tells. */
enum flow_call {
	FLOW_CALL_RETURNS,         /* or unwinds */
	FLOW_CALL_ABORTS,          /* neither returns nor unwinds */
	FLOW_CALL_NEVER_UNWINDS,   /* it returns */
	FLOW_CALL_NEVER_RETURNS,   /* but may unwind */
	FLOW_CALL_RESUMES_UNWIND,  /* leaves the function: _Unwind_Resume */
	FLOW_CALL_PANICS_FINISHED, /* `async fn` resumed after completion, or after panicking:
				    * no poll; neither returns nor is looked at further */
};

/* One physical function and what is known of it. Everything is borrowed. */
struct flow_function {
	const uint8_t *code;
	size_t size;      /* bytes of code */
	uint64_t address; /* virtual, of the first byte */
	const struct flow_anchor *anchors;
	size_t anchor_count;
	const struct flow_hop *hops;
	size_t hop_count;
	const uint64_t *tables; /* see flow_find_tables */
	size_t table_count;
	const struct flow_call_site *call_sites; /* sorted by start, not overlapping */
	size_t call_site_count;
	bool never_unwinds; /* the program aborts when it panics */
	/*
	 * What a call does: target is the virtual address of the code, or with through_slot
	 * that of the word that holds it; 0: not known. argument is the first argument if
	 * it is a constant (the address of a panic's message), else 0.
	 */
	enum flow_call (*call)(void *context, uint64_t target, bool through_slot,
			       uint64_t argument);
	/* Copy size bytes of read-only data at the virtual address, or return false. */
	bool (*read)(void *context, uint64_t address, void *bytes, size_t size);
	void *context; /* for call and read */
};

/* How an instruction touches memory that was traced to an object. */
struct flow_access {
	int object;           /* FLOW_NO_OBJECT: it touches none, or it is not known which */
	int64_t offset;       /* bytes from the start of the object */
	int64_t other_offset; /* the same, or it may be here instead */
	unsigned size;        /* bytes */
	bool reads;
	bool writes;
	bool from_immediate; /* of a write: value is what it writes */
	bool from_register;  /* of a write: the low bits of reg >> shift */
	uint64_t value;      /* of an immediate */
	int reg;             /* DWARF number */
	unsigned shift;      /* bits; 8 for ah, bh, ch, dh */
	uint64_t bytes; /* from a register: a bit for each value from 0 to 63 that its lowest
			 * byte may have; 0: any */
};

/* One instruction. */
struct flow_node {
	uint64_t address;
	uint32_t next;        /* the node behind it, if control can go there; or FLOW_NONE */
	uint32_t jump;        /* where it may jump to within the function, or FLOW_NONE */
	uint32_t pad;         /* where it continues when it unwinds, or FLOW_NONE */
	uint32_t table;       /* of a jump through a table: first of its targets */
	uint32_t table_count; /* 0: no such jump */
	bool reached;         /* from the entry */
	bool unwinds_out;     /* a call that, if it unwinds, leaves the function */
	bool leaves;          /* returns, jumps out or unwinds further */
	bool can_probe;       /* the kernel can put a uprobe on it */
	bool is_cheap;        /* it then emulates it, which costs less than a third; a jump: and
			       * does not leave the function, where a probe of an exit is */
	bool is_branch;       /* a call, jump or return */
	uint32_t writes;      /* registers: a bit for each DWARF number */
	struct flow_access access;
};

/* An anchored object was found to lie in another one. */
struct flow_place {
	int object;
	int in;         /* object */
	int64_t offset; /* bytes from the start of that */
};

struct flow_graph {
	struct flow_node *nodes; /* owned; by address */
	size_t count;
	uint32_t *targets; /* owned; nodes that jump tables lead to */
	size_t target_count;
	struct flow_place *places; /* owned; no two the same */
	size_t place_count;
	bool unbounded_jump;   /* there is an indirect jump whose targets are not known */
	uint64_t unbounded_at; /* virtual address of such a jump */
};

/*
 * Find the jump tables that code[0..size), linked at the virtual address, uses: all the
 * code of an image, so that where one table begins the one before it is known to end.
 * Returns 0 and a malloc'd array of their virtual addresses in *tables, sorted (may be NULL
 * when *count is 0), or -1 if memory ran out.
 */
int flow_find_tables(const uint8_t *code, size_t size, uint64_t address, uint64_t **tables,
		     size_t *count);

/*
 * Follow the function. Returns 0 and fills *graph, to be released with
 * flow_graph_free; or -1 if the code cannot be decoded or memory ran out.
 */
int flow_graph_make(const struct flow_function *function, struct flow_graph *graph);
void flow_graph_free(struct flow_graph *graph);

#endif
