/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes through the relay, over loopback TCP and over socket pairs (which splice() takes
 * too): the same bytes at the other end, ends that travel on, and no pipe held for
 * nothing.
 *
 *   left ◄──tcp──► client side [relay] source side ◄──tcp──► right
 */
#include "net/relay.h"

#include "event/loop.h"
#include "support/odd_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BULK (8 * 1024 * 1024)
#define ODD_BULK 30000
#define PLAIN ODD_COUNT /* behind the odd ones */
#define KINDS (ODD_COUNT + 1)
#define TURNS_MAX 200000 /* of the loop: a relay that hangs fails here */

struct bench {
	struct loop loop;
	uv_idle_t pulse; /* so that a turn of the loop never waits */
	struct relay_shared shared;
	struct relay relay;
	struct stream *client, *source;
	int left, right;
	int kind; /* of both streams */
	bool over;
	size_t most_held; /* bytes inside the relay at once */
};

typedef void make_pair(int fds[static 2]);

static void unix_pair(int fds[static 2])
{
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
}

static void tcp_pair(int fds[static 2])
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	int on = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)connect(fds[0], (struct sockaddr *)&here, sizeof(here));
	fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	close(listener);
	for (int i = 0; i < 2; i++)
		(void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void note(struct bench *b, enum relay_result result)
{
	const struct relay_way *ways[] = { &b->relay.up, &b->relay.down };
	size_t held = 0;

	for (size_t i = 0; i < 2; i++)
		held += buf_len(&ways[i]->left) +
		        (ways[i]->pipe ? ways[i]->pipe->held : 0);
	if (held > b->most_held)
		b->most_held = held;
	b->over |= result == RELAY_OVER;
	if (b->over) {
		stream_want(b->client, 0);
		stream_want(b->source, 0);
	}
}

static void client_ready(void *context, int events, int error)
{
	struct bench *b = context;

	note(b, relay_event(&b->relay, b->client, events, error, loop_now(&b->loop)));
}

static void source_ready(void *context, int events, int error)
{
	struct bench *b = context;

	note(b, relay_event(&b->relay, b->source, events, error, loop_now(&b->loop)));
}

static void on_pulse(uv_idle_t *idle)
{
	(void)idle;
}

static struct stream *stream_over(struct bench *b, int fd)
{
	struct stream *s = NULL;

	if (b->kind == PLAIN)
		assert_int_equal(stream_plain_new(&b->loop, fd, &s), 0);
	else
		assert_int_equal(
			odd_stream_new(&b->loop, fd, (enum oddity)b->kind, &s), 0);
	return s;
}

static void bench_init(struct bench *b, int kind, make_pair *pair, struct str first_up,
	struct str first_down)
{
	struct buf up, down;
	int left[2], right[2];

	memset(b, 0, sizeof(*b));
	b->kind = kind;
	pair(left);
	pair(right);
	b->left = left[0];
	b->right = right[0];
	assert_int_equal(loop_init(&b->loop, false), 0);
	assert_int_equal(uv_idle_init(&b->loop.uv, &b->pulse), 0);
	assert_int_equal(uv_idle_start(&b->pulse, on_pulse), 0);
	assert_int_equal(relay_shared_init(&b->shared), 0);
	b->client = stream_over(b, left[1]);
	b->source = stream_over(b, right[1]);
	stream_set_owner(b->client, client_ready, b);
	stream_set_owner(b->source, source_ready, b);
	buf_init(&up, 0);
	buf_init(&down, 0);
	assert_int_equal(buf_append(&up, first_up), 0);
	assert_int_equal(buf_append(&down, first_down), 0);
	relay_begin(&b->relay, &b->shared, b->client, b->source, &up, &down);
	assert_int_equal(buf_len(&up) + buf_len(&down), 0);
	note(b, relay_start(&b->relay, loop_now(&b->loop)));
}

static void turn(struct bench *b)
{
	loop_turn(&b->loop);
}

static void bench_fini(struct bench *b)
{
	relay_fini(&b->relay);
	stream_free(b->client);
	stream_free(b->source);
	uv_close((uv_handle_t *)&b->pulse, NULL);
	assert_int_equal(loop_fini(&b->loop), 0);
	relay_shared_fini(&b->shared);
	if (b->left >= 0)
		close(b->left);
	if (b->right >= 0)
		close(b->right);
}

static char pattern(size_t at)
{
	return (char)(at * 2654435761u >> 13);
}

/* Sends what goes of `total` bytes; returns how far it is. */
static size_t send_some(int fd, size_t sent, size_t total, size_t piece)
{
	static char bytes[65536];

	for (;;) {
		size_t n = total - sent < piece ? total - sent : piece;
		ssize_t w;

		if (!n)
			return sent;
		for (size_t i = 0; i < n; i++)
			bytes[i] = pattern(sent + i);
		w = write(fd, bytes, n);
		if (w < 0)
			return sent;
		sent += (size_t)w;
	}
}

static size_t check_some(int fd, size_t got, size_t piece, bool *ret_end)
{
	static char bytes[65536];
	ssize_t n = read(fd, bytes, piece);

	*ret_end = n == 0;
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i] != pattern(got + (size_t)i))
			fail_msg("byte %zu differs", got + (size_t)i);
	return n > 0 ? got + (size_t)n : got;
}

