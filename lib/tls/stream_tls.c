/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/stream_tls.h"

#include "tls/remote_key.h"
#include "tls/stream_tls_parts.h"
#include "tls/traffic.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

static struct stream_tls *tls_of(struct stream *s)
{
	return (struct stream_tls *)s;
}

static const struct stream_tls *tls_seen(const struct stream *s)
{
	return (const struct stream_tls *)s;
}

/* ---- what OpenSSL answers ---- */

static int break_down(struct stream_tls *t)
{
	unsigned long first = ERR_get_error();

	t->state = TLS_BROKEN;
	if (first) {
		free(t->error);
		t->error = malloc(ERROR_MAX);
	}
	if (first && t->error)
		ERR_error_string_n(first, t->error, ERROR_MAX);
	/* OpenSSL's name for an end without close_notify; its alert may have failed */
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

/* After the handshake: new keys, tickets, alerts. OpenSSL takes any number of them, at
   the price of ours (a client before its login), and the owner hears of none. */
static void on_own_word(const SSL *ssl, int where, int code)
{
	struct stream_tls *t = stream_tls_of_waiter(SSL_get_app_data(ssl));

	/* one for each message, and none for a part of it */
	if (where & SSL_CB_ALERT || (where & SSL_CB_EXIT && code > 0))
		t->own_words++;
}

/* A server of TLS 1.3 says nothing else after the client's last word, and nobody waits
   for them: a packet less for each connection. */
static bool keep_tickets(struct stream_tls *t)
{
	return SSL_is_server(t->ssl) && SSL_version(t->ssl) == TLS1_3_VERSION &&
	       tls_below_keep_tickets(t);
}

/* stream_wake() follows. */
static bool is_paused(const struct stream_tls *t)
{
	return t->waiter.pending && !t->waiter.pending->is_done;
}

/* 0: it is over; -EAGAIN, or why it failed. */
static int shake(struct stream_tls *t)
{
	int n, r;

	if (!t->has_tickets)
		tls_below_flush(t);
	if (t->state != TLS_SHAKING)
		return t->state == TLS_BROKEN ? t->code : 0;
	if (is_paused(t))
		return -EAGAIN;
	ERR_clear_error();
	tls_below_begin(t, 0);
	t->more = true;
	n = SSL_do_handshake(t->ssl);
	t->more = false;
	/* a client that has said all and left takes no tickets, which is no matter */
	if (!(n == 1 && keep_tickets(t)) && tls_below_write_batch(t) < 0 && n != 1)
		return break_down(t);
	if (n != 1) {
		r = result_of(t, n);
		/* before there are keys anybody can say an end: it is none */
		return r == 0 ? break_down(t) : r;
	}
	t->state = TLS_OPEN;
	t->read_rests = false; /* more than the handshake may have come */
	SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
	SSL_set_info_callback(t->ssl, on_own_word);
	SSL_set_default_read_buffer_len(t->ssl, BATCH); /* OpenSSL frees it when empty */
	tls_traffic_forget_exchange(t->ssl);
	return 0;
}

/* ---- the row ---- */

/* As many records as fit. */
static ssize_t tls_read(struct stream *s, void *space, size_t size)
{
	struct stream_tls *t = tls_of(s);
	size_t got = 0, n;
	int ok, r = shake(t);

	if (r < 0 || t->state == TLS_ENDED)
		return r;
	tls_below_begin(t, size);
	t->read_rests = false;
	ERR_clear_error();
	do {
		ok = SSL_read_ex(t->ssl, (char *)space + got, size - got, &n);
		got += ok ? n : 0;
	} while (ok && got < size && (SSL_has_pending(t->ssl) || !t->is_dry));
	if (!ok)
		r = result_of(t, ok);
	if (got)
		t->own_words = 0;
	return got ? (ssize_t)got : r;
}

/* For the next record; else OpenSSL frees its buffer after each. */
static void keep_buffers(struct stream_tls *t, bool keep)
{
	if (keep)
		SSL_clear_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS);
	else
		SSL_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS);
}

