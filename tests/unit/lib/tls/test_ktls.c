/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OpenSSL does the handshake, the kernel what follows: the peer, OpenSSL to its end, must
   not notice. */
#include "lib/tls/ktls_fixture.h"
#include "net/relay.h"
#include "tls/stream_starttls.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define TURNS 100
#define BULK 40000 /* three records; a socket pair takes them at once */
#define SPLICED (16 * BULK)
#define LAST 8000 /* what is spliced; one record */

static void fill(char *space, size_t len)
{
	for (size_t i = 0; i < len; i++)
		space[i] = (char)(i * 7 + (i >> 8));
}

static void carry(struct stream *from, struct stream *to)
{
	static char bytes[BULK], got[BULK];
	size_t sent = 0, n = 0;

	fill(bytes, BULK);
	for (int i = 0; i < TURNS && n < BULK; i++) {
		ssize_t w = stream_write(from, str_of(bytes + sent, BULK - sent), false);
		ssize_t r;

		assert_true(w >= 0 || w == -EAGAIN);
		sent += w > 0 ? (size_t)w : 0;
		r = stream_read(to, got + n, BULK - n);
		assert_true(r > 0 || r == -EAGAIN);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(n, BULK);
	assert_memory_equal(bytes, got, BULK);
}

static void test_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;
		char space[64];

		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		pair_say(p.server, p.client, "1 OK\r\n");
		pair_say(p.client, p.server, "2 noop\r\n");
		carry(p.server, p.client);
		carry(p.client, p.server);
		pair_offload(&p.client, kinds[i].name); /* the leg to a source */
		carry(p.client, p.server);
		carry(p.server, p.client);
		stream_shutdown(p.client, SHUT_WR);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), 0);
		assert_true(stream_has_pending(p.server));
		pair_say(p.server, p.client, "* BYE\r\n");
		pair_end(&p);
	}
}

/* Fewer records have gone before, of other kinds. */
static void test_resumed(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;

		pair_begin(&p, &kinds[i]);
		pair_disconnect(&p);
		assert_non_null(p.ticket);
		pair_connect(&p);
		assert_int_equal(SSL_session_reused(stream_tls_ssl(p.client)), 1);
		pair_offload(&p.server, kinds[i].name);
		pair_say(p.server, p.client, "1 OK\r\n");
		pair_say(p.client, p.server, "2 noop\r\n");
		pair_end(&p);
	}
}

/* By splice and from a file; the relay finds that out by itself. */
static void test_splice(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		int pipe_ends[2], file = memfd_create("body", MFD_CLOEXEC);
		struct pair p;
		char space[64];

		assert_int_equal(pipe(pipe_ends), 0);
		assert_int_equal(write(file, "from a file", 11), 11);
		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		assert_true(stream_can_splice(p.server, p.server));
		assert_int_equal(stream_write(p.client, STR_LIT("spliced"), false), 7);
		assert_int_equal(stream_splice_in(p.server, pipe_ends[1], 4096), 7);
		assert_int_equal(stream_splice_out(p.server, pipe_ends[0], 7), 7);
		assert_int_equal(stream_read(p.client, space, sizeof(space)), 7);
		assert_memory_equal(space, "spliced", 7);
		assert_int_equal(stream_sendfile(p.server, file, 5, 6), 6);
		assert_int_equal(stream_read(p.client, space, sizeof(space)), 6);
		assert_memory_equal(space, "a file", 6);
		/* the end is no data: it is for read() */
		stream_shutdown(p.client, SHUT_WR);
		assert_int_equal(stream_splice_in(p.server, pipe_ends[1], 1), -EINVAL);
		assert_int_equal(stream_read(p.server, space, sizeof(space)), 0);
		assert_int_equal(stream_splice_in(p.server, pipe_ends[1], 1), 0);
		pair_end(&p);
		close(file);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
	}
}

static void test_relay(void **state)
{
	static char bytes[SPLICED], got[SPLICED];
	struct relay_shared shared;
	struct relay relay = { 0 };
	struct buf none = { 0 }, none_back = { 0 };
	struct pair p;
	struct stream *source;
	size_t sent = 0, n = 0;
	int fds[2];

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "relay");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	source = pair_plain(fds[0]);
	assert_int_equal(relay_shared_init(&shared), 0);
	fill(bytes, SPLICED);
	relay_begin(&relay, &shared, p.server, source, &none, &none_back);
	(void)relay_start(&relay, 1);
	for (int i = 0; i < TURNS && n < SPLICED; i++) {
		ssize_t r = send(fds[1], bytes + sent,
			SPLICED - sent < BULK ? SPLICED - sent : BULK, MSG_DONTWAIT);

		sent += r > 0 ? (size_t)r : 0;
		assert_int_equal(
			relay_event(&relay, source, UV_READABLE, 0, 1), RELAY_GOES_ON);
		r = stream_read(p.client, got + n, SPLICED - n);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(n, SPLICED);
	assert_memory_equal(bytes, got, SPLICED);
	assert_true(kernel_tls_splices() > 0);
	/* both ends travel on */
	stream_shutdown(p.client, SHUT_WR);
	(void)relay_event(&relay, p.server, UV_READABLE, 0, 1);
	assert_int_equal(recv(fds[1], got, 1, 0), 0);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	assert_int_equal(relay_event(&relay, source, UV_READABLE, 0, 1), RELAY_OVER);
	assert_int_equal(stream_read(p.client, got, 1), 0);
	relay_fini(&relay);
	relay_shared_fini(&shared);
	stream_free(source);
	close(fds[1]);
	pair_end(&p);
}

