/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tickets of a server of TLS 1.3 go with what it says next, whatever that is. */
#include "tls/stream_tls.h"

#include "lib/tls/tls_fixture.h"
#include "lib/wire/wire_test.h"

#include <errno.h>
#include <sys/socket.h>

#define BULK 200000

struct pair {
	SSL_CTX *server_ctx, *client_ctx;
	struct stream *server, *client;
};

static unsigned tickets;

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	tickets++;
	return 0;
}

static struct stream *over(int fd)
{
	struct stream *s;

	assert_int_equal(stream_plain_new(NULL, fd, &s), 0);
	return s;
}

static void begin(struct pair *p)
{
	EVP_PKEY *key = fake_ec_key();
	X509 *x = fake_certificate(key);
	int fds[2];

	p->server_ctx = SSL_CTX_new(TLS_server_method());
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(p->server_ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->server_ctx, key), 1);
	EVP_PKEY_free(key);
	X509_free(x);
	SSL_CTX_set_session_cache_mode(p->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(p->client_ctx, count_ticket);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	assert_int_equal(
		stream_tls_connect(over(fds[1]), p->client_ctx, NULL, &p->client), 0);
	assert_int_equal(
		stream_tls_accept(over(fds[0]), p->server_ctx, STR_LIT(""), &p->server),
		0);
	for (int i = 0; i < 10; i++) {
		(void)stream_connected(p->client);
		(void)stream_connected(p->server);
	}
	assert_int_equal(stream_connected(p->client), 0);
	assert_int_equal(stream_connected(p->server), 0);
	tickets = 0;
}

static void end(struct pair *p)
{
	stream_free(p->server);
	stream_free(p->client);
	SSL_CTX_free(p->server_ctx);
	SSL_CTX_free(p->client_ctx);
}

static bool has_come(const struct stream *s)
{
	char byte;

	return recv(s->below->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static ssize_t read_of(struct stream *s)
{
	char space[64];

	return stream_read(s, space, sizeof(space));
}

enum next_word { NEXT_BYTES, NEXT_KEY, NEXT_ALERT, NEXT_END, NEXT_COUNT };

static void renew_keys(struct pair *p)
{
	assert_int_equal(
		SSL_key_update(stream_tls_ssl(p->client), SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(stream_write(p->client, STR_LIT("a"), false), 1);
	assert_int_equal(read_of(p->server), 1);
	assert_false(has_come(p->client)); /* its new key goes with them, too */
}

static void say_next(struct pair *p, enum next_word next)
{
	if (next == NEXT_KEY) /* at once after the handshake */
		renew_keys(p);
	if (next == NEXT_KEY || next == NEXT_BYTES)
		assert_int_equal(stream_write(p->server, STR_LIT("* OK"), false), 4);
	if (next == NEXT_END)
		stream_shutdown(p->server, SHUT_WR);
	if (next == NEXT_ALERT) {
		assert_int_equal(
			stream_write(p->client->below, STR_LIT("\x17\3\3\0\1x"), false),
			6);
		assert_int_equal(read_of(p->server), -EPROTO);
	}
}

static void test_tickets_with_first_words(void **state)
{
	static const ssize_t heard[NEXT_COUNT] = { 4, 4, -EPROTO, 0 };

	(void)state;
	for (enum next_word next = 0; next < NEXT_COUNT; next++) {
		struct pair p;

		begin(&p);
		assert_false(has_come(p.client));
		assert_false(stream_holds_back(p.server));
		say_next(&p, next);
		assert_true(has_come(p.client));
		assert_int_equal(read_of(p.client), heard[next]);
		assert_int_equal(tickets, 2);
		end(&p);
	}
}

/* They go before several records, of which the socket takes a part at a time. */
static void test_tickets_before_bulk(void **state)
{
	static char said[BULK], heard[BULK];
	size_t sent = 0, got = 0;
	const int small = 1;
	struct pair p;

	(void)state;
	for (size_t i = 0; i < BULK; i++)
		said[i] = (char)(i % 251);
	begin(&p);
	assert_int_equal(setsockopt(p.server->below->fd, SOL_SOCKET, SO_SNDBUF, &small,
				 sizeof(small)),
		0);
	for (int i = 0; i < BULK && got < BULK; i++) {
		ssize_t n = sent == BULK
		                    ? -EAGAIN
		                    : stream_write(p.server,
					      str_of(said + sent, BULK - sent), false);

		assert_true(n > 0 || n == -EAGAIN);
		if (i == 0)
			assert_true(stream_holds_back(p.server));
		sent += n > 0 ? (size_t)n : 0;
		n = stream_read(p.client, heard + got, BULK - got);
		assert_true(n > 0 || n == -EAGAIN);
		got += n > 0 ? (size_t)n : 0;
		assert_int_equal(
			stream_connected(p.server), 0); /* what is held back goes */
	}
	assert_int_equal(got, BULK);
	assert_memory_equal(heard, said, BULK);
	assert_int_equal(tickets, 2);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tickets_with_first_words),
		cmocka_unit_test(test_tickets_before_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
