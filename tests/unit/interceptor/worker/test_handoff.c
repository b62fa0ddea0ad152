/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions with the mailstore: what it gets, what it says of them, and that it refuses,
   ends, or speaks of sessions that there are not. The test is client and mailstore. */
#include "interceptor/worker/handoff.h"

#include "interceptor/worker/worker_fixture.h"
#include "support/odd_stream.h"

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- clients ---- */

struct client {
	struct session *s;
	int fd; /* the client's own end */
	char id[SESSION_ID_MAX];
};

enum kind { PLAIN, SECURE }; /* whether the socket can be given away as it is */

static int refuses(struct stream *s)
{
	(void)s;
	return -EOPNOTSUPP;
}

static unsigned ends_told; /* to clients of such streams */

static void tells_end(struct stream *s, int how)
{
	ends_told++;
	(void)shutdown(s->fd, how);
}

/* As one of TLS: another process could do nothing with its socket. */
static int secure_stream_new(struct loop *loop, int fd, struct stream **ret)
{
	static struct stream_ops ops;
	int r = odd_stream_new(loop, fd, ODD_TRICKLE, ret);

	if (r < 0)
		return r;
	ops = *(*ret)->ops;
	ops.share = refuses;
	ops.shutdown = tells_end;
	(*ret)->ops = &ops;
	return 0;
}

/* It has sent that, and the session has read it. */
static struct client connects(
	struct worker_test *b, enum kind kind, const char *account, const char *sent)
{
	struct arrival arrival = { .service = SERVICE_IMAP };
	struct stream *stream;
	struct client c;
	int fds[2];

	arrival.peer.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(40000),
		.sin_addr = { htonl(0xc0000201) } };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	assert_int_equal(kind == PLAIN ? stream_plain_new(&b->w->loop, fds[0], &stream)
				       : secure_stream_new(&b->w->loop, fds[0], &stream),
		0);
	session_accept(&b->w->host, &worker_test_service, &arrival, stream);
	c.s = LIST_FIRST(&b->w->host.sessions);
	c.fd = fds[1];
	(void)session_id(c.s, c.id);
	assert_true(session_set_account(c.s, str_from(account), 1));
	session_set_route(c.s, ROUTE_LOCAL);
	assert_int_equal(write(c.fd, sent, strlen(sent)), strlen(sent));
	worker_test_turns(b);
	return c;
}

static int hand_over(struct session *s)
{
	int r;

	session_enter(s);
	r = session_memory(s)
	            ? handoff(s->host, s, STR_LIT("a1"), STR_LIT("ticket"), NULL)
	            : -ENOMEM;
	if (r == 0)
		session_give_away(s);
	session_leave(s);
	return r;
}

/* What one end of a connection has got; "": nothing, "(end)": it is over. */
static const char *got(int fd)
{
	static char text[64];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n == 0)
		return "(end)";
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void send_text(struct worker_test *b, int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	worker_test_turns(b);
}

/* ---- the mailstore ---- */

/* Takes the worker's connection, or the next message of it, a hand-off. */
static int accept_worker(struct worker_test *b)
{
	int fd = worker_test_accept(b);

	assert_true(fd >= 0);
	return fd;
}

static int takes(int mailstore, struct message *ret)
{
	int fd = -1;

	assert_true(worker_test_hears(mailstore, ret, &fd));
	assert_int_equal(ret->type, MESSAGE_SERVE);
	assert_true(fd >= 0);
	return fd;
}

static void says(struct worker_test *b, int mailstore, enum message_type type,
	const char *session, uint64_t number)
{
	const struct message m = { .type = type,
		.session = str_from(session),
		.number = number,
		.number2 = number * 2 };

	worker_test_tell(b, mailstore, &m);
}

/* Of so many sessions, in one message or several. */
static void master_hears(struct worker_test *b, unsigned n, enum message_type type)
{
	struct str rest = STR_LIT("");
	struct message m;

	worker_test_turns(b);
	while (n--) {
		if (!rest.len) {
			assert_true(worker_test_hears(b->master, &m, NULL));
			assert_int_equal(m.type, MESSAGE_REPORTS);
			rest = m.payload;
		}
		assert_int_equal(message_next(&rest, &m), 0);
		assert_int_equal(m.type, type);
		assert_int_equal(m.number, ROUTE_LOCAL);
		assert_true(str_eq(m.account, STR_LIT("carol")));
	}
	assert_int_equal(rest.len, 0);
}

static unsigned sessions(const struct worker_test *b)
{
	const struct session *s;
	unsigned n = 0;

	LIST_FOREACH(s, &b->w->host.sessions, all)
	n++;
	assert_int_equal(connections_counted(&b->limits), n);
	return n;
}

