/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's side up to the answer of the login, and the probe. Each row runs in one
 * piece and in pieces of every size.
 *
 *   <response>  what was given out, after its event's letter:
 *   G greeted, U untagged, C challenge, O ok, N no, B bye, X broken;  >sent
 */
#include "wire/imap/upstream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct wire_login by_literals = {
	.kind = LOGIN_PASSWORD,
	.tag = STR("a"),
	.user = STR("\\"),
	.password = STR("\""),
	.user_literal = true,
	.password_literal = true,
};
static const struct wire_login by_plain = {
	.kind = LOGIN_SASL_PLAIN,
	.tag = STR("t+1"),
	.user = STR("a"),
	.password = STR("b"),
	.has_initial = true,
};
static const struct wire_login with_id = {
	.kind = LOGIN_PASSWORD,
	.id = STR("(\"n\" \"v\")"),
	.user = STR("x"),
	.password = STR("y"),
};
static const struct wire_login by_cram = {
	.kind = LOGIN_EXCHANGE,
	.mechanism = STR("CRAM-MD5"),
};
static const struct wire_login by_token = {
	.kind = LOGIN_EXCHANGE,
	.mechanism = STR("XOAUTH2"),
	.initial = STR("eA=="),
};

/* Each challenge of an exchange is answered with the line "YQ==". */
static const struct row {
	const char *name;
	const struct wire_login *login;
	const char *input, *expected;
} rows[] = {
	{ "literals", &by_literals,
		"* OK hi\r\n+ go\r\n|+ go\r\n|* CAPABILITY X\r\nz1 OK [CAPABILITY Y] "
		"in\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\n>\\ {1}\r\n>\"\r\nU<* CAPABILITY "
		"X\r\n>O<OK [CAPABILITY Y] in\r\n>" },
	{ "refused", &by_literals, "* OK hi\r\n|z1 NO wrong\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\nN<NO wrong\r\n>" },
	{ "bad, bare LF", &by_literals, "* OK hi\n|z1 BAD what\n",
		"G<* OK hi\n>>z1 LOGIN {1}\r\nN<BAD what\n>" },
	{ "an OK to half a question", &by_literals, "* OK hi\r\n|+ go\r\n|z1 OK in\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\n>\\ {1}\r\nX<z1 OK in\r\n>" },
	{ "does not hear the initial response", &by_plain,
		"* OK hi\r\n|+ \r\n|z1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE PLAIN AGEAYg==\r\n>AGEAYg==\r\n"
		"O<OK in\r\n>" },
	{ "asks for more than there is", &by_plain,
		"* OK hi\r\n|+ \r\n|+ \r\n|z1 BAD no\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE PLAIN AGEAYg==\r\n>AGEAYg==\r\n>*\r\n"
		"N<BAD no\r\n>" },
	{ "and then lets in", &by_plain, "* OK hi\r\n|+ \r\n|+ \r\n|z1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE PLAIN AGEAYg==\r\n>AGEAYg==\r\n>*\r\n"
		"X<z1 OK in\r\n>" },
	{ "ID first", &with_id, "* OK hi\r\n|* ID NIL\r\nz1 BAD x\r\n|z2 OK in\r\n",
		"G<* OK hi\r\n>>z1 ID (\"n\" \"v\")\r\n>z2 LOGIN \"x\" \"y\"\r\n"
		"O<OK in\r\n>" },
	{ "the answer to ID twice", &with_id, "* OK hi\r\n|z1 OK x\r\nz1 OK in\r\n",
		"G<* OK hi\r\n>>z1 ID (\"n\" \"v\")\r\n>z2 LOGIN \"x\" \"y\"\r\n"
		"X<z1 OK in\r\n>" },
	{ "exchange", &by_cram, "* OK hi\r\n|+ abc\r\n|z1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE CRAM-MD5\r\nC<+ abc\r\n>>YQ==\r\nO<OK "
		"in\r\n>" },
	{ "an exchange in which nothing was said", &by_cram, "* OK hi\r\n|z1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE CRAM-MD5\r\nX<z1 OK in\r\n>" },
	{ "all was said at once", &by_token, "* OK hi\r\n|z1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE XOAUTH2 eA==\r\nO<OK in\r\n>" },
	{ "the client's tag", &by_plain, "* OK hi\r\n|t+1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE PLAIN AGEAYg==\r\nX<t+1 OK in\r\n>" },
	{ "a tag that begins alike", &by_literals, "* OK hi\r\n|z11 OK in\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\nX<z11 OK in\r\n>" },
	{ "literal in an untagged response", &by_literals,
		"* OK hi\r\n|* ID (\"a\" {9}\r\nz1 OK x\r\n)\r\nz1 NO no\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\nU<* ID (\"a\" {9}\r\nz1 OK "
		"x\r\n)\r\n>N<NO no\r\n>" },
	{ "bye at once", &by_literals, "* BYE too many\r\n", "B<* BYE too many\r\n>" },
	{ "preauth is not ours", &by_literals, "* PREAUTH hi\r\n",
		"X<* PREAUTH hi\r\n>" },
	{ "not IMAP", &by_literals, "+OK POP3\r\n", "X<+OK POP3\r\n>" },
	{ "nothing is read behind the answer", &by_plain,
		"* OK hi\r\n|z1 OK in\r\n* 3 EXISTS\r\nz1 OK in\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE PLAIN AGEAYg==\r\nO<OK in\r\n>" },
	{ "after a refusal nothing belongs to anybody", &by_literals,
		"* OK hi\r\n|z1 NO no\r\nz1 OK in\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\nN<NO no\r\n>X<z1 OK in\r\n>" },
	{ "huge literal", &by_literals, "* OK {99999999}\r\n", "X<>" },
};

