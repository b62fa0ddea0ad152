/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a message decodes to is encoded as the same bytes again. */
#include "fuzz.h"

#include "messages/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message m;
	char *again;
	ssize_t len;

	if (message_decode(str_of(data, size), &m) < 0)
		return 0;
	again = malloc(size);
	len = message_encode(&m, again, size);
	if (len < 0 || (size_t)len != size || memcmp(again, data, size) != 0)
		abort();
	free(again);
	return 0;
}
