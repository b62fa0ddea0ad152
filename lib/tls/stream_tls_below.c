/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The BIO of a stream of TLS: what OpenSSL reads of the stream below and says to it. */
#include "tls/stream_tls_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Several records in one call of the stream below: each call costs as much as enciphering
   a record. Ciphertext, and used inside one call of ours only: one for all. */
static char to_below[BATCH];
static size_t n_to_below;

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

/* A record can hold nothing for the owner, and the next ones, too: OpenSSL would go on
   with them as long as they come. */
void tls_below_begin(struct stream_tls *t, size_t size)
{
	t->is_dry = false;
	t->take = size > RECORD ? BATCH : RECORD + RECORD_EXTRA;
	t->left = 2 * t->take;
}

void tls_below_flush(struct stream_tls *t)
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

bool tls_below_holds_back(const struct stream_tls *t)
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
		tls_below_flush(t);
	if (n >= 0)
		return 0;
	t->code = (int)n;
	return -1;
}

int tls_below_write_batch(struct stream_tls *t)
{
	struct str bytes = str_of(to_below, n_to_below);

	n_to_below = 0;
	return bytes.len ? write_below(t, bytes) : 0;
}

void tls_below_drop_batch(void)
{
	n_to_below = 0;
}

bool tls_below_keep_tickets(struct stream_tls *t)
{
	if (!n_to_below || buf_len(&t->out) ||
		buf_append(&t->out, str_of(to_below, n_to_below)) < 0)
		return false;
	n_to_below = 0;
	t->has_tickets = true;
	return true;
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
	return tls_below_write_batch(t) < 0 || write_below(t, str_of(bytes, n)) < 0 ? -1
	                                                                            : len;
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

int tls_below_attach(struct stream_tls *t)
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
