/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/exchange.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>

int message_send(struct channel *c, const struct message *m, int fd)
{
	char bytes[IPC_MESSAGE_MAX];
	ssize_t len = message_encode(m, bytes, sizeof(bytes));
	int r = len < 0 ? (int)len : channel_send(c, str_of(bytes, (size_t)len), fd);

	explicit_bzero(bytes, len < 0 ? 0 : (size_t)len); /* it may be a password */
	return r;
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
