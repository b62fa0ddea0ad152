/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions whose TLS the kernel does after the login: the mailstore gets the client's own
   socket, and a relay splices. The test is client, source and mailstore; the kernel is a
   stand-in (support/kernel_tls.h). */
#include "interceptor/session/internal.h"
#include "interceptor/worker/handoff.h"

#include "interceptor/worker/worker_fixture.h"
#include "lib/tls/tls_fixture.h"
#include "net/stream_ktls.h"
#include "support/kernel_tls.h"
#include "tls/traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define BULK 300000

/* A client that has logged in inside TLS. */
struct client {
	SSL_CTX *theirs, *ours;
	SSL *ssl;
	int fd;
	struct session *s;
	char id[SESSION_ID_MAX];
};

static void make_contexts(struct client *c)
{
	EVP_PKEY *key = fake_ec_key();
	X509 *x = fake_certificate(key);

	c->theirs = SSL_CTX_new(TLS_client_method());
	c->ours = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(c->ours, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(c->ours, key), 1);
	EVP_PKEY_free(key);
	X509_free(x);
}

static void client_connects(struct worker_test *b, struct client *c)
{
	struct arrival arrival = { .service = SERVICE_IMAPS };
	struct stream *plain;
	int fds[2], r = 0;

	make_contexts(c);
	arrival.peer.v4 = (struct sockaddr_in){ .sin_family = AF_INET };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	assert_int_equal(stream_plain_new(&b->w->loop, fds[0], &plain), 0);
	session_accept(&b->w->host, &worker_test_service, &arrival, plain);
	c->s = LIST_FIRST(&b->w->host.sessions);
	(void)session_id(c->s, c->id);
	session_enter(c->s);
	assert_true(session_memory(c->s));
	assert_int_equal(session_start_tls(c->s, c->ours), 0);
	session_leave(c->s);
	c->fd = fds[1];
	c->ssl = SSL_new(c->theirs);
	assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
	for (int i = 0; i < 10 && r != 1; i++) {
		r = SSL_connect(c->ssl);
		worker_test_turns(b);
	}
	assert_int_equal(r, 1);
	assert_true(session_set_account(c->s, STR_LIT("carol"), 1));
}

static void client_says(struct worker_test *b, struct client *c, const char *text)
{
	assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), strlen(text));
	worker_test_turns(b);
}

static void client_hears(struct client *c, const char *text)
{
	char space[256] = "";

	assert_int_equal(SSL_read(c->ssl, space, sizeof(space) - 1), strlen(text));
	assert_string_equal(space, text);
}

static void client_leaves(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->theirs);
	SSL_CTX_free(c->ours);
	(void)close(c->fd);
	ERR_clear_error();
}

static void begin(struct worker_test *b, struct client *c)
{
	kernel_tls_forget();
	tls_traffic_enable(true);
	client_connects(b, c);
}

static int hand_over(struct session *s)
{
	int r;

	session_enter(s);
	r = handoff(s->host, s, STR_LIT("a1"), STR_LIT("ticket"), NULL);
	if (r == 0)
		session_give_away(s);
	session_leave(s);
	return r;
}

static int takes(struct worker_test *b)
{
	int mailstore = worker_test_accept(b), fd = -1;
	struct message m;

	assert_true(mailstore >= 0);
	assert_true(worker_test_hears(mailstore, &m, &fd));
	assert_int_equal(m.type, MESSAGE_SERVE);
	assert_true(str_eq(m.payload, STR_LIT("a2 NOOP\r\n")));
	(void)close(mailstore);
	return fd;
}

static void test_hand_off(void **state)
{
	struct worker_test *b = *state;
	struct client c;
	struct stream *there;
	char space[64];
	int fd;

	begin(b, &c);
	client_says(b, &c, "a2 NOOP\r\n");
	worker_test_listen(b, MAILSTORE_SOCKET);
	assert_int_equal(hand_over(c.s), 0);
	assert_string_equal(session_state_name(c.s), "local");
	fd = takes(b);
	worker_test_turns(b); /* the worker has closed its own */
	assert_int_equal(stream_socket_new(NULL, fd, &there), 0);
	assert_string_equal(there->ops->kind, "ktls");
	assert_int_equal(stream_write(there, STR_LIT("a1 OK\r\n"), false), 7);
	client_hears(&c, "a1 OK\r\n");
	client_says(b, &c, "a3 NOOP\r\n");
	assert_int_equal(stream_read(there, space, sizeof(space)), 9);
	stream_shutdown(there, SHUT_RDWR);
	assert_int_equal(SSL_read(c.ssl, space, sizeof(space)), 0);
	assert_int_equal(SSL_get_error(c.ssl, 0), SSL_ERROR_ZERO_RETURN);
	stream_free(there);
	client_leaves(&c);
}

