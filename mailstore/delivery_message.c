/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/delivery_message.h"

#include <errno.h>

static enum delivery_what what_of(const struct message *m)
{
	if (m->type == MESSAGE_ROOM)
		return DELIVERY_ROOM;
	if (m->type == MESSAGE_SWEEP)
		return DELIVERY_SWEEP;
	if (m->type == MESSAGE_MEND)
		return DELIVERY_MEND;
	if (m->type == MESSAGE_DELIVER)
		return DELIVERY_DELIVER;
	if (m->type == MESSAGE_DISCARD)
		return DELIVERY_DISCARD;
	return m->number ? DELIVERY_AT_ONCE : DELIVERY_STAGE;
}

static int read_swept(const struct message *m, struct swept *ret)
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

/* A UID that cannot be is one that nothing has. */
static void read_mend(const struct message *m, struct delivery *ret)
{
	ret->mailbox = (int64_t)m->number;
	ret->uid = m->number2 > UINT32_MAX ? 0 : (uint32_t)m->number2;
	ret->header = STR_LIT("");
}

int delivery_of(const struct message *m, int fd, struct delivery *ret)
{
	*ret = (struct delivery){ .what = what_of(m),
		.id = (int64_t)m->number,
		.size = m->number,
		.may_exceed = m->number2 == 1,
		.fd = fd,
		.header = m->payload };
	if (ret->what == DELIVERY_DELIVER)
		ret->subaddress = m->payload;
	if (ret->what == DELIVERY_MEND)
		read_mend(m, ret);
	if (ret->what == DELIVERY_SWEEP && read_swept(m, &ret->swept) < 0)
		ret->code = error_set(
			&ret->err, -EBADMSG, "the message's date cannot be read");
	return ret->code;
}
