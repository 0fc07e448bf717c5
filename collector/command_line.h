/* Command lines as a shell would take them. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <sys/types.h>

/* The arguments (NULL behind the last) in one malloc'd line, or NULL: no memory. */
char *command_line_quote(char *const *arguments);

/* The same of the running process pid; "" if it cannot be seen. */
char *command_line_of_process(pid_t pid);

#endif
