#include "flow_values_x86_64.h"

#include <string.h>

/* Registers that a call may change, by DWARF number: rax rdx rcx rsi rdi r8 to r11. */
static const uint32_t caller_saved = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 0xf << 8;

static const struct value unknown = {.kind = VALUE_UNKNOWN};

static struct value number_value(int64_t number)
{
	return (struct value){.kind = VALUE_NUMBER, .number = number};
}

static struct value object_value(int object, int64_t offset)
{
	return (struct value){VALUE_OBJECT, object, offset, offset};
}

/* As the processor adds: what does not fit is lost. */
static int64_t add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void shift(struct value *value, int64_t bytes)
{
	value->number = add(value->number, bytes);
	if (value->kind == VALUE_OBJECT)
		value->other = add(value->other, bytes);
}

static struct value bytes_value(uint64_t bytes)
{
	return bytes ? (struct value){.kind = VALUE_BYTES, .number = (int64_t)bytes} : unknown;
}

uint64_t values_bytes(const struct value *value)
{
	if (value->kind == VALUE_BYTES)
		return (uint64_t)value->number;
	if (value->kind == VALUE_NUMBER && (value->number & 0xff) < 64)
		return 1ULL << (value->number & 0xff);
	return 0;
}

static bool same(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->object == b->object && a->number == b->number &&
	       a->other == b->other;
}

static bool is_frame(int object)
{
	return object == FLOW_FRAME || object == FLOW_ALIGNED_FRAME;
}

/* Two addresses in one object, if they are not more. */
static struct value meet_objects(const struct value *a, const struct value *b)
{
	struct value value = *a;

	if (is_frame(a->object))
		return unknown;
	if (a->number == a->other && (a->number == b->number || a->number == b->other))
		return *b;
	if (b->number == b->other && (b->number == a->number || b->number == a->other))
		return *a;
	if (a->number != a->other || b->number != b->other)
		return unknown;
	value.number = a->number < b->number ? a->number : b->number;
	value.other = a->number < b->number ? b->number : a->number;
	return value;
}

static struct value meet(const struct value *a, const struct value *b)
{
	uint64_t left;
	uint64_t right;

	if (a->kind == VALUE_UNSEEN || same(a, b))
		return *b;
	if (b->kind == VALUE_UNSEEN)
		return *a;
	if (a->kind == VALUE_OBJECT && b->kind == VALUE_OBJECT && a->object == b->object)
		return meet_objects(a, b);
	left = values_bytes(a);
	right = values_bytes(b);
	return left && right ? bytes_value(left | right) : unknown;
}

static struct slot *find_slot(struct values *values, int object, int64_t offset)
{
	for (unsigned i = 0; i < values->slot_count; i++)
		if (values->slots[i].object == object && values->slots[i].offset == offset)
			return &values->slots[i];
	return NULL;
}

static void drop_slot(struct values *values, struct slot *slot)
{
	*slot = values->slots[--values->slot_count];
}

static void replace_base(struct value *value, int from, const struct value *to)
{
	if (value->kind != VALUE_OBJECT || value->object != from)
		return;
	if (to->kind == VALUE_OBJECT) {
		value->object = to->object;
		shift(value, to->number);
	} else {
		*value = unknown;
	}
}

/* What was computed from an object was so from another address, or an unknown one. */
static void replace_object(struct values *values, int from, const struct value *to)
{
	for (int reg = 0; reg < REGISTER_COUNT; reg++)
		replace_base(&values->registers[reg], from, to);
	for (unsigned i = values->slot_count; i-- > 0;) {
		replace_base(&values->slots[i].value, from, to);
		if (values->slots[i].value.kind == VALUE_UNKNOWN)
			drop_slot(values, &values->slots[i]);
	}
}

/*
 * Paths bring different values to the same register: one that has a name of its own. None
 * but that register begins a round of a loop with that name, for none has it at first. The
 * stack pointer gets no name: it is in the frame in any case.
 */
static struct value merged_value(const struct flow_function *function, uint64_t address,
				 int reg)
{
	int line = (int)(address - function->address);

	return reg == REGISTER_RSP ? unknown
				   : object_value(FLOW_RESULT - (int)function->size -
							  line * REGISTER_COUNT - reg,
						  0);
}

