/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How often a login here is followed: once a minute for an account and an address. */
#include "transfer/pop_logins.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name;
	int64_t account;
	const char *client;
	uint64_t at;
	bool is_new;
} rows[] = {
	{ "the first", 1, "192.0.2.1", 1000, true },
	{ "at once", 1, "192.0.2.1", 1000, false },
	{ "just before a minute", 1, "192.0.2.1", 1000 + POP_LOGIN_AGAIN_MS - 1, false },
	{ "from elsewhere", 1, "192.0.2.2", 1001, true },
	{ "by IPv6", 1, "2001:db8::1", 1002, true },
	{ "by the same", 1, "2001:db8::1", 1003, false },
	{ "somebody else from there", 2, "192.0.2.1", 1004, true },
	{ "after a minute", 1, "192.0.2.1", 1000 + POP_LOGIN_AGAIN_MS, true },
	{ "and again", 1, "192.0.2.1", 1001 + POP_LOGIN_AGAIN_MS, false },
};

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage a = { 0 };

	assert_true(address_read(text, &a));
	return a;
}

static void test_rows(void **state)
{
	struct pop_logins *p = calloc(1, sizeof(*p));

	(void)state;
	pop_logins_init(p, NULL, NULL, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage a = address_of(rows[i].client);

		if (pop_login_is_new(p, rows[i].account, &a, rows[i].at) !=
			rows[i].is_new)
			fail_msg("%s", rows[i].name);
	}
	free(p);
}

/* More of them than are remembered: the oldest is forgotten, nobody else. */
static void test_many(void **state)
{
	struct pop_logins *p = calloc(1, sizeof(*p));
	struct sockaddr_storage a = address_of("192.0.2.1");

	(void)state;
	pop_logins_init(p, NULL, NULL, NULL);
	for (int64_t i = 1; i <= POP_LOGINS_RECENT + 1; i++)
		assert_true(pop_login_is_new(p, i, &a, 1000));
	assert_false(pop_login_is_new(p, 2, &a, 1000));
	assert_false(pop_login_is_new(p, POP_LOGINS_RECENT + 1, &a, 1000));
	assert_true(pop_login_is_new(p, 1, &a, 1000));
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test(test_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
