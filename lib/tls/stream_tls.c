/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/stream_tls.h"

#include "tls/remote_key.h"
#include "tls/stream_tls_state.h"
#include "tls/traffic.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

/* Several records in one call of the stream below: each call costs as much as enciphering
   a record. Ciphertext, and used inside one call of ours only: one for all. */
static char to_below[BATCH];
static size_t n_to_below;

static struct stream_tls *tls_of(struct stream *s)
{
	return (struct stream_tls *)s;
}

static const struct stream_tls *tls_seen(const struct stream *s)
{
	return (const struct stream_tls *)s;
}

/* ---- the BIO: OpenSSL's way to the stream below ---- */

static int bio_give_early(struct stream_tls *t, char *space, size_t size)
{
	struct str bytes = str_take(buf_view(&t->early), size);

	memcpy(space, bytes.ptr, bytes.len);
	buf_consume(&t->early, bytes.len);
	if (!buf_len(&t->early))
		buf_fini(&t->early);
	return (int)bytes.len;
}

static int bio_read(BIO *bio, char *space, int size)
{
	struct stream_tls *t = BIO_get_data(bio);
	size_t most = size > 0 ? (size_t)size : 0;
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (!most)
		return 0;
	if (buf_len(&t->early))
		return bio_give_early(t, space, most);
	if (t->own_words > OWN_WORDS_MAX) {
		t->code = -EPROTO;
		return -1;
	}
	most = most < t->take ? most : t->take;
	/* who has not heard what we have just said has not answered it */
	n = t->is_dry || n_to_below || !t->left
	            ? -EAGAIN
	            : stream_read(t->stream.below, space, most);
	t->at_end = n == 0;
	t->is_dry = n == -EAGAIN || (n > 0 && (size_t)n < most);
	if (n > 0) {
		t->left -= (size_t)n < t->left ? (size_t)n : t->left;
		t->read_rests = false;
	}
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (n < 0)
		t->code = (int)n;
	return n < 0 ? -1 : (int)n;
}

/* Before OpenSSL is called. A record can hold nothing for the owner, and the next ones,
   too: OpenSSL would go on with them as long as they come. */
static void begin_taking(struct stream_tls *t, size_t size)
{
	t->is_dry = false;
	t->take = size > RECORD ? BATCH : RECORD + RECORD_EXTRA;
	t->left = 2 * t->take;
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

/* As much of `out` as goes. */
static void flush(struct stream_tls *t)
{
	ssize_t n = 1;

	t->has_tickets = false;
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

/* Below has not taken all. */
static bool holds_back(const struct stream_tls *t)
{
	return buf_len(&t->out) && !t->has_tickets;
}

/* What is not taken now waits in `out`. */
static int write_below(struct stream_tls *t, struct str bytes)
{
	ssize_t n = 0;

	if (!buf_len(&t->out))
		n = stream_write(t->stream.below, bytes, false);
	if (n == -EAGAIN)
		n = 0;
	if (n >= 0 && buf_append(&t->out, str_skip(bytes, (size_t)n)) < 0)
		n = -ENOBUFS;
	if (n >= 0 && t->has_tickets)
		flush(t);
	if (n >= 0)
		return 0;
	t->code = (int)n;
	return -1;
}

static int write_batch(struct stream_tls *t)
{
	struct str bytes = str_of(to_below, n_to_below);

	n_to_below = 0;
	return bytes.len ? write_below(t, bytes) : 0;
}

/* Takes all: see the header. */
static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct stream_tls *t = BIO_get_data(bio);
	size_t n = len > 0 ? (size_t)len : 0;

	BIO_clear_retry_flags(bio);
	if (t->more && n <= sizeof(to_below) - n_to_below) {
		memcpy(to_below + n_to_below, bytes, n);
		n_to_below += n;
		return len;
	}
	return write_batch(t) < 0 || write_below(t, str_of(bytes, n)) < 0 ? -1 : len;
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

/* OpenSSL has numbers for 127 kinds of BIO in a process: one for all streams. */
static BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method;

	if (method)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (method && (!BIO_meth_set_read(method, bio_read) ||
			      !BIO_meth_set_write(method, bio_write) ||
			      !BIO_meth_set_ctrl(method, bio_control))) {
		BIO_meth_free(method);
		method = NULL;
	}
	return method;
}

static int add_bio(struct stream_tls *t)
{
	BIO_METHOD *method = bio_method();
	BIO *bio = method ? BIO_new(method) : NULL;

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

/* A server of TLS 1.3 says nothing else after the client's last word, and nobody waits
   for them: a packet less for each connection. */
static bool keep_tickets(struct stream_tls *t)
{
	if (!SSL_is_server(t->ssl) || SSL_version(t->ssl) != TLS1_3_VERSION ||
		!n_to_below || buf_len(&t->out) ||
		buf_append(&t->out, str_of(to_below, n_to_below)) < 0)
		return false;
	n_to_below = 0;
	t->has_tickets = true;
	return true;
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
		flush(t);
	if (t->state != TLS_SHAKING)
		return t->state == TLS_BROKEN ? t->code : 0;
	if (is_paused(t))
		return -EAGAIN;
	ERR_clear_error();
	begin_taking(t, 0);
	t->more = true;
	n = SSL_do_handshake(t->ssl);
	t->more = false;
	/* a client that has said all and left takes no tickets, which is no matter */
	if (!(n == 1 && keep_tickets(t)) && write_batch(t) < 0 && n != 1)
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
	begin_taking(t, size);
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
	if (holds_back(t))
		return -EAGAIN;
	bytes = rest;
	begin_taking(t, 0);
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
	if (ok > 0 && write_batch(t) == 0)
		return (ssize_t)bytes.len;
	n_to_below = 0;
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
	return holds_back(tls_seen(s));
}

static int tls_wants(const struct stream *s, int wanted)
{
	const struct stream_tls *t = tls_seen(s);
	int wants = wanted & UV_DISCONNECT;

	if (is_paused(t))
		return 0;
	if (holds_back(t))
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
	flush(t);
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
	if (!t->ssl || add_bio(t) < 0)
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
