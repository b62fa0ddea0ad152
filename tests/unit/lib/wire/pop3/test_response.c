/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers of a server, at once and in pieces of every size. */
#include "wire/pop3/response.h"

#include "lib/wire/wire_test.h"

#define BODY POP3_EXPECT_BYTES

static const struct row {
	const char *name;
	enum pop3_expect expect[4]; /* of the answers in input, in order */
	size_t n_expected;
	struct str input, read;
} rows[] = {
	{ "one line", { POP3_EXPECT_ONE_LINE }, 1, STR("+OK 2 320\r\n"),
		STR("<+OK 2 320>") },
	{ "refused", { POP3_EXPECT_ONE_LINE }, 1, STR("-ERR [IN-USE] no\r\n"),
		STR("<-ERR [IN-USE] no!>") },
	{ "refused list", { POP3_EXPECT_LINES, POP3_EXPECT_ONE_LINE }, 2,
		STR("-ERR no\r\n+OK\r\n"), STR("<-ERR no!><+OK>") },
	{ "list", { POP3_EXPECT_LINES }, 1, STR("+OK\r\n1 120\r\n2 200\n.\r\n"),
		STR("<+OK>1 120|2 200|$") },
	{ "dots in lines", { POP3_EXPECT_LINES }, 1, STR("+OK\r\n..x\r\n.y\r\n.\r\n"),
		STR("<+OK>.x|y|$") },
	{ "empty list", { POP3_EXPECT_LINES }, 1, STR("+OK\r\n.\r\n"), STR("<+OK>$") },
	{ "message", { BODY }, 1,
		STR("+OK 12 octets\r\na: b\r\n\r\n..c\r\nd\ne\r\n.\r\n"),
		STR("<+OK 12 octets>a: b\r\n\r\n.c\r\nd\ne\r\n$") },
	{ "empty message", { BODY }, 1, STR("+OK\r\n.\r\n"), STR("<+OK>$") },
	{ "a message without an end", { BODY }, 1, STR("+OK\r\nabc\r\n."),
		STR("<+OK>abc\r\n") },
	{ "pipelined", { POP3_EXPECT_ONE_LINE, BODY, BODY, POP3_EXPECT_LINES }, 4,
		STR("+OK\r\n+OK\r\na\r\n.\r\n-ERR gone\r\n+OK\r\n1 x\r\n.\r\n"),
		STR("<+OK><+OK>a\r\n$<-ERR gone!><+OK>1 x|$") },
	{ "no POP3", { POP3_EXPECT_ONE_LINE }, 1, STR("220 hello\r\n"), STR("?") },
	{ "no word", { POP3_EXPECT_ONE_LINE }, 1, STR("+OKAY\r\n"), STR("?") },
	{ "empty line", { POP3_EXPECT_ONE_LINE }, 1, STR("\r\n"), STR("?") },
	{ "a challenge that nobody asked for", { POP3_EXPECT_ONE_LINE }, 1,
		STR("+ x\r\n"), STR("?") },
	{ "case", { POP3_EXPECT_ONE_LINE, POP3_EXPECT_ONE_LINE }, 2,
		STR("+ok\r\n-err\r\n"), STR("<+ok><-err!>") },
};

static bool next(struct pop3_reader *r, struct str unread, size_t *used, struct buf *read,
	bool *ret_over)
{
	struct str bytes;

	*ret_over = false;
	switch (pop3_reader_next(r, unread, &bytes, used)) {
	case POP3_READ_NEED_MORE:
		return false;
	case POP3_READ_OK:
		buf_printf(read, "<%.*s>", STR_ARG(bytes));
		*ret_over = r->expect == POP3_EXPECT_ONE_LINE;
		return true;
	case POP3_READ_ERR:
		buf_printf(read, "<%.*s!>", STR_ARG(bytes));
		*ret_over = true;
		return true;
	case POP3_READ_BYTES:
		buf_append(read, bytes);
		if (r->expect == POP3_EXPECT_LINES)
			buf_byte(read, '|');
		return true;
	case POP3_READ_END:
		buf_byte(read, '$');
		*ret_over = true;
		return true;
	case POP3_READ_BROKEN:
		break;
	}
	buf_byte(read, '?');
	*ret_over = true;
	return true;
}

static void check(const struct row *row, size_t step)
{
	struct str input = exact_copy(row->input);
	size_t start = 0, known = 0, answers = 0, used;
	struct pop3_reader r;
	struct buf read;
	bool over;

	buf_init(&read, 0);
	pop3_reader_expect(&r, row->expect[0]);
	while (known < input.len && answers < row->n_expected) {
		known = input.len - known > step ? known + step : input.len;
		while (answers < row->n_expected &&
			next(&r, str_skip(str_take(input, known), start), &used, &read,
				&over)) {
			start += used;
			if (over && ++answers < row->n_expected)
				pop3_reader_expect(&r, row->expect[answers]);
		}
		start += used;
	}
	SAME(row->name, buf_view(&read), row->read);
	buf_fini(&read);
	exact_free(input);
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		for (size_t step = 1; step <= rows[i].input.len; step++)
			check(&rows[i], step);
}

static void test_broken_stays(void **state)
{
	struct pop3_reader r;
	struct str bytes;
	size_t used;

	(void)state;
	pop3_reader_expect(&r, POP3_EXPECT_LINES);
	assert_int_equal(
		pop3_reader_next(&r, STR_LIT("x\r\n"), &bytes, &used), POP3_READ_BROKEN);
	assert_int_equal(pop3_reader_next(&r, STR_LIT("+OK\r\n"), &bytes, &used),
		POP3_READ_BROKEN);
	assert_string_equal(pop3_reader_state_name(r.state), "broken");
}

