/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/stream_ktls.h"

#include "base/fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <uv.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#define ULP "tls" /* the kernel's name of it */
#define ULP_MAX 16

/* RFC 8446, 5.1 and 6 */
enum record_type { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum alert {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_USER_CANCELED = 90,
	ALERT_NO_RENEGOTIATION = 100,
};
enum alert_level { ALERT_WARNING = 1, ALERT_FATAL = 2 };
#define ALERT_SIZE 2
#define RECORD_MAX (5 + (1 << 14) + 256) /* with its head (RFC 8446, 5.2) */
#define RECORDS 16 /* that are no data, in a call: others have their turn, too */

/* RFC 8446, 4 and 4.6.1 */
#define MESSAGE_HEAD 4
#define MESSAGE_TICKET 4
#define TICKET_MIN (4 + 4 + 1 + 2 + 1 + 2)
#define TICKET_MAX (4 + 4 + 1 + 255 + 2 + 65535 + 2 + 65534)

struct stream_ktls {
	struct stream stream; /* first: it is one */
	bool has_ended;       /* the peer has said close_notify */
	bool owes_end;        /* ours has not gone yet */
	bool waits_for_more;  /* than the part of a record that is there */
	int code;             /* why it is broken */
	bool takes_tickets;
	unsigned char head[MESSAGE_HEAD]; /* of a ticket that has begun */
	size_t n_head;                    /* of it; 0: none has */
	size_t ticket_left;
};

static struct stream_ktls *ktls_of(struct stream *s)
{
	return (struct stream_ktls *)s;
}

static const struct stream_ktls *ktls_seen(const struct stream *s)
{
	return (const struct stream_ktls *)s;
}

/* ---- records that are no data ---- */

static int send_alert(struct stream_ktls *t, enum alert_level level, enum alert alert)
{
	unsigned char bytes[ALERT_SIZE] = { (unsigned char)level, (unsigned char)alert };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(1)];
	} control = { 0 };
	struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t n;

	c->cmsg_level = SOL_TLS;
	c->cmsg_type = TLS_SET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = RECORD_ALERT;
	do
		n = sendmsg(t->stream.below->fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* One record, or data of several. type: RECORD_DATA at TCP's end, too. */
static ssize_t receive(struct stream_ktls *t, void *space, size_t size, int *ret_type)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(1)];
	} control;
	struct iovec part = { .iov_base = space, .iov_len = size };
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(t->stream.below->fd, &m, 0);
	while (n < 0 && errno == EINTR);
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	*ret_type = RECORD_DATA;
	if (c && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
		*ret_type = *CMSG_DATA(c);
	return n < 0 ? -errno : n;
}

static int break_down(struct stream_ktls *t, int code)
{
	t->code = code;
	return code;
}

/* 0: the end; -EAGAIN: it means nothing; else the connection is broken. */
static int judge_alert(struct stream_ktls *t, const unsigned char *bytes, size_t len)
{
	if (len < ALERT_SIZE)
		return break_down(t, -EPROTO);
	if (bytes[1] == ALERT_CLOSE_NOTIFY) {
		t->has_ended = true;
		return 0;
	}
	/* the two that are no error (RFC 8446, 6.1; RFC 5246, 7.2.2) */
	if (bytes[1] == ALERT_USER_CANCELED || bytes[1] == ALERT_NO_RENEGOTIATION)
		return -EAGAIN;
	return break_down(t, -EPROTO);
}

static bool begin_ticket(struct stream_ktls *t, unsigned char byte)
{
	size_t len;

	t->head[t->n_head++] = byte;
	if (t->head[0] != MESSAGE_TICKET || t->n_head < MESSAGE_HEAD)
		return t->head[0] == MESSAGE_TICKET;
	len = (size_t)t->head[1] << 16 | (size_t)t->head[2] << 8 | t->head[3];
	t->ticket_left = len;
	return len >= TICKET_MIN && len <= TICKET_MAX;
}

/* Whether there is nothing but tickets. A message ends anywhere in a record, but no
   record is empty (RFC 8446, 5.1). */
