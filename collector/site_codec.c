#include "site_codec.h"

#include "poll_sites.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum field_kind {
	FIELD_NUMBER, /* of 1, 2, 4 or 8 bytes; also bool and enum */
	FIELD_SIGNED, /* an int or int64_t */
	FIELD_TEXT,   /* an owned string or NULL */
	FIELD_RECORD, /* a struct in the struct */
	FIELD_ARRAY,  /* an owned array of structs */
};

struct record;

struct field {
	enum field_kind kind;
	size_t offset;               /* in its struct, bytes */
	size_t size;                 /* number: bytes */
	uint64_t most;               /* number: the largest value it may have */
	const struct record *record; /* of a record or of the elements of an array */
	size_t count_offset;         /* array: of the size_t with the number of elements */
};

struct record {
	size_t size; /* of the struct, bytes */
	const struct field *fields;
	size_t field_count;
};

#define MEMBER(type, member) (((struct type *)NULL)->member)
/* clang-format off */
#define NUMBER(type, member)                                                                   \
	{.kind = _Generic(MEMBER(type, member),                                                \
		int: FIELD_SIGNED, int64_t: FIELD_SIGNED, default: FIELD_NUMBER),              \
	 .offset = offsetof(struct type, member), .size = sizeof(MEMBER(type, member)),        \
	 .most = _Generic(MEMBER(type, member), bool: 1, default: UINT64_MAX)}
#define ENUM(type, member, last)                                                               \
	{.kind = FIELD_NUMBER, .offset = offsetof(struct type, member),                        \
	 .size = sizeof(MEMBER(type, member)), .most = (last)}