/* ---- from the hand-off to the end ---- */

static void test_served(void **state)
{
	struct worker_test *b = *state;
	struct client c;
	struct message m;
	int mailstore, fd;

	worker_test_listen(b, MAILSTORE_SOCKET);
	c = connects(b, PLAIN, "carol", "a2 NOOP\r\n");
	assert_int_equal(hand_over(c.s), 0);
	mailstore = accept_worker(b);
	fd = takes(mailstore, &m);
	assert_true(str_eq(m.account, STR_LIT("carol")));
	assert_true(str_eq(m.session, str_from(c.id)));
	assert_true(str_eq(m.service, STR_LIT("imap")));
	assert_true(str_eq(m.tag, STR_LIT("a1")));
	assert_true(str_eq(m.text, STR_LIT("ticket")));
	assert_true(str_eq(m.client, STR_LIT("192.0.2.1:40000")));
	assert_true(str_eq(m.payload, STR_LIT("a2 NOOP\r\n")));
	assert_string_equal(session_state_name(c.s), "local");
	assert_null(c.s->memory);
	master_hears(b, 1, MESSAGE_SESSION_BEGIN);

	/* it is the client's own socket, and the worker reads it no more */
	send_text(b, fd, "a1 OK\r\n");
	assert_string_equal(got(c.fd), "a1 OK\r\n");
	send_text(b, c.fd, "a3 NOOP\r\n");
	assert_string_equal(got(fd), "a3 NOOP\r\n");

	says(b, mailstore, MESSAGE_SERVED, c.id, 100);
	assert_int_equal(c.s->served_in, 100);
	assert_int_equal(c.s->served_out, 200);
	assert_int_equal(sessions(b), 1);
	says(b, mailstore, MESSAGE_SERVE_END, c.id, 300);
	master_hears(b, 1, MESSAGE_SESSION_END);
	assert_int_equal(sessions(b), 0);
	says(b, mailstore, MESSAGE_SERVE_END, c.id, 300);
	says(b, mailstore, MESSAGE_SERVED, c.id, 300);
	(void)close(fd);
	assert_string_equal(got(c.fd), "(end)");
	(void)close(c.fd);
	(void)close(mailstore);
}

