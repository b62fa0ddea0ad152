/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine's own kernel does the TLS of one end; the peer, OpenSSL to its end, must
   not notice. Skipped where the kernel has none: tests/kernel/run brings one that has. */
#include "lib/tls/ktls_fixture.h"
#include "lib/tls/ktls_messages.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define SKIPPED 77
#define BULK 3000000 /* more than the sockets hold */
#define TURNS 10000
#define WAIT_MS 10
#define WAIT_LONG_MS 10000
#define QUIET_MS 20 /* in which nothing must happen */
#define PARTS 30    /* of a record that is longer */

static void fill(char *space, size_t len)
{
	for (size_t i = 0; i < len; i++)
		space[i] = (char)(i * 7 + (i >> 8));
}

static bool is_ready(const struct stream *s, short events, int ms)
{
	struct pollfd p = { s->below->fd, events, 0 };

	return poll(&p, 1, ms) > 0;
}

/* One turn: what `from` can write at `at` of the bytes, and `to` read. */
static size_t write_some(struct stream *from, const char *bytes, size_t at, size_t len)
{
	ssize_t n =
		at < len ? stream_write(from, str_of(bytes + at, len - at), false) : 0;

	assert_true(n >= 0 || n == -EAGAIN);
	return n > 0 ? (size_t)n : 0;
}

static size_t read_some(struct stream *to, char *space, size_t len)
{
	ssize_t n = stream_read(to, space, len);

	assert_true(n > 0 || n == -EAGAIN);
	if (n < 0)
		(void)is_ready(to, POLLIN, WAIT_MS);
	return n > 0 ? (size_t)n : 0;
}

static void carry(struct stream *from, struct stream *to)
{
	static char bytes[BULK], got[BULK];
	size_t sent = 0, n = 0;

	fill(bytes, BULK);
	for (int i = 0; i < TURNS && n < BULK; i++) {
		sent += write_some(from, bytes, sent, BULK);
		if (stream_holds_back(from))
			from->ops->advance(from);
		n += read_some(to, got + n, BULK - n);
	}
	assert_int_equal(n, BULK);
	assert_memory_equal(bytes, got, BULK);
}

static void test_goes_on(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
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
		assert_int_equal(pair_read(p.server, space, sizeof(space)), 0);
		pair_say(p.server, p.client, "* BYE\r\n");
		pair_end(&p);
	}
}

static void test_resumed(void **state)
{
	struct pair p;

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
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

/* ---- splice and sendfile ---- */

static ssize_t splice_in(struct stream *s, int pipe)
{
	ssize_t n = stream_splice_in(s, pipe, 4096);

	for (int i = 0; i < TURNS && n == -EAGAIN; i++) {
		(void)is_ready(s, POLLIN, WAIT_MS);
		n = stream_splice_in(s, pipe, 4096);
	}
	return n;
}

static void test_splice(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		int pipe_ends[2];

		assert_int_equal(pipe(pipe_ends), 0);
		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		assert_int_equal(stream_splice_in(p.server, pipe_ends[1], 1), -EAGAIN);
		assert_int_equal(stream_write(p.client, STR_LIT("spliced"), false), 7);
		assert_int_equal(splice_in(p.server, pipe_ends[1]), 7);
		assert_int_equal(stream_splice_out(p.server, pipe_ends[0], 7), 7);
		assert_int_equal(pair_read(p.client, space, sizeof(space)), 7);
		assert_memory_equal(space, "spliced", 7);
		/* the end is no data: it is for read() */
		stream_shutdown(p.client, SHUT_WR);
		assert_int_equal(splice_in(p.server, pipe_ends[1]), -EINVAL);
		assert_int_equal(pair_read(p.server, space, sizeof(space)), 0);
		assert_int_equal(stream_splice_in(p.server, pipe_ends[1], 1), 0);
		pair_end(&p);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
	}
}

/* All of a file behind words that wait for it, to a client that reads slowly: nothing of
   it may stay behind in a record that is not whole. */
