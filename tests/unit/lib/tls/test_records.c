/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OpenSSL does the handshake, stream_records what follows: the peer, OpenSSL to its end,
   must not notice. */
#include "lib/tls/ktls_fixture.h"
#include "tls/stream_records.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <uv.h>

#define TURNS 4000
#define BULK 70000 /* more than a batch */
#define RECORD_SPACE 20000

static void leave(struct stream **s, const char *name)
{
	int r = stream_tls_offload(s);

	if (r < 0)
		fail_msg("%s: %s", name, strerror(-r));
	assert_string_equal((*s)->ops->kind, "records");
}

static void begin(struct pair *p, const struct kind *k)
{
	tls_traffic_enable(TLS_TRAFFIC_HERE);
	pair_contexts(p, k);
	pair_connect(p);
}

static void begin_left(struct pair *p, const struct kind *k)
{
	begin(p, k);
	leave(&p->server, k->name);
}

/* Bulk, read in pieces of `size`. */
static void carry(struct stream *from, struct stream *to, size_t size)
{
	static char bytes[BULK], got[BULK];
	size_t sent = 0, n = 0;

	for (size_t i = 0; i < BULK; i++)
		bytes[i] = (char)(i * 7 + (i >> 8));
	for (int i = 0; i < TURNS && n < BULK; i++) {
		size_t space = BULK - n < size ? BULK - n : size;
		ssize_t w = sent < BULK
		                    ? stream_write(from,
					      str_of(bytes + sent, BULK - sent), false)
		                    : 0;
		ssize_t r = stream_read(to, got + n, space);

		assert_true(w >= 0 || w == -EAGAIN);
		assert_true(r > 0 || r == -EAGAIN);
		if (from->ops->advance)
			from->ops->advance(from);
		sent += w > 0 ? (size_t)w : 0;
		n += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(n, BULK);
	assert_memory_equal(bytes, got, BULK);
}

static void test_goes_on(void **state)
{
	static const size_t sizes[] = { 100, 16383, 16384, 65536, BULK };

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;
		char space[64];

		begin_left(&p, &kinds[i]);
		assert_int_equal(stream_share(p.server), -EOPNOTSUPP);
		assert_null(stream_tls_ssl(p.server));
		pair_say(p.server, p.client, "1 OK\r\n");
		pair_say(p.client, p.server, "2 noop\r\n");
		for (size_t k = 0; k < N_ROWS(sizes); k++) {
			carry(p.server, p.client, sizes[k]);
			carry(p.client, p.server, sizes[k]);
		}
		leave(&p.client, kinds[i].name); /* the leg to a source */
		for (size_t k = 0; k < N_ROWS(sizes); k++) {
			carry(p.client, p.server, sizes[k]);
			carry(p.server, p.client, sizes[k]);
		}
		stream_shutdown(p.client, SHUT_WR);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), 0);
		assert_true(stream_has_pending(p.server));
		pair_say(p.server, p.client, "* BYE\r\n");
		assert_int_equal(stream_write(p.client, STR_LIT("x"), false), -EPIPE);
		pair_end(&p);
	}
}

/* Fewer records have gone before, of other kinds. */
static void test_resumed(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;

		begin(&p, &kinds[i]);
		pair_disconnect(&p);
		assert_non_null(p.ticket);
		pair_connect(&p);
		assert_int_equal(SSL_session_reused(stream_tls_ssl(p.client)), 1);
		leave(&p.server, kinds[i].name);
		pair_say(p.server, p.client, "1 OK\r\n");
		pair_say(p.client, p.server, "2 noop\r\n");
		pair_end(&p);
	}
}

/* Sessions take turns; each has its own keys, whatever one that has ended had. */
static void test_many(void **state)
{
	struct pair pairs[4];

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < N_ROWS(pairs); i++)
			begin_left(&pairs[i], &kinds[i / 2]);
		for (int round = 0; round < 3; round++)
			for (size_t i = 0; i < N_ROWS(pairs); i++) {
				pair_say(pairs[i].server, pairs[i].client, "1 OK\r\n");
				pair_say(pairs[i].client, pairs[i].server, "2 noop\r\n");
			}
		for (size_t i = 0; i < N_ROWS(pairs); i++)
			pair_end(&pairs[i]);
	}
}

/* ---- ends ---- */

