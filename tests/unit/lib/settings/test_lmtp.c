/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where mail is taken by LMTP, and from whom. */
#include "settings/lmtp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREE                                                                            \
	"source = \"192.0.2.10\"\ndomains = {\"example.com\"}\nstrategy = "              \
	"\"after-logoff\"\n"

static const struct row {
	const char *name, *text, *expected; /* a part of the sentence */
} refused[] = {
	{ "LMTP without a port", THREE "lmtp = {\"inet:127.0.0.1\"}",
		"c:4: `lmtp`: \"inet:127.0.0.1\" is no place to listen" },
	{ "LMTP by name", THREE "lmtp = {\"localhost:24\"}",
		"c:4: `lmtp`: \"localhost:24\" is no place to listen" },
	{ "LMTP, relative path", THREE "lmtp = {\"unix:socket\"}",
		"c:4: `lmtp`: \"unix:socket\" is no place to listen" },
	{ "LMTP, TCP at a path", THREE "lmtp = {\"inet:unix:/socket\"}",
		"c:4: `lmtp`: \"inet:unix:/socket\" is no place to listen" },
	{ "LMTP nowhere", THREE "lmtp = {\"\"}",
		"c:4: `lmtp`: \"\" is no place to listen" },
	{ "LMTP for everybody", THREE "lmtp = {\"inet:0.0.0.0:24\"}",
		"c: `lmtp`: other hosts reach \"inet:0.0.0.0:24\"; name those that may" },
	{ "LMTP for other hosts", THREE "lmtp = {\"[2001:db8::1]:24\"}",
		"c: `lmtp`: other hosts reach \"[2001:db8::1]:24\"; name those that may" },
	{ "LMTP, too many",
		THREE "lmtp = {\"unix:/1\", \"unix:/2\", \"unix:/3\", "
		      "\"unix:/4\", \"unix:/5\"}",
		"`lmtp` takes at most 4 places" },
	{ "LMTP client by name", THREE "lmtp_clients = {\"mx.example.com\"}",
		"c:4: `lmtp_clients`: \"mx.example.com\" is no address or network" },
	{ "LMTP client, too many bits", THREE "lmtp_clients = {\"192.0.2.0/33\"}",
		"c:4: `lmtp_clients`: \"192.0.2.0/33\" is no address or network" },
	{ "LMTP client, no bits", THREE "lmtp_clients = {\"192.0.2.0/\"}",
		"c:4: `lmtp_clients`: \"192.0.2.0/\" is no address or network" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct settings s;
		struct error err = { 0 };

		if (settings_parse("c", refused[i].text, &s, &err) != -EINVAL)
			fail_msg("%s: taken", refused[i].name);
		if (!strstr(err.text, refused[i].expected))
			fail_msg("%s: \"%s\"", refused[i].name, err.text);
	}
}

static void test_lmtp_clients(void **state)
{
	static const struct {
		const char *client;
		bool may;
	} rows[] = {
		{ "127.0.0.1", true }, { "127.9.9.9", true }, { "::1", true },
		{ "192.0.2.0", true }, { "192.0.2.127", true }, { "192.0.2.128", false },
		{ "192.0.1.1", false }, { "203.0.113.7", true }, { "203.0.113.6", false },
		{ "2001:db8:7fff::1", true }, { "2001:db8:8000::1", false },
		{ "2001:db9::1", false }, { "::ffff:192.0.2.1", false },
		{ "c000:201::", false }, /* 192.0.2.1 as the first bytes */
	};
	struct sockaddr_storage a;
	struct settings s;

	(void)state;
	assert_int_equal(settings_parse("c",
				 THREE "lmtp_clients = {\"192.0.2.0/25\", "
				       "\"2001:db8::/33\", \"203.0.113.7\"}\n"
				       "lmtp = \"192.0.2.1:24\"\n",
				 &s, NULL),
		0);
	assert_int_equal(s.lmtp.n, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(address_read(rows[i].client, &a));
		if (lmtp_may_connect(&s, &a) != rows[i].may)
			fail_msg("%s", rows[i].client);
	}
	settings_fini(&s);
	assert_int_equal(
		settings_parse("c", THREE "lmtp_clients = {\"0.0.0.0/0\"}\n", &s, NULL),
		0);
	assert_true(address_read("198.51.100.1", &a) && lmtp_may_connect(&s, &a));
	assert_true(address_read("2001:db8::1", &a) && !lmtp_may_connect(&s, &a));
	settings_fini(&s);
}

static void test_places(void **state)
{
	static const struct {
		const char *text;
		int family;
	} rows[] = {
		{ "unix:/run/lmtp", AF_UNIX },
		{ "/run/lmtp", AF_UNIX },
		{ "127.0.0.1:24", AF_INET },
		{ "inet:127.0.0.1:24", AF_INET },
		{ "[::1]:24", AF_INET6 },
		{ "inet:[::1]:24", AF_INET6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage a = { 0 };

		assert_int_equal(lmtp_address_parse(rows[i].text, &a), 0);
		assert_int_equal(a.ss_family, rows[i].family);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lmtp_clients),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
