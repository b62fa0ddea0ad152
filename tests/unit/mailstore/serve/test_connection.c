/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions in the event loop over streams that behave badly: what the client hears is
 * the same over all of them. Large bodies come from a pack file (sendfile, where the
 * stream can), and a session in IDLE is told what another one does.
 */
#include "mailstore/serve/connection.h"

#include "base/ipc.h"
#include "event/timer.h"
#include "mailstore/serve/memory_session.h"
#include "support/odd_stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define CLIENTS 2
#define BODY_SIZE 150000 /* more than one write takes, and than a copy may have */
#define TURNS_MAX 2000000

struct client {
	int fd;
	struct buf to_say, heard;
	bool ended;
	const char *reason;
	bool deflated; /* after COMPRESS */
	z_stream deflate, inflate;
};

struct bench {
	struct loop loop;
	struct timer *pulse;
	struct memory_server server; /* for its store */
	struct connections all;
	struct client clients[CLIENTS];
	unsigned ended;
	char reason[64];
	uint64_t bytes_in, bytes_out;
};

static void on_pulse(void *context)
{
	(void)context;
}

static void on_ended(void *context, const struct connection_end *end)
{
	struct bench *b = context;

	b->ended++;
	b->bytes_in += end->bytes_in;
	b->bytes_out += end->bytes_out;
	(void)snprintf(b->reason, sizeof(b->reason), "%s", end->reason);
}

static void open_bench(struct bench *b)
{
	*b = (struct bench){ 0 };
	assert_int_equal(loop_init(&b->loop, true), 0);
	assert_int_equal(timer_new(&b->loop, on_pulse, b, &b->pulse), 0);
	timer_start_every(b->pulse, 5);
	assert_int_equal(memory_server_open(&b->server), 0);
	connections_init(&b->all, &b->loop, &b->server.serve);
	b->server.serve.context = &b->all;
	b->all.ended = on_ended;
	b->all.context = b;
}

static void close_bench(struct bench *b)
{
	connections_fini(&b->all);
	for (size_t i = 0; i < CLIENTS; i++) {
		if (b->clients[i].fd)
			close(b->clients[i].fd);
		buf_fini(&b->clients[i].to_say);
		buf_fini(&b->clients[i].heard);
	}
	memory_server_close(&b->server);
	timer_free(b->pulse);
	assert_int_equal(loop_fini(&b->loop), 0);
}

static void connect_client(struct bench *b, size_t i, enum oddity oddity)
{
	struct client *c = &b->clients[i];
	struct login login = { .session = STR("test"),
		.service = STR("imap"),
		.tag = STR("login"),
		.client = STR("192.0.2.1:1"),
		.payload = STR("first NOOP\r\n") };
	struct stream *stream;
	int pair[2];

	buf_init(&c->to_say, 0);
	buf_init(&c->heard, 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	c->fd = pair[0];
	assert_int_equal(odd_stream_new(&b->loop, pair[1], oddity, &stream), 0);
	assert_int_equal(
		connection_start(&b->all, service_find(STR_LIT("imap")), &login, stream),
		0);
}

static void begin_deflate(struct client *c)
{
	c->deflated = true;
	assert_int_equal(
		deflateInit2(&c->deflate, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY),
		Z_OK);
	assert_int_equal(inflateInit2(&c->inflate, -15), Z_OK);
}

static void end_deflate(struct client *c)
{
	(void)deflateEnd(&c->deflate);
	(void)inflateEnd(&c->inflate);
}

/* What was read of it, in clear. */
static void inflate_heard(struct client *c, struct buf *raw)
{
	char clear[4096];

	c->inflate.next_in = (Bytef *)(uintptr_t)buf_view(raw).ptr;
	c->inflate.avail_in = (uInt)buf_len(raw);
	do {
		c->inflate.next_out = (Bytef *)clear;
		c->inflate.avail_out = sizeof(clear);
		(void)inflate(&c->inflate, Z_SYNC_FLUSH);
		assert_int_equal(
			buf_append(&c->heard,
				str_of(clear, sizeof(clear) - c->inflate.avail_out)),
			0);
	} while (!c->inflate.avail_out);
	assert_int_equal(c->inflate.avail_in, 0);
}

static ssize_t listen_to(struct client *c)
{
	struct buf raw;
	ssize_t n;

	if (!c->deflated)
		return buf_read(&c->heard, c->fd, 65536);
	buf_init(&raw, 0);
	n = buf_read(&raw, c->fd, 65536);
	if (n > 0)
		inflate_heard(c, &raw);
	buf_fini(&raw);
	return n;
}

static void turn(struct bench *b)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &b->clients[i];
		ssize_t n;

		if (!c->fd)
			continue;
		if (buf_len(&c->to_say))
			(void)buf_write(&c->to_say, c->fd);
		n = listen_to(c);
		c->ended |= n == 0;
	}
	loop_turn(&b->loop);
}