#define TEXT(type, member) {.kind = FIELD_TEXT, .offset = offsetof(struct type, member)}
#define RECORD(type, member, of)                                                               \
	{.kind = FIELD_RECORD, .offset = offsetof(struct type, member), .record = &of##_record}
#define ARRAY(type, member, count, of)                                                         \
	{.kind = FIELD_ARRAY, .offset = offsetof(struct type, member), .record = &of##_record, \
	 .count_offset = offsetof(struct type, count)}
#define RECORD_OF(type)                                                                        \
	static const struct record type##_record = {                                           \
		sizeof(struct type), type##_fields,                                            \
		sizeof(type##_fields) / sizeof(type##_fields[0])}
/* clang-format on */

static const struct field await_point_fields[] = {
	NUMBER(await_point, state),
	TEXT(await_point, file),
	NUMBER(await_point, line),
	TEXT(await_point, awaitee),
};
RECORD_OF(await_point);

static const struct field snapshot_word_fields[] = {
	NUMBER(snapshot_word, base),
	NUMBER(snapshot_word, offset),
};
RECORD_OF(snapshot_word);

/* An element of an array of plain numbers. */
struct value {
	uint64_t value;
};

static const struct field value_fields[] = {
	NUMBER(value, value),
};
RECORD_OF(value);

static const struct field snapshot_node_fields[] = {
	NUMBER(snapshot_node, parent),   NUMBER(snapshot_node, type),
	NUMBER(snapshot_node, awaited),  NUMBER(snapshot_node, base),
	NUMBER(snapshot_node, offset),   NUMBER(snapshot_node, vtable),
	NUMBER(snapshot_node, word),     NUMBER(snapshot_node, shift),
	NUMBER(snapshot_node, width),    ARRAY(snapshot_node, values, value_count, value),
	NUMBER(snapshot_node, excluded),
};
RECORD_OF(snapshot_node);

static const struct field snapshot_plan_fields[] = {
	ARRAY(snapshot_plan, nodes, node_count, snapshot_node),
	ARRAY(snapshot_plan, words, word_count, snapshot_word),
	NUMBER(snapshot_plan, left_out),
};
RECORD_OF(snapshot_plan);

static const struct field future_type_fields[] = {
	TEXT(future_type, name),
	ENUM(future_type, kind, FUTURE_HANDWRITTEN),
	TEXT(future_type, file),
	NUMBER(future_type, line),
	NUMBER(future_type, size),
	NUMBER(future_type, state_offset),
	NUMBER(future_type, state_width),
	ARRAY(future_type, await_points, await_point_count, await_point),
	NUMBER(future_type, inlined),
	NUMBER(future_type, physical),
	NUMBER(future_type, blocked_on),
	NUMBER(future_type, run),
	NUMBER(future_type, root),
	NUMBER(future_type, drops_inlined),
	RECORD(future_type, snapshot, snapshot_plan),
	NUMBER(future_type, stores_proven),
	ENUM(future_type, stores_verdict, STORES_FOLDED),
	NUMBER(future_type, stores_where),
};
RECORD_OF(future_type);

static const struct field poll_result_fields[] = {
	ENUM(poll_result, place, RESULT_IN_MEMORY),
	NUMBER(poll_result, offset),
	NUMBER(poll_result, width),
	NUMBER(poll_result, value_is_pending),
	NUMBER(poll_result, value),
	NUMBER(poll_result, other_known),
	NUMBER(poll_result, other),
};
RECORD_OF(poll_result);

static const struct field poll_site_fields[] = {
	NUMBER(poll_site, type),
	NUMBER(poll_site, address),
	NUMBER(poll_site, end),
	NUMBER(poll_site, offset),
	TEXT(poll_site, symbol),
	NUMBER(poll_site, self_register),
	NUMBER(poll_site, self_offset),
	NUMBER(poll_site, context_register),
	RECORD(poll_site, result, poll_result),
	NUMBER(poll_site, may_be_root),
	NUMBER(poll_site, runs_task),
	NUMBER(poll_site, blocks_on),
	NUMBER(poll_site, task_state),
	NUMBER(poll_site, task_idle),
};
RECORD_OF(poll_site);

static const struct field inlined_poll_fields[] = {
	NUMBER(inlined_poll, type),
	NUMBER(inlined_poll, parent),
	NUMBER(inlined_poll, function),
	NUMBER(inlined_poll, line),
};
RECORD_OF(inlined_poll);

static const struct field inlined_range_fields[] = {
	NUMBER(inlined_range, start),
	NUMBER(inlined_range, end),
	NUMBER(inlined_range, poll),
};
RECORD_OF(inlined_range);

static const struct field store_site_fields[] = {
	NUMBER(store_site, type),     NUMBER(store_site, inlined), NUMBER(store_site, function),
	NUMBER(store_site, address),  NUMBER(store_site, probed),  NUMBER(store_site, offset),
	NUMBER(store_site, reg),      NUMBER(store_site, shift),   NUMBER(store_site, value),
	NUMBER(store_site, is_reuse), NUMBER(store_site, shared),
};
RECORD_OF(store_site);

static const struct field life_site_fields[] = {
	ENUM(life_site, kind, LIFE_COUNT - 1),
	NUMBER(life_site, type),
	NUMBER(life_site, address),
	NUMBER(life_site, end),
	NUMBER(life_site, offset),
	TEXT(life_site, symbol),
	NUMBER(life_site, argument),
	NUMBER(life_site, boxed),
	NUMBER(life_site, stack_bytes),
	NUMBER(life_site, self_offset),
	NUMBER(life_site, operations),
	NUMBER(life_site, may_be_inlined),
	NUMBER(life_site, guard_offset),
	NUMBER(life_site, guard_bits),
	NUMBER(life_site, guard_value),
	NUMBER(life_site, is_executor),
};
RECORD_OF(life_site);

static const struct field waker_vtable_fields[] = {
	NUMBER(waker_vtable, address), NUMBER(waker_vtable, clone),
	NUMBER(waker_vtable, wake),    NUMBER(waker_vtable, wake_by_ref),
	NUMBER(waker_vtable, drop),
};
RECORD_OF(waker_vtable);

static const struct field future_vtable_fields[] = {
	NUMBER(future_vtable, address),
	NUMBER(future_vtable, type),
};
RECORD_OF(future_vtable);

static const struct field waker_layout_fields[] = {
	NUMBER(waker_layout, known),
	NUMBER(waker_layout, in_context),
	NUMBER(waker_layout, data),
	NUMBER(waker_layout, vtable),
};
RECORD_OF(waker_layout);

/* Without the image, which is the reader's own. */
static const struct field poll_sites_fields[] = {
	ARRAY(poll_sites, types, type_count, future_type),
	ARRAY(poll_sites, sites, site_count, poll_site),
	ARRAY(poll_sites, inlined, inlined_count, inlined_poll),
	ARRAY(poll_sites, ranges, range_count, inlined_range),
	ARRAY(poll_sites, stores, store_count, store_site),
	NUMBER(poll_sites, stores_known),
	ARRAY(poll_sites, lives, life_count, life_site),
	ARRAY(poll_sites, waker_vtables, waker_vtable_count, waker_vtable),
	ARRAY(poll_sites, vtables, vtable_count, future_vtable),
	RECORD(poll_sites, waker, waker_layout),
	NUMBER(poll_sites, from_symbols),
	NUMBER(poll_sites, split_missing),
};
RECORD_OF(poll_sites);

static const struct field site_origin_fields[] = {
	TEXT(site_origin, writer),           TEXT(site_origin, build_id),
	NUMBER(site_origin, size),           NUMBER(site_origin, code),
	TEXT(site_origin, debug_file),       NUMBER(site_origin, debug_size),
	NUMBER(site_origin, debug_mtime_ns),
};
RECORD_OF(site_origin);

static uint64_t load_unsigned(const void *from, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)from;
	case 2:
		return *(const uint16_t *)from;
	case 4:
		return *(const uint32_t *)from;
	default:
		return *(const uint64_t *)from;
	}
}

