/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker and its vault: the greeting, questions about passwords, and a vault that is
   away, ends, or says what makes no sense. The test is the vault. */
#include "interceptor/worker/verify.h"

#include "interceptor/worker/worker_fixture.h"
#include "vault/guess.h"

#include <unistd.h>

/* What done() was told last, and how often. */
static unsigned answers;
static enum verdict answered;
static char ticket_text[32];
static const struct session *answered_to;

static void done(struct session *s, enum verdict verdict, struct str ticket)
{
	answers++;
	answered = verdict;
	answered_to = s;
	(void)snprintf(ticket_text, sizeof(ticket_text), "%.*s", STR_ARG(ticket));
}

static int begin(void **state)
{
	answers = 0;
	answered_to = NULL;
	return worker_test_setup(state);
}

/* ---- the first word ---- */

#define KEY "0123456789abcdef0123456789abcdef"

static const char long_text[MESSAGE_SMALL_MAX];

static void test_greeting(void **state)
{
	static const struct {
		const char *name;
		struct message hello;
		bool closes, ready;
	} rows[] = {
		{ "its key", { .type = MESSAGE_VAULT_READY, .payload = STR(KEY) }, false,
			true },
		{ "a short key", { .type = MESSAGE_VAULT_READY, .payload = STR("0") },
			false, false },
		{ "a long key", { .type = MESSAGE_VAULT_READY, .payload = STR(KEY "0") },
			false, false },
		{ "no key, as the mailstore's", { .type = MESSAGE_VAULT_READY }, false,
			false },
		{ "something else", { .type = MESSAGE_VERDICT, .payload = STR(KEY) },
			false, false },
		{ "longer than a greeting is",
			{ .type = MESSAGE_VAULT_READY,
				.payload = STR(KEY),
				.text = { .ptr = long_text, .len = sizeof(long_text) } },
			false, false },
		{ "nothing: it ends", { 0 }, true, false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		bool ready;
		struct worker_test *b = *state;
		int fd = worker_test_vault(
			b, rows[i].closes ? NULL : &rows[i].hello, &ready);

		if (ready != rows[i].ready)
			fail_msg("%s: %d", rows[i].name, ready);
		assert_int_equal(channel_is_open(&b->w->vault.channel), ready);
		channel_close(&b->w->vault.channel);
		if (fd >= 0)
			(void)close(fd);
	}
}

/* It is not asked for again and again while it is away. */
static void test_away(void **state)
{
	struct worker_test *b = *state;
	struct message m = { .type = MESSAGE_CHECK };

	assert_false(vault_link_is_ready(b->w));
	worker_test_listen(b, VAULT_LOGIN_SOCKET);
	assert_false(vault_link_is_ready(b->w));
	assert_int_equal(vault_link_ask(b->w, &m), -ENOTCONN);
	assert_int_equal(worker_test_accept(b), -1);
	worker_test_ends(b, VAULT_LOGIN_SOCKET);
	(void)close(worker_test_vault_begins(b));
}

/* ---- questions ---- */

static void test_question(void **state)
{
	static const struct {
		struct question question;
		const char *text, *tag, *payload;
	} rows[] = {
		{ { .password = STR("sec\r\nret") }, "", "", "sec\r\nret" },
		{ { .password = STR("") }, "", "", "" },
		{ { .proof = { .kind = CHALLENGE_APOP,
			    .challenge = STR("<1@a>"),
			    .digest = STR("d1") } },
			"APOP", "<1@a>", "d1" },
		{ { .password = STR("not to be shown"),
			  .proof = { .kind = CHALLENGE_CRAM_MD5,
				  .challenge = STR("<2@a>"),
				  .digest = STR("d2") } },
			"CRAM-MD5", "<2@a>", "d2" },
	};
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b);

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct session *s = worker_test_session(b, "carol@example.com");
		char id[SESSION_ID_MAX];
		struct message m;

		verify_password(b->w, s, &rows[i].question, done);
		assert_true(worker_test_hears(vault, &m, NULL));
		assert_int_equal(m.type, MESSAGE_CHECK);
		assert_int_equal(m.number, 7);
		assert_true(str_eq(m.account, STR_LIT("carol@example.com")));
		assert_true(str_eq(m.session, str_from(session_id(s, id))));
		assert_true(str_eq(m.service, STR_LIT("imap")));
		assert_true(str_eq(m.client, STR_LIT("192.0.2.1:40000")));
		assert_true(str_eq(m.text, str_from(rows[i].text)));
		assert_true(str_eq(m.tag, str_from(rows[i].tag)));
		assert_true(str_eq(m.payload, str_from(rows[i].payload)));
		verify_forget(b->w, s);
		session_free(s);
	}
	assert_int_equal(answers, 0);
	(void)close(vault);
}

