/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's side up to the answer of the login, and the probe. Each row runs in one
 * piece and in pieces of every size.
 *
 *   <response>  what was given out, after its event's letter:
 *   G greeted, U untagged, C challenge, O ok, N no, B bye, X broken;  >sent
 */
#include "wire/imap/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct wire_login by_literals = {
	.tag = STR("a"),
	.steps = { STR("a LOGIN {1}\r\n"), STR("x {1}\r\n"), STR("y\r\n") },
	.n_steps = 3,
};
static const struct wire_login by_plain = {
	.tag = STR("t+1"),
	.steps = { STR("t+1 AUTHENTICATE PLAIN AAA=\r\n") },
	.n_steps = 1,
};

static const struct row {
	const char *name;
	const struct wire_login *login;
	bool exchange;
	const char *input, *expected;
} rows[] = {
	{ "literals", &by_literals, false,
		"* OK hi\r\n+ go\r\n+ go\r\n* CAPABILITY X\r\na OK [CAPABILITY Y] in\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\n>x {1}\r\n>y\r\nU<* CAPABILITY X\r\n>O<a "
		"OK "
		"[CAPABILITY Y] in\r\n>" },
	{ "refused", &by_literals, false, "* OK hi\r\na NO wrong\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nN<a NO wrong\r\n>" },
	{ "bad, bare LF", &by_literals, false, "* OK hi\na BAD what\n",
		"G<* OK hi\n>>a LOGIN {1}\r\nN<a BAD what\n>" },
	{ "asks for more than there is", &by_plain, false,
		"* OK hi\r\n+ \r\nt+1 BAD no\r\n",
		"G<* OK hi\r\n>>t+1 AUTHENTICATE PLAIN AAA=\r\n>*\r\nX<t+1 BAD no\r\n>" },
	{ "exchange", &by_literals, true, "* OK hi\r\n+ abc\r\na OK in\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nC<+ abc\r\n>O<a OK in\r\n>" },
	{ "another tag", &by_literals, false, "* OK hi\r\nb OK in\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nX<b OK in\r\n>" },
	{ "a tag that begins alike", &by_literals, false, "* OK hi\r\naa OK in\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nX<aa OK in\r\n>" },
	{ "literal in an untagged response", &by_literals, false,
		"* OK hi\r\n* ID (\"a\" {8}\r\na OK x\r\n)\r\na OK in\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nU<* ID (\"a\" {8}\r\na OK x\r\n)\r\n>O<a "
		"OK "
		"in\r\n>" },
	{ "bye at once", &by_literals, false, "* BYE too many\r\n",
		"B<* BYE too many\r\n>" },
	{ "preauth is not ours", &by_literals, false, "* PREAUTH hi\r\n",
		"X<* PREAUTH hi\r\n>" },
	{ "not IMAP", &by_literals, false, "+OK POP3\r\n", "X<+OK POP3\r\n>" },
	{ "more after the answer", &by_literals, false,
		"* OK hi\r\na OK in\r\n* 3 EXISTS\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nO<a OK in\r\n>U<* 3 EXISTS\r\n>" },
	{ "bye while idle", &by_literals, false, "* OK hi\r\na NO no\r\n* BYE idle\r\n",
		"G<* OK hi\r\n>>a LOGIN {1}\r\nN<a NO no\r\n>B<* BYE idle\r\n>" },
	{ "huge literal", &by_literals, false, "* OK {99999999}\r\n", "X<>" },
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
		if (event == UPSTREAM_GREETED)
			assert_int_equal(imap_upstream_login(&t->machine, row->login,
						 row->exchange, &t->sent),
				0);
		put_sent(t);
		if (event == UPSTREAM_BROKEN || event == UPSTREAM_BYE)
			return false;
	} while (event != UPSTREAM_NEED_MORE);
	return true;
}

static void run(const struct row *row, size_t piece)
{
	struct talk t = { 0 };
	struct str rest = str_from(row->input), got;

	imap_upstream_init(&t.machine);
	while (rest.len && feed(&t, row, str_take(rest, piece)))
		rest = str_skip(rest, piece);
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
	imap_upstream_init(&u);
	assert_int_equal(imap_upstream_next(
				 &u, str_of(line, sizeof(line)), &response, &used, &sent),
		UPSTREAM_BROKEN);
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
	{ "ID refused", "* OK [CAPABILITY ID] hi\r\nprobe2 BAD no\r\n",
		"* OK [CAPABILITY ID] hi", "ID", "NIL", "probe2 ID NIL\r\n",
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
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
