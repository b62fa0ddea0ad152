/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session that was at the source so far: what its client knows is the first line, with
   NULs in it, then comes what the client says. Its IDLE goes on when that is "DONE". The
   answers are whole lines, and the store stays sound. */
#include "fuzz.h"
#include "fuzz_server.h"

#include <stdlib.h>

#define BYTES_MAX 20000 /* as of a session that begins here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_server server;
	struct str says = str_of(data, size), known = str_split(&says, '\n');
	struct str idle =
		str_starts(says, STR_LIT("DONE\r\n")) ? STR_LIT("i") : STR_LIT("");

	if (size > BYTES_MAX)
		return 0;
	fuzz_server_open(&server);
	if (memory_session_resume(&server, 0, idle, known) < 0 ||
		memory_session_feed(&server, 0, says) < 0)
		abort();
	fuzz_server_close(&server);
	return 0;
}