/* Everything from one end to the other, then its end of file. */
static void bulk(int kind, make_pair *pair, bool down, size_t total, size_t read_piece)
{
	struct bench b;
	size_t sent = 0, got = 0;
	bool end = false, closed = false;
	int from, to;

	bench_init(&b, kind, pair, STR_LIT(""), STR_LIT(""));
	from = down ? b.right : b.left;
	to = down ? b.left : b.right;
	for (int i = 0; i < TURNS_MAX && !end; i++) {
		sent = send_some(from, sent, total, 65536);
		if (sent == total && !closed)
			closed = shutdown(from, SHUT_WR) == 0;
		turn(&b);
		got = check_some(to, got, read_piece, &end);
	}
	assert_int_equal(got, total);
	assert_true(end);
	assert_false(b.over);
	assert_true(relay_half_closed(&b.relay));
	assert_int_equal(down ? b.relay.down.bytes : b.relay.up.bytes, total);
	assert_int_equal(b.shared.pipes.count > 0, kind == PLAIN); /* it was spliced */
	assert_null(b.relay.up.pipe); /* and nobody holds a pipe now */
	assert_null(b.relay.down.pipe);
	/* the other direction still works */
	assert_int_equal(write(to, "bye", 3), 3);
	assert_int_equal(shutdown(to, SHUT_WR), 0);
	for (int i = 0; i < TURNS_MAX && !b.over; i++)
		turn(&b);
	assert_true(b.over);
	bench_fini(&b);
}

static void test_bulk(void **state)
{
	(void)state;
	bulk(PLAIN, tcp_pair, true, BULK, 65536);
	bulk(PLAIN, tcp_pair, false, BULK, 65536);
	bulk(PLAIN, unix_pair, true, BULK, 65536);
	for (int kind = 0; kind < ODD_COUNT; kind++) {
		bulk(kind, tcp_pair, true, ODD_BULK, 65536);
		bulk(kind, unix_pair, false, ODD_BULK, 65536);
	}
}

static void test_slow_reader(void **state)
{
	(void)state;
	bulk(PLAIN, tcp_pair, true, BULK, 700);
}

/* A reader that reads nothing: what the relay holds stays within one pipe. */
static void test_back_pressure(void **state)
{
	struct bench b;
	size_t sent = 0;

	(void)state;
	bench_init(&b, PLAIN, tcp_pair, STR_LIT(""), STR_LIT(""));
	for (int i = 0; i < 3000; i++) {
		sent = send_some(b.right, sent, BULK, 65536);
		turn(&b);
	}
	assert_true(b.most_held <= PIPE_SIZE);
	assert_true(b.relay.down.bytes < BULK);
	assert_int_equal(b.client->wanted & UV_WRITABLE, UV_WRITABLE);
	assert_int_equal(b.source->wanted & UV_READABLE, 0);
	bench_fini(&b);
}

static void assert_read(int fd, const char *wanted)
{
	char bytes[64] = "";

	assert_int_equal(read(fd, bytes, sizeof(bytes) - 1), (ssize_t)strlen(wanted));
	assert_string_equal(bytes, wanted);
}

