/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose login it is, from the client's answer in mechanisms that hide the password. */
#include "base/buf.h"
#include "wire/sasl.h"
#include "wire/sasl_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct row {
	const char *mechanism;
	struct str message;
	const char *user; /* NULL: none */
} rows[] = {
	{ "CRAM-MD5", STR("alice b913a602c7eda7a495b4e6e7334d3890"), "alice" },
	{ "cram-md5", STR("al ice b913"), "al ice" },
	{ "CRAM-MD5", STR("alice"), NULL },
	{ "CRAM-MD5", STR(" b913"), NULL },
	{ "CRAM-MD5", STR(""), NULL },
	{ "DIGEST-MD5", STR("charset=utf-8,username=\"chris\",realm=\"x\""), "chris" },
	{ "DIGEST-MD5", STR("username=\"a,b\\\"c\",realm=\"x\""), "a,b\"c" },
	{ "DIGEST-MD5", STR("username=\"open"), NULL },
	{ "DIGEST-MD5", STR("realm=\"x\""), NULL },
	{ "SCRAM-SHA-1", STR("n,,n=user,r=fyko"), "user" },
	{ "SCRAM-SHA-256-PLUS", STR("p=tls-unique,,n=user,r=fyko"), "user" },
	{ "SCRAM-SHA-256", STR("n,a=other,n=user,r=fyko"), "other" },
	{ "SCRAM-SHA-256", STR("y,,n=a=2Cb=3Dc,r=x"), "a,b=c" },
	{ "SCRAM-SHA-256", STR("c=biws,r=x,p=y"), NULL },
	{ "XOAUTH2", STR("user=bob@example.com\1auth=Bearer t\1\1"), "bob@example.com" },
	{ "XOAUTH2", STR("auth=Bearer t\1\1"), NULL },
	{ "OAUTHBEARER", STR("n,a=bob@example.com,\1auth=Bearer t\1\1"),
		"bob@example.com" },
	{ "OAUTHBEARER", STR("n,,\1auth=Bearer t\1\1"), NULL },
	{ "EXTERNAL", STR("bob"), "bob" },
	{ "EXTERNAL", STR(""), NULL },
	{ "GSSAPI", STR("bob"), NULL },
};

static void check(const struct row *row)
{
	struct arena arena;
	struct buf line;
	struct str user = { 0 };
	bool found;

	arena_init(&arena);
	buf_init(&line, 0);
	assert_int_equal(row->message.len ? base64_encode(&line, row->message)
					  : buf_append_c(&line, "="),
		0);
	found = sasl_user(str_from(row->mechanism), buf_view(&line), &arena, &user);
	if (found != (row->user != NULL) || (found && !str_eq(user, str_from(row->user))))
		fail_msg("%s \"%.*s\": %.*s", row->mechanism, STR_ARG(row->message),
			STR_ARG(user));
	buf_fini(&line);
	arena_fini(&arena);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i]);
}

static void test_not_base64(void **state)
{
	struct arena arena;
	struct str user;

	(void)state;
	arena_init(&arena);
	assert_false(sasl_user(STR_LIT("EXTERNAL"), STR_LIT("?"), &arena, &user));
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_not_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
