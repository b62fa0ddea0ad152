/* SPDX-License-Identifier: GPL-3.0-or-later */
/* APPENDs that are committed together: how many commits there are, that answers keep
   their order and come after the commit, and that one which fails costs no other. */
#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/connection_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct counting {
	struct store_watch watch;
	int64_t mailbox; /* 0: any */
	unsigned commits;
};

static void count(void *context, int64_t mailbox)
{
	struct counting *c = context;

	c->commits += mailbox && (!c->mailbox || mailbox == c->mailbox);
}

static void count_from_now(struct counting *c, struct memory_server *m)
{
	*c = (struct counting){ .watch = { .changed = count, .context = c } };
	store_watch(m->serve.store, &c->watch);
}

static int setup(void **state)
{
	return memory_server_set_up(state) < 0
	               ? -1
	               : memory_session_open(*state, 1, STR_LIT(""));
}

/* Takes the input in, and commits nothing that can wait. */
static void gather(struct memory_server *m, size_t i, struct str bytes)
{
	struct session *s = &m->sessions[i].session;
	enum service_need need = SERVICE_AGAIN;

	assert_return_code(buf_append(&s->in, bytes), 0);
	while (need == SERVICE_AGAIN)
		need = session_run(s);
	assert_int_equal(need, SERVICE_INPUT);
}

/* What the session has to say now: no more and no less. */
static void says(struct memory_server *m, size_t i, const char *expected)
{
	struct output *out = &m->sessions[i].session.out;
	struct str said = output_view(out);

	if (!str_eq(said, str_from(expected)))
		fail_msg("session %zu said:\n%.*s\nexpected:\n%s", i, STR_ARG(said),
			expected);
	output_consume(out, said.len);
}

static void test_one_commit(void **state)
{
	struct memory_server *m = *state;
	struct counting c;

	says(m, 0, "");
	count_from_now(&c, m);
	gather(m, 0,
		STR_LIT("a APPEND Sent {3+}\r\none\r\n"
			"b APPEND Sent (\\Seen) {3+}\r\ntwo\r\n"
			"c APPEND Archive {3+}\r\nabc {3+}\r\ndef\r\n"));
	gather(m, 1, STR_LIT("x APPEND Sent {5+}\r\nthree\r\n"));
	says(m, 0, ""); /* nothing is on the disk */
	says(m, 1, "");
	assert_int_equal(c.commits, 0);
	append_queue_commit(&m->serve);
	assert_int_equal(c.commits, 2); /* one, of two mailboxes */
	says(m, 0,
		"a OK [APPENDUID 1001 1] Append completed.\r\n"
		"b OK [APPENDUID 1001 2] Append completed.\r\n"
		"c OK [APPENDUID 1003 1:2] Append completed.\r\n");
	says(m, 1, "x OK [APPENDUID 1001 3] Append completed.\r\n");
	store_unwatch(m->serve.store, &c.watch);
}

