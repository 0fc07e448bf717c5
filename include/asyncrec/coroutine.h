/*
 * The states of a coroutine, as its state field has them: rustc's UNRESUMED, RETURNED and
 * POISONED, and from 3 on one for each `.await` (rustc 1.63 to 1.96).
 */
#ifndef ASYNCREC_COROUTINE_H
#define ASYNCREC_COROUTINE_H

enum {
	STATE_UNKNOWN = -1, /* in no field */
	STATE_UNRESUMED = 0,
	STATE_RETURNED = 1,
	STATE_PANICKED = 2,
	STATE_SUSPENDED = 3, /* the first of those in which it awaits something */
};

#endif