/* ---- answers ---- */

/* Two sessions, a and b, wait; what the vault says. */
static const struct verdict_row {
	const char *name;
	char session; /* a, b: theirs; 0: `id` */
	const char *id;
	uint64_t number;
	bool forgotten; /* a has gone */
	char answered;  /* 0: nobody is */
	enum verdict verdict;
} verdict_rows[] = {
	{ "right", 'a', NULL, VERDICT_RIGHT, false, 'a', VERDICT_RIGHT },
	{ "wrong", 'b', NULL, VERDICT_WRONG, false, 'b', VERDICT_WRONG },
	{ "no password", 'b', NULL, VERDICT_NO_PASSWORD, false, 'b',
		VERDICT_NO_PASSWORD },
	{ "unknown", 'a', NULL, VERDICT_UNKNOWN, false, 'a', VERDICT_UNKNOWN },
	{ "a word that is none", 'a', NULL, VERDICT_COUNT, false, 'a', VERDICT_UNKNOWN },
	{ "right, with a bit of 64 too many", 'a', NULL, UINT64_C(1) << 32, false, 'a',
		VERDICT_UNKNOWN },
	{ "the other one has gone", 'b', NULL, VERDICT_RIGHT, true, 'b', VERDICT_RIGHT },
	{ "of one that has gone", 'a', NULL, VERDICT_RIGHT, true, 0, 0 },
	{ "of nobody", 0, "4d2-ffff", VERDICT_RIGHT, false, 0, 0 },
	{ "of another worker", 0, "4d3-0", VERDICT_RIGHT, false, 0, 0 },
	{ "of no session", 0, "", VERDICT_RIGHT, false, 0, 0 },
};

static void check_answer(const struct verdict_row *row, struct session *const s[2])
{
	if (answers != (row->answered != 0))
		fail_msg("%s: %u answers", row->name, answers);
	if (!row->answered)
		return;
	assert_ptr_equal(answered_to, s[row->answered - 'a']);
	assert_int_equal(answered, row->verdict);
	assert_string_equal(ticket_text, "ticket");
}

static void say_verdict(struct worker_test *b, const struct verdict_row *row)
{
	int vault = worker_test_vault_begins(b);
	const struct question q = { .password = STR("secret") };
	struct session *s[] = { worker_test_session(b, "a"),
		worker_test_session(b, "b") };
	char id[SESSION_ID_MAX];
	struct message m = {
		.type = MESSAGE_VERDICT, .number = row->number, .payload = STR("ticket")
	};

	for (size_t i = 0; i < 2; i++)
		verify_password(b->w, s[i], &q, done);
	if (row->forgotten)
		verify_forget(b->w, s[0]);
	m.session =
		str_from(row->session ? session_id(s[row->session - 'a'], id) : row->id);
	worker_test_tell(b, vault, &m);
	worker_test_tell(b, vault, &m); /* the second is of nobody */
	check_answer(row, s);
	for (size_t i = 0; i < 2; i++) {
		verify_forget(b->w, s[i]);
		session_free(s[i]);
	}
	(void)close(vault);
}

static void test_verdict(void **state)
{
	for (size_t i = 0; i < ROWS(verdict_rows); i++) {
		say_verdict(*state, &verdict_rows[i]);
		worker_test_teardown(state);
		begin(state);
	}
}

/* ---- it ends ---- */

#define MANY (VAULT_CHECKS + 50) /* some share a bucket */