/* A client that has ended its side reads slowly: the relay is not over before the last
   record has gone. */
static void test_relay_ends_last(void **state)
{
	struct relay_shared shared;
	struct relay relay = { 0 };
	struct buf none = { 0 }, none_back = { 0 };
	struct pair p;
	struct stream *source;
	static char bytes[SPLICED];
	size_t n = 0;
	int fds[2];

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "relay");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	source = pair_plain(fds[0]);
	assert_int_equal(relay_shared_init(&shared), 0);
	relay_begin(&relay, &shared, p.server, source, &none, &none_back);
	(void)relay_start(&relay, 1);
	stream_shutdown(p.client, SHUT_WR);
	assert_int_equal(relay_event(&relay, p.server, UV_READABLE, 0, 1), RELAY_GOES_ON);
	assert_int_equal(send(fds[1], bytes, BULK, 0), BULK);
	for (int i = 0; i < TURNS && n < BULK; i++) {
		ssize_t r;

		(void)relay_event(&relay, source, UV_READABLE, 0, 1);
		r = stream_read(p.client, bytes, sizeof(bytes));
		n += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(n, BULK);
	assert_int_equal(relay.down.mode, WAY_SPLICE);
	kernel_tls_keep_next();
	assert_int_equal(send(fds[1], bytes, LAST, 0), LAST);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	assert_int_equal(relay_event(&relay, source, UV_READABLE, 0, 1), RELAY_GOES_ON);
	assert_int_equal(relay.down.state, WAY_DRAINING);
	assert_true(p.server->wanted & UV_WRITABLE);
	kernel_tls_block(false);
	assert_int_equal(relay_event(&relay, p.server, UV_WRITABLE, 0, 1), RELAY_OVER);
	assert_int_equal(stream_read(p.client, bytes, sizeof(bytes)), LAST);
	relay_fini(&relay);
	relay_shared_fini(&shared);
	stream_free(source);
	close(fds[1]);
	pair_end(&p);
}

/* A source that began in clear: its own stream goes, too. */
static void test_starttls(void **state)
{
	static const char asked[] = "mf1 STARTTLS\r\n";
	struct pair p;
	char space[64];
	int fds[2];

	(void)state;
	kernel_tls_forget();
	tls_traffic_enable(true);
	pair_contexts(&p, &kinds[0]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(stream_starttls_connect(pair_plain(fds[1]), p.client_ctx, NULL,
				 STARTTLS_IMAP, &p.client),
		0);
	assert_int_equal(send(fds[0], "* OK hi\r\n", 9, 0), 9);
	assert_int_equal(stream_connected(p.client), -EINPROGRESS);
	assert_int_equal(recv(fds[0], space, sizeof(space), 0), sizeof(asked) - 1);
	assert_int_equal(stream_starttls_offload(&p.client), -EAGAIN); /* in clear */
	assert_int_equal(send(fds[0], "mf1 OK go\r\n", 11, 0), 11);
	assert_int_equal(stream_tls_accept(pair_plain(fds[0]), p.server_ctx, STR_LIT(""),
				 &p.server),
		0);
	pair_shake(&p);
	assert_int_equal(stream_starttls_offload(&p.client), -EAGAIN); /* the greeting */
	assert_int_equal(stream_read(p.client, space, sizeof(space)), 9);
	pair_say(p.server, p.client, "1 OK\r\n");
	assert_int_equal(stream_starttls_offload(&p.client), 0);
	assert_string_equal(p.client->ops->kind, "ktls");
	carry(p.server, p.client);
	carry(p.client, p.server);
	pair_end(&p);
}

/* With another process's copy of the socket. */
static void test_given_away(void **state)
{
	struct pair p;
	struct stream *there;
	int fds[2];

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "share");
	pair_give_away(&p);
	pair_say(p.server, p.client, "1 OK\r\n");
	pair_say(p.client, p.server, "2 noop\r\n");
	pair_end(&p);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(stream_socket_new(NULL, fds[0], &there), 0);
	assert_string_equal(there->ops->kind, "plain");
	stream_free(there);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_relay_ends_last),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_given_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
