/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text and pieces of bodies, written and taken in whatever portions, come out in their
   order; only pieces without memory wait beside others. */
#include "mailstore/serve/memory_session.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BODIES 40
#define BODY_MIN 20000
#define BODY_MAX 90000 /* some are read into memory, some mapped */
#define ROUNDS 20000
#define GAP ((size_t)18 << 20) /* no two bodies around it are seen at once */
#define SENDS 4000

struct fixture {
	struct memory_server server;
	int64_t inbox;
	struct output out;
	struct buf expected; /* what was written and not taken yet */
	unsigned seed;
};

static unsigned random_below(struct fixture *f, unsigned n)
{
	f->seed = f->seed * 1103515245 + 12345;
	return (f->seed >> 8) % n;
}

static void add_body(struct fixture *f, uint32_t uid, size_t len)
{
	struct store *s = f->server.serve.store;
	struct store_message m = { .uid = uid, .keywords = STR(""), .uidl = STR("") };
	struct body_writer w;
	struct body_place place;
	char *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)('a' + random_below(f, 26));
	assert_return_code(store_body_begin(s, len, &w, NULL), 0);
	assert_return_code(store_body_write(s, &w, str_of(bytes, len), NULL), 0);
	assert_return_code(store_body_end(s, &w, &place, NULL), 0);
	assert_return_code(store_add(s, f->inbox, &m, &place, NULL, NULL), 0);
	free(bytes);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mailbox m;
	struct arena arena;

	assert_non_null(f);
	assert_return_code(memory_server_open(&f->server), 0);
	arena_init(&arena);
	assert_return_code(store_find_mailbox(f->server.serve.store, STR_LIT("INBOX"),
				   &arena, &m, NULL),
		0);
	arena_fini(&arena);
	f->inbox = m.id;
	f->seed = 5;
	assert_return_code(store_begin(f->server.serve.store, NULL), 0);
	for (uint32_t uid = 100; uid < 100 + BODIES; uid++) {
		if (uid == 100 + BODIES / 2)
			add_body(f, 99, GAP);
		add_body(f, uid, BODY_MIN + random_below(f, BODY_MAX - BODY_MIN));
	}
	assert_return_code(store_commit(f->server.serve.store, NULL), 0);
	output_init(&f->out);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	output_fini(&f->out);
	buf_fini(&f->expected);
	memory_server_close(&f->server);
	free(f);
	return 0;
}

static void write_text(struct fixture *f)
{
	static const char text[] = "* 1 FETCH (BODY[] {20000}\r\n";
	struct str some = str_of(text, random_below(f, sizeof(text)));

	assert_return_code(buf_append(&f->out.text, some), 0);
	assert_return_code(buf_append(&f->expected, some), 0);
}

/* Whether it holds memory. */
static bool write_piece(struct fixture *f)
{
	struct store *s = f->server.serve.store;
	uint32_t uid = 100 + random_below(f, BODIES);
	struct body whole, body;
	size_t at, len;
	bool in_memory;

	assert_return_code(store_body_to_send(s, f->inbox, uid, 1, &body, NULL), 0);
	assert_return_code(store_body(s, f->inbox, uid, &whole, NULL), 0);
	at = random_below(f, 1000);
	len = 1 + random_below(f, (unsigned)(whole.bytes.len - at));
	in_memory = body.bytes.ptr != NULL;
	output_piece(&f->out, &body, at, len);
	assert_return_code(
		buf_append(&f->expected, str_take(str_skip(whole.bytes, at), len)), 0);
	store_body_release(&whole);
	return in_memory;
}

static void take_some(struct fixture *f)
{
	struct str piece = output_view(&f->out);
	uint64_t sent = f->out.sent;

	if (!piece.len) {
		assert_true(output_is_empty(&f->out));
		assert_int_equal(buf_len(&f->expected), 0);
		return;
	}
	if (random_below(f, 2))
		piece = str_take(piece, 1 + random_below(f, (unsigned)piece.len));
	assert_true(str_starts(buf_view(&f->expected), piece));
	buf_consume(&f->expected, piece.len);
	output_consume(&f->out, piece.len);
	assert_int_equal(f->out.sent, sent + piece.len);
}

static void all_comes_in_its_order(void **state)
{
	struct fixture *f = *state;
	unsigned most = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned deed = random_below(f, i / 1000 % 2 ? 4 : 7);

		if (deed == 0 && !output_is_full(&f->out)) {
			if (write_piece(f))
				assert_true(output_is_full(&f->out));
		} else if (deed == 1) {
			write_text(f);
		} else if (deed < 4 || output_is_full(&f->out)) {
			take_some(f);
		} else {
			write_text(f);
			if (!output_is_full(&f->out))
				(void)write_piece(f);
		}
		if (f->out.count > most)
			most = f->out.count;
	}
	assert_int_equal(most, OUTPUT_PIECES);
	while (!output_is_empty(&f->out))
		take_some(f);
	take_some(f);
}

