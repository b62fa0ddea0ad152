/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the master asks of a worker, also while somebody else writes the registry. The
   test is the master. */
#include "interceptor/worker/worker_fixture.h"

#include "interceptor/master/master.h"
#include "interceptor/session/session.h"

#include <sqlite3.h>
#include <unistd.h>

#define PATIENCE_MS 20
#define REQUEST 77 /* of the master, which answers by it */

static sqlite3 *lock(const struct worker_test *b)
{
	sqlite3 *db;

	registry_set_patience(b->t->r, PATIENCE_MS);
	assert_int_equal(sqlite3_open(b->t->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void unlock(sqlite3 *db)
{
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void asks(struct worker_test *b, enum message_type type, const char *account)
{
	const struct message m = {
		.type = type, .account = str_from(account), .number2 = REQUEST
	};

	worker_test_tell(b, b->master, &m);
}

static void hears(struct worker_test *b, enum message_type type, uint64_t number)
{
	struct message m;

	assert_true(worker_test_hears(b->master, &m, NULL));
	assert_int_equal(m.type, type);
	assert_int_equal(m.number, number);
	assert_int_equal(m.number2, REQUEST);
}

/* ---- sessions ---- */

static unsigned ticks;

static void tick(struct session *s)
{
	(void)s;
	ticks++;
}

static struct session_events wants(const struct session *s)
{
	(void)s;
	return (struct session_events){ 0, 0 };
}

static const char *state_name(const struct session *s)
{
	(void)s;
	return "waits";
}

static enum quiesce quiesce(struct session *s, struct str account, bool force)
{
	(void)s;
	(void)account;
	(void)force;
	return QUIESCE_NOTHING;
}

static const struct handler waits = {
	.wants = wants, .tick = tick, .quiesce = quiesce, .state_name = state_name
};

/* In the worker's lists; waits for something when it has a deadline. */
static struct session *session_in(struct worker_test *b, const char *account, bool timed)
{
	struct session *s = worker_test_session(b, account);

	s->handler = &waits;
	s->route = ROUTE_SOURCE;
	LIST_INSERT_HEAD(&b->w->host.sessions, s, all);
	if (timed)
		session_set_deadline(s, 1000);
	return s;
}

static void remove_session(struct session *s)
{
	session_set_deadline(s, 0);
	LIST_REMOVE(s, all);
	session_free(s);
}

/* ---- */

static void test_flows(void **state)
{
	static const char *const accounts[] = { "ada", "bob" }; /* the newest first */
	struct worker_test *b = *state;
	struct session *s[] = { session_in(b, "bob", false), session_in(b, "ada", true) };
	struct message m;
	char wanted[64];

	asks(b, MESSAGE_FLOWS, "");
	for (size_t i = 0; i < ROWS(accounts); i++) {
		assert_true(worker_test_hears(b->master, &m, NULL));
		assert_int_equal(m.type, MESSAGE_FLOW);
		assert_int_equal(m.number2, REQUEST);
		(void)snprintf(wanted, sizeof(wanted), "\"%s\"", accounts[i]);
		assert_non_null(
			memmem(m.payload.ptr, m.payload.len, wanted, strlen(wanted)));
	}
	hears(b, MESSAGE_FLOWS_END, 0);
	remove_session(s[0]);
	remove_session(s[1]);
	asks(b, MESSAGE_FLOWS, "");
	hears(b, MESSAGE_FLOWS_END, 0);
}

/* Only those of that account that wait for something look again. */
static void test_route_changed(void **state)
{
	struct worker_test *b = *state;
	struct session *s[] = { session_in(b, "ada", true), session_in(b, "bob", true),
		session_in(b, "ada", false), session_in(b, "ada", true) };
	struct message m;

	ticks = 0;
	asks(b, MESSAGE_ROUTE_CHANGED, "ada");
	assert_int_equal(ticks, 2);
	asks(b, MESSAGE_ROUTE_CHANGED, "ad");
	asks(b, MESSAGE_ROUTE_CHANGED, "");
	assert_int_equal(ticks, 2);
	assert_false(worker_test_hears(b->master, &m, NULL)); /* it is not answered */
	for (size_t i = 0; i < ROWS(s); i++)
		remove_session(s[i]);
}

/* A login that is not learnt yet may be that account's, by another name: until it is, the
   account does not switch. */
static void test_quiesce_while_busy(void **state)
{
	const struct proven_login cram = {
		.name = STR("ada"), .why = STR("CRAM-MD5"), .service = STR("imap")
	};
	struct worker_test *b = *state;
	struct account_route route;
	struct test *t = b->t;
	sqlite3 *db;

	asks(b, MESSAGE_QUIESCE, "ada");
	hears(b, MESSAGE_QUIESCED, 1);
	assert_int_equal(late_logins_add(&b->w->late_logins, "4d2-0", "ada", &cram), 0);
	db = lock(b);
	asks(b, MESSAGE_QUIESCE, "ada");
	hears(b, MESSAGE_QUIESCED, 0);
	assert_int_equal(registry_route(t->r, cram.name, &route, &t->err), -ENOENT);
	unlock(db);
	asks(b, MESSAGE_QUIESCE, "ada");
	hears(b, MESSAGE_QUIESCED, 1);
	NO_ERROR(registry_route(t->r, cram.name, &route, &t->err));
}

static int count(void *context, const struct unseen *u)
{
	unsigned *n = context;

	assert_true(str_eq(u->why, STR_LIT("no key for b.example")));
	*n += (unsigned)u->count;
	return 0;
}

/* What passes unseen waits for the registry, is asked for again, and counts once. */
static void test_unseen_while_busy(void **state)
{
	struct worker_test *b = *state;
	const struct host_ops *ops = b->w->host.ops;
	struct session *s = session_in(b, "ada", false), *other;
	sqlite3 *db = lock(b);
	struct test *t = b->t;
	unsigned n = 0;

	for (int i = 0; i < 3; i++)
		assert_int_equal(ops->pass_unseen(&b->w->host, s, "b.example"), -EBUSY);
	unlock(db);
	assert_int_equal(ops->pass_unseen(&b->w->host, s, "b.example"), 0);
	NO_ERROR(registry_each_unseen(t->r, 0, count, &n, &t->err));
	assert_int_equal(n, 1);

	/* the registry has that client's as open: another of it need not wait */
	other = session_in(b, "ada", false);
	db = lock(b);
	assert_int_equal(ops->pass_unseen(&b->w->host, other, "b.example"), 0);
	ops->unseen_over(&b->w->host, other);
	ops->unseen_over(&b->w->host, s);
	ops->unseen_over(&b->w->host, s); /* one that was over */
	unlock(db);
	asks(b, MESSAGE_QUIESCE, "ada"); /* writes it before it is answered */
	hears(b, MESSAGE_QUIESCED, 1);
	n = 0;
	NO_ERROR(registry_each_unseen(t->r, 0, count, &n, &t->err));
	assert_int_equal(n, 2);
	remove_session(s);
	remove_session(other);
}

/* ---- who is live ---- */

static void report(struct worker_test *b, enum message_type type, const char *account)
{
	const struct message m = {
		.type = type, .number = ROUTE_SOURCE, .account = str_from(account)
	};

	worker_report(b->w, &m);
}

/* Together, and before an answer that they belong to. */
static void test_reports(void **state)
{
	struct worker_test *b = *state;
	struct message m, one;
	struct str rest;

	report(b, MESSAGE_SESSION_BEGIN, "ada");
	report(b, MESSAGE_SESSION_BEGIN, "bob");
	assert_false(worker_test_hears(b->master, &m, NULL));
	worker_reply(b->w, &(struct message){ .type = MESSAGE_PONG });
	assert_true(worker_test_hears(b->master, &m, NULL));
	assert_int_equal(m.type, MESSAGE_REPORTS);
	rest = m.payload;
	assert_int_equal(message_next(&rest, &one), 0);
	assert_true(str_eq(one.account, STR_LIT("ada")));
	assert_int_equal(message_decode(rest, &one), 0);
	assert_true(str_eq(one.account, STR_LIT("bob")));
	assert_true(worker_test_hears(b->master, &m, NULL));
	assert_int_equal(m.type, MESSAGE_PONG);
	assert_false(worker_send_reports(b->w));

	/* more than are to wait */
	for (size_t i = 0; i < MESSAGE_SMALL_MAX / 40; i++)
		report(b, MESSAGE_SESSION_BEGIN, "ada");
	assert_true(worker_test_hears(b->master, &m, NULL));
	assert_true(worker_send_reports(b->w));
}

struct master_test {
	struct master master;
	struct worker_slot slot;
};

static uint64_t live(const struct master_test *t, const char *account)
{
	return live_sessions_count(&t->slot.live, str_from(account), ROUTE_SOURCE);
}

/* What the worker has put together, as the master takes it, less the last bytes. */
static void master_takes(struct master_test *t, struct worker_test *b, size_t cut)
{
	char bytes[2 * MESSAGE_SMALL_MAX];
	struct message m = { .type = MESSAGE_REPORTS };
	struct packet p = { .n_fds = 0 };
	struct error err;
	ssize_t len;

	m.payload = str_take(buf_view(&b->w->reports), buf_len(&b->w->reports) - cut);
	len = message_encode(&m, bytes, sizeof(bytes));
	assert_true(len > 0);
	p.bytes = str_of(bytes, (size_t)len);
	assert_int_equal(workers_handle(&t->slot, &p, &err), 0);
	buf_clear(&b->w->reports);
}

static void test_master_counts(void **state)
{
	struct worker_test *b = *state;
	struct master_test t = { .master = { .slots = &t.slot },
		.slot = { .master = &t.master } };

	report(b, MESSAGE_SESSION_BEGIN, "ada");
	report(b, MESSAGE_SESSION_BEGIN, "bob");
	report(b, MESSAGE_SESSION_END, "ada");
	report(b, MESSAGE_SESSION_BEGIN, "bob");
	master_takes(&t, b, 0);
	assert_int_equal(live(&t, "ada"), 0);
	assert_int_equal(live(&t, "bob"), 2);
	/* what makes no sense ends the worker, not the master, and counts for nothing */
	report(b, MESSAGE_SESSION_END, "bob");
	report(b, MESSAGE_SESSION_END, "bob");
	master_takes(&t, b, 1);
	report(b, MESSAGE_KICK, "bob");
	report(b, MESSAGE_SESSION_END, "bob");
	master_takes(&t, b, 0);
	assert_int_equal(live(&t, "bob"), 1);
	live_sessions_clear(&t.slot.live);
}

/* ---- what makes no sense ---- */

static void say(struct worker_test *b, int fd, const void *what)
{
	worker_test_tell(b, fd, what);
}

static void test_nonsense(void **state)
{
	static const struct {
		struct message m;
		bool aborts;
	} rows[] = {
		{ { .type = MESSAGE_FACTS_CHANGED, .service = STR("gopher") }, false },
		{ { .type = MESSAGE_FACTS_CHANGED, .service = STR("") }, false },
		{ { .type = MESSAGE_FACTS_CHANGED, .service = STR("imap") }, false },
		{ { .type = MESSAGE_QUIESCE }, false }, /* of no account */
		{ { .type = MESSAGE_QUIESCED }, true },
		{ { .type = MESSAGE_SERVE_END }, true },
	};
	struct worker_test *b = *state;

	for (size_t i = 0; i < ROWS(rows); i++)
		if (worker_test_aborts(say, b, b->master, &rows[i].m) != rows[i].aborts)
			fail_msg("row %zu", i);
}

/* A connection that cannot be put inside TLS is nobody's any more. */
static void test_no_tls_to_the_smart_host(void **state)
{
	static char host[] = "smtps://127.0.0.1:9", none[] = "", wrong[] = "12";
	static const enum smart_host_verify verifies[] = { SMART_HOST_VERIFY_CA,
		SMART_HOST_VERIFY_PIN };
	struct worker_test *b = *state;

	b->settings.smart_host = host;
	b->settings.smart_host_name = none;
	b->settings.smart_host_pin = wrong;
	b->settings.smart_host_credentials = none;
	for (size_t i = 0; i < ROWS(verifies); i++) {
		struct session *s = worker_test_session(b, "carol");

		b->settings.smart_host_verify = verifies[i];
		s->connects_to = SERVER_SMART_HOST;
		assert_true(session_connect(s) < 0);
		assert_null(s->source);
		session_free(s);
	}
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, worker_test_setup, worker_test_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_flows),
		ROW(test_route_changed),
		ROW(test_quiesce_while_busy),
		ROW(test_unseen_while_busy),
		ROW(test_reports),
		ROW(test_master_counts),
		ROW(test_no_tls_to_the_smart_host),
		ROW(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
