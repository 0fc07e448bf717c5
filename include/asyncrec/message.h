/* Messages to the user: one line on stderr, `asyncrec: what failed: why; what to do`. */
#ifndef ASYNCREC_MESSAGE_H
#define ASYNCREC_MESSAGE_H

/* Name of the program that speaks; set first thing in main. */
extern const char *message_program;

/* Set by the options: 0 quiet, 1 normal, 2 verbose. */
extern int message_level;

/* An error; always printed. A newline is added. */
void message_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A warning or summary; printed unless quiet. */
void message_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A detail; printed when verbose. */
void message_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