/* Odd as they come in one piece: the second line was said before the first was heard. */
static const struct row hasty_rows[] = {
	{ "it goes on before it was answered", &by_literals,
		"* OK hi\r\n|+ go\r\n+ go\r\n",
		"G<* OK hi\r\n>>z1 LOGIN {1}\r\nX<+ go\r\n>" },
	{ "an exchange with two challenges at once", &by_cram,
		"* OK hi\r\n|+ abc\r\n+ def\r\n",
		"G<* OK hi\r\n>>z1 AUTHENTICATE CRAM-MD5\r\nX<+ abc\r\n>" },
};

struct talk {
	struct imap_upstream machine;
	struct buf input, sent, log;
};

static char letter(enum upstream_event event)
{
	static const char letters[] = {
		[UPSTREAM_NEED_MORE] = ' ',
		[UPSTREAM_GREETED] = 'G',
		[UPSTREAM_AGAIN] = ' ',
		[UPSTREAM_UNTAGGED] = 'U',
		[UPSTREAM_CONTINUE] = 'C',
		[UPSTREAM_OK] = 'O',
		[UPSTREAM_NO] = 'N',
		[UPSTREAM_BYE] = 'B',
		[UPSTREAM_BROKEN] = 'X',
	};

	return letters[event];
}

static void put_sent(struct talk *t)
{
	if (buf_len(&t->sent))
		assert_int_equal(
			buf_printf(&t->log, ">%.*s", STR_ARG(buf_view(&t->sent))), 0);
	buf_clear(&t->sent);
}

static void answer_event(struct talk *t, const struct row *row, enum upstream_event event)
{
	if (event == UPSTREAM_GREETED)
		assert_int_equal(
			imap_upstream_login(&t->machine, row->login, &t->sent), 0);
	if (event == UPSTREAM_CONTINUE)
		assert_int_equal(
			imap_upstream_answer(&t->machine, STR_LIT(" YQ==\r\n"), &t->sent),
			0);
	put_sent(t);
}

/* false: nothing follows. */
static bool feed(struct talk *t, const struct row *row, struct str bytes)
{
	enum upstream_event event;
	struct str response;
	size_t used;

	assert_int_equal(buf_append(&t->input, bytes), 0);
	do {
		event = imap_upstream_next(
			&t->machine, buf_view(&t->input), &response, &used, &t->sent);
		if (letter(event) != ' ')
			assert_int_equal(buf_printf(&t->log, "%c<%.*s>", letter(event),
						 STR_ARG(response)),
				0);
		buf_consume(&t->input, used);
		answer_event(t, row, event);
		if (event == UPSTREAM_BROKEN || event == UPSTREAM_BYE)
			return false;
	} while (event != UPSTREAM_NEED_MORE);
	return true;
}

/* "|": where the server waits for what the client says, so that nothing behind it can be
   there before. */
static void run(const struct row *row, size_t piece)
{
	struct talk t = { 0 };
	struct str rest = str_from(row->input), turn, got;
	bool on = true;

	imap_upstream_init(&t.machine, STR_LIT("z"));
	while (on && rest.len)
		for (turn = str_split(&rest, '|'); on && turn.len;
			turn = str_skip(turn, piece))
			on = feed(&t, row, str_take(turn, piece));
	got = buf_view(&t.log);
	if (!str_eq(got, str_from(row->expected)))
		fail_msg("%s, %zu bytes at a time\n got: %.*s\nwant: %s", row->name,
			piece, STR_ARG(got), row->expected);
	buf_fini(&t.input);
	buf_fini(&t.sent);
	buf_fini(&t.log);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece <= strlen(rows[i].input); piece++)
			run(&rows[i], piece);
}

static void test_hasty_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hasty_rows) / sizeof(hasty_rows[0]); i++)
		run(&hasty_rows[i], SIZE_MAX / 2);
}

