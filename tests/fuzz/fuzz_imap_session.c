/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole session of the IMAP server on a small store, and a second one that watches:
   answers are whole lines, the store stays sound, and the server lives or says BYE. The
   first byte says in what pieces the rest comes. */
#include "fuzz.h"
#include "fuzz_server.h"

#include <stdlib.h>

#define BYTES_MAX                                                                        \
	20000 /* of one input; a store that is written to byte by byte is slow */

static void feed(struct memory_server *server, struct str bytes, size_t piece)
{
	for (; bytes.len; bytes = str_skip(bytes, piece))
		if (memory_session_feed(server, 0, str_take(bytes, piece)) < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_server server;
	struct str bytes = str_of(data, size);

	if (!size || size > BYTES_MAX)
		return 0;
	fuzz_server_open(&server);
	if (memory_session_open(&server, 0, STR_LIT("")) < 0 ||
		memory_session_open(&server, 1, STR_LIT("a SELECT INBOX\r\nb IDLE\r\n")) <
			0)
		abort();
	feed(&server, str_skip(bytes, 1), data[0] ? data[0] : size);
	if (memory_session_feed(&server, 1, STR_LIT("DONE\r\nc NOOP\r\n")) < 0)
		abort();
	fuzz_server_close(&server);
	return 0;
}