bool values_merge(struct values *values, const struct values *other,
		  const struct flow_function *function, uint64_t address)
{
	bool changed = false;

	if (!values->seen) {
		*values = *other;
		return true;
	}
	for (int reg = 0; reg < REGISTER_COUNT; reg++) {
		struct value *here = &values->registers[reg];
		struct value merged = merged_value(function, address, reg);
		struct value met = meet(here, &other->registers[reg]);

		if (same(here, &merged) ||
		    (met.kind == VALUE_UNKNOWN && here->kind != VALUE_UNKNOWN))
			met = merged;
		changed |= !same(&met, here);
		*here = met;
	}
	for (unsigned i = values->slot_count; i-- > 0;) {
		struct slot *slot = &values->slots[i];
		/* find_slot does not change what it searches. */
		const struct slot *theirs =
			find_slot((struct values *)other, slot->object, slot->offset);

		if (theirs && same(&theirs->value, &slot->value))
			continue;
		drop_slot(values, slot);
		changed = true;
	}
	return changed;
}

static struct value *whole_register(struct values *values, ZydisRegister reg)
{
	int number = x86_dwarf_register(reg);

	return number < 0 ? NULL : &values->registers[number];
}

struct value values_address(const struct values *values, const struct decoded *decoded,
			    const ZydisDecodedOperand *operand, uint64_t address)
{
	const ZydisDecodedOperandMem *mem = &operand->mem;
	struct value value;
	int reg;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || mem->index != ZYDIS_REGISTER_NONE ||
	    mem->segment == ZYDIS_REGISTER_FS || mem->segment == ZYDIS_REGISTER_GS)
		return unknown;
	if (mem->base == ZYDIS_REGISTER_RIP)
		return number_value(
			(int64_t)(address + decoded->insn.length + (uint64_t)mem->disp.value));
	reg = x86_dwarf_register(mem->base);
	if (reg < 0)
		return unknown;
	value = values->registers[reg];
	if (value.kind != VALUE_OBJECT && value.kind != VALUE_NUMBER)
		return unknown;
	shift(&value, mem->disp.value);
	return value;
}

static bool in_frame(const struct value *place)
{
	return place->kind == VALUE_OBJECT && is_frame(place->object);
}

/* Whatever was in the frame there is no more. */
static void forget(struct values *values, const struct value *place, unsigned size)
{
	for (unsigned i = values->slot_count; in_frame(place) && i-- > 0;) {
		struct slot *slot = &values->slots[i];

		if (slot->object == place->object &&
		    slot->offset < place->number + (int64_t)size &&
		    place->number < slot->offset + 8)
			drop_slot(values, slot);
	}
}

static void put(struct values *values, const struct value *place, unsigned size,
		const struct value *value)
{
	forget(values, place, size);
	if (!in_frame(place) || size != 8 || values->slot_count == MAX_SLOTS ||
	    (value->kind != VALUE_OBJECT && value->kind != VALUE_NUMBER))
		return;
	values->slots[values->slot_count++] = (struct slot){
		.object = place->object,
		.offset = place->number,
		.value = *value,
	};
}

/* What 8 bytes at the place hold. */
static struct value get(struct values *values, const struct value *place,
			const struct flow_function *function)
{
	const struct slot *slot;

	if (place->kind != VALUE_OBJECT || place->number != place->other)
		return unknown;
	slot = find_slot(values, place->object, place->number);
	if (slot)
		return slot->value;
	for (size_t i = 0; i < function->hop_count; i++) {
		const struct flow_hop *hop = &function->hops[i];

		if (hop->from == place->object && hop->offset == place->number)
			return object_value(hop->to, 0);
	}
	return unknown;
}

/* What a source operand holds, seen as `size` bits. */
static struct value source_value(struct values *values, const struct decoded *decoded,
				 const ZydisDecodedOperand *operand, uint64_t address,
				 const struct flow_function *function)
{
	struct value place;
	struct value *held;

	switch (operand->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return number_value(operand->imm.value.s);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (operand->size != 64)
			return unknown;
		place = values_address(values, decoded, operand, address);
		return get(values, &place, function);
	case ZYDIS_OPERAND_TYPE_REGISTER:
		held = whole_register(values, operand->reg.value);
		if (!held || x86_is_high_byte(operand->reg.value))
			return unknown;
		if (operand->size == 64)
			return *held;
		if (operand->size == 32 && held->kind == VALUE_NUMBER)
			return number_value((int64_t)(uint32_t)held->number);
		return bytes_value(values_bytes(held));
	default:
		return unknown;
	}
}

/* Put value into a register operand, or what that leaves of a part of one. */
static void set_register(struct values *values, const ZydisDecodedOperand *operand,
			 struct value value)
{
	struct value *held = whole_register(values, operand->reg.value);