static void say(struct bench *b, size_t i, const char *text)
{
	struct client *c = &b->clients[i];
	char space[4096];

	if (!c->deflated) {
		assert_int_equal(buf_append(&c->to_say, str_from(text)), 0);
		return;
	}
	c->deflate.next_in = (Bytef *)(uintptr_t)text;
	c->deflate.avail_in = (uInt)strlen(text);
	do {
		c->deflate.next_out = (Bytef *)space;
		c->deflate.avail_out = sizeof(space);
		(void)deflate(&c->deflate, Z_SYNC_FLUSH);
		assert_int_equal(
			buf_append(&c->to_say,
				str_of(space, sizeof(space) - c->deflate.avail_out)),
			0);
	} while (!c->deflate.avail_out);
}

/* Until that client has heard it. */
static void hear(struct bench *b, size_t i, const char *text)
{
	struct client *c = &b->clients[i];

	for (unsigned n = 0; n < TURNS_MAX; n++) {
		struct str heard = buf_view(&c->heard);

		if (heard.len && memmem(heard.ptr, heard.len, text, strlen(text)))
			return;
		turn(b);
	}
	fail_msg("\"%s\" was not heard in: %.*s", text,
		(int)(buf_len(&c->heard) < 400 ? buf_len(&c->heard) : 400),
		buf_view(&c->heard).ptr);
}

static void append_large(struct bench *b, size_t i)
{
	char head[64];

	(void)snprintf(head, sizeof(head), "b APPEND INBOX {%d+}\r\n", BODY_SIZE);
	say(b, i, head);
	for (int n = 0; n < BODY_SIZE / 10; n++) {
		char line[16];

		(void)snprintf(line, sizeof(line), "%08d\r\n", n);
		say(b, i, line);
	}
	say(b, i, "\r\n");
}

/* From the second time on a large body is sent from its file without being read. Little
   of it: some of the streams take a byte at a time. */
static void fetch_again(struct bench *b, size_t i)
{
	say(b, i,
		"g FETCH 5 (BODY.PEEK[]<100000.20000> UID BODY.PEEK[]<149990.20000>"
		" BODY.PEEK[]<150000.20000>)\r\n");
	hear(b, i, "(BODY[]<100000> {20000}\r\n00010000\r\n");
	hear(b, i,
		"00011999\r\n UID 20 BODY[]<149990> {10}\r\n00014999\r\n"
		" BODY[]<150000> \"\")");
}

static void dialogue(struct bench *b, enum oddity oddity)
{
	connect_client(b, 0, oddity);
	hear(b, 0, "first OK");
	say(b, 0, "a SELECT INBOX\r\n");
	append_large(b, 0);
	hear(b, 0, "b OK");
	/* several answers in the pipe, of which one is large */
	say(b, 0, "c FETCH 1:* (UID BODY.PEEK[])\r\nd NOOP\r\n");
	hear(b, 0, "d OK");
	fetch_again(b, 0);
	say(b, 0, "e IDLE\r\n");
	hear(b, 0, "\r\n+ ");

	connect_client(b, 1, oddity);
	say(b, 1, "a SELECT INBOX\r\nb STORE 2 +FLAGS.SILENT (\\Answered)\r\n");
	hear(b, 1, "b OK");
	hear(b, 0, "* 2 FETCH"); /* it was told, though its client said nothing */
	say(b, 0, "DONE\r\nf LOGOUT\r\n");
	hear(b, 0, "f OK");
	for (unsigned n = 0; !b->clients[0].ended && n < TURNS_MAX; n++)
		turn(b);
	assert_true(b->clients[0].ended);
	assert_int_equal(b->ended, 1);
	assert_int_equal(b->bytes_out, buf_len(&b->clients[0].heard));
	close(b->clients[1].fd); /* without a word */
	b->clients[1].fd = 0;
	for (unsigned n = 0; b->ended < 2 && n < TURNS_MAX; n++)
		turn(b);
	assert_string_equal(b->reason, "client closed");
	assert_int_equal(connections_count(&b->all), 0);
}

static void test_same_over_all(void **state)
{
	struct buf expected;

	(void)state;
	buf_init(&expected, 0);
	for (int oddity = 0; oddity < ODD_COUNT; oddity++) {
		static struct bench b;
		struct str heard;

		open_bench(&b);
		dialogue(&b, (enum oddity)oddity);
		heard = buf_view(&b.clients[0].heard);
		if (oddity == ODD_NONE)
			assert_int_equal(buf_append(&expected, heard), 0);
		else if (!str_eq(heard, buf_view(&expected)))
			fail_msg("%s: not the same", odd_name((enum oddity)oddity));
		assert_true(heard.len > BODY_SIZE);
		close_bench(&b);
	}
	buf_fini(&expected);
}