static void test_sendfile(void **state)
{
	static char bytes[BULK], got[BULK + 2];
	int file = memfd_create("body", MFD_CLOEXEC);

	(void)state;
	fill(bytes, BULK);
	assert_int_equal(write(file, bytes, BULK), BULK);
	for (size_t i = 0; i < KINDS; i++) {
		struct pair p;
		size_t sent = 0, n = 0;

		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		assert_int_equal(stream_write(p.server, STR_LIT("* "), true), 2);
		for (int t = 0; t < TURNS && n < sizeof(got); t++) {
			ssize_t r = sent < BULK ? stream_sendfile(p.server, file,
							  (off_t)sent, BULK - sent)
			                        : -EAGAIN;

			assert_true(r > 0 || r == -EAGAIN);
			sent += r > 0 ? (size_t)r : 0;
			n += read_some(p.client, got + n, sizeof(got) - n);
		}
		assert_int_equal(n, sizeof(got));
		assert_memory_equal(got, "* ", 2);
		assert_memory_equal(got + 2, bytes, BULK);
		pair_end(&p);
	}
	close(file);
}

/* ---- ends ---- */

static void test_ends(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		stream_shutdown(p.server, SHUT_WR);
		assert_int_equal(pair_read(p.client, space, sizeof(space)), 0);
		pair_end(&p);
		/* TCP's alone is a truncation */
		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		assert_int_equal(shutdown(p.client->below->fd, SHUT_WR), 0);
		assert_int_equal(pair_read(p.server, space, sizeof(space)), -ECONNRESET);
		/* and gets no end from us */
		stream_shutdown(p.server, SHUT_WR);
		assert_int_equal(pair_read(p.client, space, sizeof(space)), -ECONNRESET);
		pair_end(&p);
	}
}

/* What was said last with "other bytes follow" goes out with the end. */
static void test_end_behind_more(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	for (int freed = 0; freed < 2; freed++) {
		pair_begin(&p, &kinds[0]);
		pair_offload(&p.server, "more");
		assert_int_equal(stream_write(p.server, STR_LIT("* BYE\r\n"), true), 7);
		stream_shutdown(p.server, freed ? SHUT_RDWR : SHUT_WR);
		if (freed) {
			stream_free(p.server);
			p.server = NULL;
		}
		assert_int_equal(pair_read(p.client, space, sizeof(space)), 7);
		assert_int_equal(pair_read(p.client, space, sizeof(space)), 0);
		pair_end(&p);
	}
}

/* A client that reads nothing for long, then all: the end comes behind what was sent. */
static void test_end_behind_a_full_socket(void **state)
{
	static char bytes[BULK], got[2 * BULK];
	struct pair p;
	size_t sent = 0, n = 0;
	ssize_t r;

	(void)state;
	fill(bytes, BULK);
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "full");
	do {
		r = stream_write(p.server, str_of(bytes, BULK), false);
		assert_true(r > 0 || r == -EAGAIN);
		sent += r > 0 ? (size_t)r : 0;
	} while (r > 0 && sent < sizeof(got) - BULK);
	assert_int_equal(r, -EAGAIN);
	stream_shutdown(p.server, SHUT_WR);
	r = -EAGAIN;
	for (int i = 0; i < TURNS && r != 0; i++) {
		if (p.server->ops->wants(p.server, 0) && is_ready(p.server, POLLOUT, 0))
			p.server->ops->advance(p.server);
		r = stream_read(p.client, got + n, sizeof(got) - n);
		assert_true(r >= 0 || r == -EAGAIN);
		if (r == -EAGAIN)
			(void)is_ready(p.client, POLLIN, WAIT_MS);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(r, 0);
	assert_int_equal(n, sent);
	pair_end(&p);
}

/* ---- records that are no data ---- */

/* A forged record is no data, and the connection is broken. */
static void test_forged(void **state)
{
	char record[] = "\x17\x03\x03\x00\x20"
			"0123456789abcdef0123456789abcdef";
	struct pair p;
	char space[64];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		ssize_t n;

		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		assert_int_equal(send(p.client->below->fd, record, 37, 0), 37);
		n = pair_read(p.server, space, sizeof(space));
		assert_true(n < 0 && n != -EAGAIN);
		assert_true(stream_has_pending(p.server)); /* and stays so */
		assert_int_equal(stream_read(p.server, space, sizeof(space)), n);
		pair_end(&p);
	}
}