static bool skip_tickets(struct stream_ktls *t, const unsigned char *bytes, size_t len)
{
	bool ok = len > 0;

	while (ok && len) {
		size_t n = 1;

		if (t->n_head < MESSAGE_HEAD) {
			ok = begin_ticket(t, *bytes);
		} else {
			n = len < t->ticket_left ? len : t->ticket_left;
			t->ticket_left -= n;
			t->n_head = t->ticket_left ? MESSAGE_HEAD : 0;
		}
		bytes += n;
		len -= n;
	}
	return ok;
}

static int refuse(struct stream_ktls *t)
{
	(void)send_alert(t, ALERT_FATAL, ALERT_UNEXPECTED_MESSAGE);
	return break_down(t, -EPROTO);
}

static int judge(struct stream_ktls *t, int type, const unsigned char *bytes, size_t len)
{
	if (type == RECORD_HANDSHAKE && t->takes_tickets && skip_tickets(t, bytes, len))
		return -EAGAIN;
	/* no other record comes inside a message */
	return type == RECORD_ALERT && !t->n_head ? judge_alert(t, bytes, len)
	                                          : refuse(t);
}

/* ---- a part of a record ---- */

/* Records may be shorter than that part. */
static void wait_for_any(struct stream_ktls *t)
{
	int any = 1;

	if (!t->waits_for_more)
		return;
	t->waits_for_more = false;
	(void)setsockopt(t->stream.below->fd, SOL_SOCKET, SO_RCVLOWAT, &any, sizeof(any));
}

static bool is_readable(const struct stream_ktls *t)
{
	struct pollfd p = { .fd = t->stream.below->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Linux (seen with 6.1) calls a socket readable for any byte, though a part of a record
   cannot be read: the loop would be called without end, for as long as a peer holds back
   the rest. So it is asked for one byte more than is there. */
static void wait_for_more(struct stream_ktls *t)
{
	int fd = t->stream.below->fd, n = 0;

	if (ioctl(fd, FIONREAD, &n) < 0 || n <= 0 || n >= RECORD_MAX) {
		wait_for_any(t);
		return;
	}
	if (!t->waits_for_more && !is_readable(t))
		return; /* this kernel knows better */
	n++;
	t->waits_for_more = setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)) == 0;
}

static ssize_t judge_wait(struct stream_ktls *t, ssize_t n)
{
	if (n == -EAGAIN)
		wait_for_more(t);
	else
		wait_for_any(t);
	return n;
}

/* ---- the row ---- */

static ssize_t ktls_read(struct stream *s, void *space, size_t size)
{
	struct stream_ktls *t = ktls_of(s);
	int type, r = -EAGAIN;
	ssize_t n;

	if (t->has_ended || t->code)
		return t->code;
	for (int i = 0; i < RECORDS && r == -EAGAIN; i++) {
		n = judge_wait(t, receive(t, space, size, &type));
		if (n == 0 && type == RECORD_DATA)
			return break_down(t, -ECONNRESET);
		if (n < 0 && n != -EAGAIN)
			return break_down(t, (int)n);
		if (n < 0 || (type == RECORD_DATA && !t->n_head))
			return n;
		r = judge(t, type, space, (size_t)n);
	}
	return r;
}

static ssize_t ktls_write(struct stream *s, struct str bytes, bool more)
{
	struct stream_ktls *t = ktls_of(s);

	return t->code ? t->code : stream_write(s->below, bytes, more);
}

/* -EINVAL: a record comes that is no data, or none may come: for read(). */
static ssize_t ktls_splice_in(struct stream *s, int pipe, size_t max)
{
	struct stream_ktls *t = ktls_of(s);
	ssize_t n;

	if (t->has_ended || t->code)
		return t->code;
	if (t->n_head)
		return -EINVAL;
	n = judge_wait(t, stream_splice_in(s->below, pipe, max));
	return n ? n : break_down(t, -ECONNRESET);
}

static ssize_t ktls_splice_out(struct stream *s, int pipe, size_t len)
{
	return stream_splice_out(s->below, pipe, len);
}

static ssize_t ktls_sendfile(struct stream *s, int file, off_t offset, size_t len)
{
	return stream_sendfile(s->below, file, offset, len);
}

/* The kernel keeps a record that did not fit whole and takes it for sent. It goes when
   there is room, and is thrown away when the socket is closed without. */
