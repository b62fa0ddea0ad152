/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server reads of commands: sets, FETCH items, SEARCH programs, LIST patterns. */
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
		enum imap_search_result result;
		struct str tree; /* kinds as numbers, texts, what is inside */
	} rows[] = {
		{ STR("ALL"), IMAP_SEARCH_OK, STR("0(3)") },
		{ STR("1:3 UID 5"), IMAP_SEARCH_OK, STR("0(4 5)") },
		{ STR("NOT SEEN"), IMAP_SEARCH_OK, STR("0(2(6))") },
		{ STR("OR NEW (FROM x)"), IMAP_SEARCH_OK, STR("0(1(8 0(19'x')))") },
		{ STR("charset UTF-8 TEXT {1+}\r\ny"), IMAP_SEARCH_OK, STR("0(21'y')") },
		{ STR("CHARSET latin1 ALL"), IMAP_SEARCH_BAD_CHARSET, STR("") },
		{ STR("SINCE 1-Jan-2020 LARGER 5"), IMAP_SEARCH_OK, STR("0(15 11)") },
		{ STR("SINCE 1-Foo-2020"), IMAP_SEARCH_BAD, STR("") },
		{ STR("HEADER \"\" x"), IMAP_SEARCH_BAD, STR("") },
		{ STR("OR SEEN"), IMAP_SEARCH_BAD, STR("") },
		{ STR("()"), IMAP_SEARCH_BAD, STR("") },
		{ STR("CHARSET UTF-8"), IMAP_SEARCH_BAD, STR("") },
		{ STR("UID"), IMAP_SEARCH_BAD, STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_cursor c = imap_cursor(rows[i].text);
		struct imap_search_key *program = NULL;
		enum imap_search_result result;
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		result = imap_search_program(&c, &arena, &program);
		if (result != rows[i].result)
			fail_msg("%.*s: %d", STR_ARG(rows[i].text), (int)result);
		if (result == IMAP_SEARCH_OK)
			put_key(&out, program);
		SAME(rows[i].text.ptr, buf_view(&out), rows[i].tree);
		buf_fini(&out);
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
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
