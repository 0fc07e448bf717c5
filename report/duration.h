/* Times for people. */
#ifndef DURATION_H
#define DURATION_H

#include <stddef.h>
#include <stdint.h>

/* Write ns nanoseconds as three digits and a unit, `1.23 ms`, into text[0..size). */
void duration_format(char *text, size_t size, int64_t ns);

#endif
