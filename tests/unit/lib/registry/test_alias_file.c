/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Texts of aliases: what is a rule, what is none, and the sentence for it. Each text lies
   in memory of exactly its size. */
#include "registry/alias_file.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define V ALIAS_FORMAT_VIRTUAL
#define A ALIAS_FORMAT_ALIASES

/* Rules as "line local|domain=n:target-local|target-domain;". */
static const struct {
	const char *name;
	enum alias_format format;
	struct str text;
	const char *rules; /* NULL: refused with .sentence */
	const char *sentence;
} rows[] = {
	{ "empty", V, STR(""), "", NULL },
	{ "nothing but noise", V, STR("# a\n\n   # b\n \t\r\n"), "", NULL },
	{ "one", V, STR("info@example.com alice"), "1 info|example.com=1:alice|;", NULL },
	{ "CRLF, tabs", V, STR("\r\nInfo@Example.com\t \talice@example.com \r\n"),
		"2 Info|Example.com=1:alice|example.com;", NULL },
	{ "bare", V, STR("info alice"), "1 info|=1:alice|;", NULL },
	{ "of a domain", V, STR("@example.com alice\n"), "1 |example.com=1:alice|;",
		NULL },
	{ "a domain's own", V, STR("example.com anything\n"),
		"1 example.com|=1:anything|;", NULL },
	{ "several", V, STR("a@b.c x, y@z ,\n"), "1 a|b.c=2;", NULL },
	{ "one and a comma", V, STR("a@b.c x ,"), "1 a|b.c=1:x|;", NULL },
	{ "two words", V, STR("a@b.c x y\n"), "1 a|b.c=1;", NULL },
	{ "continued", V, STR("a@b.c\n  x,\n# between\n\n\ty\nb@b.c z\n"),
		"1 a|b.c=2;6 b|b.c=1:z|;", NULL },
	{ "quoted", V, STR("\"a b\\\"@c\"@b.c x\n"), "1 a b\"@c|b.c=1:x|;", NULL },
	{ "quoted right", V, STR("a@b.c \"x, y\"@b.c\n"), "1 a|b.c=1:x, y|b.c;", NULL },
	{ "phrase", V, STR("a@b.c Al <x@b.c>\n"), "1 a|b.c=1;", NULL },
	{ "route", V, STR("a@b.c @r:x@b.c\n"), "1 a|b.c=1;", NULL },
	{ "8 bit", V, STR("m\xfcller@b.c x\n"), "1 m\xfcller|b.c=1:x|;", NULL },
	{ "no right", V, STR("a@b.c x\nb@b.c\n"), NULL, "line 2: it leads nowhere" },
	{ "only commas", V, STR("a@b.c , ,\n"), NULL, "line 1: it leads nowhere" },
	{ "other format", V, STR("info: alice\n"), NULL,
		"line 1: the address ends with a colon" },
	{ "two at", V, STR("a@b@c x\n"), NULL, "line 1: its left side is not an" },
	{ "at the end", V, STR("a@ x\n"), NULL, "line 1: its left side is not an" },
	{ "NUL", V, STR("a@b.c x\0y\n"), NULL, "line 1: it holds a NUL" },
	{ "open quote", V, STR("\n\"a@b.c x\n"), NULL, "line 2: a quote is not closed" },
	{ "continues nothing", V, STR("# x\n  a@b.c x\n"), NULL,
		"line 2: it continues a line that is not there" },

	{ "one", A, STR("info: alice\n"), "1 info|=1:alice|;", NULL },
	{ "no space", A, STR("info:alice"), "1 info|=1:alice|;", NULL },
	{ "space before colon", A, STR("info : alice"), "1 info|=1:alice|;", NULL },
	{ "quoted name", A, STR("\"a: b\": alice\n"), "1 a: b|=1:alice|;", NULL },
	{ "several lines", A, STR("list: alice,\n  bob@example.net,\n\n# c\n  carol\n"),
		"1 list|=3;", NULL },
	{ "pipe", A, STR("a: |/bin/x\nb: \"|/bin/x -a, -b\"\n"), "1 a|=1;2 b|=1;", NULL },
	{ "file", A, STR("a: /dev/null\n"), "1 a|=1;", NULL },
	{ "include", A, STR("a: :include:/etc/list\n"), "1 a|=1;", NULL },
	{ "ends here", A, STR("a: \\a\nb: \\a, x@y\n"), "1 a|=1:a|;2 b|=2;", NULL },
	{ "with domain", A, STR("a@b.c: x\n"), "1 a|b.c=1:x|;", NULL },
	{ "no colon", A, STR("a@b.c x\n"), NULL, "line 1: there is no colon" },
	{ "no name", A, STR(": x\n"), NULL, "line 1: its left side is not an" },
	{ "two names", A, STR("a b: x\n"), NULL, "line 1: its left side is not an" },
	{ "no right", A, STR("a:\n"), NULL, "line 1: it leads nowhere" },
};

