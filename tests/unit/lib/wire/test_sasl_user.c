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
	const char *user;   /* NULL: none */
	const char *prover; /* NULL: not told apart */
} rows[] = {
	{ "CRAM-MD5", STR("alice b913a602c7eda7a495b4e6e7334d3890"), "alice", NULL },
	{ "cram-md5", STR("al ice b913"), "al ice", NULL },
	{ "CRAM-MD5", STR("alice"), NULL, NULL },
	{ "CRAM-MD5", STR(" b913"), NULL, NULL },
	{ "CRAM-MD5", STR(""), NULL, NULL },
	{ "DIGEST-MD5", STR("charset=utf-8,username=\"chris\",realm=\"x\""), "chris",
		NULL },
	{ "DIGEST-MD5", STR("username=\"a,b\\\"c\",realm=\"x\""), "a,b\"c", NULL },
	{ "DIGEST-MD5", STR("username=\"open"), NULL, NULL },
	{ "DIGEST-MD5", STR("username=\"m\",authzid=\"a,\\\"b\",x=y"), "a,\"b", "m" },
	{ "DIGEST-MD5", STR("realm=\"x,username=\\\"alice\\\"\",username=\"m\""), "m",
		NULL },
	{ "DIGEST-MD5", STR("username=\"m\",username=\"alice\""), NULL, NULL },
	{ "DIGEST-MD5", STR(" username = \"m\" , nc=1"), "m", NULL },
	{ "SCRAM-SHA-1", STR("n,,m=x,n=alice,r=fyko"), NULL, NULL },
	{ "CRAM-MD5", STR("al\0ice b913"), NULL, NULL },
	{ "DIGEST-MD5", STR("realm=\"x\""), NULL, NULL },
	{ "SCRAM-SHA-1", STR("n,,n=user,r=fyko"), "user", NULL },
	{ "SCRAM-SHA-256-PLUS", STR("p=tls-unique,,n=user,r=fyko"), "user", NULL },
	{ "SCRAM-SHA-256", STR("n,a=other,n=user,r=fyko"), "other", "user" },
	{ "SCRAM-SHA-256", STR("y,,n=a=2Cb=3Dc,r=x"), "a,b=c", NULL },
	{ "SCRAM-SHA-256", STR("c=biws,r=x,p=y"), NULL, NULL },
	{ "XOAUTH2", STR("user=bob@example.com\1auth=Bearer t\1\1"), "bob@example.com",
		NULL },
	{ "XOAUTH2", STR("auth=Bearer t\1\1"), NULL, NULL },
	{ "XOAUTH2", STR("user=bob\1user=eve\1auth=Bearer t\1\1"), NULL, NULL },
	{ "XOAUTH2", STR("USER=bob\1auth=Bearer t\1user=eve\1\1"), NULL, NULL },
	{ "OAUTHBEARER", STR("n,a=bob@example.com,\1auth=Bearer t\1\1"),
		"bob@example.com", NULL },
	{ "OAUTHBEARER", STR("n,,\1auth=Bearer t\1\1"), NULL, NULL },
	{ "EXTERNAL", STR("bob"), "bob", NULL },
	{ "EXTERNAL", STR(""), NULL, NULL },
	{ "GSSAPI", STR("bob"), NULL, NULL },
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
	found = sasl_prover(str_from(row->mechanism), buf_view(&line), &arena, &user);
	if (found != (row->prover != NULL) ||
		(found && !str_eq(user, str_from(row->prover))))
		fail_msg("%s \"%.*s\" by %.*s", row->mechanism, STR_ARG(row->message),
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