static void trickle_over(int kind)
{
	struct bench b;

	bench_init(&b, kind, tcp_pair, STR_LIT("first up"), STR_LIT("first down\n"));
	while (b.relay.up.bytes < 8 || b.relay.down.bytes < 11)
		turn(&b);
	assert_read(b.right, "first up");
	assert_read(b.left, "first down\n");
	assert_true(b.relay.down.ends_line);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(write(b.left, "a NOOP\r\n", 8), 8);
		while (b.relay.up.bytes < 8 + 8 * ((uint64_t)i + 1))
			turn(&b);
		assert_read(b.right, "a NOOP\r\n");
		assert_int_equal(write(b.right, "a OK", 4), 4);
		while (b.relay.down.bytes < 11 + 4 * ((uint64_t)i + 1))
			turn(&b);
		assert_read(b.left, "a OK");
	}
	assert_int_equal(b.shared.pipes.count, 0); /* never worth a pipe */
	assert_null(b.relay.down.left.data);
	assert_false(b.relay.down.ends_line);
	bench_fini(&b);
}

static void test_trickle(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		trickle_over(kind);
}

static void close_end(int *fd)
{
	close(*fd);
	*fd = -1;
}

/* Ends in both orders; the second end finishes the relay. */
static void half_close(int kind, bool client_first)
{
	struct bench b;
	int *first, *second;
	char c;

	bench_init(&b, kind, tcp_pair, STR_LIT(""), STR_LIT(""));
	first = client_first ? &b.left : &b.right;
	second = client_first ? &b.right : &b.left;
	assert_int_equal(write(*first, "x", 1), 1);
	assert_int_equal(shutdown(*first, SHUT_WR), 0);
	for (int i = 0; i < 100; i++)
		turn(&b);
	assert_int_equal(read(*second, &c, 1), 1);
	assert_int_equal(read(*second, &c, 1), 0);
	assert_false(b.over);
	assert_int_equal(write(*second, "y", 1), 1);
	for (int i = 0; i < 100; i++)
		turn(&b);
	assert_int_equal(read(*first, &c, 1), 1);
	close_end(second);
	for (int i = 0; i < TURNS_MAX && !b.over; i++)
		turn(&b);
	assert_true(b.over);
	bench_fini(&b);
}

static void test_half_close(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		half_close(kind, true);
		half_close(kind, false);
	}
}

/* The last word and the end that is there with it are one turn of the loop. */
static void end_with_bytes(bool by_client)
{
	struct bench b;
	int *from, *to;
	char c;

	bench_init(&b, PLAIN, unix_pair, STR_LIT(""), STR_LIT(""));
	from = by_client ? &b.left : &b.right;
	to = by_client ? &b.right : &b.left;
	assert_int_equal(write(*from, "x", 1), 1);
	assert_int_equal(shutdown(*from, SHUT_WR), 0);
	turn(&b);
	assert_int_equal(read(*to, &c, 1), 1);
	assert_int_equal(read(*to, &c, 1), 0);
	assert_false(b.over);
	bench_fini(&b);
}

static void test_end_with_bytes(void **state)
{
	(void)state;
	end_with_bytes(true);
	end_with_bytes(false);
}

static ssize_t read_wait(int fd, char *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, -1), 1);
	return read(fd, ret, 1);
}

static unsigned segments_sent(const struct stream *s)
{
	struct { /* as the kernel has it: libc's ends before */
		struct tcp_info head;
		uint64_t rates[2], bytes[2];
		uint32_t segments_out;
	} info = { 0 };
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.segments_out;
}

/* And one packet: the peer is woken once. */
static void test_end_in_packet(void **state)
{
	struct pollfd last = { .events = POLLRDHUP };
	struct bench b;
	unsigned before;
	char c = 0;

	(void)state;
	bench_init(&b, PLAIN, tcp_pair, STR_LIT(""), STR_LIT(""));
	last.fd = b.source->fd;
	assert_int_equal(write(b.right, "x", 1), 1);
	assert_int_equal(shutdown(b.right, SHUT_WR), 0);
	assert_int_equal(poll(&last, 1, -1), 1);
	before = segments_sent(b.client);
	for (int i = 0; i < TURNS_MAX && !relay_source_ended(&b.relay); i++)
		turn(&b);
	assert_int_equal(segments_sent(b.client), before + 1);
	assert_int_equal(read_wait(b.left, &c), 1);
	assert_int_equal(read_wait(b.left, &c), 0);
	bench_fini(&b);
}

