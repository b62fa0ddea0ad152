/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "support/odd_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define PIECE 7       /* of what is pending */
#define HANDSHAKE 3   /* writes */
#define DECODED 65536 /* taken from the socket at once */

struct odd_stream {
	struct stream stream; /* first: it is one */
	enum oddity oddity;
	bool read_skips, write_skips; /* this time */
	bool read_end;
	unsigned shaken;
	struct buf decoded;
	/* in memory */
	struct buf in, *heard;
	bool in_ended, out_ended, is_connecting, is_blocked, is_woken;
	int broken; /* -errno */
	struct stream **place;
};

static struct odd_stream *odd_of(struct stream *s)
{
	return (struct odd_stream *)s;
}

static const struct odd_stream *odd_seen(const struct stream *s)
{
	return (const struct odd_stream *)s;
}

const char *odd_name(enum oddity oddity)
{
	static const char *const names[ODD_COUNT] = {
		[ODD_NONE] = "none",
		[ODD_TRICKLE] = "trickle",
		[ODD_STUTTER] = "stutter",
		[ODD_PENDING] = "pending",
		[ODD_HANDSHAKE] = "handshake",
	};

	return names[oddity];
}

/* ---- what is below ---- */

static ssize_t memory_read(struct odd_stream *o, void *space, size_t size)
{
	struct str bytes = str_take(buf_view(&o->in), size);

	if (o->is_connecting)
		return o->broken ? o->broken : -EAGAIN;
	if (bytes.len) {
		memcpy(space, bytes.ptr, bytes.len);
		buf_consume(&o->in, bytes.len);
		return (ssize_t)bytes.len;
	}
	return o->broken ? o->broken : o->in_ended ? 0 : -EAGAIN;
}

static ssize_t raw_read(struct odd_stream *o, void *space, size_t size)
{
	ssize_t n;

	if (o->stream.fd < 0)
		return memory_read(o, space, size);
	n = recv(o->stream.fd, space, size, 0);
	return n < 0 ? -errno : n;
}

