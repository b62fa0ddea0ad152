/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server reads of commands: sets, FETCH items, SEARCH programs, LIST patterns. */
#include "wire/imap/condstore.h"
#include "wire/imap/fetch.h"
#include "wire/imap/pattern.h"
#include "wire/imap/search.h"
#include "wire/imap/set.h"

#include "lib/wire/wire_test.h"

static void test_sets(void **state)
{
	static const struct {
		struct str text;
		uint32_t last;
		struct str resolved; /* ptr NULL: no set */
		uint32_t highest;
	} rows[] = {
		{ STR("1"), 9, STR("1"), 1 },
		{ STR("3:1,2"), 9, STR("1:3"), 3 },
		{ STR("*"), 9, STR("9"), 0 },
		{ STR("7:*"), 9, STR("7:9"), 7 },
		{ STR("12:*"), 9, STR("9:12"), 12 },
		{ STR("*:*"), 9, STR("9"), 0 },
		{ STR("5,1:2,3,4294967295"), 9, STR("1:3,5,4294967295"), 4294967295 },
		{ STR("*,1"), 0, STR("0:1"), 1 },
		{ STR("0"), 9, { 0 }, 0 },
		{ STR(""), 9, { 0 }, 0 },
		{ STR("1,"), 9, { 0 }, 0 },
		{ STR("1:"), 9, { 0 }, 0 },
		{ STR("4294967296"), 9, { 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor c = imap_cursor(rows[i].text);
		struct imap_set set;
		struct arena arena;
		struct buf out;
		uint32_t highest = 0;
		bool ok;

		arena_init(&arena);
		buf_init(&out, 0);
		ok = imap_set(&c, &arena, &set);
		if (ok != (rows[i].resolved.ptr != NULL))
			fail_msg("%.*s", STR_ARG(rows[i].text));
		if (ok)
			imap_set_resolve(&set, rows[i].last, &highest);
		for (size_t k = 0; ok && k < set.count; k++)
			assert_int_equal(
				set.ranges[k].from == set.ranges[k].to
					? buf_printf(&out, "%s%u", k ? "," : "",
						  set.ranges[k].from)
					: buf_printf(&out, "%s%u:%u", k ? "," : "",
						  set.ranges[k].from, set.ranges[k].to),
				0);
		if (ok)
			SAME("set", buf_view(&out), rows[i].resolved);
		assert_int_equal(highest, rows[i].highest);
		buf_fini(&out);
		arena_fini(&arena);
	}
}

static void test_set_writer(void **state)
{
	static const uint32_t numbers[] = { 1, 2, 3, 7, 9, 10, 5 };
	struct imap_set_writer w = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	w.out = &out;
	for (size_t i = 0; i < N_ROWS(numbers); i++)
		assert_int_equal(imap_set_put(&w, numbers[i]), 0);
	assert_int_equal(imap_set_end(&w), 0);
	SAME("written", buf_view(&out), STR_LIT("1:3,7,9:10,5"));
	buf_fini(&out);
}

/* The labels of the items, a space between; "" : refused. */
static void test_fetch_items(void **state)
{
	static const struct {
		struct str text, labels;
	} rows[] = {
		{ STR("FLAGS"), STR("FLAGS") },
		{ STR("(uid Flags)"), STR("UID FLAGS") },
		{ STR("FULL"), STR("FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY") },
		{ STR("BODY[]"), STR("BODY[]") },
		{ STR("BODY.PEEK[1.2.mime]<5.7>"), STR("BODY[1.2.MIME]<5>") },
		{ STR("(BODY[HEADER.FIELDS (a \"B c\" {1}\r\nd)] RFC822.TEXT)"),
			STR("BODY[HEADER.FIELDS (a \"B c\" d)] RFC822.TEXT") },
		{ STR("BODY[1.HEADER.FIELDS.NOT (x)]"),
			STR("BODY[1.HEADER.FIELDS.NOT (x)]") },
		{ STR("BODY[3]"), STR("BODY[3]") },
		{ STR("()"), STR("") },
		{ STR("(FLAGS"), STR("") },
		{ STR("FLAGS[]"), STR("") },
		{ STR("BODY[0]"), STR("") },
		{ STR("BODY[1.]"), STR("") },
		{ STR("BODY[FIELDS]"), STR("") },
		{ STR("BODY[HEADER.FIELDS]"), STR("") },
		{ STR("BODY[]<1>"), STR("") },
		{ STR("BODY[]<1.0>"), STR("") },
		{ STR("BODY.PEEK"), STR("") },
		{ STR("BODY[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.99999999999]"),
			STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor c = imap_cursor(rows[i].text);
		struct imap_fetch_item *item = NULL;
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		if (imap_fetch_items(&c, &arena, &item) && imap_end(&c))
			for (; item; item = item->next)
				assert_int_equal(buf_printf(&out, "%s%.*s",
							 buf_len(&out) ? " " : "",
							 STR_ARG(item->label)),
					0);
		SAME(rows[i].text.ptr, buf_view(&out), rows[i].labels);
		buf_fini(&out);
		arena_fini(&arena);
	}
}

static void put_key(struct buf *out, const struct imap_search_key *key)
{
	for (; key; key = key->next) {
		assert_int_equal(buf_printf(out, "%d", (int)key->kind), 0);
		if (key->text.len)
			assert_int_equal(
				buf_printf(out, "'%.*s'", STR_ARG(key->text)), 0);
		if (key->first) {
			assert_int_equal(buf_byte(out, '('), 0);
			put_key(out, key->first);
			assert_int_equal(buf_byte(out, ')'), 0);
		}
		if (key->next)
			assert_int_equal(buf_byte(out, ' '), 0);
	}
}

static void test_search_programs(void **state)
{
	static const struct {
		struct str text;
		struct str tree; /* kinds as numbers, texts, what is inside; "": bad */
	} rows[] = {
		{ STR("ALL"), STR("0(3)") },
		{ STR("1:3 UID 5"), STR("0(4 5)") },
		{ STR("NOT SEEN"), STR("0(2(7))") },
		{ STR("OR NEW (FROM x)"), STR("0(1(9 0(27'x')))") },
		{ STR("charset UTF-8 TEXT {1+}\r\ny"), STR("0(29'y')") },
		{ STR("CHARSET latin1 ALL"), STR("0(3)") },
		{ STR("SINCE 1-Jan-2020 LARGER 5"), STR("0(18 12)") },
		{ STR("OLDER 60 YOUNGER 3600"), STR("0(14 15)") },
		{ STR("MODSEQ 5"), STR("0(6)") },
		{ STR("MODSEQ \"/flags/\\\\seen\" all 5"), STR("0(6)") },
		{ STR("FUZZY (SUBJECT a NOT $)"), STR("0(0(27'a' 2(5)))") },
		{ STR("EMAILID M5 THREADID T6"), STR("0(22'M5' 23'T6')") },
		{ STR("SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED"), STR("0(21 3)") },
		{ STR("SINCE 1-Foo-2020"), STR("") },
		{ STR("HEADER \"\" x"), STR("") },
		{ STR("OR SEEN"), STR("") },
		{ STR("()"), STR("") },
		{ STR("CHARSET UTF-8"), STR("") },
		{ STR("UID"), STR("") },
		{ STR("OLDER 0"), STR("") },
		{ STR("FUZZY"), STR("") },
		{ STR("MODSEQ"), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor c = imap_cursor(rows[i].text);
		struct imap_search search = { .program = NULL };
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		if (imap_search(&c, &arena, &search) && imap_end(&c))
			put_key(&out, search.program);
		SAME(rows[i].text.ptr, buf_view(&out), rows[i].tree);
		buf_fini(&out);
		arena_fini(&arena);
	}
}

/* What clients write beside the grammar, and Dovecot, Cyrus and Courier take. */
static void test_leniency(void **state)
{
	static const struct {
		struct str text;
		bool strict, lenient;
	} rows[] = {
		{ STR("ALL"), true, true },
		{ STR("ALL "), false, true },
		{ STR("ALL  SEEN"), false, true },
		{ STR("( ALL SEEN )"), false, true },
		{ STR("\"ALL\" KEYWORD \"a\""), false, true },
		{ STR("\"AL\\\\L\""), false, false },
		{ STR("\"ALL"), false, false },
		{ STR("ALLSEEN"), false, false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor strict = imap_cursor(rows[i].text);
		struct imap_cursor lenient = imap_lenient_cursor(rows[i].text);
		struct imap_search search;
		struct arena arena;

		arena_init(&arena);
		if ((imap_search(&strict, &arena, &search) && imap_end(&strict)) !=
				rows[i].strict ||
			(imap_search(&lenient, &arena, &search) && imap_end(&lenient)) !=
				rows[i].lenient)
			fail_msg("%.*s", STR_ARG(rows[i].text));
		arena_fini(&arena);
	}
}

static void test_returns(void **state)
{
	static const struct {
		struct str text;
		bool ok;
		unsigned options;
		struct imap_partial partial;
	} rows[] = {
		{ STR("ALL"), true, 0, { 0 } },
		{ STR("RETURN () ALL"), true, IMAP_RETURN_ALL, { 0 } },
		{ STR("RETURN (MIN MAX) x"), true, IMAP_RETURN_MIN | IMAP_RETURN_MAX,
			{ 0 } },
		{ STR("RETURN (SAVE) x"), true, IMAP_RETURN_SAVE, { 0 } },
		{ STR("RETURN (PARTIAL 500:400) x"), true, IMAP_RETURN_PARTIAL,
			{ .first = 400, .last = 500 } },
		{ STR("RETURN (PARTIAL -1:-9 COUNT) x"), true,
			IMAP_RETURN_PARTIAL | IMAP_RETURN_COUNT,
			{ .first = 1, .last = 9, .from_end = true } },
		{ STR("RETURN (UPDATE (UID FLAGS) COUNT) x"), true,
			IMAP_RETURN_UPDATE | IMAP_RETURN_COUNT, { 0 } },
		{ STR("RETURN (PARTIAL 1:5 ALL) x"), false, 0, { 0 } },
		{ STR("RETURN (PARTIAL 1:-5) x"), false, 0, { 0 } },
		{ STR("RETURN (PARTIAL 0:5) x"), false, 0, { 0 } },
		{ STR("RETURN (PARTIAL 1:*) x"), false, 0, { 0 } },
		{ STR("RETURN (FOO) x"), false, 0, { 0 } },
		{ STR("RETURN (MINMAX) x"), false, 0, { 0 } },
		{ STR("RETURN MIN x"), false, 0, { 0 } },
		{ STR("RETURN (MIN"), false, 0, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor c = imap_cursor(rows[i].text);
		struct imap_returns r;
		bool ok = imap_returns(&c, &r);

		if (ok != rows[i].ok ||
			(ok && (r.options != rows[i].options ||
				       r.partial.first != rows[i].partial.first ||
				       r.partial.last != rows[i].partial.last ||
				       r.partial.from_end != rows[i].partial.from_end)))
			fail_msg("%.*s", STR_ARG(rows[i].text));
	}
}

static void test_select_params(void **state)
{
	static const struct {
		struct str text;
		bool ok, qresync;
		size_t known;
	} rows[] = {
		{ STR(""), true, false, 0 },
		{ STR(" (CONDSTORE)"), true, false, 0 },
		{ STR(" (QRESYNC (67890007 20050715194045000))"), true, true, 0 },
		{ STR(" (QRESYNC (1 2 1:5,9))"), true, true, 2 },
		{ STR(" (QRESYNC (1 2 1:5,9 (1,2 3,4)))"), true, true, 2 },
		{ STR(" (QRESYNC (1 2 (1,2 3,4)) CONDSTORE)"), true, true, 0 },
		{ STR(" (QRESYNC (0 2))"), false, false, 0 },
		{ STR(" (QRESYNC (1 0))"), false, false, 0 },
		{ STR(" (QRESYNC (1))"), false, false, 0 },
		{ STR(" (QRESYNC (1 2 3 4))"), false, false, 0 },
		{ STR(" ()"), false, false, 0 },
		{ STR(" (ANNOTATE)"), false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor c = imap_cursor(rows[i].text);
		struct imap_select_params p;
		struct arena arena;
		bool ok;

		arena_init(&arena);
		ok = imap_select_params(&c, &arena, &p) && imap_end(&c);
		if (ok != rows[i].ok || (ok && (p.qresync != rows[i].qresync ||
						       p.known.count != rows[i].known)))
			fail_msg("%.*s", STR_ARG(rows[i].text));
		arena_fini(&arena);
	}
}

static void test_patterns(void **state)
{
	static const struct {
		struct str pattern, name;
		char separator;
		bool matches;
	} rows[] = {
		{ STR("*"), STR("a/b"), '/', true },
		{ STR("%"), STR("a"), '/', true },
		{ STR("%"), STR("a/b"), '/', false },
		{ STR("%"), STR("a/b"), '.', true },
		{ STR("%/%"), STR("a/b"), '/', true },
		{ STR("a%c"), STR("abbc"), '/', true },
		{ STR("a*c"), STR("a/b/c"), '/', true },
		{ STR("inbox"), STR("INBOX"), '/', true },
		{ STR("inbox/A"), STR("INBOX/A"), '/', true },
		{ STR("inbox/a"), STR("INBOX/A"), '/', false },
		{ STR("Sent"), STR("sent"), '/', false },
		{ STR(""), STR("a"), '/', false },
		{ STR("%"), STR("a/b"), '\0', true },
		{ STR("**%%*x"), STR("axbxc"), '/', false },
		{ STR("**%%*c"), STR("axbxc"), '/', true },
	};
	static char stars[IMAP_PATTERN_MAX], name[IMAP_PATTERN_MAX];

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		if (imap_pattern_match(rows[i].pattern, rows[i].name,
			    rows[i].separator) != rows[i].matches)
			fail_msg("%.*s %.*s", STR_ARG(rows[i].pattern),
				STR_ARG(rows[i].name));
	for (size_t i = 0; i < sizeof(stars); i++) { /* would take a backtracker years */
		stars[i] = i % 2 ? 'a' : '*';
		name[i] = 'a';
	}
	stars[sizeof(stars) - 1] = 'b';
	assert_false(imap_pattern_match(
		str_of(stars, sizeof(stars)), str_of(name, sizeof(name)), '/'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_set_writer),
		cmocka_unit_test(test_fetch_items),
		cmocka_unit_test(test_search_programs),
		cmocka_unit_test(test_leniency),
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_select_params),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