static int join(void *context, const struct alias_rule *rule)
{
	const struct alias_address *left = &rule->left, *to = &rule->target;
	int r = buf_printf(context, "%zu %.*s|%.*s=%zu", rule->line, STR_ARG(left->local),
		STR_ARG(left->domain), rule->n_targets);

	if (r == 0 && rule->is_address)
		r = buf_printf(
			context, ":%.*s|%.*s", STR_ARG(to->local), STR_ARG(to->domain));
	return r < 0 ? r : buf_byte(context, ';');
}

static void check_row(size_t i)
{
	struct str text = rows[i].text, got;
	struct error err = { 0 };
	struct buf all;
	char *exact = malloc(text.len ? text.len : 1);
	int r;

	memcpy(exact, text.ptr, text.len);
	buf_init(&all, 0);
	r = alias_file_read(str_of(exact, text.len), rows[i].format, join, &all, &err);
	got = buf_view(&all);
	if (r != (rows[i].rules ? 0 : -EINVAL))
		fail_msg("%s: %d %s", rows[i].name, r, err.text);
	if (rows[i].rules && !str_eq(got, str_from(rows[i].rules)))
		fail_msg("%s: \"%.*s\", expected \"%s\"", rows[i].name, STR_ARG(got),
			rows[i].rules);
	if (!rows[i].rules && !strstr(err.text, rows[i].sentence))
		fail_msg("%s: \"%s\"", rows[i].name, err.text);
	buf_fini(&all);
	free(exact);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(i);
}

/* However a text is cut short, it is read or refused, and nothing else. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t len = 0; len < rows[i].text.len; len++) {
			char *exact = malloc(len ? len : 1);
			struct error err = { 0 };
			struct buf all;
			int r;

			memcpy(exact, rows[i].text.ptr, len);
			buf_init(&all, 0);
			r = alias_file_read(
				str_of(exact, len), rows[i].format, join, &all, &err);
			if (r != 0 && (r != -EINVAL || !err.text[0]))
				fail_msg("%s cut at %zu: %d", rows[i].name, len, r);
			(void)alias_format_guess(str_of(exact, len));
			buf_fini(&all);
			free(exact);
		}
}

static void test_long(void **state)
{
	struct error err = { 0 };
	struct buf text, all;
	size_t members = ALIAS_RULE_MAX / 4;

	(void)state;
	buf_init(&text, 0);
	buf_init(&all, 0);
	assert_int_equal(buf_append_c(&text, "list: x"), 0);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(buf_append_c(&text, ",\n xyz"), 0);
	assert_int_equal(alias_file_read(buf_view(&text), A, join, &all, &err), 0);
	assert_true(str_eq(buf_view(&all), STR_LIT("1 list|=1001;")));
	for (size_t i = 0; i < members; i++)
		assert_int_equal(buf_append_c(&text, ",\n xyz"), 0);
	assert_int_equal(alias_file_read(buf_view(&text), A, join, &all, &err), -E2BIG);
	assert_non_null(strstr(err.text, "line 1: the rule has more than"));
	buf_fini(&text);
	buf_fini(&all);
}

static void test_formats(void **state)
{
	static const struct {
		struct str text;
		enum alias_format format;
	} guesses[] = {
		{ STR(""), V },
		{ STR("# x: y\n\ninfo: alice\n"), A },
		{ STR("info : alice\n"), A },
		{ STR("\"a b\": alice\n"), A },
		{ STR("info@example.com alice\n"), V },
		{ STR("info@example.com :include:/x\n"), V },
		{ STR("# x: y\n@example.com alice\n"), V },
	};
	enum alias_format format = V;

	(void)state;
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++)
		if (alias_format_guess(guesses[i].text) != guesses[i].format)
			fail_msg("guess %zu", i);
	assert_true(alias_format_by_name("aliases", &format));
	assert_int_equal(format, A);
	assert_string_equal(alias_format_name(V), "virtual");
	assert_false(alias_format_by_name("sendmail", &format));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