static void test_ends(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		begin_left(&p, &kinds[i]);
		stream_shutdown(p.server, SHUT_WR);
		assert_int_equal(stream_read(p.client, space, sizeof(space)), 0);
		pair_say(p.client, p.server, "still heard");
		pair_end(&p);
		/* TCP's alone is a truncation, between records and in one */
		for (int part = 0; part < 2; part++) {
			begin_left(&p, &kinds[i]);
			if (part)
				assert_int_equal(
					send(p.client->below->fd, "\x17\x03", 2, 0), 2);
			if (part)
				assert_int_equal(
					stream_read(p.server, space, sizeof(space)),
					-EAGAIN);
			assert_int_equal(shutdown(p.client->below->fd, SHUT_WR), 0);
			assert_int_equal(
				stream_read(p.server, space, sizeof(space)), -ECONNRESET);
			assert_int_equal(
				stream_read(p.server, space, sizeof(space)), -ECONNRESET);
			pair_end(&p);
		}
	}
}

/* The peer reads nothing: what was taken waits, bounded, and the end behind it. */
static void test_slow_reader(void **state)
{
	static char bytes[BULK], got[BULK];
	struct pair p;
	size_t sent = 0, n = 0;
	ssize_t r = 1;

	(void)state;
	begin_left(&p, &kinds[0]);
	while ((r = stream_write(p.server, str_of(bytes, BULK), false)) > 0)
		sent += (size_t)r;
	assert_int_equal(r, -EAGAIN);
	assert_true(stream_holds_back(p.server));
	assert_int_equal(p.server->ops->wants(p.server, 0), UV_WRITABLE);
	stream_shutdown(p.server, SHUT_WR);
	for (int i = 0; i < TURNS && r != 0; i++) {
		r = stream_read(p.client, got, sizeof(got));
		n += r > 0 ? (size_t)r : 0;
		p.server->ops->advance(p.server);
	}
	assert_int_equal(r, 0);
	assert_int_equal(n, sent);
	assert_int_equal(p.server->ops->wants(p.server, 0), 0);
	pair_end(&p);
}

/* ---- records that are no data ---- */

static void update(struct stream *from, int kind)
{
	SSL *ssl = stream_tls_ssl(from);

	assert_int_equal(SSL_key_update(ssl, kind), 1);
	assert_int_equal(SSL_do_handshake(ssl), 1);
}

static void test_key_updates(void **state)
{
	char space[64];

	(void)state;
	for (size_t i = 0; i < KIND_12; i++) {
		struct pair p;

		begin_left(&p, &kinds[i]);
		update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED);
		pair_say(p.client, p.server, "new keys there");
		pair_say(p.server, p.client, "old keys back");
		for (int k = 0; k < 3; k++)
			update(p.client, SSL_KEY_UPDATE_REQUESTED);
		pair_say(p.client, p.server, "and there again");
		pair_say(p.server, p.client, "new keys back");
		pair_say(p.server, p.client, "which stay");
		carry(p.server, p.client, BULK);
		carry(p.client, p.server, BULK);
		pair_end(&p);
		/* a source asks */
		begin(&p, &kinds[i]);
		leave(&p.client, kinds[i].name);
		update(p.server, SSL_KEY_UPDATE_REQUESTED);
		pair_say(p.server, p.client, "new keys there");
		pair_say(p.client, p.server, "new keys back");
		pair_end(&p);
	}
	for (int k = 0; k < 40; k += 39) { /* OpenSSL's limit is ours */
		struct pair p;

		begin_left(&p, &kinds[0]);
		for (int n = 0; n <= k; n++)
			update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(stream_read(p.server, space, sizeof(space)),
			k ? -EPROTO : -EAGAIN);
		pair_end(&p);
	}
}

/* The connection goes on as it was; the client gives up by itself. */
static void test_no_renegotiation(void **state)
{
	struct pair p;
	char space[64];
	SSL *ssl;

	(void)state;
	begin_left(&p, &kinds[KIND_12]);
	ssl = stream_tls_ssl(p.client);
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(ssl), 1);
	assert_int_equal(SSL_do_handshake(ssl), -1);
	assert_int_equal(stream_read(p.server, space, sizeof(space)), -EAGAIN);
	assert_int_equal(stream_write(p.server, STR_LIT("x"), false), 1);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), -EPROTO);
	assert_non_null(strstr(stream_tls_error(p.client), "no renegotiation"));
	ERR_clear_error();
	pair_end(&p);
}

/* What a record of the peer's OpenSSL looks like on the wire. */
static size_t take_record(struct pair *p, char space[static RECORD_SPACE])
{
	ssize_t n;

	assert_int_equal(stream_write(p->client, STR_LIT("0123456789"), false), 10);
	n = recv(p->server->below->fd, space, RECORD_SPACE, 0);
	assert_true(n > 0);
	return (size_t)n;
}

static void put_back(struct pair *p, const char *bytes, size_t len)
{
	assert_int_equal(send(p->client->below->fd, bytes, len, 0), (ssize_t)len);
}

