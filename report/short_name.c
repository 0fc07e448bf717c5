#include "short_name.h"

#include "asyncrec/strings.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Length of the module path `a::b::` at text, before a name that starts a type. */
static size_t path_length(const char *text)
{
	size_t length = 0;

	for (;;) {
		size_t word = 0;

		while (is_word(text[length + word]))
			word++;
		/* A path goes on with another name, not with `{closure}` or `<`. */
		if (word == 0 || !starts_with(text + length + word, "::") ||
		    !is_word(text[length + word + 2]))
			return length;
		length += word + 2;
	}
}

static bool is_standard(const char *text)
{
	return starts_with(text, "core::") || starts_with(text, "alloc::") ||
	       starts_with(text, "std::");
}

char *short_name(const char *name)
{
	static const char allocator[] = ", alloc::alloc::Global";
	char *brief = malloc(strlen(name) + 1);
	size_t length = 0;
	int depth = 0;

	if (!brief)
		return NULL;
	for (size_t i = 0; name[i];) {
		bool begins = i == 0 || !is_word(name[i - 1]);
		size_t path =
			begins && (depth || is_standard(name + i)) ? path_length(name + i) : 0;

		if (path && !(i >= 2 && name[i - 1] == ':')) {
			i += path;
			continue;
		}
		if (starts_with(name + i, allocator)) {
			i += sizeof(allocator) - 1;
			continue;
		}
		if (name[i] == '<')
			depth++;
		/* Neither the arrow of a function type nor of a chain closes anything. */
		else if (name[i] == '>' && depth && i && name[i - 1] != '-')
			depth--;
		brief[length++] = name[i++];
	}
	brief[length] = '\0';
	return brief;
}

/* Length of the brackets at text, both included. */
static size_t bracket_length(const char *text)
{
	size_t length = 0;
	int depth = 0;

	for (; text[length]; length++) {
		if (text[length] == '<')
			depth++;
		else if (text[length] == '>' && text[length - 1] != '-' && --depth == 0)
			return length + 1;
	}
	return length;
}

char *short_name_no_arguments(const char *name)
{
	static const char left_out[] = "<..>";
	char *brief = malloc(strlen(name) + 1);
	size_t length = 0;

	if (!brief)
		return NULL;
	for (size_t i = 0; name[i];) {
		/* Arguments follow a name; what begins a qualified path does not. */
		size_t brackets = name[i] == '<' && i && is_word(name[i - 1])
					  ? bracket_length(name + i)
					  : 0;

		if (brackets > sizeof(left_out) - 1) {
			memcpy(brief + length, left_out, sizeof(left_out) - 1);
			length += sizeof(left_out) - 1;
			i += brackets;
			continue;
		}
		brief[length++] = name[i++];
	}
	brief[length] = '\0';
	return brief;
}