static void test_endless_line(void **state)
{
	static char line[IMAP_RESPONSE_MAX + 2];
	struct imap_upstream u;
	struct str response;
	struct buf sent;
	size_t used;

	(void)state;
	memset(line, 'x', sizeof(line));
	buf_init(&sent, 0);
	imap_upstream_init(&u, STR_LIT("z"));
	assert_int_equal(imap_upstream_next(
				 &u, str_of(line, sizeof(line)), &response, &used, &sent),
		UPSTREAM_BROKEN);
}

/* No line without a challenge, and one for each. */
static void test_one_line_for_a_challenge(void **state)
{
	struct imap_upstream u;
	struct str response;
	struct buf sent;
	size_t used;

	(void)state;
	buf_init(&sent, 0);
	imap_upstream_init(&u, STR_LIT("z"));
	assert_int_equal(imap_upstream_login(&u, &by_cram, &sent), -EPROTO);
	u.state = IMAP_UPSTREAM_IN_READY;
	assert_int_equal(imap_upstream_login(&u, &by_cram, &sent), 0);
	assert_int_equal(imap_upstream_answer(&u, STR_LIT("YQ=="), &sent), -EPROTO);
	assert_int_equal(
		imap_upstream_next(&u, STR_LIT("+ \r\n"), &response, &used, &sent),
		UPSTREAM_CONTINUE);
	assert_int_equal(
		imap_upstream_answer(&u, STR_LIT("YQ==\r\nx LOGIN a b"), &sent), 0);
	assert_true(
		str_eq(buf_view(&sent), STR_LIT("z1 AUTHENTICATE CRAM-MD5\r\n*\r\n")));
	assert_string_equal(imap_upstream_state_name(u.state), "cancelled");
	assert_int_equal(imap_upstream_answer(&u, STR_LIT("YQ=="), &sent), -EPROTO);
	assert_int_equal(
		imap_upstream_next(&u, STR_LIT("z1 OK in\r\n"), &response, &used, &sent),
		UPSTREAM_BROKEN);
	buf_fini(&sent);
}

static const struct probe_row {
	const char *name, *input, *greeting, *capability, *id, *sent;
	enum imap_probe_event last;
} probe_rows[] = {
	{ "all in the greeting", "* OK [CAPABILITY IMAP4rev1] hi\r\n",
		"* OK [CAPABILITY IMAP4rev1] hi", "IMAP4rev1", "NIL", "",
		IMAP_PROBE_DONE },
	{ "asks",
		"* OK hi\r\n* CAPABILITY IMAP4rev1 ID\r\nprobe1 OK\r\n* ID (\"name\" "
		"\"x\")\r\nprobe2 OK\r\n",
		"* OK hi", "IMAP4rev1 ID", "(\"name\" \"x\")",
		"probe1 CAPABILITY\r\nprobe2 ID NIL\r\n", IMAP_PROBE_DONE },
	{ "ID refused", "* OK [CAPABILITY ID] hi\r\nprobe1 BAD no\r\n",
		"* OK [CAPABILITY ID] hi", "ID", "NIL", "probe1 ID NIL\r\n",
		IMAP_PROBE_DONE },
	{ "unwanted", "* BYE go away\r\n", "", "", "NIL", "", IMAP_PROBE_BYE },
	{ "something else", "220 smtp\r\n", "", "", "NIL", "", IMAP_PROBE_BROKEN },
};

static void run_probe(const struct probe_row *row, size_t piece)
{
	struct arena arena;
	struct imap_probe p;
	struct buf input, sent;
	struct str rest = str_from(row->input), response;
	enum imap_probe_event event = IMAP_PROBE_NEED_MORE;
	size_t used;

	arena_init(&arena);
	buf_init(&input, 0);
	buf_init(&sent, 0);
	imap_probe_init(&p, &arena);
	for (; rest.len; rest = str_skip(rest, piece)) {
		assert_int_equal(buf_append(&input, str_take(rest, piece)), 0);
		do {
			event = imap_probe_next(
				&p, buf_view(&input), &response, &used, &sent);
			buf_consume(&input, used);
		} while (event == IMAP_PROBE_AGAIN);
	}
	if (event != row->last || !str_eq(p.greeting, str_from(row->greeting)) ||
		!str_eq(p.capability, str_from(row->capability)) ||
		!str_eq(p.id, str_from(row->id)) ||
		!str_eq(buf_view(&sent), str_from(row->sent)))
		fail_msg("%s, %zu bytes at a time", row->name, piece);
	buf_fini(&input);
	buf_fini(&sent);
	arena_fini(&arena);
}

static void test_probe(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(probe_rows) / sizeof(probe_rows[0]); i++)
		for (size_t piece = 1; piece <= strlen(probe_rows[i].input); piece++)
			run_probe(&probe_rows[i], piece);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_hasty_rows),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_one_line_for_a_challenge),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
