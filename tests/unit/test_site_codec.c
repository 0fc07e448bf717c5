/* collector/site_codec.c: what is written can be read, and nothing else harms. */
#include "poll_sites.h"
#include "site_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Values at the ends of their ranges, and every kind of thing that may be missing. */
static struct await_point await_points[] = {
	{.state = 3, .file = "main.rs", .line = 7, .awaitee = "app::Sleep"},
	{.state = UINT32_MAX},
};

static uint64_t values[] = {3, UINT64_MAX};

static struct snapshot_node nodes[] = {
	{.parent = SNAPSHOT_NONE, .word = 0, .shift = 56, .width = 8, .excluded = true},
	{.type = 1, .awaited = true, .values = values, .value_count = 2},
};

static struct snapshot_word words[] = {{SNAPSHOT_NONE, 8}, {0, 16}};

static struct future_type types[] = {
	{.name = "app::main",
	 .kind = FUTURE_ASYNC_FN,
	 .file = "main.rs",
	 .line = 1,
	 .size = UINT64_MAX,
	 .state_offset = 24,
	 .state_width = 1,
	 .await_points = await_points,
	 .await_point_count = 2,
	 .inlined = 2,
	 .physical = 1,
	 .root = true,
	 .drops_inlined = UINT32_MAX,
	 .stores_proven = true,
	 .snapshot = {nodes, 2, words, 2, 1}},
	{.name = "app::Sleep",
	 .kind = FUTURE_HANDWRITTEN,
	 .state_offset = -1,
	 .stores_verdict = STORES_FOLDED,
	 .stores_where = UINT64_MAX},
};

static struct poll_site sites[] = {
	{.type = 1,
	 .address = 0x1000,
	 .end = 0x1010,
	 .offset = 0x20,
	 .symbol = "poll",
	 .self_register = 5,
	 .context_register = 4,
	 .result = {RESULT_IN_MEMORY, 8, 4, true, UINT64_MAX, true, 7}},
	{.type = POLL_SITE_NO_TYPE, .self_register = INT32_MIN, .context_register = INT32_MAX},
};

static struct inlined_poll inlined[] = {{1, INLINED_POLL_NONE, 0x1000, 7}};
static struct inlined_range ranges[] = {{0x1000, 0x1008, 0}};
static struct store_site stores[] = {
	{.type = 1,
	 .inlined = INLINED_POLL_NONE,
	 .address = UINT64_MAX,
	 .reg = -1,
	 .value = 255},
	{.inlined = 0, .reg = 15, .shift = 8, .is_reuse = true, .shared = true},
};
static struct life_site lives[] = {
	{.kind = LIFE_SPAWN,
	 .type = 1,
	 .address = UINT64_MAX,
	 .symbol = "bind",
	 .argument = 1,
	 .boxed = true,
	 .stack_bytes = UINT32_MAX,
	 .self_offset = 8},
	{.kind = LIFE_WAKE,
	 .type = POLL_SITE_NO_TYPE,
	 .operations = 1U << WAKER_DROP,
	 .may_be_inlined = true},
	{.kind = LIFE_DROP,
	 .guard_offset = UINT64_MAX,
	 .guard_bits = 255,
	 .guard_value = 254,
	 .is_executor = true},
};
static struct waker_vtable waker_vtables[] = {{0x6000, 1, 2, 3, UINT64_MAX}};
static struct future_vtable vtables[] = {{0x5000, 1}};

static const struct poll_sites example = {
	.types = types,
	.type_count = 2,
	.sites = sites,
	.site_count = 2,
	.inlined = inlined,
	.inlined_count = 1,
	.ranges = ranges,
	.range_count = 1,
	.stores = stores,
	.store_count = 2,
	.stores_known = true,
	.lives = lives,
	.life_count = 3,
	.waker_vtables = waker_vtables,
	.waker_vtable_count = 1,
	.vtables = vtables,
	.vtable_count = 1,
	.waker = {true, 1, 2, 3},
};

static const struct site_origin origin = {
	.writer = "0.1.0",
	.build_id = "abcd",
	.size = 1234,
	.code = UINT64_MAX,
	.debug_file = "/usr/lib/debug/x",
	.debug_mtime_ns = INT64_MIN,
};

static void encode(char **bytes, size_t *size)
{
	assert_int_equal(site_codec_encode(&origin, &example, bytes, size), 0);
}