static void test_stat_and_list(void **state)
{
	static const struct {
		struct str line;
		bool stat, list;
		uint32_t number;
		uint64_t octets;
	} lines[] = {
		{ STR("+OK 2 320"), true, true, 2, 320 },
		{ STR("+OK 2 320 octets follow"), true, true, 2, 320 },
		{ STR("+ok  2   320"), true, true, 2, 320 },
		{ STR("2 320"), false, true, 2, 320 },
		{ STR("  2  320  "), false, true, 2, 320 },
		{ STR("+OK 0 0"), true, false, 0, 0 },
		{ STR("1 18446744073709551615"), false, true, 1, UINT64_MAX },
		{ STR("1 18446744073709551616"), false, false, 0, 0 },
		{ STR("4294967296 1"), false, false, 0, 0 },
		{ STR("+OK 2"), false, false, 0, 0 },
		{ STR("+OK"), false, false, 0, 0 },
		{ STR("-ERR 2 320"), false, false, 0, 0 },
		{ STR("+OK two 320"), false, false, 0, 0 },
		{ STR("1 -1"), false, false, 0, 0 },
		{ STR(""), false, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(lines); i++) {
		struct str line = exact_copy(lines[i].line);
		uint32_t a = 0, b = 0;
		uint64_t octets = 0;

		if (pop3_stat_parse(line, &a, &octets) != lines[i].stat ||
			(lines[i].stat &&
				(a != lines[i].number || octets != lines[i].octets)))
			fail_msg("STAT: %.*s", STR_ARG(line));
		if (pop3_list_parse(line, &b, &octets) != lines[i].list ||
			(lines[i].list &&
				(b != lines[i].number || octets != lines[i].octets)))
			fail_msg("LIST: %.*s", STR_ARG(line));
		exact_free(line);
	}
}

static void test_uidl(void **state)
{
	static const struct {
		struct str line;
		uint32_t number; /* 0: refused */
		struct str uidl;
	} lines[] = {
		{ STR("1 whqtswO00WBw418f9t5JxYwZ"), 1, STR("whqtswO00WBw418f9t5JxYwZ") },
		{ STR("+OK 2 QhdPYR:00WBw1Ph7x7"), 2, STR("QhdPYR:00WBw1Ph7x7") },
		{ STR("12  a b"), 12, STR("a b") },
		{ STR("3 \xe4\x7f"), 3, STR("\xe4\x7f") },
		{ STR("3"), 0, STR("") },
		{ STR("3 "), 0, STR("") },
		{ STR("0 x"), 0, STR("") },
		{ STR("x 3"), 0, STR("") },
		{ STR("-ERR 3 x"), 0, STR("") },
		{ STR(""), 0, STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(lines); i++) {
		struct str line = exact_copy(lines[i].line), uidl = STR("");
		uint32_t number = 0;

		(void)pop3_uidl_parse(line, &number, &uidl);
		assert_int_equal(number, lines[i].number);
		SAME("UIDL", uidl, lines[i].uidl);
		exact_free(line);
	}
}

static void test_code(void **state)
{
	static const struct {
		struct str line, code;
	} lines[] = {
		{ STR("-ERR [IN-USE] locked"), STR("IN-USE") },
		{ STR("-ERR [SYS/TEMP] x"), STR("SYS/TEMP") },
		{ STR("+OK [x]"), STR("x") },
		{ STR("-ERR locked [IN-USE]"), STR("") },
		{ STR("-ERR [IN-USE"), STR("") },
		{ STR("-ERR []"), STR("") },
		{ STR("-ERR"), STR("") },
		{ STR(""), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(lines); i++) {
		struct str code = STR("");

		assert_int_equal(
			pop3_response_code(lines[i].line, &code), lines[i].code.len > 0);
		SAME("code", code, lines[i].code);
	}
}

static void test_in_use(void **state)
{
	static const struct {
		struct str line;
		bool in_use, for_now;
	} lines[] = {
		{ STR("-ERR [IN-USE] Do you have another POP session running?"), true,
			true },
		{ STR("-ERR [in-use]"), true, true },
		{ STR("-ERR alice lock busy!  Is another session active? (11)"), true,
			true },
		{ STR("-ERR Can't get lock.  Mailbox in use"), true, true },
		{ STR("-ERR Login failed (maildrop in use?)"), true, true },
		{ STR("-ERR [LOGIN-DELAY] minimum time between mail checks"), false,
			true },
		{ STR("-ERR [SYS/TEMP] later"), false, true },
		{ STR("-ERR [AUTH] lock busy"), false, false },
		{ STR("-ERR [AUTH] Authentication failed."), false, false },
		{ STR("-ERR Your account is locked"), false, false },
		{ STR("-ERR You are blocked"), false, false },
		{ STR("-ERR"), false, false },
		{ STR("+OK maildrop locked and ready"), false, false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(lines); i++) {
		if (pop3_is_in_use(lines[i].line) != lines[i].in_use ||
			pop3_refused_for_now(lines[i].line) != lines[i].for_now)
			fail_msg("%.*s", STR_ARG(lines[i].line));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_broken_stays),
		cmocka_unit_test(test_stat_and_list),
		cmocka_unit_test(test_uidl),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