/* A byte at a time, two at once. */
static void test_pieces(void **state)
{
	char record[2 * RECORD_SPACE], space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;
		size_t n;

		begin_left(&p, &kinds[i]);
		n = take_record(&p, record);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(
				stream_read(p.server, space, sizeof(space)), -EAGAIN);
			assert_false(stream_has_pending(p.server));
			put_back(&p, record + k, 1);
		}
		assert_int_equal(stream_read(p.server, space, 4), 4);
		assert_true(stream_has_pending(p.server));
		assert_int_equal(stream_read(p.server, space, sizeof(space)), 6);
		assert_memory_equal(space, "456789", 6);
		assert_false(stream_has_pending(p.server));
		n = take_record(&p, record);
		n += take_record(&p, record + n);
		put_back(&p, record, n);
		/* only whole ones go behind others */
		assert_int_equal(stream_read(p.server, space, 15), 10);
		assert_true(stream_has_pending(p.server));
		assert_int_equal(stream_read(p.server, space, sizeof(space)), 10);
		assert_false(stream_has_pending(p.server));
		pair_end(&p);
	}
}

/* Each byte counts, of the head, too (but for the version, of TLS 1.3). */
static void test_spoilt(void **state)
{
	char record[RECORD_SPACE], space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		size_t n = 1;

		for (size_t k = 0; k < n; k++) {
			struct pair p;
			ssize_t r;

			begin_left(&p, &kinds[i]);
			n = take_record(&p, record);
			record[k] ^= 1;
			put_back(&p, record, n);
			r = stream_read(p.server, space, sizeof(space));
			if ((k == 3 || k == 4) && r == -EAGAIN) /* it is longer now */
				pair_end(&p);
			else {
				assert_int_equal(r, -EPROTO);
				assert_int_equal(
					stream_write(p.server, STR_LIT("x"), false),
					-EPROTO);
				/* it is told */
				assert_int_equal(
					stream_read(p.client, space, sizeof(space)),
					-EPROTO);
				pair_end(&p);
			}
		}
	}
}

/* Said twice, or in another order: no record is taken for another one. */
static void test_repeated(void **state)
{
	char record[2 * RECORD_SPACE], space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;
		size_t n, m;

		begin_left(&p, &kinds[i]);
		n = take_record(&p, record);
		put_back(&p, record, n);
		put_back(&p, record, n);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), 10);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), -EPROTO);
		pair_end(&p);
		begin_left(&p, &kinds[i]);
		n = take_record(&p, record);
		m = take_record(&p, record + n);
		put_back(&p, record + n, m);
		put_back(&p, record, n);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), -EPROTO);
		pair_end(&p);
	}
}

/* By the head alone, before the rest has come. */
static void test_heads(void **state)
{
	static const struct {
		const char *head;
		int want, want_12;
		const char *told;
	} rows[] = {
		{ "\x17\x03\x03\x41\x01", -EPROTO, -EPROTO, "overflow" },
		{ "\x17\x03\x03\xff\xff", -EPROTO, -EPROTO, "overflow" },
		{ "\x16\x03\x03\x01\x00", -EPROTO, -EAGAIN, "unexpected" },
		{ "\x14\x03\x03\x00\x01", -EPROTO, -EPROTO, "unexpected" },
		{ "\x80\x2e\x01\x03\x01", -EPROTO, -EPROTO, "unexpected" },
		{ "\x17\x03\x01\x00\x20", -EAGAIN, -EPROTO, "unexpected" },
		{ "\x17\x03\x03\x00\x00", -EPROTO, -EPROTO, "decode" },
	};
	char space[64];

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		for (size_t k = 0; k <= KIND_12; k += KIND_12) {
			int want = k ? rows[i].want_12 : rows[i].want;
			struct pair p;

			begin_left(&p, &kinds[k]);
			put_back(&p, rows[i].head, 5);
			assert_int_equal(
				stream_read(p.server, space, sizeof(space)), want);
			if (want == -EPROTO) {
				assert_int_equal(
					stream_read(p.client, space, sizeof(space)),
					-EPROTO);
				assert_non_null(
					strstr(stream_tls_error(p.client), rows[i].told));
			}
			pair_end(&p);
		}
}

/* OpenSSL's own alerts, for a spoilt record of ours. */
static void test_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;
		char space[64];

		begin_left(&p, &kinds[i]);
		assert_int_equal(send(p.server->below->fd,
					 "\x17\x03\x03\x00\x20"
					 "01234567890123456789012345678901",
					 37, 0),
			37);
		assert_int_equal(stream_read(p.client, space, sizeof(space)), -EPROTO);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), -EPROTO);
		pair_end(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_no_renegotiation),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_spoilt),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