/* Structs without pointers are compared whole, the others are written once more. */
static void what_is_written_is_read(void **state)
{
	struct poll_sites read_sites;
	struct site_origin read_origin;
	char *bytes;
	char *again;
	size_t size;
	size_t again_size;

	(void)state;
	encode(&bytes, &size);
	assert_int_equal(site_codec_decode(bytes, size, &read_origin, &read_sites), 0);
	assert_int_equal(read_sites.type_count, 2);
	assert_int_equal(read_sites.site_count, 2);
	assert_string_equal(read_sites.types[0].await_points[0].awaitee, "app::Sleep");
	assert_null(read_sites.types[0].await_points[1].file);
	assert_int_equal(read_sites.types[1].state_offset, -1);
	assert_memory_equal(&read_sites.sites[0].result, &sites[0].result,
			    sizeof(sites[0].result));
	assert_int_equal(read_sites.sites[1].type, POLL_SITE_NO_TYPE);
	assert_int_equal(read_sites.sites[1].self_register, INT32_MIN);
	assert_null(read_sites.sites[1].symbol);
	assert_int_equal(read_sites.types[0].snapshot.nodes[1].values[1], UINT64_MAX);
	assert_memory_equal(read_sites.types[0].snapshot.words, words, sizeof(words));
	assert_memory_equal(read_sites.ranges, ranges, sizeof(ranges));
	assert_true(read_sites.stores_known);
	assert_int_equal(read_sites.store_count, 2);
	assert_int_equal(read_sites.life_count, 3);
	assert_string_equal(read_sites.lives[0].symbol, "bind");
	assert_int_equal(read_sites.lives[0].argument, 1);
	assert_true(read_sites.lives[0].boxed);
	assert_int_equal(read_sites.lives[0].stack_bytes, UINT32_MAX);
	assert_int_equal(read_sites.lives[1].type, POLL_SITE_NO_TYPE);
	assert_int_equal(read_sites.lives[1].operations, 1U << WAKER_DROP);
	assert_true(read_sites.lives[1].may_be_inlined);
	assert_int_equal(read_sites.waker_vtable_count, 1);
	assert_memory_equal(read_sites.waker_vtables, waker_vtables, sizeof(waker_vtables));
	assert_int_equal(read_sites.lives[2].guard_value, 254);
	assert_int_equal(read_sites.stores[0].reg, -1);
	assert_int_equal(read_sites.stores[1].shift, 8);
	assert_int_equal(read_sites.types[1].stores_verdict, STORES_FOLDED);
	assert_memory_equal(&read_sites.waker, &example.waker, sizeof(example.waker));
	assert_string_equal(read_origin.debug_file, origin.debug_file);
	assert_int_equal(read_origin.debug_mtime_ns, INT64_MIN);
	assert_int_equal(site_codec_encode(&read_origin, &read_sites, &again, &again_size), 0);
	assert_int_equal(size, again_size);
	assert_memory_equal(bytes, again, size);
	free(bytes);
	free(again);
	site_origin_free(&read_origin);
	poll_sites_free(&read_sites);
}

static void less_or_more_is_refused(void **state)
{
	struct poll_sites read_sites;
	struct site_origin read_origin;
	char *bytes;
	char *longer;
	size_t size;

	(void)state;
	encode(&bytes, &size);
	for (size_t i = 0; i < size; i++) {
		/* Of its own size, for a checker to see what is read behind it. */
		char *part = malloc(i ? i : 1);

		assert_non_null(part);
		memcpy(part, bytes, i);
		assert_int_equal(site_codec_decode(part, i, &read_origin, &read_sites), -1);
		assert_null(read_sites.types);
		assert_null(read_origin.writer);
		free(part);
	}
	longer = calloc(1, size + 1);
	assert_non_null(longer);
	memcpy(longer, bytes, size);
	assert_int_equal(site_codec_decode(longer, size + 1, &read_origin, &read_sites), -1);
	free(longer);
	free(bytes);
}

/* Any byte may be any other: it is refused, or read as something that can be released. */
static void no_byte_does_harm(void **state)
{
	char *bytes;
	size_t size;
	unsigned refused = 0;

	(void)state;
	encode(&bytes, &size);
	for (size_t i = 0; i < size; i++) {
		char right = bytes[i];

		for (int value = 0; value < 256; value++) {
			struct poll_sites read_sites;
			struct site_origin read_origin;

			bytes[i] = (char)value;
			if (site_codec_decode(bytes, size, &read_origin, &read_sites)) {
				refused++;
				continue;
			}
			site_origin_free(&read_origin);
			poll_sites_free(&read_sites);
		}
		bytes[i] = right;
	}
	assert_true(refused > size);
	free(bytes);
}

static void values_out_of_range_are_refused(void **state)
{
	struct poll_sites wrong = example;
	struct poll_sites read_sites;
	struct site_origin read_origin;
	struct future_type type = types[1];
	char *bytes;
	size_t size;

	(void)state;
	type.kind = FUTURE_HANDWRITTEN + 1;
	wrong.types = &type;
	wrong.type_count = 1;
	assert_int_equal(site_codec_encode(&origin, &wrong, &bytes, &size), 0);
	assert_int_equal(site_codec_decode(bytes, size, &read_origin, &read_sites), -1);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(less_or_more_is_refused),
		cmocka_unit_test(no_byte_does_harm),
		cmocka_unit_test(values_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