/* As many records as below takes at once. */
static ssize_t tls_write(struct stream *s, struct str bytes, bool more)
{
	struct stream_tls *t = tls_of(s);
	struct str rest = str_take(bytes, STREAM_BULK), piece;
	int ok = 1, r = shake(t);

	(void)more;
	if (r < 0 || t->code)
		return r < 0 ? r : t->code;
	if (tls_below_holds_back(t))
		return -EAGAIN;
	bytes = rest;
	tls_below_begin(t, 0);
	t->write_rests = false;
	ERR_clear_error();
	while (ok > 0 && rest.len) {
		piece = str_take(rest, RECORD);
		t->more = bytes.len > RECORD;
		keep_buffers(t, rest.len > RECORD);
		ok = SSL_write(t->ssl, piece.ptr, (int)piece.len);
		rest = str_skip(rest, ok > 0 ? (size_t)ok : 0);
	}
	keep_buffers(t, false);
	t->more = false;
	if (ok > 0 && tls_below_write_batch(t) == 0)
		return (ssize_t)bytes.len;
	tls_below_drop_batch();
	r = ok > 0 ? t->code : result_of(t, ok);
	t->write_rests = r == -EAGAIN;
	return r ? r : -EPIPE;
}

static bool tls_pending(const struct stream *s)
{
	const struct stream_tls *t = tls_seen(s);

	return t->state == TLS_ENDED || t->state == TLS_BROKEN ||
	       (t->state == TLS_OPEN && !t->read_rests &&
		       (buf_len(&t->early) || SSL_has_pending(t->ssl)));
}

static bool tls_is_opening(const struct stream *s)
{
	return tls_seen(s)->state == TLS_SHAKING;
}

static bool tls_holds_back(const struct stream *s)
{
	return tls_below_holds_back(tls_seen(s));
}

static int tls_wants(const struct stream *s, int wanted)
{
	const struct stream_tls *t = tls_seen(s);
	int wants = wanted & UV_DISCONNECT;

	if (is_paused(t))
		return 0;
	if (tls_below_holds_back(t))
		wants |= UV_WRITABLE;
	if (t->state == TLS_SHAKING)
		return wants & UV_WRITABLE ? wants : wants | UV_READABLE;
	if (t->write_rests && wanted & UV_WRITABLE)
		wanted = (wanted & ~UV_WRITABLE) | UV_READABLE;
	return wants | (wanted & (UV_READABLE | UV_WRITABLE));
}

static void tls_advance(struct stream *s)
{
	(void)shake(tls_of(s));
}

static int tls_connected(struct stream *s)
{
	struct stream_tls *t = tls_of(s);
	/* a socket says once why it failed, and the handshake may have heard it */
	int r = t->state == TLS_BROKEN ? t->code : stream_connected(s->below);

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
		tls_below_flush(t);
	} else {
		tls_below_flush(t);
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
	buf_fini(&t->early);
	buf_fini(&t->out);
	free(t->error);
	free(t);
}

static const struct stream_ops tls_ops = {
	.kind = "tls",
	.read = tls_read,
	.write = tls_write,
	.pending = tls_pending,
	.is_opening = tls_is_opening,
	.holds_back = tls_holds_back,
	.wants = tls_wants,
	.advance = tls_advance,
	.connected = tls_connected,
	.shutdown = tls_shutdown,
	.free = tls_free,
};

/* ---- to the kernel ---- */

static bool can_leave(const struct stream_tls *t)
{
	return t->state == TLS_OPEN && !t->code && !t->has_shut && !t->at_end &&
	       !buf_len(&t->early) && !buf_len(&t->out) && t->stream.below->fd >= 0;
}

int stream_tls_offload(struct stream **s)
{
	struct stream_tls *t = tls_of(*s);
	struct stream_ktls_keys keys;
	struct stream *over;
	int r;

	if ((*s)->ops != &tls_ops)
		return -EOPNOTSUPP;
	SSL_clear_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	tls_below_flush(t);
	if (!can_leave(t))
		return -EOPNOTSUPP;
	r = tls_traffic_keys(t->ssl, &keys);
	if (r == 0)
		r = stream_ktls_new(t->stream.below, &keys, &over);
	OPENSSL_cleanse(&keys, sizeof(keys));
	if (r < 0)
		return r;
	stream_set_owner(over, t->stream.ready, t->stream.context);
	t->stream.below = NULL; /* it has another one over it */
	stream_free(&t->stream);
	*s = over;
	return 0;
}

/* ---- new ones ---- */

static void wake(struct tls_waiter *waiter)
{
	stream_wake(&stream_tls_of_waiter(waiter)->stream);
}

static int prepare(struct stream_tls *t, SSL_CTX *context)
{
	t->ssl = SSL_new(context);
	if (!t->ssl || tls_below_attach(t) < 0)
		return -ENOMEM;
	SSL_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_set_options(t->ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_set_read_ahead(t->ssl, 1);
	return tls_remote_key_attach(t->ssl, &t->waiter) ? tls_traffic_attach(t->ssl)
	                                                 : -EINVAL;
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
	SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
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
	const char *error = s->ops == &tls_ops ? tls_seen(s)->error : NULL;

	return error ? error : "";
}
