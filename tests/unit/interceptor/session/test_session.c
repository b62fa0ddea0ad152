/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The session without a protocol: a handler that does what the client tells it, a word
 * and what it is for on each line, as a script (script.h).
 */
#include "interceptor/session/session.h"

#include "interceptor/session/internal.h"
#include "interceptor/session/script.h"
#include "lib/registry/registry_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define FILL 100000 /* more than makes a session congested */
#define LIMIT 150000

struct puppet {
	unsigned filled, lines;
};

static struct puppet *puppet_of(const struct session *s)
{
	return s->memory->state;
}

static void puppet_begin(struct session *s)
{
	session_say(s, STR_LIT("hello\r\n"));
	session_set_deadline(s, 60000);
}

static void puppet_init(struct session *s)
{
	s->memory->to_client.limit = LIMIT;
}

static void puppet_end(struct session *s)
{
	s->step++; /* counted: once */
	assert_int_equal(s->step, 1);
}

static struct session_events puppet_wants(const struct session *s)
{
	return (struct session_events){
		session_is_congested(s) ? UV_DISCONNECT : UV_READABLE, UV_READABLE
	};
}

/* ---- what the client may tell it ---- */

static void do_say(struct session *s, struct str text)
{
	session_say(s, text);
	session_say(s, STR_LIT("\r\n"));
}

static void do_ask(struct session *s, struct str text)
{
	if (buf_append(&s->memory->to_source, text) < 0 ||
		buf_append_c(&s->memory->to_source, "\r\n") < 0)
		session_close(s, "no memory");
}

static void do_connect(struct session *s, struct str text)
{
	(void)text;
	if (session_connect(s) < 0)
		session_say(s, STR_LIT("not connected\r\n"));
}

static void do_drop(struct session *s, struct str text)
{
	(void)text;
	session_drop_source(s);
}

static void do_fill(struct session *s, struct str text)
{
	static char line[1000];

	(void)text;
	memset(line, 'x', sizeof(line));
	for (size_t n = 0; n < FILL; n += sizeof(line))
		session_say(s, str_of(line, sizeof(line)));
}

static void do_close(struct session *s, struct str text)
{
	(void)text;
	session_close(s, "told");
}

static void do_finish(struct session *s, struct str text)
{
	(void)text;
	session_finish(s, "told");
}

static void do_bye(struct session *s, struct str text)
{
	(void)text;
	session_say_bye(s, CLOSE_UNAVAILABLE);
}

static void do_relay(struct session *s, struct str text)
{
	(void)text;
	session_relay(s);
}

static void do_account(struct session *s, struct str text)
{
	(void)session_set_account(s, text, 1);
	session_set_live(s, text.len > 0);
}

static void do_route(struct session *s, struct str text)
{
	session_set_route(s, str_eq(text, STR_LIT("local")) ? ROUTE_LOCAL : ROUTE_SOURCE);
}

static const struct {
	struct str word;
	void (*act)(struct session *s, struct str text);
} words[] = {
	{ STR("say"), do_say },
	{ STR("ask"), do_ask },
	{ STR("connect"), do_connect },
	{ STR("drop"), do_drop },
	{ STR("fill"), do_fill },
	{ STR("close"), do_close },
	{ STR("finish"), do_finish },
	{ STR("bye"), do_bye },
	{ STR("relay"), do_relay },
	{ STR("account"), do_account },
	{ STR("route"), do_route },
};

static void obey(struct session *s, struct str line)
{
	struct str word = str_split(&line, ' ');

	for (size_t i = 0; i < ROWS(words); i++)
		if (str_eq(words[i].word, word))
			words[i].act(s, line);
}

static void puppet_client_ready(struct session *s)
{
	struct buf *b = &s->memory->from_client;

	while (session_is_handled(s) && !session_is_congested(s)) {
		struct str all = buf_view(b);
		size_t end = str_index(all, '\n');
		char line[200];

		if (end == all.len)
			break;
		assert_true(end < sizeof(line));
		memcpy(line, all.ptr, end);
		buf_consume(b, end + 1);
		puppet_of(s)->lines++;
		obey(s, str_trim(str_of(line, end)));
	}
	if (s->client_ended && !buf_len(b))
		session_finish(s, "client left");
}

