/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/fold.h"
#include "wire/mime/subject.h"

#include "lib/wire/wire_test.h"

#include <unistd.h>

static void test_base_subjects(void **state)
{
	static const struct {
		struct str text, base;
		bool reply;
	} rows[] = {
		{ STR("Hello"), STR("Hello"), false },
		{ STR(""), STR(""), false },
		{ STR("   "), STR(""), false },
		{ STR("a\t b\r\n  c"), STR("a b c"), false },
		{ STR("Re: Hello"), STR("Hello"), true },
		{ STR("RE: re:Fwd: FW : Hello"), STR("Hello"), true },
		{ STR("Re [2]: Hello"), STR("Hello"), true },
		{ STR("[list] Re: Hello"), STR("Hello"), true },
		{ STR("[list] Hello"), STR("Hello"), false },
		{ STR("[a] [b] Hello"), STR("Hello"), false },
		{ STR("[a][b]"), STR("[b]"), false },
		{ STR("[a] [b] Re: [c] [d] Hello"), STR("Hello"), true },
		{ STR("Re: [a] [b]"), STR("[b]"), true },
		{ STR(" [a] Re: "), STR(""), true },
		{ STR("[a]"), STR("[a]"), false },
		{ STR("[unclosed Hello"), STR("[unclosed Hello"), false },
		{ STR("Hello (fwd) (FWD) "), STR("Hello"), true },
		{ STR("[fwd: Hello]"), STR("Hello"), true },
		{ STR("[Fwd: Re: [list] Hello (fwd)]"), STR("Hello"), true },
		{ STR("Re: [Fwd: Hello] (fwd)"), STR("Hello"), true },
		{ STR("Re: "), STR(""), true },
		{ STR("Re"), STR("Re"), false },
		{ STR("Reminder: x"), STR("Reminder: x"), false },
		{ STR("[fwd:]"), STR(""), true },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf text;
		struct str base;
		bool reply;

		buf_init(&text, 0);
		assert_int_equal(buf_append(&text, rows[i].text), 0);
		base = mime_base_subject(&text, &reply);
		SAME(rows[i].text.ptr, base, rows[i].base);
		if (reply != rows[i].reply)
			fail_msg("%s: reply %d", rows[i].text.ptr, reply);
		buf_fini(&text);
	}
}

/* Anybody can send one: an hour when each blob is looked behind from each. */
static void test_many_blobs(void **state)
{
	struct buf text;
	struct str base;
	bool reply;

	(void)state;
	buf_init(&text, 0);
	for (size_t i = 0; i < 1000000; i++)
		assert_int_equal(buf_append_c(&text, "[a] "), 0);
	assert_int_equal(buf_append_c(&text, "Hello"), 0);
	(void)alarm(60); /* some ms */
	base = mime_base_subject(&text, &reply);
	(void)alarm(0);
	SAME("blobs", base, STR_LIT("Hello"));
	assert_false(reply);
	buf_fini(&text);
}

static void test_message_ids(void **state)
{
	static const struct {
		struct str text, ids;
	} rows[] = {
		{ STR("<a@b>"), STR("a@b") },
		{ STR(" <a@b>\r\n\t<c@d> "), STR("a@b c@d") },
		{ STR("<\"a\"@b>"), STR("a@b") },
		{ STR("<a @ b>"), STR("a@b") },
		{ STR("junk <a@b> of someone <no-at> <c@d"), STR("a@b") },
		{ STR("<broken <a@b>"), STR("a@b") },
		{ STR(""), STR("") },
		{ STR("<>"), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str value = rows[i].text, id;
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		while (mime_next_message_id(&value, &arena, &id))
			assert_int_equal(buf_printf(&out, "%s%.*s",
						 buf_len(&out) ? " " : "", STR_ARG(id)),
				0);
		SAME(rows[i].text.ptr, buf_view(&out), rows[i].ids);
		buf_fini(&out);
		arena_fini(&arena);
	}
}

static void test_casemap(void **state)
{
	static const struct {
		struct str text, mapped;
	} rows[] = {
		{ STR("abC_1"), STR("ABC_1") },
		{ STR("\xc3\xa4"), STR("A\xcc\x88") },
		{ STR("\xef\xac\x81"), STR("fi") }, /* a ligature has no titlecase */
		{ STR(""), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(mime_casemap(rows[i].text, &out), 0);
		SAME(rows[i].text.ptr, buf_view(&out), rows[i].mapped);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_subjects),
		cmocka_unit_test(test_many_blobs),
		cmocka_unit_test(test_message_ids),
		cmocka_unit_test(test_casemap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
