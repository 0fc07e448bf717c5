/* What asyncrec ends with when not with the traced program's own status. */
#ifndef STATUS_H
#define STATUS_H

/* As of env(1) and timeout(1). */
enum {
	STATUS_FAILED = 125,
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
};

#endif
