#include "clean_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static bool is_xml_character(uint32_t c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n';
	return c <= 0x10ffff && !(c >= 0xd800 && c < 0xe000) && c != 0xfffe && c != 0xffff;
}

/* Bytes of the character at text, or 0 if there is none that may stand. */
static size_t character_length(const unsigned char *text)
{
	/* The least character that needs so many bytes. */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
	uint32_t c = *text;

	if (length == 1)
		return is_xml_character(c) ? 1 : 0;
	if (c < 0xc0 || c >= 0xf8)
		return 0;
	c &= 0x7fU >> length;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	return c >= least[length] && is_xml_character(c) ? length : 0;
}

char *clean_text(const char *text)
{
	const unsigned char *from = (const unsigned char *)(text ? text : "");
	unsigned char *clean;
	size_t size = 1;
	size_t length = 0;

	while (from[size - 1])
		size++;
	clean = malloc(size);
	while (clean && *from) {
		size_t bytes = character_length(from);

		if (!bytes) {
			clean[length++] = '?';
			from++;
			continue;
		}
		while (bytes--)
			clean[length++] = *from++;
	}
	if (clean)
		clean[length] = '\0';
	return (char *)clean;
}
