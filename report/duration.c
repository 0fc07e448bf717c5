#include "duration.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void duration_format(char *text, size_t size, int64_t ns)
{
	static const struct {
		double ns;
		const char *name;
	} units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double value = (double)ns / units[i].ns;

		/* What would round to 1000 of a unit is 1.00 of the next. */
		if (fabs(value) < 0.9995)
			continue;
		snprintf(text, size, "%.*f %s",
			 fabs(value) < 9.995   ? 2
			 : fabs(value) < 99.95 ? 1
					       : 0,
			 value, units[i].name);
		return;
	}
	snprintf(text, size, "%" PRId64 " ns", ns);
}