/* Each command that is no APPEND, each refusal, each "+" comes behind what waits. */
static void test_order(void **state)
{
	static const struct {
		const char *bytes, *answers;
	} rows[] = {
		{ "b NOOP\r\n", "b OK NOOP completed.\r\n" },
		{ "b NONSENSE\r\n", "b BAD Unknown command.\r\n" },
		{ "b APPEND Nowhere {1+}\r\nx\r\n",
			"b NO [TRYCREATE] Mailbox does not exist.\r\n" },
		{ "b APPEND Nowhere {1}\r\n",
			"b NO [TRYCREATE] Mailbox does not exist.\r\n" },
		{ "b APPEND Sent {1+}\r\nx)\r\n", "b BAD Error in arguments.\r\n" },
		{ "b APPEND Sent {1}\r\n", "+ OK\r\n" },
		{ "b STATUS {4}\r\n", "+ OK\r\n" },
		{ "b APPEND Sent CATENATE (URL \"/Sent;UIDVALIDITY=1001/;UID=1\")\r\n",
			NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[256];
		void *own;
		struct memory_server *m;

		assert_int_equal(setup(&own), 0);
		m = own;
		gather(m, 0, STR_LIT("a APPEND Sent {1+}\r\nx\r\n"));
		gather(m, 0, str_from(rows[i].bytes));
		append_queue_commit(&m->serve);
		(void)snprintf(expected, sizeof(expected),
			"a OK [APPENDUID 1001 1] Append completed.\r\n%s",
			rows[i].answers ? rows[i].answers
					: "b OK [APPENDUID 1001 2] Append "
					  "completed.\r\n");
		says(m, 0, expected);
		(void)memory_server_tear_down(&own);
	}
}

static void test_in_the_middle(void **state)
{
	struct memory_server *m = *state;

	gather(m, 0, STR_LIT("a SELECT Sent\r\n"));
	output_consume(&m->sessions[0].session.out,
		output_view(&m->sessions[0].session.out).len);
	gather(m, 0,
		STR_LIT("a APPEND Sent {1+}\r\nx\r\n"
			"b APPEND Sent {9+}\r\nhalf"));
	append_queue_commit(&m->serve);
	says(m, 0,
		"* 1 EXISTS\r\n* 1 RECENT\r\n"
		"a OK [APPENDUID 1001 1] Append completed.\r\n");
	gather(m, 0, STR_LIT(" of i\r\nc APPEND Sent {1+}\r\ny\r\n"));
	append_queue_commit(&m->serve);
	says(m, 0,
		"* 3 EXISTS\r\n* 3 RECENT\r\n"
		"b OK [APPENDUID 1001 2] Append completed.\r\n"
		"c OK [APPENDUID 1001 3] Append completed.\r\n");
}

/* What waits is there for the session's next command. */
static void test_known_to_the_next_command(void **state)
{
	struct memory_server *m = *state;
	struct output *out = &m->sessions[0].session.out;

	gather(m, 0, STR_LIT("a SELECT Sent\r\n"));
	output_consume(out, output_view(out).len);
	gather(m, 0,
		STR_LIT("a APPEND Sent {1+}\r\nx\r\nb SEARCH ALL\r\n"
			"c APPEND Sent {1+}\r\ny\r\nd COPY 2 Archive\r\n"));
	says(m, 0,
		"* 1 EXISTS\r\n* 1 RECENT\r\n"
		"a OK [APPENDUID 1001 1] Append completed.\r\n"
		"* SEARCH 1\r\nb OK Search completed.\r\n"
		"* 2 EXISTS\r\n* 2 RECENT\r\n"
		"c OK [APPENDUID 1001 2] Append completed.\r\n"
		"d OK [COPYUID 1003 2 1] Copy completed.\r\n");
}

/* An answer that ends the session ends it, whatever its client has sent behind. */
static void test_ended_by_the_answer(void **state)
{
	static const char *const behind[] = { "b NOOP\r\n", "b LOGOUT\r\n",
		"b APPEND Sent {1}\r\n", "b STATUS {4}\r\n",
		"b APPEND Sent CATENATE (TEXT {1+}\r\nx)\r\n",
		"b APPEND Sent CATENATE (URL \"/Sent;UIDVALIDITY=1001/;UID=1\")\r\n",
		"b REPLACE 1 Sent {1+}\r\nx\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		struct memory_server *m;
		struct session *s;
		void *own;

		assert_int_equal(setup(&own), 0);
		m = own;
		s = &m->sessions[0].session;
		gather(m, 0, STR_LIT("s SELECT Archive/2024\r\n"));
		output_consume(&s->out, output_view(&s->out).len);
		gather(m, 0, STR_LIT("a APPEND Sent {1+}\r\nx\r\n"));
		gather(m, 1, STR_LIT("d DELETE Archive/2024\r\n"));
		assert_return_code(buf_append(&s->in, str_from(behind[i])), 0);
		while (session_run(s) == SERVICE_AGAIN)
			;
		says(m, 0, "* BYE Selected mailbox cannot be used any more.\r\n");
		assert_int_equal(session_run(s), SERVICE_END);
		(void)memory_server_tear_down(&own);
	}
}

/* RFC 9051, 4.3: no literal holds one, neither a client's nor ours. */
static void test_nuls(void **state)
{
	struct memory_server *m = *state;
	struct output *out = &m->sessions[0].session.out;

	gather(m, 0, STR_LIT("a APPEND Sent {4+}\r\na\0b\0\r\nb SELECT Sent\r\n"));
	output_consume(out, output_view(out).len);
	gather(m, 0, STR_LIT("c FETCH 1 BODY.PEEK[]\r\n"));
	says(m, 0,
		"* 1 FETCH (BODY[] {4}\r\na\x80"
		"b\x80)\r\nc OK Fetch completed.\r\n");
}

/* The quota has room for two of four, another mailbox goes away. */
static void test_failures(void **state)
{
	struct memory_server *m = *state;

	assert_return_code(memory_session_open(m, 2, STR_LIT("")), 0);
	m->serve.quota.messages = 6;
	gather(m, 0,
		STR_LIT("a APPEND Archive/2024 {1+}\r\nx\r\n"
			"b APPEND Sent {1+}\r\nx\r\n"));
	gather(m, 1, STR_LIT("x APPEND Sent {1+}\r\ny\r\nz APPEND Sent {1+}\r\ny\r\n"));
	gather(m, 0, STR_LIT("c APPEND Sent {1+}\r\nx\r\n"));
	gather(m, 2, STR_LIT("d DELETE Archive/2024\r\n"));
	says(m, 2, "d OK Delete completed.\r\n");
	append_queue_commit(&m->serve);
	says(m, 0,
		"a NO [NONEXISTENT] Mailbox or message does not exist.\r\n"
		"b OK [APPENDUID 1001 1] Append completed.\r\n"
		"c NO [OVERQUOTA] The account's quota is used up.\r\n");
	says(m, 1,
		"x OK [APPENDUID 1001 2] Append completed.\r\n"
		"z NO [OVERQUOTA] The account's quota is used up.\r\n");
}

/* Neither too many nor too much waits. */
static void test_limits(void **state)
{
	struct memory_server *m = *state;
	static char large[60000];
	struct counting c;
	struct buf text;

	buf_init(&text, 0);
	for (unsigned i = 0; i < APPENDS_TOGETHER_MAX + 1; i++)
		assert_return_code(buf_append_c(&text, "a APPEND Sent {1+}\r\nx\r\n"), 0);
	count_from_now(&c, m);
	gather(m, 0, buf_view(&text));
	assert_int_equal(c.commits, 1);
	append_queue_commit(&m->serve);
	assert_int_equal(c.commits, 2);
	memset(large, 'x', sizeof(large));
	for (unsigned i = 0; i < APPENDS_BYTES_MAX / sizeof(large) + 1; i++) {
		buf_clear(&text);
		assert_return_code(buf_printf(&text, "b APPEND Sent {%zu+}\r\n%.*s\r\n",
					   sizeof(large), (int)sizeof(large), large),
			0);
		gather(m, 0, buf_view(&text));
	}
	assert_int_equal(c.commits, 3);
	assert_null(m->serve.appends.first);
	buf_clear(&text); /* lines are memory, too */
	assert_return_code(buf_append_c(&text, "c APPEND Sent ("), 0);
	while (buf_len(&text) < sizeof(large))
		assert_return_code(buf_append_c(&text, "\\Seen "), 0);
	assert_return_code(buf_append_c(&text, "\\Seen) {1+}\r\nx\r\n"), 0);
	for (unsigned i = 0; i < APPENDS_BYTES_MAX / sizeof(large) + 1; i++)
		gather(m, 0, buf_view(&text));
	assert_int_equal(c.commits, 4);
	store_unwatch(m->serve.store, &c.watch);
	buf_fini(&text);
}

/* A client that is gone has sent it all the same; half of it is nothing. */
static void test_gone(void **state)
{
	struct memory_server *m = *state;
	struct str said;

	gather(m, 1,
		STR_LIT("a APPEND Sent {1+}\r\nx\r\nb APPEND Sent {1+}\r\nx\r\n"
			"c APPEND Sent {5+}\r\nhal"));
	session_close(&m->sessions[1].session);
	m->sessions[1].open = false;
	assert_return_code(memory_session_say(m, 0, "STATUS Sent (MESSAGES)", &said), 0);
	assert_non_null(memmem(said.ptr, said.len, "(MESSAGES 2)", 12));
}

#define MANY 100

/* In the loop: what lies in the socket is read before the commit, and other sessions are
   answered by the same one. */
static void test_in_the_loop(void **state)
{
	static struct bench b;
	struct counting c;
	char line[64];

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < 2; i++) {
		bench_connect_plain(&b, i);
		bench_hear(&b, i, "login OK");
	}
	count_from_now(&c, &b.server);
	for (int n = 0; n < MANY; n++)
		bench_say(&b, 0, "a APPEND Sent {10+}\r\n0123456789\r\n");
	bench_say(&b, 0, "b APPEND Sent {1+}\r\nx\r\n");
	bench_say(&b, 1, "x APPEND Sent {1+}\r\nx\r\n");
	for (size_t i = 0; i < 2; i++)
		assert_true(buf_write(&b.clients[i].to_say, b.clients[i].fd) > MANY / 10);
	bench_hear(&b, 0, "\r\nb OK");
	bench_hear(&b, 1, "\r\nx OK");
	assert_int_equal(c.commits, 1);
	(void)snprintf(line, sizeof(line), "[APPENDUID 1001 %d]", MANY);
	bench_hear(&b, 0, line);
	store_unwatch(b.server.serve.store, &c.watch);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_one_commit, setup, memory_server_tear_down),
		cmocka_unit_test(test_order),
		cmocka_unit_test_setup_teardown(
			test_in_the_middle, setup, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_known_to_the_next_command, setup, memory_server_tear_down),
		cmocka_unit_test(test_ended_by_the_answer),
		cmocka_unit_test_setup_teardown(
			test_nuls, setup, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_failures, setup, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_limits, setup, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_gone, setup, memory_server_tear_down),
		cmocka_unit_test(test_in_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
