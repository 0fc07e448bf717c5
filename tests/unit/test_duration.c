/* report/duration.c: three digits and a unit. */
#include "duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void prints(int64_t ns, const char *expected)
{
	char text[32];

	duration_format(text, sizeof(text), ns);
	assert_string_equal(text, expected);
}

static void picks_the_unit(void **state)
{
	(void)state;
	prints(0, "0 ns");
	prints(999, "999 ns");
	prints(1000, "1.00 us");
	prints(12345, "12.3 us");
	prints(123456, "123 us");
	prints(1234567, "1.23 ms");
	prints(1234567890, "1.23 s");
	prints(INT64_C(1234567890123), "1235 s");
}

static void never_prints_a_thousand_of_a_unit(void **state)
{
	(void)state;
	prints(999999, "1.00 ms");
	prints(999999999, "1.00 s");
}

static void prints_negative_times(void **state)
{
	(void)state;
	prints(-1500, "-1.50 us");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picks_the_unit),
		cmocka_unit_test(never_prints_a_thousand_of_a_unit),
		cmocka_unit_test(prints_negative_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