/* Of two sessions, 5 and 5 + HOST_LOCAL_BUCKETS, which one ends. */
static void test_which_ends(void **state)
{
	static const struct {
		const char *name;
		enum message_type type;
		const char *session;
		int ends; /* -1: none */
	} rows[] = {
		{ "the first", MESSAGE_SERVE_END, "4d2-5", 0 },
		{ "the second, of the same bucket", MESSAGE_SERVE_END, "4d2-405", 1 },
		{ "one that the mailstore could not serve", MESSAGE_FAILED, "4d2-405",
			1 },
		{ "a third one of that bucket", MESSAGE_SERVE_END, "4d2-805", -1 },
		{ "another worker's", MESSAGE_SERVE_END, "4d3-5", -1 },
		{ "a number of 40 bits", MESSAGE_SERVE_END, "4d2-100000005", -1 },
		{ "a leading zero", MESSAGE_SERVE_END, "4d2-05", -1 },
		{ "no number", MESSAGE_SERVE_END, "4d2-", -1 },
		{ "no worker", MESSAGE_SERVE_END, "5", -1 },
		{ "nothing", MESSAGE_SERVE_END, "", -1 },
		{ "other letters", MESSAGE_FAILED, "4d2-\xff\x01~", -1 },
		{ "it is only told how far it is", MESSAGE_SERVED, "4d2-5", -1 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct worker_test *b = *state;
		struct client c[2];
		bool is_there[2] = { false, false };
		const struct session *s;
		int mailstore;
		struct message m;

		worker_test_listen(b, MAILSTORE_SOCKET);
		for (uint32_t j = 0; j < 2; j++) {
			b->w->host.next_number = 5 + j * HOST_LOCAL_BUCKETS;
			c[j] = connects(b, PLAIN, "carol", "");
			assert_int_equal(hand_over(c[j].s), 0);
		}
		mailstore = accept_worker(b);
		(void)close(takes(mailstore, &m));
		(void)close(takes(mailstore, &m));
		says(b, mailstore, rows[i].type, rows[i].session, 1);
		LIST_FOREACH(s, &b->w->host.sessions, all)
		for (int j = 0; j < 2; j++)
			is_there[j] |= s == c[j].s;
		for (int j = 0; j < 2; j++)
			if (is_there[j] == (rows[i].ends == j))
				fail_msg("%s: session %d", rows[i].name, j);
		(void)close(c[0].fd);
		(void)close(c[1].fd);
		worker_test_teardown(state);
		worker_test_setup(state);
		(void)close(mailstore);
	}
}

/* ---- it takes none ---- */

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void still_here(struct worker_test *b, const struct client *c)
{
	assert_string_equal(session_state_name(c->s), "waits");
	assert_int_equal(sessions(b), 1);
	session_say(c->s, STR_LIT("NO\r\n"));
	session_enter(c->s);
	session_leave(c->s);
	worker_test_turns(b);
	assert_string_equal(got(c->fd), "NO\r\n");
}

/* The session is as it was, and no descriptor is left. */
static void test_refused(void **state)
{
	static char much[IPC_MESSAGE_MAX];
	static const enum kind kinds[] = { PLAIN, SECURE };
	struct message m;

	memset(much, 'x', sizeof(much));
	for (size_t i = 0; i < ROWS(kinds); i++) {
		struct worker_test *b = *state;
		struct client c = connects(b, kinds[i], "carol", "a2");
		int before = open_descriptors(), mailstore;

		assert_int_equal(hand_over(c.s), -ENOENT);
		assert_int_equal(open_descriptors(), before);
		still_here(b, &c);

		worker_test_listen(b, MAILSTORE_SOCKET);
		assert_int_equal(handoff_connect(b->w), 0);
		mailstore = accept_worker(b);
		before = open_descriptors();
		assert_int_equal(
			buf_append(&c.s->memory->from_client, str_of(much, sizeof(much))),
			0);
		assert_int_equal(hand_over(c.s), -EMSGSIZE);
		assert_int_equal(open_descriptors(), before);
		still_here(b, &c);
		assert_false(worker_test_hears(mailstore, &m, NULL));
		(void)close(c.fd);
		(void)close(mailstore);
		worker_test_teardown(state);
		worker_test_setup(state);
	}
}

/* ---- behind our TLS ---- */

static void test_bridge(void **state)
{
	struct worker_test *b = *state;
	struct client c;
	struct message m;
	int mailstore, fd;

	worker_test_listen(b, MAILSTORE_SOCKET);
	c = connects(b, SECURE, "carol", "a2");
	assert_int_equal(hand_over(c.s), 0);
	mailstore = accept_worker(b);
	fd = takes(mailstore, &m);
	assert_true(str_eq(m.payload, STR_LIT("a2")));
	assert_string_equal(session_state_name(c.s), "relay");
	master_hears(b, 1, MESSAGE_SESSION_BEGIN);

	/* what went with the message does not come by the bridge once more */
	assert_string_equal(got(fd), "");
	send_text(b, c.fd, " NOOP\r\n");
	assert_string_equal(got(fd), " NOOP\r\n");
	send_text(b, fd, "a1 OK\r\n");
	assert_string_equal(got(c.fd), "a1 OK\r\n");

	/* its end is what the mailstore says, after what it has written */
	says(b, mailstore, MESSAGE_SERVED, c.id, 100);
	assert_int_equal(c.s->served_in, 0);
	says(b, mailstore, MESSAGE_SERVE_END, c.id, 100);
	assert_int_equal(sessions(b), 1);
	send_text(b, fd, "* BYE\r\n");
	(void)close(fd);
	worker_test_turns(b);
	assert_string_equal(got(c.fd), "* BYE\r\n");
	assert_string_equal(got(c.fd), "(end)");
	(void)close(c.fd);
	worker_test_turns(b);
	assert_int_equal(sessions(b), 0);
	(void)close(mailstore);
}

/* Whether the client is told that it was the end (TLS: close_notify). */
static void test_bridge_ends(void **state)
{
	static const struct {
		const char *name;
		enum message_type said; /* 0: the mailstore's master has gone */
		bool first;             /* before the bridge's end is seen */
		bool is_told;
	} rows[] = {
		{ "logged out", MESSAGE_SERVE_END, true, true },
		{ "logged out, and the bridge was faster", MESSAGE_SERVE_END, false,
			true },
		{ "killed", MESSAGE_FAILED, true, false },
		{ "killed, and the bridge was faster", MESSAGE_FAILED, false, false },
		{ "nobody is left to say it", 0, true, false },
		{ "nobody is left, afterwards", 0, false, false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct worker_test *b = *state;
		struct client c;
		struct message m;
		int mailstore, fd;

		worker_test_listen(b, MAILSTORE_SOCKET);
		c = connects(b, SECURE, "carol", "");
		assert_int_equal(hand_over(c.s), 0);
		mailstore = accept_worker(b);
		fd = takes(mailstore, &m);
		ends_told = 0;
		assert_int_equal(write(fd, "* 1 EXISTS\r\n", 12), 12);
		for (int step = 0; step < 2; step++) {
			if (rows[i].first == (step == 1)) {
				(void)close(fd);
				worker_test_turns(b);
			} else if (rows[i].said) {
				says(b, mailstore, rows[i].said, c.id, 1);
			} else {
				(void)close(mailstore);
				worker_test_turns(b);
			}
			if (step == 0 && ends_told)
				fail_msg("%s: told too early", rows[i].name);
		}
		assert_string_equal(got(c.fd), "* 1 EXISTS\r\n");
		assert_string_equal(got(c.fd), "(end)");
		if (ends_told != rows[i].is_told)
			fail_msg("%s: told %u", rows[i].name, ends_told);
		(void)close(c.fd);
		worker_test_turns(b);
		assert_int_equal(sessions(b), 0);
		if (rows[i].said)
			(void)close(mailstore);
		worker_test_teardown(state);
		worker_test_setup(state);
	}
}

/* ---- it ends ---- */

/* Those that it has are over, for us; one behind our TLS is as long as the account's
   process serves it; one that it was never given is not touched. */
static void test_lost(void **state)
{
	struct worker_test *b = *state;
	struct client given[3], bridged, other;
	struct message m;
	int mailstore, fds[3], bridge;

	worker_test_listen(b, MAILSTORE_SOCKET);
	for (size_t i = 0; i < 3; i++) {
		given[i] = connects(b, PLAIN, "carol", "");
		assert_int_equal(hand_over(given[i].s), 0);
	}
	bridged = connects(b, SECURE, "carol", "");
	assert_int_equal(hand_over(bridged.s), 0);
	other = connects(b, PLAIN, "carol", "");
	mailstore = accept_worker(b);
	for (size_t i = 0; i < 3; i++)
		fds[i] = takes(mailstore, &m);
	bridge = takes(mailstore, &m);
	master_hears(b, 4, MESSAGE_SESSION_BEGIN);
	assert_int_equal(sessions(b), 5);

	(void)close(mailstore);
	worker_test_turns(b);
	assert_int_equal(sessions(b), 2);
	master_hears(b, 3, MESSAGE_SESSION_END);
	send_text(b, bridge, "* 1 EXISTS\r\n");
	assert_string_equal(got(bridged.fd), "* 1 EXISTS\r\n");

	/* the next mailstore is connected to by the next hand-off */
	assert_int_equal(hand_over(other.s), 0);
	mailstore = accept_worker(b);
	(void)close(takes(mailstore, &m));
	master_hears(b, 1, MESSAGE_SESSION_BEGIN);
	(void)close(mailstore);
	(void)close(bridge);
	worker_test_turns(b);
	assert_string_equal(got(bridged.fd), "(end)");
	for (size_t i = 0; i < 3; i++) {
		(void)close(fds[i]);
		(void)close(given[i].fd);
	}
	(void)close(bridged.fd);
	(void)close(other.fd);
}

/* ---- what makes no sense ---- */

struct saying {
	enum message_type type;
	bool with_fd, cut;
};

static void say(struct worker_test *b, int mailstore, const void *what)
{
	const struct saying *saying = what;
	const struct message m = { .type = saying->type, .session = STR("4d2-0") };
	char bytes[512];
	ssize_t n = message_encode(&m, bytes, sizeof(bytes));

	(void)ipc_send(mailstore, str_of(bytes, (size_t)n - saying->cut), &mailstore,
		saying->with_fd);
	worker_test_turns(b);
}

static void test_nonsense(void **state)
{
	static const struct {
		struct saying saying;
		bool aborts;
	} rows[] = {
		{ { MESSAGE_SERVE_END, false, false }, false },
		{ { MESSAGE_SERVE_END, false, true }, true },
		{ { MESSAGE_SERVE_END, true, false }, true },
		{ { MESSAGE_SERVE, true, false }, true },
		{ { MESSAGE_VERDICT, false, false }, true },
	};
	struct worker_test *b = *state;
	int mailstore;

	worker_test_listen(b, MAILSTORE_SOCKET);
	assert_int_equal(handoff_connect(b->w), 0);
	mailstore = accept_worker(b);
	for (size_t i = 0; i < ROWS(rows); i++)
		if (worker_test_aborts(say, b, mailstore, &rows[i].saying) !=
			rows[i].aborts)
			fail_msg("row %zu", i);
	(void)close(mailstore);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, worker_test_setup, worker_test_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_served),
		ROW(test_which_ends),
		ROW(test_refused),
		ROW(test_bridge),
		ROW(test_bridge_ends),
		ROW(test_lost),
		ROW(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