/* The source has hung up while the client still sends: its last word is heard. */
static void test_last_word(void **state)
{
	struct pollfd last = { .events = POLLRDHUP }, more = { .events = POLLIN };
	struct bench b;
	char c = 0;

	(void)state;
	bench_init(&b, PLAIN, tcp_pair, STR_LIT(""), STR_LIT(""));
	last.fd = b.source->fd;
	more.fd = b.client->fd;
	assert_int_equal(write(b.right, "x", 1), 1);
	assert_int_equal(shutdown(b.right, SHUT_WR), 0);
	assert_int_equal(poll(&last, 1, -1), 1);
	stream_shutdown(b.source, SHUT_WR); /* a reset would come too late for this */
	assert_int_equal(write(b.left, "y", 1), 1);
	assert_int_equal(poll(&more, 1, -1), 1);
	note(&b, relay_event(&b.relay, b.client, UV_READABLE, 0, 0));
	assert_int_equal(b.relay.up.state, WAY_CUT);
	assert_int_equal(write(b.left, "z", 1), 1);
	assert_int_equal(poll(&more, 1, -1), 1);
	note(&b, relay_event(&b.relay, b.source, UV_READABLE | UV_DISCONNECT, 0, 0));
	assert_true(b.over);
	stream_free(b.client);
	b.client = NULL;
	assert_int_equal(read_wait(b.left, &c), 1);
	assert_int_equal(c, 'x');
	bench_fini(&b);
}

/* A reset ends both directions, whichever side it comes from; the other side is not told
   an end: its owner closes it, and with TLS that is a cut. */
static void reset(int kind, bool by_client)
{
	struct linger hard = { .l_onoff = 1 };
	struct bench b;
	int *side;
	char c;

	bench_init(&b, kind, tcp_pair, STR_LIT(""), STR_LIT(""));
	side = by_client ? &b.left : &b.right;
	assert_int_equal(write(*side, "x", 1), 1);
	for (int i = 0; i < 50; i++)
		turn(&b);
	assert_int_equal(
		setsockopt(*side, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close_end(side);
	for (int i = 0; i < TURNS_MAX && !b.over; i++)
		turn(&b);
	assert_true(b.over);
	assert_int_equal(read(by_client ? b.right : b.left, &c, 1), 1);
	assert_int_equal(read(by_client ? b.right : b.left, &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	bench_fini(&b);
}

static void test_reset(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		reset(kind, true);
		reset(kind, false);
	}
}

/* Both directions at once, each faster than its reader. */
static void both_ways(int kind, size_t total)
{
	struct bench b;
	size_t sent_up = 0, got_up = 0, sent_down = 0, got_down = 0;
	bool end;

	bench_init(&b, kind, tcp_pair, STR_LIT(""), STR_LIT(""));
	for (int i = 0; i < TURNS_MAX && (got_up < total || got_down < total); i++) {
		sent_up = send_some(b.left, sent_up, total, 50000);
		sent_down = send_some(b.right, sent_down, total, 65536);
		turn(&b);
		got_up = check_some(b.right, got_up, 65536, &end);
		got_down = check_some(b.left, got_down, 30000, &end);
	}
	assert_int_equal(got_up, total);
	assert_int_equal(got_down, total);
	bench_fini(&b);
}

static void test_both_ways(void **state)
{
	(void)state;
	both_ways(PLAIN, BULK);
	for (int kind = 0; kind < ODD_COUNT; kind++)
		both_ways(kind, ODD_BULK);
}

static void between_lines_over(int kind)
{
	struct bench b;
	uint64_t now;

	bench_init(&b, kind, tcp_pair, STR_LIT(""), STR_LIT("* OK hi\r\n"));
	while (b.relay.down.bytes < 9)
		turn(&b);
	now = b.relay.down.moved_at;
	assert_false(relay_between_lines(&b.relay, now + 10));
	assert_true(relay_between_lines(&b.relay, now + 1000));
	assert_int_equal(write(b.right, "half a li", 9), 9);
	while (b.relay.down.bytes < 18)
		turn(&b);
	assert_false(relay_between_lines(&b.relay, now + 60000));
	bench_fini(&b);
}

static void test_between_lines(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		between_lines_over(kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_trickle),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_end_with_bytes),
		cmocka_unit_test(test_end_in_packet),
		cmocka_unit_test(test_last_word),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_between_lines),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