/* A message of the handshake, or no keys: the worker stays between, as without kTLS. */
static void test_hand_off_without(void **state)
{
	struct worker_test *b = *state;
	struct client c;
	char space[64];
	int fd;

	begin(b, &c);
	kernel_tls_set(KERNEL_TLS_NO_KEYS);
	client_says(b, &c, "a2 NOOP\r\n");
	worker_test_listen(b, MAILSTORE_SOCKET);
	assert_int_equal(hand_over(c.s), 0);
	assert_string_equal(session_state_name(c.s), "relay");
	fd = takes(b);
	assert_int_equal(write(fd, "a1 OK\r\n", 7), 7);
	worker_test_turns(b);
	client_hears(&c, "a1 OK\r\n");
	client_says(b, &c, "a3 NOOP\r\n");
	assert_int_equal(read(fd, space, sizeof(space)), 9);
	(void)close(fd);
	client_leaves(&c);
}

/* Half of the keys: no mailstore gets such a socket. */
static void test_hand_off_broken(void **state)
{
	struct worker_test *b = *state;
	struct client c;

	begin(b, &c);
	kernel_tls_set(KERNEL_TLS_NO_SEND_KEY);
	client_says(b, &c, "a2 NOOP\r\n");
	worker_test_listen(b, MAILSTORE_SOCKET);
	assert_int_equal(hand_over(c.s), -EIO);
	assert_string_equal(session_state_name(c.s), "waits");
	client_leaves(&c);
}

static void start_relay(struct worker_test *b, struct client *c, int *ret_source)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	assert_int_equal(stream_plain_new(&b->w->loop, fds[0], &c->s->source), 0);
	stream_set_owner(c->s->source, session_source_event, c->s);
	c->s->source_state = SOURCE_OPEN;
	session_enter(c->s);
	session_relay(c->s);
	session_leave(c->s);
	*ret_source = fds[1];
}

static void test_relay(void **state)
{
	static char bytes[BULK], got[BULK];
	struct worker_test *b = *state;
	struct client c;
	size_t sent = 0, n = 0;
	int source;

	begin(b, &c);
	start_relay(b, &c, &source);
	assert_string_equal(c.s->client->ops->kind, "ktls");
	for (size_t i = 0; i < BULK; i++)
		bytes[i] = (char)(i * 7 + (i >> 8));
	for (int i = 0; i < 1000 && n < BULK; i++) {
		size_t left = BULK - sent;
		ssize_t w = write(source, bytes + sent, left < 40000 ? left : 40000);
		int r = 1;

		sent += w > 0 ? (size_t)w : 0;
		worker_test_turns(b);
		while (r > 0 && n < BULK) {
			r = SSL_read(c.ssl, got + n, (int)(BULK - n));
			n += r > 0 ? (size_t)r : 0;
		}
	}
	assert_int_equal(n, BULK);
	assert_memory_equal(bytes, got, BULK);
	assert_true(kernel_tls_splices() > 0);
	client_says(b, &c, "LOGOUT\r\n");
	assert_int_equal(read(source, got, sizeof(got)), 8);
	(void)close(source);
	client_leaves(&c);
}

static void test_relay_broken(void **state)
{
	struct worker_test *b = *state;
	struct client c;
	int source;

	begin(b, &c);
	kernel_tls_set(KERNEL_TLS_NO_SEND_KEY);
	start_relay(b, &c, &source);
	worker_test_turns(b);
	assert_true(LIST_EMPTY(&b->w->host.sessions));
	(void)close(source);
	client_leaves(&c);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, worker_test_setup, worker_test_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_hand_off),
		ROW(test_hand_off_without),
		ROW(test_hand_off_broken),
		ROW(test_relay),
		ROW(test_relay_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