	if (!held)
		return;
	if (x86_is_high_byte(operand->reg.value)) {
		*held = bytes_value(values_bytes(held));
		return;
	}
	if (operand->size == 64)
		*held = value;
	else if (operand->size == 32 && value.kind == VALUE_NUMBER)
		*held = number_value((int64_t)(uint32_t)value.number);
	else
		*held = bytes_value(values_bytes(&value));
}

static void forget_writes(struct values *values, const struct decoded *decoded,
			  uint64_t address)
{
	for (int i = 0; i < decoded->insn.operand_count; i++) {
		const ZydisDecodedOperand *operand = &decoded->operands[i];
		struct value place;

		if (!(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER)
			set_register(values, operand, unknown);
		place = values_address(values, decoded, operand, address);
		forget(values, &place, operand->size / 8);
	}
}

static void move_stack(struct values *values, int64_t bytes)
{
	struct value *rsp = &values->registers[REGISTER_RSP];

	if (rsp->kind == VALUE_OBJECT)
		shift(rsp, bytes);
}

static void step_push(struct values *values, struct value pushed)
{
	move_stack(values, -8);
	put(values, &values->registers[REGISTER_RSP], 8, &pushed);
}

static void step_pop(struct values *values, const ZydisDecodedOperand *to,
		     const struct flow_function *function)
{
	struct value popped = get(values, &values->registers[REGISTER_RSP], function);

	move_stack(values, 8);
	if (to->type == ZYDIS_OPERAND_TYPE_REGISTER && to->size == 64)
		set_register(values, to, popped);
}

/* An addition or, with sign -1, a subtraction. */
static struct value sum(const struct value *left, const struct value *right, int sign)
{
	struct value value = *left;

	/* `add table, entry`, in either order */
	if (sign > 0 && left->number == right->number &&
	    ((left->kind == VALUE_TABLE_ENTRY && right->kind == VALUE_NUMBER) ||
	     (left->kind == VALUE_NUMBER && right->kind == VALUE_TABLE_ENTRY)))
		value = (struct value){.kind = VALUE_TABLE_TARGET, .number = left->number};
	else if ((left->kind == VALUE_OBJECT || left->kind == VALUE_NUMBER) &&
		 right->kind == VALUE_NUMBER)
		shift(&value, sign * right->number);
	else if (sign > 0 && left->kind == VALUE_NUMBER && right->kind == VALUE_OBJECT) {
		value = *right;
		shift(&value, left->number);
	} else {
		return unknown;
	}
	return value;
}

static struct value address_value(struct values *values, const struct decoded *decoded,
				  uint64_t address)
{
	const ZydisDecodedOperandMem *mem = &decoded->operands[1].mem;
	struct value index;
	struct value base;

	if (mem->index == ZYDIS_REGISTER_NONE || mem->scale > 1)
		return values_address(values, decoded, &decoded->operands[1], address);
	if (x86_dwarf_register(mem->base) < 0 || x86_dwarf_register(mem->index) < 0)
		return unknown;
	base = values->registers[x86_dwarf_register(mem->base)];
	index = values->registers[x86_dwarf_register(mem->index)];
	base = sum(&base, &index, 1);
	if (base.kind == VALUE_OBJECT || base.kind == VALUE_NUMBER)
		shift(&base, mem->disp.value);
	return base;
}

/* `movslq (table,index,4), register` reads an entry of a jump table. */
static struct value table_entry(struct values *values, const ZydisDecodedOperand *from)
{
	const struct value *table;

	if (from->type != ZYDIS_OPERAND_TYPE_MEMORY || from->mem.scale != 4 ||
	    x86_dwarf_register(from->mem.base) < 0)
		return unknown;
	table = &values->registers[x86_dwarf_register(from->mem.base)];
	if (table->kind != VALUE_NUMBER || from->mem.disp.value)
		return unknown;
	return (struct value){.kind = VALUE_TABLE_ENTRY, .number = table->number};
}

/* The values that `byte & mask` can have. */
static uint64_t masked(uint64_t bytes, uint64_t mask)
{
	uint64_t possible = 0;

	for (unsigned byte = 0; byte < 64; byte++)
		if (bytes >> byte & 1)
			possible |= 1ULL << (byte & mask & 63);
	return possible;
}

static struct value and_value(const struct value *left, const struct value *right)
{
	uint64_t bytes = values_bytes(left);

	if (left->kind == VALUE_NUMBER && right->kind == VALUE_NUMBER)
		return number_value(left->number & right->number);
	if (right->kind != VALUE_NUMBER)
		return unknown;
	return bytes_value(masked(bytes, (uint64_t)right->number));
}

static bool is_same_register(const ZydisDecodedOperand *operands)
{
	return operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       operands[0].reg.value == operands[1].reg.value;
}

/* What an instruction of the form `op to, from` leaves in to. */
static struct value computed(struct values *values, const struct decoded *decoded,
			     uint64_t address, const struct flow_function *function)
{
	const ZydisDecodedOperand *operands = decoded->operands;
	struct value left = source_value(values, decoded, &operands[0], address, function);
	struct value right = source_value(values, decoded, &operands[1], address, function);

	switch (decoded->insn.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
		return right;
	case ZYDIS_MNEMONIC_MOVSXD:
		return table_entry(values, &operands[1]);
	case ZYDIS_MNEMONIC_LEA:
		return address_value(values, decoded, address);
	case ZYDIS_MNEMONIC_ADD:
		return sum(&left, &right, 1);
	case ZYDIS_MNEMONIC_SUB:
		return is_same_register(operands) ? number_value(0) : sum(&left, &right, -1);
	case ZYDIS_MNEMONIC_XOR:
		return is_same_register(operands) ? number_value(0) : unknown;
	case ZYDIS_MNEMONIC_AND:
		if (operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    operands[0].reg.value == ZYDIS_REGISTER_RSP)
			return object_value(FLOW_ALIGNED_FRAME, 0);
		return and_value(&left, &right);
	default:
		break;
	}
	if (decoded->insn.meta.category == ZYDIS_CATEGORY_CMOV)
		return meet(&left, &right);
	if (decoded->insn.meta.category == ZYDIS_CATEGORY_SETCC)
		return bytes_value(3);
	return unknown;
}

/* A value that nothing is known of but where it came from: the instruction at address. */
static struct value new_result(struct values *values, uint64_t address,
			       const struct flow_function *function)
{
	int object = FLOW_RESULT - (int)(address - function->address);

	/* What an earlier round of a loop got there is another object. */
	replace_object(values, object, &unknown);
	return object_value(object, 0);
}

void values_after_call(struct values *values, uint64_t address,
		       const struct flow_function *function)
{
	for (int reg = 0; reg < REGISTER_COUNT; reg++)
		if (caller_saved >> reg & 1)
			values->registers[reg] = unknown;
	values->registers[REGISTER_RAX] = new_result(values, address, function);
}

/* The function stores into a hop what it got somewhere else: now it is known what that is. */
static void learn_hop(struct values *values, const struct value *place,
		      const struct value *stored, const struct flow_function *function)
{
	if (place->kind != VALUE_OBJECT || stored->kind != VALUE_OBJECT ||
	    stored->object > FLOW_RESULT || stored->number || stored->other)
		return;
	for (size_t i = 0; i < function->hop_count; i++) {
		const struct flow_hop *hop = &function->hops[i];
		struct value known = object_value(hop->to, 0);

		if (hop->from == place->object && hop->offset == place->number) {
			replace_object(values, stored->object, &known);
			return;
		}
	}
}

static void step_leave(struct values *values, const struct flow_function *function)
{
	struct value frame = values->registers[REGISTER_RBP];

	values->registers[REGISTER_RBP] = get(values, &frame, function);
	if (frame.kind == VALUE_OBJECT)
		shift(&frame, 8);
	values->registers[REGISTER_RSP] = frame;
}

void values_step(struct values *values, const struct decoded *decoded, uint64_t address,
		 const struct flow_function *function)
{
	const ZydisDecodedOperand *to = &decoded->operands[0];
	struct value place;
	struct value value;

	switch (decoded->insn.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		step_push(values, source_value(values, decoded, to, address, function));
		return;
	case ZYDIS_MNEMONIC_POP:
		step_pop(values, to, function);
		return;
	case ZYDIS_MNEMONIC_LEAVE:
		step_leave(values, function);
		return;
	case ZYDIS_MNEMONIC_CALL:
		return;
	case ZYDIS_MNEMONIC_XCHG:
		break;
	default:
		if (!decoded->insn.operand_count_visible ||
		    !(to->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) ||
		    decoded->insn.attributes & ZYDIS_ATTRIB_HAS_REP)
			break;
		value = computed(values, decoded, address, function);
		place = values_address(values, decoded, to, address);
		forget_writes(values, decoded, address);
		if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    value.kind == VALUE_UNKNOWN && to->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    to->size == 64)
			value = new_result(values, address, function);
		if (to->type == ZYDIS_OPERAND_TYPE_REGISTER)
			set_register(values, to, value);
		else if (decoded->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
			 decoded->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
			put(values, &place, to->size / 8, &value);
			if (to->size == 64)
				learn_hop(values, &place, &value, function);
		}
		return;
	}
	forget_writes(values, decoded, address);
}

