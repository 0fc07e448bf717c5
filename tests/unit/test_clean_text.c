/* What is left of bytes that are no text. */
#include "clean_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const char *text, const char *expected)
{
	char *clean = clean_text(text);

	assert_non_null(clean);
	assert_string_equal(clean, expected);
	free(clean);
}

static void text_stays(void **state)
{
	(void)state;
	check("", "");
	check("app::run<T> & co", "app::run<T> & co");
	check("a\tb\nc", "a\tb\nc");
	check("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\xa5",
	      "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\xa5");
	/* the least and greatest of each length */
	check("\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbd\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
	      "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbd\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

static void no_text_is_empty(void **state)
{
	(void)state;
	check(NULL, "");
}

static void other_bytes_go(void **state)
{
	(void)state;
	check("a\xff\xfe", "a??");
	check("\x80\xbf", "??");
	check("cut \xe2\x82", "cut ??");
	check("cut \xf0\x9f\x94, on", "cut ???, on");
	check("overlong \xc0\xaf \xe0\x80\xaf", "overlong ?? ???");
	check("surrogate \xed\xa0\x80", "surrogate ???");
	check("beyond \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80", "beyond ???? ?????");
}

static void what_xml_cannot_write_goes(void **state)
{
	(void)state;
	check("\x01\x1f\r\x1b[0m", "????[0m");
	check("\xef\xbf\xbe\xef\xbf\xbf", "??????");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stays),
		cmocka_unit_test(no_text_is_empty),
		cmocka_unit_test(other_bytes_go),
		cmocka_unit_test(what_xml_cannot_write_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
