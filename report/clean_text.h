/* Names and paths of a program, which may hold any bytes, as text. */
#ifndef CLEAN_TEXT_H
#define CLEAN_TEXT_H

/*
 * text (NULL: none) with a question mark for each byte that is no part of valid
 * UTF-8 and for each character that XML has no way to write. Returns a malloc'd
 * string, or NULL when memory ran out.
 */
char *clean_text(const char *text);

#endif
