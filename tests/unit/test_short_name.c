/* report/short_name.c: what is left of Rust names on narrow terminals. */
#include "short_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void shortens(const char *name, const char *expected)
{
	char *brief = short_name(name);

	assert_string_equal(brief, expected);
	free(brief);
}

static void author_paths_stay(void **state)
{
	(void)state;
	shortens("app::db::lookup", "app::db::lookup");
	shortens("app::main::{async_block#0}", "app::main::{async_block#0}");
}

static void arguments_lose_their_paths(void **state)
{
	(void)state;
	shortens("app::retry<app::db::Lookup, u8>", "app::retry<Lookup, u8>");
	shortens("<app::Pool as app::Store>::get", "<Pool as Store>::get");
	shortens("app::Job<(a::X, &b::Y)>", "app::Job<(X, &Y)>");
}

static void the_standard_library_loses_its_paths(void **state)
{
	(void)state;
	shortens("core::pin::Pin<alloc::boxed::Box<app::Job, alloc::alloc::Global>>",
		 "Pin<Box<Job>>");
	shortens(
		"core::pin::Pin<alloc::boxed::Box<dyn core::future::future::Future<Output=()>, "
		"alloc::alloc::Global>>",
		"Pin<Box<dyn Future<Output=()>>>");
}

static void each_name_of_a_chain_is_shortened(void **state)
{
	(void)state;
	shortens("app::a<x::Y> > core::future::ready::Ready<x::Y> > app::b",
		 "app::a<Y> > Ready<Y> > app::b");
}

static void arrows_close_no_bracket(void **state)
{
	(void)state;
	shortens("app::Map<fn(x::Y) -> x::Z, x::W>", "app::Map<fn(Y) -> Z, W>");
}

static void arguments_are_left_out(void **state)
{
	char *brief = short_name_no_arguments(
		"app::retry<Job<X>, u8> > <Pool as Store>::get<fn() -> Y>");

	(void)state;
	assert_string_equal(brief, "app::retry<..> > <Pool as Store>::get<..>");
	free(brief);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(author_paths_stay),
		cmocka_unit_test(arguments_lose_their_paths),
		cmocka_unit_test(the_standard_library_loses_its_paths),
		cmocka_unit_test(each_name_of_a_chain_is_shortened),
		cmocka_unit_test(arrows_close_no_bracket),
		cmocka_unit_test(arguments_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
