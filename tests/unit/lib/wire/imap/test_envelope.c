/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ENVELOPE of odd headers: always IMAP, and as much of an address as can be told. */
#include "wire/imap/envelope.h"

#include "lib/wire/wire_test.h"

/* The value of From:, and the address list that it gives. */
static const struct {
	const char *name;
	struct str value, list;
} rows[] = {
	{ "plain", STR("a@b.c"), STR("((NIL NIL \"a\" \"b.c\"))") },
	{ "name", STR("A. B. Smith <a@b>"), STR("((\"A. B. Smith\" NIL \"a\" \"b\"))") },
	{ "quoted", STR("\"Doe, \\\"J\\\"\" <a@b>"),
		STR("((\"Doe, \\\"J\\\"\" NIL \"a\" \"b\"))") },
	{ "comment", STR("a@b (Bob (x))"), STR("((\"Bob (x)\" NIL \"a\" \"b\"))") },
	{ "two", STR("a@b,,<c@d>"), STR("((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))") },
	{ "route", STR("<@x,@y:a@b>"), STR("((NIL \"@x,@y\" \"a\" \"b\"))") },
	{ "group", STR("G: a@b, c@d;, e@f"),
		STR("((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL "
		    "NIL NIL NIL)(NIL NIL \"e\" \"f\"))") },
	{ "group without end", STR("G: a@b"),
		STR("((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))") },
	{ "no host", STR("root"), STR("((NIL NIL \"root\" \"\"))") },
	{ "angle never closed", STR("X <a@b"), STR("((\"X\" NIL \"a\" \"b\"))") },
	{ "quoted local part", STR("\"a b\"@c"), STR("((NIL NIL \"a b\" \"c\"))") },
	{ "domain literal", STR("a@[192.0.2.1]"),
		STR("((NIL NIL \"a\" \"[192.0.2.1]\"))") },
	{ "folded", STR("A\r\n B <a@b>"), STR("((\"A B\" NIL \"a\" \"b\"))") },
	{ "8 bit", STR("\xfc <a@b>"), STR("(({1}\r\n\xfc NIL \"a\" \"b\"))") },
	{ "NUL", STR("a\0@b"), STR("((NIL NIL {2}\r\na\x80 \"b\"))") },
	{ "IPv6 literal", STR("A <a@[IPv6:2001:db8::1]>, b@[x@,y]"),
		STR("((\"A\" NIL \"a\" \"[IPv6:2001:db8::1]\")(NIL NIL \"b\" "
		    "\"[x@,y]\"))") },
	{ "literal never closed", STR("a@[b, c@d"),
		STR("((NIL NIL \"a\" \"[b\")(NIL NIL \"c\" \"d\"))") },
	{ "quoted pairs in a comment", STR("a@b (Ann \\(Sales\\) \"X\")"),
		STR("((\"Ann (Sales) \\\"X\\\"\" NIL \"a\" \"b\"))") },
	{ "empty display name", STR("\"\" <a@b>, \" \" <c@d> (C)"),
		STR("((NIL NIL \"a\" \"b\")(\"C\" NIL \"c\" \"d\"))") },
	{ "two angles", STR("Ann <<ann@a.example>>, b@b"),
		STR("((\"Ann\" NIL \"ann\" \"a.example\")(NIL NIL \"b\" \"b\"))") },
	{ "two addresses without a comma", STR("a@b.example c@d.example"),
		STR("((NIL NIL \"a\" \"b.example\"))") },
	{ "blanks around dots", STR("dora . d @ d . example"),
		STR("((NIL NIL \"dora.d\" \"d.example\"))") },
	{ "blanks in a local part", STR("john smith@b"),
		STR("((NIL NIL \"john smith\" \"b\"))") },
	{ "nothing", STR(""), STR("NIL") },
	{ "separators only", STR(",;:>"), STR("NIL") },
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf header, out, expected;
		struct arena arena;

		arena_init(&arena);
		buf_init(&header, 0);
		buf_init(&out, 0);
		buf_init(&expected, 0);
		assert_int_equal(buf_append_c(&header, "To: "), 0);
		assert_int_equal(buf_append(&header, rows[i].value), 0);
		assert_int_equal(buf_append_c(&header, "\r\n\r\n"), 0);
		assert_int_equal(buf_append_c(&expected, "(NIL NIL NIL NIL NIL "), 0);
		assert_int_equal(buf_append(&expected, rows[i].list), 0);
		assert_int_equal(buf_append_c(&expected, " NIL NIL NIL NIL)"), 0);
		assert_int_equal(imap_put_envelope(&out, buf_view(&header), &arena), 0);
		SAME(rows[i].name, buf_view(&out), buf_view(&expected));
		buf_fini(&header);
		buf_fini(&out);
		buf_fini(&expected);
		arena_fini(&arena);
	}
}

/* Fields that a message may have once (RFC 5322, 3.6) and has twice. */
static void test_repeated_fields(void **state)
{
	struct str header =
		STR("From:\r\nFrom: Ann <ann@a.example>\r\nSubject:\r\nSubject: "
		    "real\r\nSubject: \r\nTo: b@b.example\r\nTo: c@c.example\r\n"
		    "Message-ID: <1@a>\r\nMessage-ID: <2@a>\r\n\r\n");
#define ANN "((\"Ann\" NIL \"ann\" \"a.example\"))"
	struct str expected = STR(
		"(NIL \"real\" " ANN " " ANN " " ANN " ((NIL NIL \"b\" \"b.example\")("
		"NIL NIL \"c\" \"c.example\")) NIL NIL NIL \"<2@a>\")");
	struct buf out;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	buf_init(&out, 0);
	assert_int_equal(imap_put_envelope(&out, header, &arena), 0);
	SAME("repeated", buf_view(&out), expected);
	buf_fini(&out);
	arena_fini(&arena);
}

/* White space is read once: were it read again at each of its bytes, this would take
   minutes. */
static void test_long_white_space(void **state)
{
	struct buf header, out;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	buf_init(&header, 0);
	buf_init(&out, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(buf_append_c(&header, "To: a@b (start"), 0);
		for (int k = 0; k < 65000; k++)
			assert_int_equal(buf_byte(&header, k % 2 ? ' ' : '\t'), 0);
		assert_int_equal(buf_append_c(&header, "end)\r\n"), 0);
	}
	assert_int_equal(imap_put_envelope(&out, buf_view(&header), &arena), 0);
	assert_true(buf_len(&out) > 65000);
	buf_fini(&header);
	buf_fini(&out);
	arena_fini(&arena);
}

/* A header of megabytes makes no answer of megabytes. */
static void test_bounded(void **state)
{
	struct buf header, out;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	buf_init(&header, 0);
	buf_init(&out, 0);
	assert_int_equal(buf_append_c(&header, "Subject: "), 0);
	for (int i = 0; i < 200000; i++)
		assert_int_equal(buf_append_c(&header, "subject "), 0);
	assert_int_equal(buf_append_c(&header, "\r\nTo: "), 0);
	for (int i = 0; i < 200000; i++)
		assert_int_equal(buf_append_c(&header, "a@b,"), 0);
	assert_int_equal(imap_put_envelope(&out, buf_view(&header), &arena), 0);
	assert_in_range(buf_len(&out), IMAP_TEXT_MAX,
		2 * IMAP_TEXT_MAX + IMAP_ADDRESSES_MAX * 20);
	buf_fini(&header);
	buf_fini(&out);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_repeated_fields),
		cmocka_unit_test(test_long_white_space),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