/* Nobody who waits notices: the next one is asked what this one has not answered. */
static void test_lost(void **state)
{
	const struct question q = { .password = STR("secret") };
	struct worker_test *b = *state;
	struct session *s[MANY];
	char id[SESSION_ID_MAX];
	struct message m = { .type = MESSAGE_VERDICT };
	int vault = worker_test_vault_begins(b);

	for (size_t i = 0; i < MANY; i++) {
		s[i] = worker_test_session(b, "carol");
		verify_password(b->w, s[i], &q, done);
	}
	for (size_t i = 0; i < MANY; i += 3) /* these clients have left */
		verify_forget(b->w, s[i]);
	(void)close(vault);
	worker_test_turns(b);
	assert_int_equal(answers, 0);
	assert_false(channel_is_open(&b->w->vault.channel));

	vault = worker_test_vault_begins(b);
	for (size_t i = 0; i < MANY; i++) {
		if (i % 3 == 0)
			continue;
		assert_true(worker_test_hears(vault, &m, NULL));
		assert_int_equal(m.type, MESSAGE_CHECK);
		assert_true(str_eq(m.session, str_from(session_id(s[i], id))));
		assert_true(str_eq(m.payload, STR_LIT("secret")));
	}
	assert_false(worker_test_hears(vault, &m, NULL));
	m = (struct message){ .type = MESSAGE_VERDICT,
		.session = str_from(session_id(s[1], id)) };
	worker_test_tell(b, vault, &m);
	worker_test_tell(b, vault, &m); /* once */
	assert_int_equal(answers, 1);
	assert_int_equal(answered, VERDICT_RIGHT);
	for (size_t i = 0; i < MANY; i++) {
		verify_forget(b->w, s[i]);
		session_free(s[i]);
	}
	assert_true(TAILQ_EMPTY(&b->w->vault.questions));
	(void)close(vault);
}

/* One that does not come back is not waited for without end. */
static void test_patience(void **state)
{
	const struct question q = { .password = STR("secret") };
	struct worker_test *b = *state;
	struct session *s = worker_test_session(b, "carol");

	verify_password(b->w, s, &q, done);
	vault_questions_tick(b->w);
	assert_int_equal(answers, 0);
	b->w->loop.uv.time += VAULT_PATIENCE_MS;
	vault_questions_tick(b->w);
	assert_int_equal(answers, 1);
	assert_int_equal(answered, VERDICT_UNKNOWN);
	assert_string_equal(ticket_text, "");
	vault_questions_tick(b->w);
	assert_int_equal(answers, 1);
	session_free(s);
}

/* One that runs may let a guess wait, longer than one that does not run is waited for. */
static void test_slow_answer(void **state)
{
	const struct question q = { .password = STR("secret") };
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b);
	struct session *s = worker_test_session(b, "carol");
	struct message m;

	verify_password(b->w, s, &q, done);
	assert_true(worker_test_hears(vault, &m, NULL));
	b->w->loop.uv.time += GUESS_WAIT_MAX_MS;
	vault_questions_tick(b->w);
	assert_int_equal(answers, 0);
	b->w->loop.uv.time += VAULT_CHECK_MS - GUESS_WAIT_MAX_MS;
	vault_questions_tick(b->w);
	assert_int_equal(answers, 1);
	assert_int_equal(answered, VERDICT_UNKNOWN);
	session_free(s);
	(void)close(vault);
}

/* ---- what makes no sense ends the worker: it is a bug of ours ---- */

static void say(struct worker_test *b, int fd, const void *what)
{
	const struct str *bytes = what;

	assert_int_equal(ipc_send(fd, *bytes, NULL, 0), 0);
	worker_test_turns(b);
}

static void test_nonsense(void **state)
{
	const struct message verdict = { .type = MESSAGE_VERDICT,
		.session = STR("4d2-0") };
	const struct message serve = { .type = MESSAGE_SERVE };
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b);
	char bytes[512];
	ssize_t n = message_encode(&verdict, bytes, sizeof(bytes));
	struct str text = str_of(bytes, (size_t)n);

	assert_false(worker_test_aborts(say, b, vault, &text));
	text.len--;
	assert_true(worker_test_aborts(say, b, vault, &text));
	text = STR_LIT("?");
	assert_true(worker_test_aborts(say, b, vault, &text));
	n = message_encode(&serve, bytes, sizeof(bytes)); /* not the vault's to say */
	text = str_of(bytes, (size_t)n);
	assert_true(worker_test_aborts(say, b, vault, &text));
	(void)close(vault);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, worker_test_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_greeting),
		ROW(test_away),
		ROW(test_question),
		ROW(test_verdict),
		ROW(test_lost),
		ROW(test_patience),
		ROW(test_slow_answer),
		ROW(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
