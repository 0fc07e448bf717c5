/*
 * A fixed point over the straight lines of a function: at each place where one begins,
 * what all paths to it agree on is kept (struct values). Where jump tables lead is found
 * on the way, which makes more such places. A last round fills in the nodes.
 */
#include "flow_graph.h"

#include "flow_values_x86_64.h"
#include "insn.h"

#include <stdlib.h>
#include <string.h>

struct interpreter {
	const struct flow_function *function;
	struct flow_graph *graph;
	struct decoded *decoded; /* owned; by node */
	struct values **starts;  /* owned; by node; NULL: no straight line begins there */
	uint32_t *queue;         /* owned; nodes to walk on from */
	size_t queued;
	bool *is_queued; /* owned; by node */
	bool recording;  /* the last round */
	bool out_of_memory;
};

/* The node at a virtual address, or FLOW_NONE. */
static uint32_t node_at(const struct flow_graph *graph, uint64_t address)
{
	size_t low = 0;
	size_t high = graph->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (graph->nodes[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < graph->count && graph->nodes[low].address == address ? (uint32_t)low
									  : FLOW_NONE;
}

static bool is_jump(const struct decoded *decoded)
{
	return decoded->insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
	       decoded->insn.meta.category == ZYDIS_CATEGORY_COND_BR;
}

/* Where an operand that tells an address, immediate or relative to rip, leads. */
static uint64_t operand_target(const struct interpreter *in, uint32_t node,
			       const ZydisDecodedOperand *operand)
{
	uint64_t target = 0;

	ZydisCalcAbsoluteAddress(&in->decoded[node].insn, operand,
				 in->graph->nodes[node].address, &target);
	return target;
}

static bool begin_line(struct interpreter *in, uint32_t node)
{
	if (!in->starts[node])
		in->starts[node] = calloc(1, sizeof(*in->starts[node]));
	if (!in->starts[node])
		in->out_of_memory = true;
	return in->starts[node];
}

static void enqueue(struct interpreter *in, uint32_t node)
{
	if (in->is_queued[node])
		return;
	in->is_queued[node] = true;
	in->queue[in->queued++] = node;
}

/* Control can come to node with these values. */
static void flow_to(struct interpreter *in, uint32_t node, const struct values *values)
{
	if (in->recording)
		return;
	if (!in->starts[node]) {
		/* The line that ran through here ends here from now on. */
		for (uint32_t before = node; before-- > 0;) {
			if (!in->starts[before])
				continue;
			if (in->starts[before]->seen)
				enqueue(in, before);
			break;
		}
	}
	if (begin_line(in, node) && values_merge(in->starts[node], values, in->function,
						 in->graph->nodes[node].address))
		enqueue(in, node);
}

/* See struct flow_node. */
static bool is_cheap(const struct flow_function *function, const struct decoded *decoded,
		     uint64_t address)
{
	uint64_t target = function->address;

	if (is_jump(decoded))
		ZydisCalcAbsoluteAddress(&decoded->insn, &decoded->operands[0], address,
					 &target);
	return x86_can_probe(decoded) && x86_is_emulated(decoded) &&
	       target - function->address < function->size;
}

/* Decode the function into nodes. Returns -1 if that fails. */
static int decode(struct interpreter *in)
{
	const struct flow_function *function = in->function;
	struct flow_graph *graph = in->graph;

	/* No instruction is shorter than a byte. */
	graph->nodes = calloc(function->size + 1, sizeof(*graph->nodes));
	in->decoded = malloc((function->size + 1) * sizeof(*in->decoded));
	if (!graph->nodes || !in->decoded)
		return -1;
	for (size_t i = 0; i < function->size; i += in->decoded[graph->count++].insn.length) {
		struct decoded *decoded = &in->decoded[graph->count];
		struct flow_node *node = &graph->nodes[graph->count];

		if (!x86_decode(function->code + i, function->size - i, decoded))
			return -1;
		*node = (struct flow_node){
			.address = function->address + i,
			.next = FLOW_NONE,
			.jump = FLOW_NONE,
			.pad = FLOW_NONE,
			.can_probe = x86_can_probe(decoded),
			.is_cheap = is_cheap(function, decoded, function->address + i),
			.is_branch = is_jump(decoded) ||
				     decoded->insn.meta.category == ZYDIS_CATEGORY_CALL ||
				     decoded->insn.meta.category == ZYDIS_CATEGORY_RET,
			.writes = x86_writes(decoded),
			.access = {.object = FLOW_NO_OBJECT},
		};
	}
	return 0;
}

/* Lines begin at the entry, where direct jumps lead, and at landing pads. */
static int begin_lines(struct interpreter *in)
{
	const struct flow_function *function = in->function;
	size_t count = in->graph->count;

	in->starts = calloc(count, sizeof(*in->starts));
	in->queue = malloc(count * sizeof(*in->queue));
	in->is_queued = calloc(count, sizeof(*in->is_queued));
	if (!in->starts || !in->queue || !in->is_queued)
		return -1;
	begin_line(in, 0);
	for (uint32_t node = 0; node < count; node++) {
		const ZydisDecodedOperand *target = &in->decoded[node].operands[0];
		uint32_t to;

		if (!is_jump(&in->decoded[node]) ||
		    target->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			continue;
		to = node_at(in->graph, operand_target(in, node, target));
		if (to != FLOW_NONE)
			begin_line(in, to);
	}
	for (size_t i = 0; i < function->call_site_count; i++) {
		uint32_t pad = node_at(in->graph, function->call_sites[i].pad);

		if (pad != FLOW_NONE)
			begin_line(in, pad);
	}
	return in->out_of_memory ? -1 : 0;
}

static uint32_t landing_pad(const struct interpreter *in, uint64_t address)
{
	const struct flow_call_site *sites = in->function->call_sites;
	size_t low = 0;
	size_t high = in->function->call_site_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sites[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == in->function->call_site_count || sites[low].start > address ||
	    !sites[low].pad)
		return FLOW_NONE;
	return node_at(in->graph, sites[low].pad);
}

/*
 * Large frames are made with `call __rust_probestack; sub rsp, rax`; that call preserves
 * every register.
 */
static bool is_stack_probe(const struct interpreter *in, uint32_t call)
{
	const struct decoded *next = &in->decoded[call + 1];

	return call + 1 < in->graph->count && next->insn.mnemonic == ZYDIS_MNEMONIC_SUB &&
	       next->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       next->operands[0].reg.value == ZYDIS_REGISTER_RSP &&
	       next->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       next->operands[1].reg.value == ZYDIS_REGISTER_RAX;
}

/* Where a call leads, or what word tells that; 0: not known. */
static uint64_t call_target(const struct interpreter *in, uint32_t node,
			    const struct values *values)
{
	const ZydisDecodedOperand *target = &in->decoded[node].operands[0];
	int reg = target->type == ZYDIS_OPERAND_TYPE_REGISTER
			  ? x86_dwarf_register(target->reg.value)
			  : -1;

	if (target->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    (target->type == ZYDIS_OPERAND_TYPE_MEMORY &&
	     target->mem.base == ZYDIS_REGISTER_RIP))
		return operand_target(in, node, target);
	return reg >= 0 && values->registers[reg].kind == VALUE_NUMBER
		       ? (uint64_t)values->registers[reg].number
		       : 0;
}

/* A call. Returns whether control goes on behind it. */
static bool walk_call(struct interpreter *in, uint32_t node, struct values *values)
{
	const struct value *argument = &values->registers[insn_argument_register(0)];
	/* Of a slot that is not known the target is 0. */
	bool through_slot = in->decoded[node].operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	struct flow_node *this = &in->graph->nodes[node];
	enum flow_call what = FLOW_CALL_RETURNS;

	if (in->function->call)
		what = in->function->call(
			in->function->context, call_target(in, node, values), through_slot,
			argument->kind == VALUE_NUMBER ? (uint64_t)argument->number : 0);
	if (is_stack_probe(in, node))
		return true;
	values_after_call(values, this->address, in->function);
	this->leaves = what == FLOW_CALL_RESUMES_UNWIND;
	if (what == FLOW_CALL_RETURNS || what == FLOW_CALL_NEVER_RETURNS) {
		this->pad = landing_pad(in, this->address);
		this->unwinds_out = this->pad == FLOW_NONE && !in->function->never_unwinds;
	}
	if (this->pad != FLOW_NONE)
		flow_to(in, this->pad, values);
	return what == FLOW_CALL_RETURNS || what == FLOW_CALL_NEVER_UNWINDS;
}

static bool add_target(struct interpreter *in, uint32_t target)
{
	struct flow_graph *graph = in->graph;
	uint32_t *grown = realloc(graph->targets, (graph->target_count + 1) * sizeof(*grown));

	if (!grown) {
		in->out_of_memory = true;
		return false;
	}
	graph->targets = grown;
	graph->targets[graph->target_count++] = target;
	return true;
}

/* Follow the entries of the jump table at `table`; it ends where another thing begins. */
static void walk_table(struct interpreter *in, uint32_t node, uint64_t table,
		       const struct values *values)
{
	enum { MOST_ENTRIES = 4096 };
	struct flow_node *this = &in->graph->nodes[node];
	uint64_t end = table + MOST_ENTRIES * sizeof(int32_t);
	uint32_t to;

	/* The next table cannot begin inside this one. */
	for (size_t i = 0; i < in->function->table_count; i++) {
		if (in->function->tables[i] <= table)
			continue;
		if (in->function->tables[i] < end)
			end = in->function->tables[i];
		break;
	}
	this->table = (uint32_t)in->graph->target_count;
	this->table_count = 0;
	for (uint64_t at = table; at + sizeof(int32_t) <= end; at += sizeof(int32_t)) {
		int32_t offset;

		if (!in->function->read ||
		    !in->function->read(in->function->context, at, &offset, sizeof(offset)))
			break;
		to = node_at(in->graph, table + (uint64_t)(int64_t)offset);
		if (to == FLOW_NONE)
			break;
		if (in->recording && !add_target(in, to))
			return;
		this->table_count++;
		flow_to(in, to, values);
	}
}

/* An indirect jump: through a table, or out of the function. */
static void walk_indirect(struct interpreter *in, uint32_t node, const struct values *values)
{
	const ZydisDecodedOperand *target = &in->decoded[node].operands[0];
	struct flow_node *this = &in->graph->nodes[node];
	int reg = target->type == ZYDIS_OPERAND_TYPE_REGISTER
			  ? x86_dwarf_register(target->reg.value)
			  : -1;

	if (reg >= 0 && values->registers[reg].kind == VALUE_TABLE_TARGET)
		walk_table(in, node, (uint64_t)values->registers[reg].number, values);
	if (this->table_count)
		return;
	if (node && x86_is_table_jump(&in->decoded[node], &in->decoded[node - 1])) {
		in->graph->unbounded_jump |= in->recording;
		in->graph->unbounded_at = this->address;
	} else {
		this->leaves = true;
	}
}

/* A jump or branch. Returns whether control goes on behind it. */
static bool walk_jump(struct interpreter *in, uint32_t node, struct values *values,
		      const struct values *before)
{
	const struct decoded *decoded = &in->decoded[node];
	struct flow_node *this = &in->graph->nodes[node];
	struct way way = {.taken = true};
	uint32_t to;

	if (decoded->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		walk_indirect(in, node, values);
		return false;
	}
	if (decoded->insn.meta.category == ZYDIS_CATEGORY_COND_BR) {
		way = (struct way){true, true};
		/* The instruction before it must be run before it on every path. */
		if (node && before && !in->starts[node])
			way = values_branch(before, &in->decoded[node - 1], decoded);
	}
	if (way.taken) {
		to = node_at(in->graph, operand_target(in, node, &decoded->operands[0]));
		this->jump = to;
		this->leaves = to == FLOW_NONE;
		if (to != FLOW_NONE)
			flow_to(in, to, values);
	}
	if (way.passed && before && !in->starts[node])
		return values_passed(values, &in->decoded[node - 1], decoded);
	return way.passed;
}

static void add_place(struct interpreter *in, const struct flow_place *place)
{
	struct flow_graph *graph = in->graph;
	struct flow_place *grown;

	for (size_t i = 0; i < graph->place_count; i++)
		if (graph->places[i].object == place->object &&
		    graph->places[i].in == place->in &&
		    graph->places[i].offset == place->offset)
			return;
	grown = realloc(graph->places, (graph->place_count + 1) * sizeof(*grown));
	if (!grown) {
		in->out_of_memory = true;
		return;
	}
	graph->places = grown;
	grown[graph->place_count++] = *place;
}

/* Where a register is known to point into two objects, one lies in the other. */
static void record_places(struct interpreter *in, uint64_t address, const struct values *values)
{
	for (size_t i = 0; i < in->function->anchor_count; i++) {
		const struct flow_anchor *anchor = &in->function->anchors[i];
		struct flow_place place = {.object = anchor->object};
		const struct value *held;

		if (address < anchor->from || address >= anchor->to || anchor->reg < 0 ||
		    anchor->reg >= REGISTER_COUNT)
			continue;
		held = &values->registers[anchor->reg];
		if (held->kind != VALUE_OBJECT || held->object == anchor->object ||
		    held->number != held->other)
			continue;
		place.in = held->object;
		place.offset = held->number - anchor->offset;
		add_place(in, &place);
	}
}

/* How the instruction touches memory. */
static void record_access(struct interpreter *in, uint32_t node, const struct values *values)
{
	const struct decoded *decoded = &in->decoded[node];
	const ZydisDecodedOperand *from = &decoded->operands[1];
	struct flow_node *this = &in->graph->nodes[node];
	struct flow_access *access = &this->access;

	if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_LEA ||
	    decoded->insn.mnemonic == ZYDIS_MNEMONIC_NOP ||
	    decoded->insn.attributes & ZYDIS_ATTRIB_HAS_REP)
		return;
	for (int i = 0; i < decoded->insn.operand_count_visible; i++) {
		const ZydisDecodedOperand *operand = &decoded->operands[i];
		bool writes = operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
		struct value place = values_address(values, decoded, operand, this->address);

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (place.kind != VALUE_OBJECT)
			continue;
		access->object = place.object;
		access->offset = place.number;
		access->other_offset = place.other;
		access->size = operand->size / 8;
		access->reads = operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
		access->writes = writes;
		if (i || decoded->insn.mnemonic != ZYDIS_MNEMONIC_MOV)
			continue;
		access->from_immediate = from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
		access->value = from->imm.value.u;
		if (from->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    x86_dwarf_register(from->reg.value) < 0)
			continue;
		access->from_register = true;
		access->reg = x86_dwarf_register(from->reg.value);
		access->shift = x86_is_high_byte(from->reg.value) ? 8 : 0;
		access->bytes =
			access->shift ? 0 : values_bytes(&values->registers[access->reg]);
	}
}

/* Walk the straight line that begins at node, and flow to what follows it. */
static void walk(struct interpreter *in, uint32_t start)
{
	struct values values = *in->starts[start];
	struct values before;
	bool has_before = false;

	for (uint32_t node = start; node < in->graph->count; node++) {
		const struct decoded *decoded = &in->decoded[node];
		struct flow_node *this = &in->graph->nodes[node];
		bool goes_on = true;

		if (node != start && in->starts[node]) {
			flow_to(in, node, &values);
			return;
		}
		if (in->recording)
			record_places(in, this->address, &values);
		values_anchor(&values, this->address, in->function);
		if (in->recording) {
			this->reached = true;
			record_access(in, node, &values);
		}
		switch (decoded->insn.meta.category) {
		case ZYDIS_CATEGORY_CALL:
			goes_on = walk_call(in, node, &values);
			break;
		case ZYDIS_CATEGORY_RET:
			this->leaves = true;
			goes_on = false;
			break;
		case ZYDIS_CATEGORY_UNCOND_BR:
		case ZYDIS_CATEGORY_COND_BR:
			goes_on = walk_jump(in, node, &values, has_before ? &before : NULL);
			break;
		default:
			goes_on = decoded->insn.mnemonic != ZYDIS_MNEMONIC_UD2 &&
				  decoded->insn.mnemonic != ZYDIS_MNEMONIC_HLT &&
				  decoded->insn.mnemonic != ZYDIS_MNEMONIC_INT3;
			if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_TEST ||
			    decoded->insn.mnemonic == ZYDIS_MNEMONIC_CMP)
				before = values;
			has_before = decoded->insn.mnemonic == ZYDIS_MNEMONIC_TEST ||
				     decoded->insn.mnemonic == ZYDIS_MNEMONIC_CMP;
			if (goes_on)
				values_step(&values, decoded, this->address, in->function);
		}
		if (!goes_on)
			return;
		if (node + 1 < in->graph->count)
			this->next = node + 1;
	}
}

static int interpret(struct interpreter *in)
{
	struct values entry;

	if (decode(in) || !in->graph->count || begin_lines(in))
		return -1;
	values_at_entry(&entry, in->function);
	flow_to(in, 0, &entry);
	while (in->queued && !in->out_of_memory) {
		uint32_t node = in->queue[--in->queued];

		in->is_queued[node] = false;
		walk(in, node);
	}
	/* What the way to the fixed point left in the nodes is not all true any more. */
	for (uint32_t node = 0; node < in->graph->count; node++) {
		struct flow_node *this = &in->graph->nodes[node];

		this->next = this->jump = this->pad = FLOW_NONE;
		this->table_count = 0;
		this->leaves = this->unwinds_out = false;
	}
	in->recording = true;
	for (uint32_t node = 0; node < in->graph->count && !in->out_of_memory; node++)
		if (in->starts[node] && in->starts[node]->seen)
			walk(in, node);
	return in->out_of_memory ? -1 : 0;
}

int flow_graph_make(const struct flow_function *function, struct flow_graph *graph)
{
	struct interpreter in = {.function = function, .graph = graph};
	int status;

	*graph = (struct flow_graph){0};
	status = interpret(&in);
	for (size_t i = 0; in.starts && i < graph->count; i++)
		free(in.starts[i]);
	free(in.starts);
	free(in.queue);
	free(in.is_queued);
	free(in.decoded);
	if (status)
		flow_graph_free(graph);
	return status;
}

void flow_graph_free(struct flow_graph *graph)
{
	free(graph->nodes);
	free(graph->targets);
	free(graph->places);
	*graph = (struct flow_graph){0};
}