/* What was not sent goes with the session. */
static void what_is_left_is_released(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 400; i++) { /* each is read once */
		(void)write_piece(f);
		output_fini(&f->out);
	}
	for (unsigned i = 0; i < OUTPUT_PIECES; i++) {
		assert_false(output_is_full(&f->out));
		write_text(f);
		(void)write_piece(f);
	}
	assert_true(output_is_full(&f->out));
	output_fini(&f->out);
	assert_true(output_is_empty(&f->out));
}

/* ── over a socket ─────────────────────────────────────────────────────────────────── */

static struct stream *open_stream(int *ret_peer)
{
	int pair[2], few = 20000;
	struct stream *s;

	assert_return_code(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	assert_return_code(
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &few, sizeof(few)), 0);
	assert_return_code(stream_plain_new(NULL, pair[0], &s), 0);
	*ret_peer = pair[1];
	return s;
}

/* Up to `most` bytes come as they were written. */
static void hear(struct fixture *f, int peer, size_t most)
{
	static char space[100000];
	ssize_t n = read(peer, space, most < sizeof(space) ? most : sizeof(space));

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	assert_true(str_starts(buf_view(&f->expected), str_of(space, (size_t)n)));
	buf_consume(&f->expected, (size_t)n);
}

static void all_is_sent_in_its_order(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->server.serve.store;
	int peer, r = 0;
	struct stream *stream = open_stream(&peer);

	for (unsigned i = 0; i < SENDS; i++) {
		while (!output_is_full(&f->out) && random_below(f, 8)) {
			write_text(f);
			(void)write_piece(f);
		}
		write_text(f);
		r = output_send(&f->out, stream);
		assert_true(r == 0 || r == -EAGAIN);
		if (random_below(f, 20) == 0) /* nothing has happened for a while */
			store_give_back(s);
		hear(f, peer, 1 + random_below(f, 200000));
	}
	while (r == -EAGAIN || buf_len(&f->expected)) {
		r = output_send(&f->out, stream);
		hear(f, peer, SIZE_MAX);
	}
	assert_true(output_is_empty(&f->out));
	stream_free(stream);
	fd_closep(&peer);
}

/* An error of this connection, no signal, and nothing in the place of what is gone: what
   is left of its last page could be seen as zeros. */
static void a_file_that_is_cut_short(void **state)
{
	struct fixture *f = *state;
	struct body body;
	char space[100];
	int peer;
	struct stream *stream = open_stream(&peer);

	assert_return_code(
		store_body_to_send(f->server.serve.store, f->inbox, 100, 1, &body, NULL),
		0);
	assert_null(body.bytes.ptr);
	assert_return_code(ftruncate(body.fd, 10), 0);
	output_piece(&f->out, &body, 0, 1000);
	assert_int_equal(output_send(&f->out, stream), -EIO);
	assert_int_equal(read(peer, space, sizeof(space)), 10);
	stream_free(stream);
	fd_closep(&peer);
}

/* ── what nobody takes ─────────────────────────────────────────────────────────────── */

#define LONG_TEXT ((size_t)3 << 20)

/* Text that a client does not take is no memory of ours, and keeps its place. */
static void long_text_goes_to_a_file(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->server.serve.store;

	for (unsigned i = 0; i < 3; i++) {
		while (write_piece(f))
			output_settle(&f->out, s);
		write_text(f);
	}
	output_settle(&f->out, s);
	assert_int_equal(f->out.count, 3); /* short text stays */
	while (buf_len(&f->out.text) < LONG_TEXT)
		write_text(f);
	output_settle(&f->out, s);
	assert_int_equal(f->out.count, 4);
	assert_true(f->out.text.cap < OUTPUT_FULL);
	assert_true(output_is_full(&f->out));
	write_text(f);
	while (!output_is_empty(&f->out))
		take_some(f);
	assert_int_equal(buf_len(&f->expected), 0);
}

static void run_until_it_waits(struct session *session)
{
	enum service_need need;

	do
		need = session_run(session);
	while (need == SERVICE_AGAIN);
	assert_int_equal(need, SERVICE_OUTPUT);
}

