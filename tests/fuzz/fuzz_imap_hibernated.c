/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session that another process has left asleep: what it wrote is the first line, with
   NULs in it, then comes what the client says. Whatever was written, the answers are
   whole lines, the store stays sound, and what goes to sleep again wakes. That opens a
   store each time; the bytes alone are fuzz_hibernation's. */
#include "fuzz.h"
#include "fuzz_server.h"

#include <stdlib.h>

#define BYTES_MAX 20000 /* as of a session that begins here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_server server;
	struct str says = str_of(data, size), known = str_split(&says, '\n');

	if (size > BYTES_MAX)
		return 0;
	fuzz_server_open(&server);
	if (memory_session_wake(&server, 0, known) < 0 ||
		memory_session_feed(&server, 0, says) < 0 ||
		memory_server_sleep(&server) < 0 ||
		memory_session_feed(&server, 0, STR_LIT("DONE\r\nz NOOP\r\n")) < 0)
		abort();
	fuzz_server_close(&server);
	return 0;
}
