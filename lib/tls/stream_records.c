/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/stream_records.h"

#include "tls/record.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define BATCH 4          /* records with one call of the stream below */
#define FRUITLESS_MAX 32 /* records in a row that bring no data; OpenSSL's number */
#define TICKET_MAX 65536 /* and what goes with it; real ones have 200 bytes */

/* RFC 8446, 4 */
enum message_type { MESSAGE_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };
#define MESSAGE_HEAD 4
enum alert_level { ALERT_WARNING = 1, ALERT_FATAL = 2 };

struct stream_records {
	struct stream stream; /* first: it is one */
	struct record_keys keys;
	bool has_ended;    /* the peer has said close_notify */
	bool has_said_end; /* we have */
	bool owes_update;  /* the peer wants new keys of ours */
	bool has_shut;     /* the end of the stream below follows when `out` is empty */
	int read_code, write_code; /* why it is broken */
	unsigned fruitless;        /* records in a row without data */
	size_t dropped;            /* of a ticket that goes on in the next record */
	struct buf in;             /* records that came and are not opened yet */
	struct buf opened; /* of one that was more than its reader had space for */
	struct buf out;    /* not taken by below yet */
};

/* Ciphertext, and used inside one call of ours only: one for all. */
static char came[BATCH * RECORD_MAX];
static char goes[BATCH * RECORD_SEALED_MAX];

static struct stream_records *records_of(struct stream *s)
{
	return (struct stream_records *)s;
}

static const struct stream_records *records_seen(const struct stream *s)
{
	return (const struct stream_records *)s;
}

/* ---- records of ours ---- */

