#include "asyncrec/message.h"

#include <stdarg.h>
#include <stdio.h>

const char *message_program = "asyncrec";
int message_level = 1;

static void print(const char *format, va_list arguments)
{
	char line[4096];

	vsnprintf(line, sizeof(line), format, arguments);
	fprintf(stderr, "%s: %s\n", message_program, line);
}

#define DEFINE_MESSAGE(name, least)                                                            \
	void name(const char *format, ...)                                                     \
	{                                                                                      \
		va_list arguments;                                                             \
                                                                                               \
		if (message_level < (least))                                                   \
			return;                                                                \
		va_start(arguments, format);                                                   \
		print(format, arguments);                                                      \
		va_end(arguments);                                                             \
	}

DEFINE_MESSAGE(message_error, 0)
DEFINE_MESSAGE(message_note, 1)
DEFINE_MESSAGE(message_detail, 2)
