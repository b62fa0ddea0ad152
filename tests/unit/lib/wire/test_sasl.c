/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/sasl.h"

#include "lib/wire/wire_test.h"

static void test_decode(void **state)
{
	static const struct {
		const char *name;
		struct str text, bytes;
		bool ok;
	} rows[] = {
		{ "nothing", STR(""), STR(""), true },
		{ "three", STR("Zm9v"), STR("foo"), true },
		{ "two", STR("Zm8="), STR("fo"), true },
		{ "one", STR("Zg=="), STR("f"), true },
		{ "NULs", STR("AAAA"), STR("\0\0\0"), true },
		{ "NUL and padding", STR("AA=="), STR("\0"), true },
		{ "all bits", STR("////"), STR("\xff\xff\xff"), true },
		{ "plus", STR("++++"), STR("\xfb\xef\xbe"), true },
		{ "plain", STR("AGEAYg=="), STR("\0a\0b"), true },
		{ "no padding", STR("Zm8"), STR(""), false },
		{ "only padding", STR("===="), STR(""), false },
		{ "short padding", STR("="), STR(""), false },
		{ "three pads", STR("Z==="), STR(""), false },
		{ "padding inside", STR("Zg==Zm9v"), STR(""), false },
		{ "odd padding", STR("Zm=v"), STR(""), false },
		{ "space", STR("Zm 9v"), STR(""), false },
		{ "space, four bytes", STR("Zm v"), STR(""), false },
		{ "leading space", STR(" Zm9v   "), STR(""), false },
		{ "line end", STR("Zm9v\r\n"), STR(""), false },
		{ "line end, four bytes", STR("Zm\r\n"), STR(""), false },
		{ "trailing newlines", STR("Zm9v\n\n\n\n"), STR(""), false },
		{ "NUL", STR("Zm9\0"), STR(""), false },
		{ "8 bit", STR("Zm9\xc3"), STR(""), false },
		{ "url alphabet", STR("__--"), STR(""), false },
		{ "dash is no end", STR("Zm9v-Zm9"), STR(""), false },
		{ "cancel", STR("*"), STR(""), false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str text = exact_copy(rows[i].text), bytes = { 0 };
		struct arena arena;
		bool ok;

		arena_init(&arena);
		ok = base64_decode(text, &arena, &bytes);
		if (ok != rows[i].ok)
			fail_msg("%s: %s", rows[i].name, ok ? "taken" : "refused");
		if (ok)
			SAME(rows[i].name, bytes, rows[i].bytes);
		arena_fini(&arena);
		exact_free(text);
	}
}

static void test_encode_decode(void **state)
{
	char bytes[260];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + 3);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct arena arena;
		struct buf text;
		struct str back;

		arena_init(&arena);
		buf_init(&text, 0);
		assert_int_equal(base64_encode(&text, str_of(bytes, len)), 0);
		assert_int_equal(buf_len(&text), (len + 2) / 3 * 4);
		assert_true(base64_decode(buf_view(&text), &arena, &back));
		SAME("round trip", back, str_of(bytes, len));
		buf_fini(&text);
		arena_fini(&arena);
	}
}

static void test_encode_limit(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 3);
	assert_true(base64_encode(&text, STR_LIT("a")) < 0);
	assert_int_equal(buf_len(&text), 0);
	buf_fini(&text);
}

static void test_plain(void **state)
{
	static const struct {
		const char *name;
		struct str message, authzid, authcid, password, account;
		bool ok;
	} rows[] = {
		{ "usual", STR("\0alice\0secret"), STR(""), STR("alice"), STR("secret"),
			STR("alice"), true },
		{ "acts as", STR("bob\0master\0secret"), STR("bob"), STR("master"),
			STR("secret"), STR("bob"), true },
		{ "empty password", STR("\0alice\0"), STR(""), STR("alice"), STR(""),
			STR("alice"), true },
		{ "spaces, 8 bit, CR LF", STR("\0a b\0 p\xc3\xa4\r\n "), STR(""),
			STR("a b"), STR(" p\xc3\xa4\r\n "), STR("a b"), true },
		{ "nothing", STR(""), STR(""), STR(""), STR(""), STR(""), false },
		{ "no NUL", STR("alice"), STR(""), STR(""), STR(""), STR(""), false },
		{ "one NUL", STR("\0alice"), STR(""), STR(""), STR(""), STR(""), false },
		{ "one NUL at the end", STR("alice\0"), STR(""), STR(""), STR(""),
			STR(""), false },
		{ "no name", STR("\0\0secret"), STR(""), STR(""), STR(""), STR(""),
			false },
		{ "NUL in the password", STR("\0a\0b\0c"), STR(""), STR(""), STR(""),
			STR(""), false },
		{ "NUL behind the password", STR("\0a\0b\0"), STR(""), STR(""), STR(""),
			STR(""), false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str message = exact_copy(rows[i].message);
		struct sasl_plain p;
		bool ok = sasl_plain_parse(message, &p);

		if (ok != rows[i].ok)
			fail_msg("%s: %s", rows[i].name, ok ? "taken" : "refused");
		if (ok) {
			SAME(rows[i].name, p.authzid, rows[i].authzid);
			SAME(rows[i].name, p.authcid, rows[i].authcid);
			SAME(rows[i].name, p.password, rows[i].password);
			SAME(rows[i].name, sasl_plain_account(&p), rows[i].account);
		}
		exact_free(message);
	}
}

static void test_plain_put(void **state)
{
	const struct sasl_plain plain = { .authzid = STR(""),
		.authcid = STR("tim"),
		.password = STR("tanstaaftanstaaf") };
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(sasl_plain_put(&out, &plain), 0);
	/* RFC 4616, 4 */
	SAME("tim", buf_view(&out), STR_LIT("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_encode_decode),
		cmocka_unit_test(test_encode_limit),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