/* ---- a part of a record ---- */

/* The client's record of ten bytes of data, which the server has not seen. */
static size_t take_record(struct pair *p, char *record, size_t size)
{
	ssize_t n;

	assert_int_equal(stream_write(p->client, STR_LIT("0123456789"), false), 10);
	assert_true(is_ready(p->server, POLLIN, WAIT_LONG_MS));
	n = recv(p->server->below->fd, record, size, 0);
	assert_true(n > PARTS);
	return (size_t)n;
}

static void send_raw(struct stream *s, const char *bytes, size_t len)
{
	assert_int_equal(send(s->below->fd, bytes, len, 0), len);
}

/* Nothing can be read, and nobody may be woken for it again and again. */
static void must_sleep(struct stream *s, int pipe)
{
	char space[64];

	assert_int_equal(pipe < 0 ? stream_read(s, space, sizeof(space))
				  : stream_splice_in(s, pipe, sizeof(space)),
		-EAGAIN);
	assert_false(is_ready(s, POLLIN, QUIET_MS));
}

/* In pieces; what follows is shorter than they were. */
static void test_part_of_a_record(void **state)
{
	char record[256], space[64];
	int pipe_ends[2];
	struct pair p;

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	for (size_t part = 1; part < PARTS; part++) {
		bool splices = part % 2;
		size_t n;

		pair_begin(&p, &kinds[0]);
		n = take_record(&p, record, sizeof(record));
		pair_offload(&p.server, "part");
		send_raw(p.client, record, part);
		must_sleep(p.server, splices ? pipe_ends[1] : -1);
		send_raw(p.client, record + part, 1);
		must_sleep(p.server, splices ? pipe_ends[1] : -1);
		send_raw(p.client, record + part + 1, n - part - 1);
		assert_true(is_ready(p.server, POLLIN, WAIT_LONG_MS));
		assert_int_equal(pair_read(p.server, space, sizeof(space)), 10);
		assert_int_equal(stream_write(p.client, STR_LIT("1"), false), 1);
		assert_true(is_ready(p.server, POLLIN, WAIT_LONG_MS));
		assert_int_equal(pair_read(p.server, space, sizeof(space)), 1);
		/* what was there in part is a truncation */
		send_raw(p.client, record, part);
		must_sleep(p.server, -1);
		assert_int_equal(shutdown(p.client->below->fd, SHUT_WR), 0);
		assert_true(is_ready(p.server, POLLIN, WAIT_LONG_MS));
		assert_true(pair_read(p.server, space, sizeof(space)) < 0);
		assert_true(stream_has_pending(p.server));
		pair_end(&p);
	}
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

/* The other process waits for any byte again. */
static void test_part_given_away(void **state)
{
	char record[256], space[64];
	struct pair p;
	size_t n;

	(void)state;
	pair_begin(&p, &kinds[0]);
	n = take_record(&p, record, sizeof(record));
	pair_offload(&p.server, "part");
	send_raw(p.client, record, PARTS);
	must_sleep(p.server, -1);
	pair_give_away(&p);
	must_sleep(p.server, -1);
	send_raw(p.client, record + PARTS, n - PARTS);
	assert_true(is_ready(p.server, POLLIN, WAIT_LONG_MS));
	assert_int_equal(pair_read(p.server, space, sizeof(space)), 10);
	pair_end(&p);
}

/* ---- to another process ---- */

static void test_given_away(void **state)
{
	struct pair p;

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "share");
	pair_give_away(&p);
	pair_say(p.server, p.client, "1 OK\r\n");
	pair_say(p.client, p.server, "2 noop\r\n");
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_sendfile),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_end_behind_more),
		cmocka_unit_test(test_end_behind_a_full_socket),
		cmocka_unit_test(test_handshake_refused),
		cmocka_unit_test(test_tickets_of_openssl),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_tickets_refused),
		cmocka_unit_test(test_tickets_of_a_client),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_part_of_a_record),
		cmocka_unit_test(test_part_given_away),
		cmocka_unit_test(test_given_away),
	};

	if (stream_ktls_probe() < 0) {
		puts("this kernel has no TLS");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
