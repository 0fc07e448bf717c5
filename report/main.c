#include "asyncrec/message.h"
#include "open.h"
#include "options.h"
#include "view.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct options options;
	sqlite3 *db = NULL;
	int status;

	message_program = "asyncreport";
	status = options_read(&options, argc, argv);
	if (status >= 0)
		return status;
	if (open_recording(options.recording, &db))
		return EXIT_FAILURE;
	status = view_print(db, &options) ? EXIT_FAILURE : EXIT_SUCCESS;
	sqlite3_close(db);
	if (fflush(stdout) || ferror(stdout)) {
		message_error("cannot write to stdout: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	return status;
}
