/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/watched.h"

#include "messages/exchange.h"

#include <errno.h>

void watched_heard(struct watched *w)
{
	w->asked_at = 0;
	w->has_spoken = true;
}

bool watched_ask(struct watched *w, struct channel *c, uint64_t now, uint64_t every_ms,
	uint64_t limit_ms)
{
	static const struct message question = { .type = MESSAGE_PING };

	/* we may have been held up ourselves: its answer is there, then */
	channel_read(c);
	if (!channel_is_open(c))
		return false;
	if (w->asked_at)
		return now - w->asked_at >= limit_ms;
	if (now < w->next)
		return false;
	/* a full queue asks as well: it does not read */
	if (message_send(c, &question, -1) != -ENOTCONN) {
		w->asked_at = now;
		w->next = now + every_ms;
	}
	return false;
}