static bool has_room(const struct stream_ktls *t)
{
	struct pollfd p = { .fd = t->stream.below->fd, .events = POLLOUT };

	return poll(&p, 1, 0) != 0;
}

static bool ktls_holds_back(const struct stream *s)
{
	return !ktls_seen(s)->code && !has_room(ktls_seen(s));
}

static bool ktls_pending(const struct stream *s)
{
	return ktls_seen(s)->has_ended || ktls_seen(s)->code;
}

static int ktls_wants(const struct stream *s, int wanted)
{
	return wanted | (ktls_seen(s)->owes_end ? UV_WRITABLE : 0);
}

/* The end that did not fit before. */
static void ktls_advance(struct stream *s)
{
	struct stream_ktls *t = ktls_of(s);

	if (t->owes_end)
		stream_shutdown(s, SHUT_WR);
}

/* What is broken has no end to be told. */
static void ktls_shutdown(struct stream *s, int how)
{
	struct stream_ktls *t = ktls_of(s);
	bool waits = how == SHUT_WR && ktls_holds_back(s);
	int r = t->code || waits ? 0 : send_alert(t, ALERT_WARNING, ALERT_CLOSE_NOTIFY);

	t->owes_end = waits || (r == -EAGAIN && how == SHUT_WR);
	if (!t->owes_end)
		stream_shutdown(s->below, how);
}

static int ktls_share(struct stream *s)
{
	struct stream_ktls *t = ktls_of(s);

	/* the other process would not know of it */
	if (t->has_ended || t->code || t->owes_end || t->takes_tickets)
		return -EOPNOTSUPP;
	wait_for_any(t);
	return stream_share(s->below);
}

static void ktls_free(struct stream *s)
{
	free(s);
}

static const struct stream_ops ktls_ops = {
	.kind = "ktls",
	.read = ktls_read,
	.write = ktls_write,
	.splice_in = ktls_splice_in,
	.splice_out = ktls_splice_out,
	.sendfile = ktls_sendfile,
	.pending = ktls_pending,
	.holds_back = ktls_holds_back,
	.wants = ktls_wants,
	.advance = ktls_advance,
	.shutdown = ktls_shutdown,
	.share = ktls_share,
	.free = ktls_free,
};

/* ---- new ones ---- */

static int set_ulp(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, ULP, sizeof(ULP)) < 0 ? -errno : 0;
}

/* A socket that is not connected is refused for that, by a kernel that could. */
int stream_ktls_probe(void)
{
	CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : set_ulp(fd);

	return r == -ENOTCONN ? 0 : r;
}

static int set_keys(int fd, const struct stream_ktls_keys *keys)
{
	socklen_t len = (socklen_t)keys->len;
	int r = set_ulp(fd);

	/* without keys such a socket is as it was */
	if (r == 0 && setsockopt(fd, SOL_TLS, TLS_RX, &keys->receive, len) < 0)
		r = -errno;
	if (r < 0)
		return r == -EIO ? -EINVAL : r;
	return setsockopt(fd, SOL_TLS, TLS_TX, &keys->send, len) < 0 ? -EIO : 0;
}

int stream_ktls_new(
	struct stream *below, const struct stream_ktls_keys *keys, struct stream **ret)
{
	struct stream_ktls *t = calloc(1, sizeof(*t));
	int r = t ? set_keys(below->fd, keys) : -ENOMEM;

	if (r < 0) {
		free(t);
		return r;
	}
	t->takes_tickets = keys->takes_tickets;
	stream_init_over(&t->stream, &ktls_ops, below);
	*ret = &t->stream;
	return 0;
}

static bool has_keys(int fd)
{
	char name[ULP_MAX] = "";
	socklen_t len = sizeof(name) - 1;

	return getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &len) == 0 &&
	       strcmp(name, ULP) == 0;
}

int stream_socket_new(struct loop *loop, int fd, struct stream **ret)
{
	bool over = has_keys(fd);
	struct stream_ktls *t = over ? calloc(1, sizeof(*t)) : NULL;
	struct stream *plain;
	int r = over && !t ? -ENOMEM : stream_plain_new(loop, fd, &plain);

	if (r < 0) {
		free(t);
		return r;
	}
	if (t)
		stream_init_over(&t->stream, &ktls_ops, plain);
	*ret = t ? &t->stream : plain;
	return 0;
}
