/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A peer that says much that means nothing, or the half of it: it costs no more than it
   brings, and nobody turns round for it. */
#include "lib/tls/ktls_fixture.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <uv.h>

#define DATA 23
#define HANDSHAKE 22
#define FLOOD 1000
#define BYTES 3000 /* each in a record of its own */
#define MOST 33290 /* bytes that a read of one record may take from below */
#define RECORD 23  /* with one byte in it, of TLS 1.3 */

static void renew_keys(struct pair *p, int times, int kind)
{
	SSL *ssl = stream_tls_ssl(p->client);

	for (int i = 0; i < times; i++) {
		assert_int_equal(SSL_key_update(ssl, kind), 1);
		assert_int_equal(SSL_do_handshake(ssl), 1);
	}
}

/* What the server's reads come to when nothing is left. */
static ssize_t read_all(struct pair *p)
{
	char space[64];
	ssize_t n = -EAGAIN;
	int left = 1;

	while (n == -EAGAIN && left) {
		n = stream_read(p->server, space, sizeof(space));
		assert_int_equal(ioctl(p->server->below->fd, FIONREAD, &left), 0);
	}
	return n;
}

static void test_new_keys(void **state)
{
	static const int kinds_of[] = { SSL_KEY_UPDATE_NOT_REQUESTED,
		SSL_KEY_UPDATE_REQUESTED };
	struct pair p;

	(void)state;
	for (size_t i = 0; i < N_ROWS(kinds_of); i++) {
		ssize_t n = -EAGAIN;

		pair_begin(&p, &kinds[0]);
		/* as often as one likes, but not for nothing */
		for (int k = 0; k < FLOOD / 20; k++) {
			renew_keys(&p, 20, kinds_of[i]);
			assert_int_equal(read_all(&p), -EAGAIN);
			pair_say(p.client, p.server, "1 noop\r\n");
			pair_say(p.server, p.client, "1 OK\r\n");
		}
		for (int k = 0; k < FLOOD / 20 && n == -EAGAIN; k++) {
			renew_keys(&p, 20, kinds_of[i]);
			n = read_all(&p);
		}
		assert_int_equal(n, -EPROTO);
		assert_int_equal(stream_write(p.server, STR_LIT("x"), false), -EPROTO);
		pair_end(&p);
	}
}

/* Each is refused with a warning. */
static void test_renegotiations(void **state)
{
	struct pair p;
	ssize_t n = -EAGAIN;

	(void)state;
	pair_begin(&p, &kinds[KIND_12]);
	pair_offload(&p.client, kinds[KIND_12].name);
	for (int i = 0; i < FLOOD && n == -EAGAIN; i++) {
		pair_send_record(p.client, HANDSHAKE, "\1\0\0\0", 4);
		n = read_all(&p);
	}
	assert_int_equal(n, -EPROTO);
	pair_end(&p);
}

/* One call of the owner's takes its share, and the next goes on. */
static void test_small_records(void **state)
{
	struct pair p;
	char space[16384];
	static char all[BYTES * RECORD];
	ssize_t n, got = 0;

	(void)state;
	pair_begin(&p, &kinds[0]);
	for (size_t i = 0; i < BYTES; i++) {
		assert_int_equal(stream_write(p.client, STR_LIT("x"), false), 1);
		n = recv(p.server->below->fd, all + i * RECORD, RECORD, 0);
		assert_int_equal(n, RECORD);
	}
	n = stream_write(p.client->below, str_of(all, sizeof(all)), false);
	assert_int_equal(n, sizeof(all));
	while (got < BYTES) {
		n = pair_read(p.server, space, sizeof(space));
		assert_in_range(n, 1, MOST / RECORD + 1);
		got += n;
	}
	pair_end(&p);
}

/* Nothing can be said before the rest is there: the socket, which could take it, is not
   asked for that. */
static void test_half_a_message(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.client, kinds[0].name);
	pair_send_record(p.client, HANDSHAKE, "\x18\0\0\1", 4);
	assert_int_equal(pair_read(p.server, space, sizeof(space)), -EAGAIN);
	assert_int_equal(stream_write(p.server, STR_LIT("* OK"), false), -EAGAIN);
	assert_int_equal(p.server->ops->wants(p.server, UV_WRITABLE), UV_READABLE);
	assert_false(stream_has_pending(p.server));
	pair_send_record(p.client, HANDSHAKE, "\0", 1);
	pair_say(p.server, p.client, "* OK");
	assert_int_equal(p.server->ops->wants(p.server, UV_WRITABLE), UV_WRITABLE);
	pair_end(&p);
}

/* That is no reason to be called, however it has come. */
static void test_half_a_record(void **state)
{
	static const char head[] = "\x17\3\3\0";
	struct pair p;
	char space[64];

	(void)state;
	pair_begin(&p, &kinds[0]);
	for (size_t i = 0; i + 1 < sizeof(head); i++) {
		assert_int_equal(
			stream_write(p.client->below, str_of(head + i, 1), false), 1);
		p.server->ops->advance(p.server); /* as the loop does */
		assert_false(stream_has_pending(p.server));
		assert_int_equal(stream_read(p.server, space, sizeof(space)), -EAGAIN);
	}
	pair_end(&p);
}

static ssize_t refused(struct stream *s, struct str bytes, bool more)
{
	(void)s;
	(void)bytes;
	(void)more;
	return -ECONNREFUSED;
}

static int told_before(struct stream *s)
{
	(void)s;
	return -EINPROGRESS;
}

static void on_the_stack(struct stream *s)
{
	(void)s;
}

/* A socket says once why it was not connected, to whom asks first: the handshake. Who was
   told "not yet" by it turned round until its patience was over. */
static void test_refused(void **state)
{
	static const struct stream_ops ops = {
		.write = refused, .connected = told_before, .free = on_the_stack
	};
	struct stream below = { .ops = &ops, .fd = -1 }, *client;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	(void)state;
	assert_int_equal(stream_tls_connect(&below, ctx, "mail.example.com", &client), 0);
	client->ops->advance(client);
	assert_int_equal(stream_connected(client), -ECONNREFUSED);
	stream_free(client);
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_keys),
		cmocka_unit_test(test_renegotiations),
		cmocka_unit_test(test_small_records),
		cmocka_unit_test(test_half_a_message),
		cmocka_unit_test(test_half_a_record),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