/* COMPRESS: the same words both ways, also the large ones, and IDLE still wakes. */
static void dialogue_compressed(struct bench *b, enum oddity oddity)
{
	struct client *c = &b->clients[0];

	connect_client(b, 0, oddity);
	say(b, 0, "a COMPRESS DEFLATE\r\n");
	hear(b, 0, "a OK DEFLATE active.\r\n");
	begin_deflate(c);
	say(b, 0, "a2 COMPRESS DEFLATE\r\n");
	hear(b, 0, "a2 NO [COMPRESSIONACTIVE]");
	say(b, 0, "a SELECT INBOX\r\n");
	append_large(b, 0);
	hear(b, 0, "b OK");
	buf_clear(&c->heard);
	say(b, 0, "c FETCH 5 BODY.PEEK[]\r\nd NOOP\r\n");
	hear(b, 0, "00014999\r\n)");
	hear(b, 0, "d OK");
	assert_true(buf_len(&c->heard) > BODY_SIZE);
	say(b, 0, "e IDLE\r\n");
	hear(b, 0, "+ idling");
	connect_client(b, 1, oddity);
	say(b, 1, "a SELECT INBOX\r\nb STORE 2 +FLAGS.SILENT (\\Answered)\r\n");
	hear(b, 0, "* 2 FETCH");
	say(b, 0, "DONE\r\nf LOGOUT\r\n");
	hear(b, 0, "f OK");
	for (unsigned n = 0; !c->ended && n < TURNS_MAX; n++)
		turn(b);
	assert_true(c->ended);
	end_deflate(c);
}

static void test_compressed(void **state)
{
	(void)state;
	for (int oddity = 0; oddity < ODD_COUNT; oddity++) {
		static struct bench b;

		open_bench(&b);
		dialogue_compressed(&b, (enum oddity)oddity);
		close_bench(&b);
	}
}

static void test_no_deflate(void **state)
{
	static struct bench b;

	(void)state;
	open_bench(&b);
	connect_client(&b, 0, ODD_NONE);
	say(&b, 0, "a COMPRESS DEFLATE\r\n");
	hear(&b, 0, "a OK DEFLATE active.\r\n");
	say(&b, 0, "a2 this is no deflate\r\n");
	for (unsigned n = 0; !b.ended && n < TURNS_MAX; n++)
		turn(&b);
	assert_string_equal(b.reason, strerror(EPROTO));
	close_bench(&b);
}

/* Silence in IDLE is broken by the server again and again; elsewhere it is not. */
static void test_keepalive(void **state)
{
	static struct bench b;

	(void)state;
	open_bench(&b);
	b.all.keepalive_ms = 10;
	connect_client(&b, 0, ODD_NONE);
	connect_client(&b, 1, ODD_NONE);
	hear(&b, 1, "first OK");
	say(&b, 0, "a IDLE\r\n");
	for (int i = 0; i < 3; i++) {
		hear(&b, 0, "* OK Still here\r\n");
		buf_clear(&b.clients[0].heard);
	}
	say(&b, 0, "DONE\r\n");
	hear(&b, 0, "a OK");
	say(&b, 1, "b NOOP\r\n");
	hear(&b, 1, "b OK");
	assert_null(memmem(buf_view(&b.clients[1].heard).ptr,
		buf_len(&b.clients[1].heard), "Still", 5));
	close_bench(&b);
}

/* A client that does not read: nobody else waits, its body is not gathered in memory,
   and at the end it is told good-bye as far as it takes it. */
static void test_slow_client(void **state)
{
	static struct bench b;

	(void)state;
	open_bench(&b);
	connect_client(&b, 0, ODD_NONE);
	say(&b, 0, "a SELECT INBOX\r\n");
	append_large(&b, 0);
	hear(&b, 0, "b OK");
	for (int i = 0; i < 20; i++)
		say(&b, 0, "c FETCH 5 BODY.PEEK[]\r\n");
	for (int i = 0; i < 50; i++) {
		(void)buf_write(&b.clients[0].to_say, b.clients[0].fd);
		loop_turn(&b.loop);
	}
	assert_int_equal(connections_count(&b.all), 1);
	connect_client(&b, 1, ODD_NONE);
	hear(&b, 1, "first OK");
	connections_bye(&b.all, "enough");
	hear(&b, 1, "* BYE");
	close_bench(&b);
}

/* Over the plain stream of the program the large body goes by sendfile. */
static void test_plain(void **state)
{
	static struct bench b;
	struct login login = { .session = STR("test"),
		.service = STR("imap"),
		.tag = STR("login"),
		.client = STR("192.0.2.1:1"),
		.payload = STR("") };
	struct stream *stream;
	struct str heard;
	int pair[2];

	(void)state;
	open_bench(&b);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	b.clients[0].fd = pair[0];
	buf_init(&b.clients[0].to_say, 0);
	buf_init(&b.clients[0].heard, 0);
	assert_int_equal(stream_plain_new(&b.loop, pair[1], &stream), 0);
	assert_int_equal(
		connection_start(&b.all, service_find(STR_LIT("imap")), &login, stream),
		0);
	say(&b, 0, "a SELECT INBOX\r\n");
	append_large(&b, 0);
	say(&b, 0, "c FETCH 5 BODY.PEEK[]\r\nd LOGOUT\r\n");
	hear(&b, 0, "d OK");
	heard = buf_view(&b.clients[0].heard);
	assert_non_null(memmem(heard.ptr, heard.len, "00014999\r\n)", 11));
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_over_all),
		cmocka_unit_test(test_compressed), cmocka_unit_test(test_no_deflate),
		cmocka_unit_test(test_keepalive), cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_plain) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
