/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is kept of a session that sleeps, as bytes alone (fuzz_imap_hibernated goes on
   with it): whatever was read is written and read again as the same. */
#include "fuzz.h"
#include "mailstore/serve/connection_parts.h"
#include "mailstore/serve/hibernation.h"

#include <stdlib.h>

static void write_messages(struct str otherwise, struct buf *out)
{
	struct hibernation_message m;

	buf_init(out, 0);
	while (otherwise.len && hibernation_take_message(&otherwise, &m))
		if (hibernation_put_message(out, &m) < 0)
			abort();
}

static void check_messages(struct str otherwise)
{
	struct buf once, twice;

	write_messages(otherwise, &once);
	write_messages(buf_view(&once), &twice);
	if (!str_eq(buf_view(&once), buf_view(&twice)))
		abort();
	buf_fini(&once);
	buf_fini(&twice);
}

static void check_whole(const struct hibernation *h)
{
	struct buf once, twice;
	struct hibernation again;

	buf_init(&once, 0);
	buf_init(&twice, 0);
	if (hibernation_encode(h, &once) < 0 ||
		hibernation_decode(buf_view(&once), &again) < 0 ||
		hibernation_encode(&again, &twice) < 0 ||
		!str_eq(buf_view(&once), buf_view(&twice)))
		abort();
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str known = str_of(data, size);
	struct connection_past past;
	struct hibernation h;

	connection_past_take(&known, &past);
	if (hibernation_decode(known, &h) < 0)
		return 0;
	check_whole(&h);
	check_messages(h.otherwise);
	return 0;
}
