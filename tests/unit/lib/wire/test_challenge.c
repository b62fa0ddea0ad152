/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passwords proven by digests: the RFCs' own examples, and what is close to them. */
#include "base/buf.h"
#include "wire/challenge.h"
#include "wire/sasl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* RFC 1939, 7 and RFC 2195, 2 */
#define APOP_CHALLENGE STR("<1896.697170952@dbc.mtview.ca.us>")
#define APOP_DIGEST STR("c4c9334bac560ecc979e58001b3e22fb")
#define CRAM_CHALLENGE STR("<1896.697170952@postoffice.reston.mci.net>")
#define CRAM_DIGEST STR("b913a602c7eda7a495b4e6e7334d3890")

static void test_check(void **state)
{
	static const struct {
		const char *name;
		struct challenge_proof proof;
		struct str password;
		int result;
	} rows[] = {
		{ "APOP", { CHALLENGE_APOP, APOP_CHALLENGE, APOP_DIGEST },
			STR("tanstaaf"), 0 },
		{ "upper case",
			{ CHALLENGE_APOP, APOP_CHALLENGE,
				STR("C4C9334BAC560ECC979E58001B3E22FB") },
			STR("tanstaaf"), 0 },
		{ "another password", { CHALLENGE_APOP, APOP_CHALLENGE, APOP_DIGEST },
			STR("tanstaag"), -EACCES },
		{ "no password", { CHALLENGE_APOP, APOP_CHALLENGE, APOP_DIGEST }, STR(""),
			-EACCES },
		{ "another timestamp", { CHALLENGE_APOP, CRAM_CHALLENGE, APOP_DIGEST },
			STR("tanstaaf"), -EACCES },
		{ "another kind", { CHALLENGE_CRAM_MD5, APOP_CHALLENGE, APOP_DIGEST },
			STR("tanstaaf"), -EACCES },
		{ "a digit less",
			{ CHALLENGE_APOP, APOP_CHALLENGE,
				STR("c4c9334bac560ecc979e58001b3e22f") },
			STR("tanstaaf"), -EACCES },
		{ "a digit more",
			{ CHALLENGE_APOP, APOP_CHALLENGE,
				STR("c4c9334bac560ecc979e58001b3e22fb0") },
			STR("tanstaaf"), -EACCES },
		{ "empty digest", { CHALLENGE_APOP, APOP_CHALLENGE, STR("") },
			STR("tanstaaf"), -EACCES },
		{ "MD5 of nothing",
			{ CHALLENGE_APOP, { NULL, 0 },
				STR("d41d8cd98f00b204e9800998ecf8427e") },
			{ NULL, 0 }, 0 },
		{ "CRAM-MD5", { CHALLENGE_CRAM_MD5, CRAM_CHALLENGE, CRAM_DIGEST },
			STR("tanstaaftanstaaf"), 0 },
		{ "CRAM-MD5, another password",
			{ CHALLENGE_CRAM_MD5, CRAM_CHALLENGE, CRAM_DIGEST },
			STR("tanstaaf"), -EACCES },
		{ "no proof", { CHALLENGE_NONE, APOP_CHALLENGE, APOP_DIGEST },
			STR("tanstaaf"), -EIO },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		int r = challenge_check(&rows[i].proof, rows[i].password);

		if (r != rows[i].result)
			fail_msg("%s: %d", rows[i].name, r);
	}
}

static void test_answer(void **state)
{
	static const struct {
		const char *mechanism, *challenge, *answer; /* the answer not yet coded */
		const char *digest;                         /* NULL: no proof */
	} rows[] = {
		{ "CRAM-MD5", "+ PDFAYj4=\r\n", "tim b913", "b913" },
		{ "cram-md5", "+ PDFAYj4=\r\n", "two words b913", "b913" },
		{ "CRAM-MD5", "+ PDFAYj4=\r\n", "b913", "b913" },
		{ "CRAM-MD5", "+ PDFAYj4=\r\n", "tim ", "" },
		{ "CRAM-MD5", "+ <1@b>\r\n", "tim b913", NULL },
		{ "CRAM-MD5", "", "tim b913", NULL },
		{ "DIGEST-MD5", "+ PDFAYj4=\r\n", "tim b913", NULL },
		{ "CRAM-MD5-PLUS", "+ PDFAYj4=\r\n", "tim b913", NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct challenge_proof proof;
		struct arena arena;
		struct buf line;
		bool right;

		arena_init(&arena);
		buf_init(&line, 0);
		assert_int_equal(base64_encode(&line, str_from(rows[i].answer)), 0);
		assert_int_equal(buf_append_c(&line, "\r\n"), 0);
		proof = challenge_answer(str_from(rows[i].mechanism),
			str_from(rows[i].challenge), buf_view(&line), &arena);
		right = rows[i].digest ? proof.kind == CHALLENGE_CRAM_MD5 &&
		                                 str_eq(proof.digest,
							 str_from(rows[i].digest)) &&
		                                 str_eq(proof.challenge, STR_LIT("<1@b>"))
		                       : proof.kind == CHALLENGE_NONE;
		if (!right)
			fail_msg("row %zu: kind %d, digest \"%.*s\"", i, (int)proof.kind,
				STR_ARG(proof.digest));
		buf_fini(&line);
		arena_fini(&arena);
	}
}

static void test_not_base64(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_int_equal(challenge_answer(STR_LIT("CRAM-MD5"), STR_LIT("+ PDFAYj4=\r\n"),
				 STR_LIT("!\r\n"), &arena)
				 .kind,
		CHALLENGE_NONE);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_not_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
