/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/exchange.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>

#define SMALL 2048

static int send_from(
	char *bytes, size_t size, struct channel *c, const struct message *m, int fd)
{
	ssize_t len = message_encode(m, bytes, size);
	int r = len < 0 ? (int)len : channel_send(c, str_of(bytes, (size_t)len), fd);

	explicit_bzero(bytes, len < 0 ? 0 : (size_t)len); /* it may be a password */
	return r;
}

static __attribute__((noinline)) int send_large(
	struct channel *c, const struct message *m, int fd)
{
	char bytes[IPC_MESSAGE_MAX];

	return send_from(bytes, sizeof(bytes), c, m, fd);
}

/* Nearly all are small, and the pages of a stack are touched one by one. */
static __attribute__((noinline)) int send_small(
	struct channel *c, const struct message *m, int fd)
{
	char bytes[SMALL];

	return send_from(bytes, sizeof(bytes), c, m, fd);
}

int message_send(struct channel *c, const struct message *m, int fd)
{
	return message_length(m) <= SMALL ? send_small(c, m, fd) : send_large(c, m, fd);
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
