/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/exchange.h"

#include "base/fd.h"

#include <errno.h>

struct sending {
	struct channel *channel;
	int fd;
};

static int send_on(void *context, struct str bytes)
{
	const struct sending *w = context;

	return channel_send(w->channel, bytes, w->fd);
}

int message_send(struct channel *c, const struct message *m, int fd)
{
	return message_give(m, send_on, &(struct sending){ c, fd });
}

int message_handle(const struct message_row *rows, size_t n, struct packet *p,
	void *context, struct error *err)
{
	struct message m;

	if (message_decode(p->bytes, &m) < 0)
		return error_set(err, -EBADMSG, "a message makes no sense");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].type != m.type || rows[i].has_fd != (p->n_fds == 1) ||
			p->n_fds > 1)
			continue;
		rows[i].handle(context, &m, p->n_fds ? fd_steal(&p->fds[0]) : -1);
		return 0;
	}
	return error_set(err, -EBADMSG, "unexpected message %s with %zu descriptors",
		message_type_name(m.type), p->n_fds);
}