static ssize_t raw_write(struct odd_stream *o, struct str bytes)
{
	ssize_t n;

	if (o->stream.fd < 0) {
		if (o->broken || o->out_ended)
			return -EPIPE;
		if (o->is_blocked || o->is_connecting)
			return -EAGAIN;
		n = o->heard ? buf_append(o->heard, bytes) : 0;
		return n < 0 ? n : (ssize_t)bytes.len;
	}
	n = send(o->stream.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* ---- the row ---- */

/* Whether it is over. */
static bool shake_hands(struct odd_stream *o)
{
	if (o->oddity != ODD_HANDSHAKE || o->shaken == HANDSHAKE)
		return true;
	if (o->stream.fd < 0 && (o->is_connecting || o->is_blocked) && !o->broken)
		return false;
	return ++o->shaken == HANDSHAKE;
}

static ssize_t odd_read(struct stream *s, void *space, size_t size)
{
	struct odd_stream *o = odd_of(s);
	struct str decoded;
	char *all;

	if (!shake_hands(o))
		return -EAGAIN;
	if (o->oddity == ODD_TRICKLE)
		return raw_read(o, space, size ? 1 : 0);
	if (o->oddity == ODD_STUTTER) {
		o->read_skips = !o->read_skips;
		return o->read_skips ? -EAGAIN : raw_read(o, space, size);
	}
	if (o->oddity != ODD_PENDING)
		return raw_read(o, space, size);
	if (!buf_len(&o->decoded)) {
		ssize_t n = buf_reserve(&o->decoded, DECODED, &all);

		n = n < 0 ? n : raw_read(o, all, DECODED);
		if (n <= 0)
			return n;
		buf_commit(&o->decoded, (size_t)n);
	}
	decoded = str_take(buf_view(&o->decoded), size < PIECE ? size : PIECE);
	memcpy(space, decoded.ptr, decoded.len);
	buf_consume(&o->decoded, decoded.len);
	return (ssize_t)decoded.len;
}

static ssize_t odd_write(struct stream *s, struct str bytes, bool more)
{
	struct odd_stream *o = odd_of(s);

	(void)more;
	if (!shake_hands(o))
		return -EAGAIN;
	if (o->oddity == ODD_TRICKLE)
		return raw_write(o, str_take(bytes, 1));
	if (o->oddity == ODD_STUTTER) {
		o->write_skips = !o->write_skips;
		return o->write_skips ? -EAGAIN : raw_write(o, bytes);
	}
	return raw_write(o, bytes);
}

static bool odd_pending(const struct stream *s)
{
	return buf_len(&odd_seen(s)->decoded) > 0;
}

static int odd_wants(const struct stream *s, int wanted)
{
	const struct odd_stream *o = odd_seen(s);

	if (o->oddity != ODD_HANDSHAKE || o->shaken == HANDSHAKE)
		return wanted;
	return wanted & (UV_READABLE | UV_WRITABLE) ? UV_WRITABLE : wanted;
}

static int odd_connected(struct stream *s)
{
	const struct odd_stream *o = odd_of(s);

	return o->is_connecting ? (o->broken ? o->broken : -EINPROGRESS) : 0;
}

static void odd_shutdown(struct stream *s, int how)
{
	struct odd_stream *o = odd_of(s);

	o->out_ended = true;
	if (how == SHUT_RDWR)
		o->read_end = true;
	if (s->fd >= 0)
		(void)shutdown(s->fd, how);
}

static int odd_share(struct stream *s)
{
	return s->fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC)
	                 : fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
}

static void odd_free(struct stream *s)
{
	struct odd_stream *o = odd_of(s);

	if (o->place)
		*o->place = NULL;
	buf_fini(&o->decoded);
	buf_fini(&o->in);
	free(o);
}

#define ROW                                                                              \
	.kind = "odd", .read = odd_read, .write = odd_write, .connected = odd_connected, \
	.shutdown = odd_shutdown, .share = odd_share, .free = odd_free

/* As few as the kind needs: a slot that is NULL is tested, too. */
static const struct stream_ops rows[ODD_COUNT] = {
	[ODD_NONE] = { ROW },
	[ODD_TRICKLE] = { ROW },
	[ODD_STUTTER] = { ROW },
	[ODD_PENDING] = { ROW, .pending = odd_pending },
	[ODD_HANDSHAKE] = { ROW, .wants = odd_wants },
};
#undef ROW

int odd_stream_new(struct loop *loop, int fd, enum oddity oddity, struct stream **ret)
{
	struct odd_stream *o = calloc(1, sizeof(*o));
	int r = o ? stream_init(&o->stream, &rows[oddity], loop, fd) : -ENOMEM;

	if (r < 0) {
		free(o);
		return r;
	}
	o->oddity = oddity;
	*ret = &o->stream;
	return 0;
}

/* ---- in memory ---- */

struct stream *odd_memory_new(enum oddity oddity)
{
	struct stream *s;

	return odd_stream_new(NULL, -1, oddity, &s) < 0 ? NULL : s;
}

void odd_say_bytes(struct stream *s, struct str bytes)
{
	if (buf_append(&odd_of(s)->in, bytes) < 0)
		abort();
}

void odd_say(struct stream *s, const char *words)
{
	odd_say_bytes(s, str_from(words));
}

void odd_end(struct stream *s)
{
	odd_of(s)->in_ended = true;
}

void odd_break(struct stream *s, int code)
{
	odd_of(s)->broken = code;
}

void odd_connecting(struct stream *s)
{
	odd_of(s)->is_connecting = true;
}

void odd_connect(struct stream *s)
{
	odd_of(s)->is_connecting = false;
}

void odd_block(struct stream *s, bool blocked)
{
	odd_of(s)->is_blocked = blocked;
}

void odd_wake(struct stream *s)
{
	odd_of(s)->is_woken = true;
}

bool odd_heard_end(const struct stream *s)
{
	return odd_seen(s)->out_ended;
}

void odd_attach(struct stream *s, struct stream **place, struct buf *heard)
{
	odd_of(s)->place = place;
	odd_of(s)->heard = heard;
	*place = s;
}

void odd_unread(const struct stream *s, struct buf *b)
{
	if (buf_append(b, buf_view(&odd_seen(s)->decoded)) < 0 ||
		buf_append(b, buf_view(&odd_seen(s)->in)) < 0)
		abort();
}

/* What a descriptor would report. */
static int possible(const struct odd_stream *o)
{
	int events = 0;

	if (o->is_connecting)
		return 0;
	if (buf_len(&o->in) || o->in_ended)
		events |= UV_READABLE;
	if (o->in_ended)
		events |= UV_DISCONNECT;
	if (!o->is_blocked)
		events |= UV_WRITABLE;
	return events;
}

bool odd_call(struct stream *s)
{
	struct odd_stream *o = odd_of(s);
	int events = possible(o) & odd_wants(s, s->wanted);

	if (o->broken && !buf_len(&o->in) && s->wanted) {
		s->wanted = 0;
		s->ready(s->context, 0, o->broken);
		return true;
	}
	if (events && o->oddity == ODD_HANDSHAKE)
		events = s->wanted & (UV_READABLE | UV_WRITABLE | events);
	if (odd_pending(s))
		events |= s->wanted & UV_READABLE;
	if (o->is_woken)
		events |= s->wanted & (UV_READABLE | UV_WRITABLE);
	o->is_woken = false;
	if (!events)
		return false;
	s->ready(s->context, events, 0);
	return true;
}
