/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/stream_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define WRITE_MAX 16384 /* one record: more would only wait in `out` */
#define OUT_MAX 262144  /* a flight of the handshake with long chains */
#define ERROR_MAX 128

enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_ENDED, TLS_BROKEN };

struct stream_tls {
	struct stream stream; /* first: it is one */
	struct tls_waiter waiter;
	SSL *ssl;
	BIO_METHOD *method;
	enum tls_state state;
	bool at_end;     /* of the stream below */
	bool has_shut;   /* close_notify is said; the end follows when `out` is empty */
	bool read_rests; /* what has come is less than a record */
	int code;        /* why it is broken, or -errno of the stream below */
	struct buf early, out;
	char error[ERROR_MAX];
};

static struct stream_tls *tls_of(struct stream *s)
{
	return (struct stream_tls *)s;
}

static const struct stream_tls *tls_seen(const struct stream *s)
{
	return (const struct stream_tls *)s;
}

/* ---- the BIO: OpenSSL's way to the stream below ---- */

static int bio_early(struct stream_tls *t, char *space, int size)
{
	struct str bytes = str_take(buf_view(&t->early), (size_t)size);

	memcpy(space, bytes.ptr, bytes.len);
	buf_consume(&t->early, bytes.len);
	if (!buf_len(&t->early))
		buf_fini(&t->early);
	return (int)bytes.len;
}

static int bio_read(BIO *bio, char *space, int size)
{
	struct stream_tls *t = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	if (buf_len(&t->early))
		return bio_early(t, space, size);
	n = stream_read(t->stream.below, space, (size_t)size);
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (n < 0)
		t->code = (int)n;
	t->at_end = n == 0;
	return n < 0 ? -1 : (int)n;
}

/* As much of `out` as goes. */
static void flush(struct stream_tls *t)
{
	ssize_t n = 1;

	while (buf_len(&t->out) && n > 0)
		n = stream_write_buf(t->stream.below, &t->out);
	if (n < 0 && n != -EAGAIN) {
		t->code = (int)n;
		buf_clear(&t->out);
	}
	if (buf_len(&t->out))
		return;
	buf_fini(&t->out);
	if (t->has_shut) {
		t->has_shut = false;
		stream_shutdown(t->stream.below, SHUT_WR);
	}
}

/* Takes all: see the header. */
static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct stream_tls *t = BIO_get_data(bio);
	struct str rest = str_of(bytes, len > 0 ? (size_t)len : 0);
	ssize_t n = 0;

	BIO_clear_retry_flags(bio);
	if (!buf_len(&t->out))
		n = stream_write(t->stream.below, rest, false);
	if (n < 0 && n != -EAGAIN) {
		t->code = (int)n;
		return -1;
	}
	rest = str_skip(rest, n > 0 ? (size_t)n : 0);
	if (buf_append(&t->out, rest) < 0) {
		t->code = -ENOBUFS;
		return -1;
	}
	return len;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	const struct stream_tls *t = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return t->at_end;
	return command == BIO_CTRL_FLUSH;
}

static int add_bio(struct stream_tls *t)
{
	BIO *bio;

	t->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (!t->method || !BIO_meth_set_read(t->method, bio_read) ||
		!BIO_meth_set_write(t->method, bio_write) ||
		!BIO_meth_set_ctrl(t->method, bio_control))
		return -ENOMEM;
	bio = BIO_new(t->method);
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	return 0;
}

/* ---- what OpenSSL answers ---- */

static int break_down(struct stream_tls *t)
{
	unsigned long first = ERR_get_error();

	t->state = TLS_BROKEN;
	if (first)
		ERR_error_string_n(first, t->error, sizeof(t->error));
	/* OpenSSL's name for an end without close_notify; its alert may have failed, too
	 */
	if (ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		t->code = -ECONNRESET;
	if (!t->code)
		t->code = -EPROTO;
	ERR_clear_error();
	return t->code;
}

/* n: the answer of an SSL function, no success. 0: the peer has said its end. */
static int result_of(struct stream_tls *t, int n)
{
	switch (SSL_get_error(t->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		t->read_rests = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_ASYNC:
		tls_waiter_ask(&t->waiter);
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		t->state = TLS_ENDED;
		return 0;
	default:
		return break_down(t);
	}
}

/* 0: it is over; -EAGAIN, or why it failed. */
static int shake(struct stream_tls *t)
{
	int n, r;

	flush(t);
	if (t->state != TLS_SHAKING)
		return t->state == TLS_BROKEN ? t->code : 0;
	ERR_clear_error();
	n = SSL_do_handshake(t->ssl);
	if (n != 1) {
		r = result_of(t, n);
		return r == 0 ? -EPROTO : r;
	}
	t->state = TLS_OPEN;
	t->read_rests = false; /* more than the handshake may have come */
	SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
	return 0;
}

/* ---- the row ---- */

static ssize_t tls_read(struct stream *s, void *space, size_t size)
{
	struct stream_tls *t = tls_of(s);
	int n, r = shake(t);

	if (r < 0 || t->state == TLS_ENDED)
		return r;
	ERR_clear_error();
	n = SSL_read(t->ssl, space, (int)(size < INT32_MAX ? size : INT32_MAX));
	return n > 0 ? n : result_of(t, n);
}

static ssize_t tls_write(struct stream *s, struct str bytes, bool more)
{
	struct stream_tls *t = tls_of(s);
	int n, r = shake(t);

	(void)more;
	if (r < 0)
		return r;
	if (t->code)
		return t->code;
	if (buf_len(&t->out))
		return -EAGAIN;
	bytes = str_take(bytes, WRITE_MAX);
	if (!bytes.len)
		return 0;
	ERR_clear_error();
	n = SSL_write(t->ssl, bytes.ptr, (int)bytes.len);
	if (n > 0)
		return n;
	r = result_of(t, n);
	return r ? r : -EPIPE;
}

static bool tls_pending(const struct stream *s)
{
	const struct stream_tls *t = tls_seen(s);

	return t->state == TLS_ENDED || t->state == TLS_BROKEN ||
	       (t->state == TLS_OPEN && !t->read_rests && SSL_has_pending(t->ssl));
}

static int tls_wants(const struct stream *s, int wanted)
{
	const struct stream_tls *t = tls_seen(s);
	int wants = wanted & UV_DISCONNECT;

	if (t->waiter.pending && !t->waiter.pending->is_done)
		return 0; /* stream_wake() follows */
	if (buf_len(&t->out))
		wants |= UV_WRITABLE;
	if (t->state == TLS_SHAKING)
		return wants & UV_WRITABLE ? wants : wants | UV_READABLE;
	return wants | (wanted & (UV_READABLE | UV_WRITABLE));
}

static void tls_advance(struct stream *s)
{
	struct stream_tls *t = tls_of(s);

	t->read_rests = false;
	(void)shake(t);
}

static int tls_connected(struct stream *s)
{
	struct stream_tls *t = tls_of(s);
	int r = stream_connected(s->below);

	if (r == 0)
		r = shake(t);
	return r == -EAGAIN ? -EINPROGRESS : r;
}

static void tls_shutdown(struct stream *s, int how)
{
	struct stream_tls *t = tls_of(s);

	if (t->state == TLS_OPEN || t->state == TLS_ENDED) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl);
		ERR_clear_error();
	}
	if (how == SHUT_WR) {
		t->has_shut = true;
		flush(t);
	} else {
		flush(t);
		stream_shutdown(s->below, how);
	}
}

