/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/swept_message.h"

#include <errno.h>

int swept_of(const struct message *m, struct swept *ret)
{
	struct str rest = m->client, date = str_split(&rest, ' ');
	uint64_t seconds, minutes;

	/* both are told as unsigned numbers of 64 bits */
	if (!str_to_u64(date, &seconds) || !str_to_u64(rest, &minutes))
		return -EBADMSG;
	if ((int16_t)minutes != (int64_t)minutes)
		return -EBADMSG;
	*ret = (struct swept){ .folder = m->tag,
		.uidvalidity = (uint32_t)(m->number >> 32),
		.uid = (uint32_t)m->number,
		.flags = (unsigned)m->number2,
		.keywords = m->text,
		.date = (int64_t)seconds,
		.zone = (int16_t)minutes };
	return 0;
}