void values_anchor(struct values *values, uint64_t address,
		   const struct flow_function *function)
{
	for (size_t i = 0; i < function->anchor_count; i++) {
		const struct flow_anchor *anchor = &function->anchors[i];
		struct value known;
		struct value *held;

		if (address < anchor->from || address >= anchor->to || anchor->reg < 0 ||
		    anchor->reg >= REGISTER_COUNT)
			continue;
		held = &values->registers[anchor->reg];
		if (held->kind != VALUE_OBJECT) {
			*held = object_value(anchor->object, anchor->offset);
		} else if (held->object <= FLOW_RESULT && held->number == held->other) {
			/* Now it is known what that is. */
			known = object_value(anchor->object, anchor->offset - held->number);
			replace_object(values, held->object, &known);
		}
	}
}

void values_at_entry(struct values *values, const struct flow_function *function)
{
	*values = (struct values){.seen = true};
	values_anchor(values, function->address, function);
	for (int reg = 0; reg < REGISTER_COUNT; reg++)
		if (values->registers[reg].kind != VALUE_OBJECT)
			values->registers[reg] = object_value(FLOW_ENTRY - reg, 0);
	values->registers[REGISTER_RSP] = object_value(FLOW_FRAME, 0);
}

static bool is_zero_condition(const struct decoded *jump)
{
	return jump->insn.mnemonic == ZYDIS_MNEMONIC_JZ ||
	       jump->insn.mnemonic == ZYDIS_MNEMONIC_JNZ;
}

