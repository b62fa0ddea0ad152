/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/swept_message.h"

struct swept swept_of(const struct message *m)
{
	struct str rest = m->client, date = str_split(&rest, ' ');
	struct swept swept = { .folder = m->tag,
		.uidvalidity = (uint32_t)(m->number >> 32),
		.uid = (uint32_t)m->number,
		.flags = (unsigned)m->number2,
		.keywords = m->text };
	uint64_t seconds = 0, minutes = 0;

	/* both are told as unsigned numbers of 64 bits */
	(void)str_to_u64(date, &seconds);
	(void)str_to_u64(rest, &minutes);
	swept.date = (int64_t)seconds;
	swept.zone = (int16_t)(int64_t)minutes;
	return swept;
}
