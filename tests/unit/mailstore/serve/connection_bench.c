/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/connection_bench.h"

#include "event/timer.h"
#include "mailstore/serve/services.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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

void bench_open(struct bench *b)
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

void bench_close(struct bench *b)
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

/* The end of its connection that is ours. */
static int open_client(struct bench *b, size_t i)
{
	struct client *c = &b->clients[i];
	int pair[2];

	buf_init(&c->to_say, 0);
	buf_init(&c->heard, 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	c->fd = pair[0];
	return pair[1];
}

static void start(struct bench *b, const struct login *login, struct stream *stream)
{
	assert_int_equal(
		connection_start(&b->all, service_find(STR_LIT("imap")), login, stream),
		0);
}

void bench_connect(struct bench *b, size_t i, enum oddity oddity)
{
	const struct login login = { .session = STR("test"),
		.tag = STR("login"),
		.payload = STR("first NOOP\r\n") };
	struct stream *stream;

	assert_int_equal(odd_stream_new(&b->loop, open_client(b, i), oddity, &stream), 0);
	start(b, &login, stream);
}

void bench_begin_deflate(struct client *c)
{
	c->deflated = true;
	assert_int_equal(
		deflateInit2(&c->deflate, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY),
		Z_OK);
	assert_int_equal(inflateInit2(&c->inflate, -15), Z_OK);
}

void bench_end_deflate(struct client *c)
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

void bench_turn(struct bench *b)
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

void bench_say(struct bench *b, size_t i, const char *text)
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

void bench_hear(struct bench *b, size_t i, const char *text)
{
	struct client *c = &b->clients[i];

	for (unsigned n = 0; n < TURNS_MAX; n++) {
		struct str heard = buf_view(&c->heard);

		if (heard.len && memmem(heard.ptr, heard.len, text, strlen(text)))
			return;
		bench_turn(b);
	}
	fail_msg("\"%s\" was not heard in: %.*s", text,
		(int)(buf_len(&c->heard) < 400 ? buf_len(&c->heard) : 400),
		buf_view(&c->heard).ptr);
}

void bench_start_plain(struct bench *b, const struct login *login, int fd)
{
	struct stream *stream;

	assert_int_equal(stream_plain_new(&b->loop, fd, &stream), 0);
	start(b, login, stream);
}

void bench_connect_plain(struct bench *b, size_t i)
{
	const struct login login = { .session = i ? STR_LIT("1") : STR_LIT("0"),
		.tag = STR("login"),
		.payload = STR("") };

	bench_start_plain(b, &login, open_client(b, i));
}