/* A line that asks for thousands of items is answered as the client takes them. */
static void many_items_wait_for_the_client(void **state)
{
	struct fixture *f = *state;
	struct memory_session *m = &f->server.sessions[0];
	size_t items = 3000, answers = 0;
	struct str said;

	assert_return_code(memory_session_open(&f->server, 0, STR_LIT("")), 0);
	assert_return_code(memory_session_say(&f->server, 0, "SELECT INBOX", &said), 0);
	buf_clear(&m->output);
	assert_return_code(buf_append_c(&m->session.in, "t FETCH 1 ("), 0);
	for (size_t i = 0; i < items; i++)
		assert_return_code(buf_append_c(&m->session.in, "ENVELOPE "), 0);
	assert_return_code(buf_append_c(&m->session.in, "UID)\r\n"), 0);
	run_until_it_waits(&m->session);
	assert_true(buf_len(&m->session.out.text) < 2 * (size_t)OUTPUT_FULL);
	assert_return_code(memory_session_feed(&f->server, 0, STR_LIT("")), 0);
	for (said = buf_view(&m->output); said.len;) {
		size_t at = str_index(said, 'E');

		said = str_skip(said, at);
		answers += str_starts(said, STR_LIT("ENVELOPE ("));
		said = str_skip(said, 1);
	}
	assert_int_equal(answers, items);
}

/* A header of any length, too. */
static void long_fields_are_a_piece(void **state)
{
	struct fixture *f = *state;
	struct memory_session *m = &f->server.sessions[0];
	struct store_message message = {
		.uid = 500, .keywords = STR(""), .uidl = STR("")
	};
	struct store *s = f->server.serve.store;
	struct body_writer w;
	struct body_place place;
	struct str said;
	char wanted[100];

	for (size_t i = 0; i < 30000; i++)
		assert_return_code(buf_printf(&f->expected, "Subject: %zu\r\n", i), 0);
	assert_return_code(buf_append_c(&f->expected, "\r\n"), 0);
	assert_return_code(store_begin(s, NULL), 0);
	assert_return_code(store_body_begin(s, buf_len(&f->expected), &w, NULL), 0);
	assert_return_code(store_body_write(s, &w, buf_view(&f->expected), NULL), 0);
	assert_return_code(store_body_end(s, &w, &place, NULL), 0);
	assert_return_code(store_add(s, f->inbox, &message, &place, NULL, NULL), 0);
	assert_return_code(store_commit(s, NULL), 0);
	assert_return_code(memory_session_open(&f->server, 0, STR_LIT("")), 0);
	assert_return_code(memory_session_say(&f->server, 0, "SELECT INBOX", &said), 0);
	buf_clear(&m->output);
	assert_return_code(
		buf_append_c(&m->session.in,
			"t UID FETCH 500 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n"
			"t UID FETCH 500 BODY.PEEK[HEADER.FIELDS (SUBJECT)]<9.4>\r\n"),
		0);
	run_until_it_waits(&m->session);
	assert_true(m->session.out.text.cap < 2 * (size_t)OUTPUT_FULL);
	assert_return_code(memory_session_feed(&f->server, 0, STR_LIT("")), 0);
	(void)snprintf(
		wanted, sizeof(wanted), "{%zu}\r\nSubject: 0\r\n", buf_len(&f->expected));
	said = buf_view(&m->output);
	said = str_skip(said, str_index(said, '{'));
	assert_true(str_starts(said, str_from(wanted)));
	said = str_skip(said, str_index(said, 'S'));
	assert_true(str_starts(said, buf_view(&f->expected)));
	said = str_skip(said, buf_len(&f->expected));
	said = str_skip(said, str_index(said, '{'));
	assert_true(str_starts(said, STR_LIT("{4}\r\n0\r\nS")));
	buf_clear(&f->expected);
}

/* ── the end ───────────────────────────────────────────────────────────────────────── */

/* Takes all, and knows of the last write whether more was said to follow. */
struct told {
	struct stream stream;
	bool more;
};

static ssize_t take(struct stream *s, struct str bytes, bool more)
{
	((struct told *)s)->more = more;
	return (ssize_t)bytes.len;
}

static void the_end_goes_with_the_last_bytes(void **state)
{
	static const struct stream_ops joins = { .write = take, .joins_end = true };
	static const struct stream_ops does_not = { .write = take };
	struct fixture *f = *state;
	struct told told = { .stream = { .ops = &joins, .fd = -1 } };

	assert_return_code(buf_append_c(&f->out.text, "a OK\r\n"), 0);
	assert_int_equal(output_send(&f->out, &told.stream), 0);
	assert_false(told.more); /* or the client would wait */

	f->out.ends = true;
	assert_return_code(buf_append_c(&f->out.text, "* BYE\r\n"), 0);
	assert_int_equal(output_send(&f->out, &told.stream), 0);
	assert_true(told.more);

	told.stream.ops = &does_not;
	assert_return_code(buf_append_c(&f->out.text, "* BYE\r\n"), 0);
	assert_int_equal(output_send(&f->out, &told.stream), 0);
	assert_false(told.more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			all_comes_in_its_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_left_is_released, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			all_is_sent_in_its_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_cut_short, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			long_text_goes_to_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			many_items_wait_for_the_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			long_fields_are_a_piece, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_end_goes_with_the_last_bytes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