struct way values_branch(const struct values *before_test, const struct decoded *test,
			 const struct decoded *jump)
{
	const ZydisDecodedOperand *operands = test->operands;
	bool is_test = test->insn.mnemonic == ZYDIS_MNEMONIC_TEST;
	struct way both = {true, true};
	struct way way = {false, false};
	struct value *left;
	uint64_t bytes;
	uint64_t number;

	if (!is_zero_condition(jump) ||
	    (!is_test && test->insn.mnemonic != ZYDIS_MNEMONIC_CMP) ||
	    operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    x86_is_high_byte(operands[0].reg.value))
		return both;
	/* whole_register does not change what it searches. */
	left = whole_register((struct values *)before_test, operands[0].reg.value);
	if (!left)
		return both;
	bytes = values_bytes(left);
	if (operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		number = operands[1].imm.value.u;
	else if (is_test && is_same_register(operands))
		number = 0xff;
	else
		return both;
	/* Of a wider register the other bytes must be known too, or not matter. */
	if (!bytes || (operands[0].size != 8 && !(is_test && number < 0xff) &&
		       (left->kind != VALUE_NUMBER || (uint64_t)left->number > 63)))
		return both;
	for (unsigned byte = 0; byte < 64; byte++) {
		bool zero;

		if (!(bytes >> byte & 1))
			continue;
		zero = is_test ? !(byte & number) : byte == (number & 0xff);
		if (!is_test && operands[0].size != 8)
			zero = byte == number;
		if (zero == (jump->insn.mnemonic == ZYDIS_MNEMONIC_JZ))
			way.taken = true;
		else
			way.passed = true;
	}
	return way;
}

bool values_passed(struct values *values, const struct decoded *test,
		   const struct decoded *jump)
{
	struct value *left;
	struct value *right;

	if (jump->insn.mnemonic != ZYDIS_MNEMONIC_JNZ ||
	    test->insn.mnemonic != ZYDIS_MNEMONIC_CMP ||
	    test->operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    test->operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    test->operands[0].size != 64)
		return true;
	left = whole_register(values, test->operands[0].reg.value);
	right = whole_register(values, test->operands[1].reg.value);
	if (!left || !right)
		return true;
	if (left->kind == VALUE_OBJECT && right->kind == VALUE_OBJECT &&
	    is_frame(left->object) && left->object == right->object)
		return left->number == right->number;
	if (left->kind == VALUE_UNKNOWN)
		*left = *right;
	else if (right->kind == VALUE_UNKNOWN)
		*right = *left;
	return true;
}
