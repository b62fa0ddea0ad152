/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/mutf7.h"

#include "lib/wire/wire_test.h"

static void test_both_ways(void **state)
{
	static const struct {
		struct str name, utf8;
	} rows[] = {
		{ STR("INBOX"), STR("INBOX") },
		{ STR(""), STR("") },
		{ STR("a&-b"), STR("a&b") },
		{ STR("&AMQ-rger"), STR("\xc3\x84rger") },
		{ STR("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
			STR("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
			    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") },
		{ STR("&2D3cqQ-"), STR("\xf0\x9f\x92\xa9") },
		{ STR("&Jjo-!"), STR("\xe2\x98\xba!") },
		{ STR("x&IKw-&-"), STR("x\xe2\x82\xac&") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str name = exact_copy(rows[i].name);
		struct buf out;

		buf_init(&out, 0);
		assert_true(imap_mutf7_decode(name, &out));
		SAME(rows[i].name.ptr, buf_view(&out), rows[i].utf8);
		buf_clear(&out);
		assert_true(imap_mutf7_encode(rows[i].utf8, &out));
		SAME(rows[i].name.ptr, buf_view(&out), rows[i].name);
		buf_fini(&out);
		exact_free(name);
	}
}

static void test_bad(void **state)
{
	static const struct str names[] = {
		STR("a&b"),         /* no end */
		STR("&AMQ"),        /* no end */
		STR("&*-"),         /* no digit */
		STR("&AGE-"),       /* "a" is written as itself */
		STR("&2D0-"),       /* half of a pair */
		STR("&3Kk-"),       /* the other half */
		STR("&AMQA-"),      /* bits are left */
		STR("&AMR-"),       /* and not zero */
		STR("caf\xc3\xa9"), /* UTF-8 already */
		STR("a\x7f"),
	};
	static const struct str utf8[] = { STR("\xff"), STR("a\xc3"),
		STR("\xed\xa0\x80") };

	(void)state;
	for (size_t i = 0; i < N_ROWS(names); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(buf_append_c(&out, "kept"), 0);
		if (imap_mutf7_decode(names[i], &out))
			fail_msg("%s", names[i].ptr);
		SAME(names[i].ptr, buf_view(&out), STR_LIT("kept"));
		buf_fini(&out);
	}
	for (size_t i = 0; i < N_ROWS(utf8); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_false(imap_mutf7_encode(utf8[i], &out));
		assert_int_equal(buf_len(&out), 0);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
