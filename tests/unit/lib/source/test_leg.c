/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From which address, by setting and by what was found out: mail never from ours without
   a proof. */
#include "lib/registry/registry_fixture.h"
#include "source/leg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum set { UNSET, CLIENT, OWN, BY_PROXY };

static const struct row {
	enum set set;
	const char *fact; /* NULL: nothing was found out */
	enum leg_address imap, smtp;
	enum leg_introduction smtp_introduction;
} rows[] = {
	{ UNSET, NULL, LEG_CLIENT, LEG_CLIENT, INTRODUCE_NOT },
	{ CLIENT, NULL, LEG_CLIENT, LEG_CLIENT, INTRODUCE_NOT },
	{ OWN, NULL, LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ UNSET, "imap:own:- smtp:own:xclient", LEG_OWN, LEG_CLIENT, INTRODUCE_NOT },
	{ CLIENT, "imap:own:- smtp:own:-", LEG_CLIENT, LEG_CLIENT, INTRODUCE_NOT },
	{ OWN, "imap:client:- smtp:own:xclient", LEG_OWN, LEG_OWN, INTRODUCE_XCLIENT },
	{ OWN, "imap:own:- smtp:own:-", LEG_OWN, LEG_OWN, INTRODUCE_NOT },
	{ OWN, "imap:own:- smtp:none:-", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ OWN, "smtp:client:-", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	/* of no sense: nothing was found out */
	{ OWN, "smtp:own", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ OWN, "smtp:own:- ", LEG_OWN, LEG_OWN, INTRODUCE_NOT },
	{ OWN, "smtp:own:what smtp:mine:-", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ OWN, "smtp:own:proxy", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ BY_PROXY, NULL, LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ BY_PROXY, "smtp:own:proxy", LEG_OWN, LEG_OWN, INTRODUCE_PROXY },
	{ BY_PROXY, "smtp:own:xclient", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ BY_PROXY, "smtp:own:-", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ BY_PROXY, "smtp:none:proxy", LEG_OWN, LEG_NONE, INTRODUCE_NOT },
	{ UNSET, "::: \n", LEG_CLIENT, LEG_CLIENT, INTRODUCE_NOT },
};

static void test_read(void **state)
{
	struct registry *r = ((struct test *)*state)->r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s = { .source_leg_explicit = rows[i].set != UNSET,
			.source_leg = rows[i].set == OWN || rows[i].set == BY_PROXY
			                      ? SOURCE_LEG_OWN
			                      : SOURCE_LEG_CLIENT };
		struct legs legs;

		if (rows[i].set == BY_PROXY)
			s.services[SERVICE_IMAP].source_proxy =
				s.services[SERVICE_SMTP].source_proxy = SOURCE_PROXY_V2;

		if (rows[i].fact)
			assert_int_equal(registry_set_fact(r, STR_LIT("source-leg"),
						 str_from(rows[i].fact), NULL),
				0);
		assert_int_equal(legs_read(&s, rows[i].fact ? r : NULL, &legs), 0);
		if (legs.of[SERVICE_IMAP].from != rows[i].imap ||
			legs.of[SERVICE_SMTP].from != rows[i].smtp ||
			legs.of[SERVICE_SMTP].introduction != rows[i].smtp_introduction)
			fail_msg("row %zu: %d %d %d", i, legs.of[SERVICE_IMAP].from,
				legs.of[SERVICE_SMTP].from,
				legs.of[SERVICE_SMTP].introduction);
		if (rows[i].set == BY_PROXY)
			assert_int_equal(
				legs.of[SERVICE_IMAP].introduction, INTRODUCE_PROXY);
		assert_int_equal(legs.of[SERVICE_SUBMISSION].from == LEG_OWN, false);
	}
}

static void test_write_and_read(void **state)
{
	struct settings s = { .source_leg_explicit = true, .source_leg = SOURCE_LEG_OWN };
	struct registry *r = ((struct test *)*state)->r;
	struct legs written = { 0 }, read;

	written.of[SERVICE_SMTP] = (struct leg){ LEG_OWN, INTRODUCE_XCLIENT };
	written.of[SERVICE_SMTPS] = (struct leg){ LEG_NONE, INTRODUCE_NOT };
	written.of[SERVICE_SUBMISSION] = (struct leg){ LEG_OWN, INTRODUCE_NOT };
	assert_int_equal(legs_write(r, &written, NULL), 0);
	assert_int_equal(legs_read(&s, r, &read), 0);
	assert_int_equal(read.of[SERVICE_SMTP].introduction, INTRODUCE_XCLIENT);
	assert_int_equal(read.of[SERVICE_SMTPS].from, LEG_NONE);
	assert_int_equal(read.of[SERVICE_SUBMISSION].from, LEG_OWN);
	assert_int_equal(read.of[SERVICE_IMAP].introduction, INTRODUCE_ID);
	assert_int_equal(read.of[SERVICE_POP3].introduction, INTRODUCE_NOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_read, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_write_and_read, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
