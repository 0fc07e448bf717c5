#include "command_line.h"

#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *command_line_quote(char *const *arguments)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; arguments[i]; i++) {
		const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=./:,@%";
		bool quote = !*arguments[i] || arguments[i][strspn(arguments[i], plain)];

		fprintf(out, "%s%s", i ? " " : "", quote ? "'" : "");
		for (const char *c = arguments[i]; *c; c++)
			fputs(*c == '\'' ? "'\\''" : (char[]){*c, '\0'}, out);
		fputs(quote ? "'" : "", out);
	}
	fclose(out);
	return text;
}

char *command_line_of_process(pid_t pid)
{
	char *arguments[256] = {0};
	size_t count = 0;
	size_t length;
	char path[64];
	char *text;
	char *line;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	text = text_read(path, &length);
	/* Each argument ends with a zero byte: proc(5). */
	for (char *at = text; at && at < text + length && count + 1 < 256; at += strlen(at) + 1)
		arguments[count++] = at;
	line = command_line_quote(arguments);
	free(text);
	return line;
}