static void puppet_source_connected(struct session *s)
{
	session_say(s, STR_LIT("connected\r\n"));
}

static void puppet_source_ready(struct session *s)
{
	session_say(s, buf_view(&s->memory->from_source));
	buf_clear(&s->memory->from_source);
}

static void puppet_source_lost(struct session *s, int code)
{
	session_drop_source(s);
	session_say(s, str_from(code == -ECONNREFUSED ? "refused\r\n" : "lost\r\n"));
}

static void puppet_timeout(struct session *s)
{
	session_say_bye(s, CLOSE_TIMEOUT);
}

static enum quiesce puppet_quiesce(struct session *s, struct str account, bool force)
{
	return session_is_of(s, account) && !force ? QUIESCE_LEFT : QUIESCE_NOTHING;
}

static struct str puppet_words(const void *protocol, enum close_reason reason)
{
	(void)protocol;
	return reason == CLOSE_TIMEOUT ? STR_LIT("slow\r\n") : STR_LIT("bye\r\n");
}

static const char *puppet_state_name(const struct session *s)
{
	(void)s;
	return "puppet";
}

static const struct handler puppet = {
	.state_size = sizeof(struct puppet),
	.read_size = 4096,
	.begin = puppet_begin,
	.init = puppet_init,
	.end = puppet_end,
	.wants = puppet_wants,
	.client_ready = puppet_client_ready,
	.source_connected = puppet_source_connected,
	.source_ready = puppet_source_ready,
	.source_lost = puppet_source_lost,
	.timeout = puppet_timeout,
	.quiesce = puppet_quiesce,
	.words = puppet_words,
	.state_name = puppet_state_name,
};

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_IMAP] = { &puppet, NULL },
};

#define HELLO "c hello"
#define OPEN HELLO, "C connect", "S first", "c connected", "c first"

static const struct script_row rows[] = {
	{ "says without memory", SERVICE_IMAP, NULL, { HELLO, "state puppet" } },
	{ "several words in one turn", SERVICE_IMAP, NULL,
		{ HELLO, "C say one\r\nsay two", "c one", "c two" } },
	{ "closes: nothing more is said or done", SERVICE_IMAP, NULL,
		{ HELLO, "C close\r\nsay no", "state gone", "client 0", "source 0" } },
	{ "finishes: what was said before is heard", SERVICE_IMAP, NULL,
		{ HELLO, "C say last\r\nfinish\r\nsay no", "c last", "state lingering",
			"client ends", "state gone" } },
	{ "says bye", SERVICE_IMAP, NULL,
		{ HELLO, "C bye", "c bye", "state lingering" } },
	{ "bye, to a client that has ended", SERVICE_IMAP, NULL,
		{ HELLO, "C say on", "c on", "client ends", "state gone" } },
	{ "times out", SERVICE_IMAP, NULL,
		{ HELLO, "timeout", "c slow", "state lingering", "timeout",
			"state gone" } },
	{ "the client does not read its last words", SERVICE_IMAP, NULL,
		{ HELLO, "C say on", "c on", "client blocks", "C bye", "state closing",
			"timeout", "state gone", "client 0" } },
	{ "breaks in the middle", SERVICE_IMAP, NULL,
		{ HELLO, "C say on", "c on", "client breaks", "state gone" } },

	{ "the source speaks", SERVICE_IMAP, NULL,
		{ OPEN, "C ask what", "s what", "S that", "c that" } },
	{ "asked before it is connected", SERVICE_IMAP, NULL,
		{ "let connect take time", HELLO, "C connect\r\nask what", "source 1",
			"connected", "S first", "c connected", "c first", "s what" } },
	{ "is connected, and silent", SERVICE_IMAP, NULL,
		{ HELLO, "C connect", "timeout", "c connected", "state puppet" } },
	{ "cannot be reached", SERVICE_IMAP, NULL,
		{ "let connect fail", HELLO, "C connect", "c not connected",
			"source 0" } },
	{ "is refused", SERVICE_IMAP, NULL,
		{ "let connect take time", HELLO, "C connect", "refused", "c refused",
			"source 0", "state puppet" } },
	{ "ends", SERVICE_IMAP, NULL, { OPEN, "source ends", "c lost", "source 0" } },
	{ "breaks", SERVICE_IMAP, NULL, { OPEN, "source breaks", "c lost" } },
	{ "is dropped, and another one is taken", SERVICE_IMAP, NULL,
		{ OPEN, "C drop", "source 0", "C connect", "S again", "c connected",
			"c again" } },

	{ "relayed, with all that waits", SERVICE_IMAP, NULL,
		{ "plain", OPEN, "C ask one\r\nsay two\r\nrelay\r\nthree", "s one",
			"c two", "s three", "state relay", "S four", "c four" } },
	{ "relayed, and both end", SERVICE_IMAP, NULL,
		{ OPEN, "C relay", "source ends", "state relay", "client ends",
			"state gone" } },
	{ "relayed, one ends and the other is silent", SERVICE_IMAP, NULL,
		{ OPEN, "C relay", "client ends", "state relay", "timeout", "state gone",
			"source 0" } },
	{ "relayed, and the client breaks", SERVICE_IMAP, NULL,
		{ OPEN, "C relay", "client breaks", "state gone", "source 0" } },

	{ "live while it has an account", SERVICE_IMAP, "alice",
		{ HELLO, "waiting 1", "C account alice", "live 1", "waiting 0",
			"C account alice", "live 1", "C account", "live 0" } },
	{ "live as another account", SERVICE_IMAP, "alice",
		{ HELLO, "C account alice", "C account bob", "live 1", "quiesce",
			"settled 1", "C account alice", "quiesce", "settled 0" } },
	{ "a route here is no session at the source", SERVICE_IMAP, "alice",
		{ HELLO, "C account alice", "live 1", "C route local", "live 0" } },
};