/* As much of `out` as goes. */
static void flush(struct stream_records *t)
{
	ssize_t n = 1;

	while (buf_len(&t->out) && n > 0)
		n = stream_write_buf(t->stream.below, &t->out);
	if (n < 0 && n != -EAGAIN) {
		t->write_code = (int)n;
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

/* What is not taken now waits in `out`. */
static int write_below(struct stream_records *t, struct str bytes)
{
	ssize_t n = 0;

	if (!buf_len(&t->out))
		n = stream_write(t->stream.below, bytes, false);
	if (n == -EAGAIN)
		n = 0;
	if (n >= 0 && buf_append(&t->out, str_skip(bytes, (size_t)n)) < 0)
		n = -ENOBUFS;
	if (n < 0)
		t->write_code = (int)n;
	return t->write_code;
}

static int send_record(
	struct stream_records *t, enum record_type type, struct str content)
{
	char space[RECORD_HEAD + RECORD_NUMBER + 16 + RECORD_TAG];
	size_t n = content.len < 16 ? record_seal(&t->keys, type, content, space) : 0;

	if (t->write_code)
		return t->write_code;
	return n ? write_below(t, str_of(space, n)) : -EIO;
}

static int send_alert(struct stream_records *t, enum alert_level level, enum alert alert)
{
	const unsigned char bytes[] = { (unsigned char)level, (unsigned char)alert };

	return send_record(t, RECORD_ALERT, str_of(bytes, sizeof(bytes)));
}

/* ---- records of the peer ---- */

/* Nothing goes either way any more. */
static int break_down(struct stream_records *t, enum alert alert)
{
	if (!t->has_said_end)
		(void)send_alert(t, ALERT_FATAL, alert);
	t->has_said_end = true;
	t->read_code = -EPROTO;
	if (!t->write_code)
		t->write_code = -EPROTO;
	return -EPROTO;
}

/* A whole one at the front of bytes. 0: more is to come. */
static size_t record_len(struct str bytes)
{
	const unsigned char *head = (const unsigned char *)bytes.ptr;
	size_t len = bytes.len < RECORD_HEAD
	                     ? 0
	                     : RECORD_HEAD + ((size_t)head[3] << 8 | head[4]);

	return len <= bytes.len ? len : 0;
}

/* Judged by its head alone, before all of it has come. 0 or -EPROTO. */
static int judge_head(struct stream_records *t, struct str bytes)
{
	const unsigned char *head = (const unsigned char *)bytes.ptr;
	size_t most = t->keys.traffic.is_12 ? RECORD_BODY_MAX_12 : RECORD_BODY_MAX;
	bool known = bytes.len < RECORD_HEAD || head[0] == RECORD_DATA ||
	             (t->keys.traffic.is_12 &&
			     (head[0] == RECORD_ALERT || head[0] == RECORD_HANDSHAKE));

	/* of TLS 1.3 the version here means nothing (RFC 8446, 5.1) */
	if (t->keys.traffic.is_12 && bytes.len >= RECORD_HEAD &&
		(head[1] != 3 || head[2] != 3))
		known = false;
	if (!known)
		return break_down(t, ALERT_UNEXPECTED_MESSAGE);
	if (bytes.len >= RECORD_HEAD && ((size_t)head[3] << 8 | head[4]) > most)
		return break_down(t, ALERT_RECORD_OVERFLOW);
	return 0;
}

/* ---- what is no data ---- */

static int on_alert(struct stream_records *t, const unsigned char *bytes, size_t len)
{
	if (len != 2)
		return break_down(t, ALERT_DECODE_ERROR);
	if (bytes[1] == ALERT_CLOSE_NOTIFY) {
		t->has_ended = true;
		return 0;
	}
	/* the two that are no error (RFC 8446, 6.1; RFC 5246, 7.2.2) */
	if (bytes[1] == ALERT_USER_CANCELED || bytes[1] == ALERT_NO_RENEGOTIATION)
		return 0;
	t->has_said_end = true; /* it hears nothing any more */
	return break_down(t, ALERT_CLOSE_NOTIFY);
}

/* RFC 8446, 4.6.3: with our old keys, before the next data. One for all that were asked
   for until then: a peer that asks and does not read makes us hold nothing. */
static int send_key_update(struct stream_records *t)
{
	static const unsigned char update[] = { MESSAGE_KEY_UPDATE, 0, 0, 1, 0 };
	int r = send_record(t, RECORD_HANDSHAKE, str_of(update, sizeof(update)));

	t->owes_update = false;
	if (r == 0 && !record_next_keys(&t->keys, true))
		r = break_down(t, ALERT_INTERNAL_ERROR);
	return r;
}

/* bytes: behind the message's head, all that is in the record. */
static int on_key_update(struct stream_records *t, size_t len, struct str bytes)
{
	int asks = bytes.len ? (unsigned char)bytes.ptr[0] : -1;

	/* it ends its record: what follows has other keys (RFC 8446, 5.1) */
	if (len != 1 || bytes.len != 1)
		return break_down(t, ALERT_UNEXPECTED_MESSAGE);
	if (asks > 1)
		return break_down(t, ALERT_DECODE_ERROR);
	if (!record_next_keys(&t->keys, false))
		return break_down(t, ALERT_INTERNAL_ERROR);
	t->owes_update |= asks == 1;
	return 0;
}

/* TLS 1.3. A ticket may go on in the next record. */
static int on_messages(struct stream_records *t, struct str bytes)
{
	const unsigned char *head;
	size_t len;

	for (;;) {
		len = bytes.len < t->dropped ? bytes.len : t->dropped;
		bytes = str_skip(bytes, len);
		t->dropped -= len;
		if (!bytes.len)
			return 0;
		head = (const unsigned char *)bytes.ptr;
		if (bytes.len < MESSAGE_HEAD)
			return break_down(t, ALERT_UNEXPECTED_MESSAGE);
		len = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
		bytes = str_skip(bytes, MESSAGE_HEAD);
		if (head[0] == MESSAGE_KEY_UPDATE)
			return on_key_update(t, len, bytes);
		if (head[0] != MESSAGE_TICKET || t->keys.traffic.is_server ||
			len > TICKET_MAX)
			return break_down(t, ALERT_UNEXPECTED_MESSAGE);
		t->dropped = len;
	}
}

static int on_other(
	struct stream_records *t, int type, const unsigned char *bytes, size_t len)
{
	if (type == RECORD_ALERT && !t->dropped)
		return on_alert(t, bytes, len);
	if (type != RECORD_HANDSHAKE || !len)
		return break_down(t, ALERT_UNEXPECTED_MESSAGE);
	if (!t->keys.traffic.is_12)
		return on_messages(t, str_of(bytes, len));
	if (!t->has_said_end && !buf_len(&t->out))
		(void)send_alert(t, ALERT_WARNING, ALERT_NO_RENEGOTIATION);
	return 0;
}

/* 0 or -EPROTO. Without data it could go on for ever. */
static int on_record(
	struct stream_records *t, int type, const unsigned char *bytes, size_t len)
{
	bool is_data = type == RECORD_DATA && !t->dropped;
	int r = is_data ? 0 : on_other(t, type, bytes, len);

	if (r < 0)
		return r;
	t->fruitless = is_data && len ? 0 : t->fruitless + 1;
	return t->fruitless > FRUITLESS_MAX ? break_down(t, ALERT_UNEXPECTED_MESSAGE) : 0;
}

/* ---- reading ---- */

/* It holds no memory when it is empty. */
static void drop_opened(struct stream_records *t)
{
	if (buf_len(&t->opened))
		return;
	buf_wipe(&t->opened);
	buf_fini(&t->opened);
}

/* Of a record that was more than its reader had space for. */
static ssize_t give_opened(struct stream_records *t, void *space, size_t size)
{
	struct str bytes = str_take(buf_view(&t->opened), size);

	memcpy(space, bytes.ptr, bytes.len);
	buf_consume(&t->opened, bytes.len);
	drop_opened(t);
	return (ssize_t)bytes.len;
}

/* A record's data to space, or to `opened` when there is more. Bytes in space. */
static ssize_t open_next(
	struct stream_records *t, struct str record, char *space, size_t size)
{
	struct record_sealed sealed;
	char *to = space;
	size_t len = 0;
	int type, r;

	if (!record_take_apart(&t->keys, record, &sealed))
		return break_down(t, ALERT_DECODE_ERROR);
	if (sealed.len - !t->keys.traffic.is_12 > size &&
		buf_reserve(&t->opened, sealed.len, &to) < 0)
		return break_down(t, ALERT_INTERNAL_ERROR);
	type = record_open(&t->keys, &sealed, (unsigned char *)to, &len);
	r = type < 0 ? break_down(t, (enum alert) - type)
	             : on_record(t, type, (unsigned char *)to, len);
	if (r == 0 && type == RECORD_DATA && to != space)
		buf_commit(&t->opened, len);
	if (buf_len(&t->opened))
		return give_opened(t, space, size);
	drop_opened(t);
	return r < 0 || type != RECORD_DATA || to != space ? r : (ssize_t)len;
}

/* Whether a record would be opened for a reader that has `got` bytes and `size` space. */
static bool fits(const struct stream_records *t, size_t record, size_t got, size_t size)
{
	size_t content = record - RECORD_HEAD - record_shown(&t->keys) - RECORD_TAG;

	return !got || content - !t->keys.traffic.is_12 <= size;
}

/* Records as they are in bytes, as many as fit. What is left of them in *bytes. */
static size_t open_all(
	struct stream_records *t, struct str *bytes, char *space, size_t size)
{
	size_t got = 0, len;

	while (got < size && !t->has_ended && !t->read_code && !buf_len(&t->opened)) {
		ssize_t n;

		if (judge_head(t, *bytes) < 0 || !(len = record_len(*bytes)) ||
			!fits(t, len, got, size - got))
			break;
		n = open_next(t, str_take(*bytes, len), space + got, size - got);
		*bytes = str_skip(*bytes, len);
		got += n > 0 ? (size_t)n : 0;
	}
	return got;
}

/* Behind what was kept, which has no whole record: n bytes of `came` then. */
static size_t fetch(struct stream_records *t, size_t kept, size_t size)
{
	size_t most = size > RECORD_CONTENT_MAX ? sizeof(came) : RECORD_MAX;
	ssize_t n = stream_read(t->stream.below, came + kept, most - kept);

	if (n > 0)
		return kept + (size_t)n;
	if (n != -EAGAIN)
		t->read_code = n ? (int)n : -ECONNRESET;
	return kept;
}

/* All of `in` to `came`, without which it holds nothing. */
static size_t take_kept(struct stream_records *t)
{
	struct str kept = buf_view(&t->in);

	memcpy(came, kept.ptr, kept.len);
	buf_fini(&t->in);
	return kept.len;
}

static ssize_t read_records(struct stream_records *t, char *space, size_t size)
{
	size_t n = buf_len(&t->in) ? take_kept(t) : 0, got;
	struct str bytes = str_of(came, n);

	if (!record_len(bytes))
		bytes.len = fetch(t, n, size);
	got = t->read_code ? 0 : open_all(t, &bytes, space, size);
	if (!t->has_ended && !t->read_code && bytes.len && buf_append(&t->in, bytes) < 0)
		(void)break_down(t, ALERT_INTERNAL_ERROR);
	if (got)
		return (ssize_t)got;
	return t->has_ended ? 0 : t->read_code ? t->read_code : -EAGAIN;
}

static ssize_t records_read(struct stream *s, void *space, size_t size)
{
	struct stream_records *t = records_of(s);

	flush(t);
	if (buf_len(&t->opened))
		return give_opened(t, space, size);
	if (t->has_ended || t->read_code)
		return t->has_ended ? 0 : t->read_code;
	return read_records(t, space, size);
}

/* ---- the rest of the row ---- */

/* As many records as below takes at once. */
static ssize_t records_write(struct stream *s, struct str bytes, bool more)
{
	struct stream_records *t = records_of(s);
	struct str rest;
	size_t n = 0, len;

	(void)more;
	flush(t);
	if (t->write_code || t->has_said_end)
		return t->write_code ? t->write_code : -EPIPE;
	if (buf_len(&t->out))
		return -EAGAIN;
	if (t->owes_update && send_key_update(t) < 0)
		return t->write_code ? t->write_code : (t->write_code = -EIO);
	bytes = rest = str_take(bytes, BATCH * RECORD_CONTENT_MAX);
	while (rest.len) {
		struct str piece = str_take(rest, RECORD_CONTENT_MAX);

		len = record_seal(&t->keys, RECORD_DATA, piece, goes + n);
		if (!len)
			return t->write_code = -EIO;
		n += len;
		rest = str_skip(rest, piece.len);
	}
	if (n && write_below(t, str_of(goes, n)) < 0)
		return t->write_code;
	return (ssize_t)bytes.len;
}

static bool records_pending(const struct stream *s)
{
	const struct stream_records *t = records_seen(s);

	return t->has_ended || t->read_code || buf_len(&t->opened) ||
	       record_len(buf_view(&t->in));
}

static bool records_holds_back(const struct stream *s)
{
	return buf_len(&records_seen(s)->out) > 0;
}

static int records_wants(const struct stream *s, int wanted)
{
	return wanted | (buf_len(&records_seen(s)->out) ? UV_WRITABLE : 0);
}

static void records_advance(struct stream *s)
{
	flush(records_of(s));
}

static void records_shutdown(struct stream *s, int how)
{
	struct stream_records *t = records_of(s);

	if (!t->has_said_end)
		(void)send_alert(t, ALERT_WARNING, ALERT_CLOSE_NOTIFY);
	t->has_said_end = true;
	t->has_shut = how == SHUT_WR;
	flush(t);
	if (how != SHUT_WR)
		stream_shutdown(s->below, how);
}

static void records_free(struct stream *s)
{
	struct stream_records *t = records_of(s);

	record_keys_fini(&t->keys);
	buf_wipe(&t->opened);
	buf_fini(&t->opened);
	buf_fini(&t->in);
	buf_fini(&t->out);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

static const struct stream_ops records_ops = {
	.kind = "records",
	.read = records_read,
	.write = records_write,
	.pending = records_pending,
	.holds_back = records_holds_back,
	.wants = records_wants,
	.advance = records_advance,
	.shutdown = records_shutdown,
	.free = records_free,
};

int stream_records_new(
	struct stream *below, const struct tls_traffic_keys *keys, struct stream **ret)
{
	struct stream_records *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	if (!record_keys_init(&t->keys, keys)) {
		records_free(&t->stream);
		return -ENOMEM;
	}
	buf_init(&t->in, 0); /* bounded by `came` */
	buf_init(&t->opened, 0);
	buf_init(&t->out, 0);
	stream_init_over(&t->stream, &records_ops, below);
	*ret = &t->stream;
	return 0;
}