static void store(void *to, size_t size, uint64_t value)
{
	switch (size) {
	case 1:
		*(uint8_t *)to = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)to = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)value;
		break;
	default:
		*(uint64_t *)to = value;
		break;
	}
}

/* The msgpack_pack functions return 0, or what the buffer's writer failed with: -1. */
static int write_record(msgpack_packer *packer, const struct record *record, const char *from);

static int write_array(msgpack_packer *packer, const struct field *field, const char *from)
{
	const char *elements = *(const char *const *)(from + field->offset);
	size_t count = *(const size_t *)(from + field->count_offset);
	int status = msgpack_pack_array(packer, count);

	for (size_t i = 0; i < count && !status; i++)
		status =
			write_record(packer, field->record, elements + i * field->record->size);
	return status;
}

static int write_text(msgpack_packer *packer, const char *text)
{
	return text ? msgpack_pack_str_with_body(packer, text, strlen(text))
		    : msgpack_pack_nil(packer);
}

static int write_field(msgpack_packer *packer, const struct field *field, const char *from)
{
	const char *at = from + field->offset;

	switch (field->kind) {
	case FIELD_NUMBER:
		return msgpack_pack_uint64(packer, load_unsigned(at, field->size));
	case FIELD_SIGNED:
		return msgpack_pack_int64(packer, field->size == sizeof(int)
							  ? *(const int *)at
							  : *(const int64_t *)at);
	case FIELD_TEXT:
		return write_text(packer, *(const char *const *)at);
	case FIELD_RECORD:
		return write_record(packer, field->record, at);
	default:
		return write_array(packer, field, from);
	}
}

static int write_record(msgpack_packer *packer, const struct record *record, const char *from)
{
	int status = msgpack_pack_array(packer, record->field_count);

	for (size_t i = 0; i < record->field_count && !status; i++)
		status = write_field(packer, &record->fields[i], from);
	return status;
}

static int read_record(const msgpack_object *object, const struct record *record, char *to);

static int read_unsigned(const msgpack_object *object, const struct field *field, char *at)
{
	uint64_t most = field->size < 8 ? (UINT64_C(1) << 8 * field->size) - 1 : UINT64_MAX;

	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER || object->via.u64 > most ||
	    object->via.u64 > field->most)
		return -1;
	store(at, field->size, object->via.u64);
	return 0;
}