static void test_rows(void **state)
{
	struct script *s = script_new(handlers, &(struct script_setup){ .greeting = "" });

	(void)state;
	script_run_all(s, rows, ROWS(rows));
	script_free(s);
}

/* ---- what has no rows ---- */

static const struct script_row blocked = { "blocked", SERVICE_IMAP, NULL,
	{ "plain", HELLO, "C say on", "c on", "client blocks", "C fill", "C say no",
		"state puppet", "client reads", "state puppet" } };
static const struct script_row too_much = { "too much", SERVICE_IMAP, NULL,
	{ "plain", HELLO, "C say on", "c on", "client blocks", "C fill", "state puppet",
		"more than fits", "state gone" } };

/* A client that does not read is not read either; it goes on when it does. */
static void test_congestion(void **state)
{
	struct script *s = script_new(handlers, &(struct script_setup){ .greeting = "" });

	(void)state;
	script_run(s, &blocked, (struct script_way){ ODD_NONE, 0 });
	script_run(s, &too_much, (struct script_way){ ODD_NONE, 0 });
	script_free(s);
}

/* A source that says more than anybody reads. */
static unsigned reads;

static ssize_t read_without_end(struct stream *s, void *space, size_t size)
{
	(void)s;
	(void)space;
	return ++reads < 1000 ? (ssize_t)size : -EAGAIN;
}

static void test_drain_gives_others_their_turn(void **state)
{
	static const struct stream_ops ops = { .kind = "talker",
		.read = read_without_end };
	static char scratch[STREAM_BULK];
	struct stream talker = { .ops = &ops, .fd = -1 };
	struct session s = { .source = &talker, .state = SESSION_DRAINING };
	struct host host = { .relay = { .scratch = scratch } };

	(void)state;
	s.host = &host;
	session_relay_event(&s, &talker, UV_READABLE, 0);
	assert_int_equal(reads, 1);
	assert_int_equal(s.state, SESSION_DRAINING);
}

/* An illegal change is our bug: the process ends. */
static void test_illegal_change(void **state)
{
	struct session s = { .handler = &puppet, .state = SESSION_LINGERING };
	struct host host = { .pid = 1 };
	int status;
	pid_t pid = fork();

	(void)state;
	s.host = &host;
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		session_set_state(&s, SESSION_RELAY);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
#ifdef NDEBUG
	skip(); /* a release logs it and goes on */
#endif
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_congestion),
		cmocka_unit_test(test_drain_gives_others_their_turn),
		cmocka_unit_test(test_illegal_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