/* A paused handshake holds a stack of its own: it has to come to its end. */
static void cancel(struct stream_tls *t)
{
	struct tls_signature *signature = t->waiter.pending;

	if (!signature)
		return;
	t->waiter.pending = NULL;
	tls_signature_cancel(signature);
	(void)SSL_do_handshake(t->ssl);
	ERR_clear_error();
}

static void tls_free(struct stream *s)
{
	struct stream_tls *t = tls_of(s);

	cancel(t);
	SSL_free(t->ssl);
	BIO_meth_free(t->method);
	buf_fini(&t->early);
	buf_fini(&t->out);
	free(t);
}

static const struct stream_ops tls_ops = {
	.kind = "tls",
	.read = tls_read,
	.write = tls_write,
	.pending = tls_pending,
	.wants = tls_wants,
	.advance = tls_advance,
	.connected = tls_connected,
	.shutdown = tls_shutdown,
	.free = tls_free,
};

/* ---- new ones ---- */

static void wake(struct tls_waiter *waiter)
{
	struct stream_tls *t = (struct stream_tls *)((char *)waiter -
						     offsetof(struct stream_tls, waiter));

	stream_wake(&t->stream);
}

/* OpenSSL keeps the SSL for tls/remote_key.c only when there is such a function. */
static int on_async(SSL *ssl, void *context)
{
	(void)ssl;
	(void)context;
	return 1;
}

static int prepare(struct stream_tls *t, SSL_CTX *context)
{
	t->ssl = SSL_new(context);
	if (!t->ssl || add_bio(t) < 0)
		return -ENOMEM;
	SSL_set_app_data(t->ssl, &t->waiter);
	SSL_set_mode(
		t->ssl, SSL_MODE_ASYNC | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_set_options(t->ssl, SSL_OP_NO_RENEGOTIATION);
	return SSL_set_async_callback(t->ssl, on_async) ? 0 : -EINVAL;
}

static int tls_new(struct stream *below, SSL_CTX *context, struct stream_tls **ret)
{
	struct stream_tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->waiter.wake = wake;
	buf_init(&t->early, 0);
	buf_init(&t->out, OUT_MAX);
	t->stream.below = below; /* for the BIO */
	r = prepare(t, context);
	if (r < 0) {
		ERR_clear_error();
		tls_free(&t->stream);
		return r;
	}
	*ret = t;
	return 0;
}

int stream_tls_accept(
	struct stream *below, SSL_CTX *context, struct str early, struct stream **ret)
{
	struct stream_tls *t;
	int r = tls_new(below, context, &t);

	if (r < 0)
		return r;
	r = buf_append(&t->early, early);
	if (r < 0) {
		tls_free(&t->stream);
		return r;
	}
	SSL_set_accept_state(t->ssl);
	stream_init_over(&t->stream, &tls_ops, below);
	*ret = &t->stream;
	if (early.len) /* nothing else may come: it is all in there */
		stream_wake(&t->stream);
	return 0;
}

int stream_tls_connect(
	struct stream *below, SSL_CTX *context, const char *name, struct stream **ret)
{
	struct stream_tls *t;
	int r = tls_new(below, context, &t);

	if (r < 0)
		return r;
	if (name && !SSL_set_tlsext_host_name(t->ssl, name)) {
		ERR_clear_error();
		tls_free(&t->stream);
		return -ENOMEM;
	}
	SSL_set_connect_state(t->ssl);
	stream_init_over(&t->stream, &tls_ops, below);
	*ret = &t->stream;
	stream_wake(&t->stream);
	return 0;
}

SSL *stream_tls_ssl(struct stream *s)
{
	while (s && s->ops != &tls_ops)
		s = s->below;
	return s ? tls_of(s)->ssl : NULL;
}

const char *stream_tls_error(const struct stream *s)
{
	return s->ops == &tls_ops ? tls_seen(s)->error : "";
}