static int read_signed(const msgpack_object *object, const struct field *field, char *at)
{
	bool negative = object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
	int64_t most = field->size == sizeof(int) ? INT_MAX : INT64_MAX;

	if (negative ? object->via.i64 < -most - 1
		     : object->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
			       object->via.u64 > (uint64_t)most)
		return -1;
	store(at, field->size, object->via.u64);
	return 0;
}

static int read_text(const msgpack_object *object, char **text)
{
	if (object->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (object->type != MSGPACK_OBJECT_STR)
		return -1;
	*text = strndup(object->via.str.ptr, object->via.str.size);
	return *text ? 0 : -1;
}

static int read_array(const msgpack_object *object, const struct field *field, char *to)
{
	size_t *count = (size_t *)(to + field->count_offset);
	char *elements;

	if (object->type != MSGPACK_OBJECT_ARRAY)
		return -1;
	if (!object->via.array.size)
		return 0;
	elements = calloc(object->via.array.size, field->record->size);
	if (!elements)
		return -1;
	*(char **)(to + field->offset) = elements;
	/* What is not read yet is zero, and so can be released. */
	*count = object->via.array.size;
	for (size_t i = 0; i < *count; i++)
		if (read_record(&object->via.array.ptr[i], field->record,
				elements + i * field->record->size))
			return -1;
	return 0;
}

static int read_field(const msgpack_object *object, const struct field *field, char *to)
{
	char *at = to + field->offset;

	switch (field->kind) {
	case FIELD_NUMBER:
		return read_unsigned(object, field, at);
	case FIELD_SIGNED:
		return read_signed(object, field, at);
	case FIELD_TEXT:
		return read_text(object, (char **)at);
	case FIELD_RECORD:
		return read_record(object, field->record, at);
	default:
		return read_array(object, field, to);
	}
}

/* Into a struct of zeros. */
static int read_record(const msgpack_object *object, const struct record *record, char *to)
{
	if (object->type != MSGPACK_OBJECT_ARRAY ||
	    object->via.array.size != record->field_count)
		return -1;
	for (size_t i = 0; i < record->field_count; i++)
		if (read_field(&object->via.array.ptr[i], &record->fields[i], to))
			return -1;
	return 0;
}

void site_origin_free(struct site_origin *origin)
{
	free(origin->writer);
	free(origin->build_id);
	free(origin->debug_file);
	*origin = (struct site_origin){0};
}

int site_codec_encode(const struct site_origin *origin, const struct poll_sites *sites,
		      char **bytes, size_t *size)
{
	msgpack_sbuffer buffer;
	msgpack_packer packer;
	int status;

	msgpack_sbuffer_init(&buffer);
	msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
	status = msgpack_pack_array(&packer, 2) ||
		 write_record(&packer, &site_origin_record, (const char *)origin) ||
		 write_record(&packer, &poll_sites_record, (const char *)sites);
	*size = buffer.size;
	*bytes = status ? NULL : msgpack_sbuffer_release(&buffer);
	msgpack_sbuffer_destroy(&buffer);
	return *bytes ? 0 : -1;
}

int site_codec_decode(const char *bytes, size_t size, struct site_origin *origin,
		      struct poll_sites *sites)
{
	msgpack_unpacked unpacked;
	const msgpack_object *both = &unpacked.data;
	size_t read = 0;
	int status = -1;

	*origin = (struct site_origin){0};
	*sites = (struct poll_sites){0};
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, bytes, size, &read) == MSGPACK_UNPACK_SUCCESS &&
	    read == size && both->type == MSGPACK_OBJECT_ARRAY && both->via.array.size == 2 &&
	    !read_record(&both->via.array.ptr[0], &site_origin_record, (char *)origin) &&
	    !read_record(&both->via.array.ptr[1], &poll_sites_record, (char *)sites))
		status = 0;
	msgpack_unpacked_destroy(&unpacked);
	if (status) {
		site_origin_free(origin);
		poll_sites_free(sites);
	}
	return status;
}
