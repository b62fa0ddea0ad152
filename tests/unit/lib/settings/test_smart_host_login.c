/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `smart_host_credentials`: to which servers a password may be sent. */
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREE                                                                            \
	"source = \"192.0.2.10\"\ndomains = {\"example.com\"}\nstrategy = "              \
	"\"after-logoff\"\n"
#define LOGIN THREE "smart_host_credentials = \"/a\"\n"

static const struct row {
	const char *text;
	const char *why; /* NULL: taken */
} rows[] = {
	{ LOGIN "smart_host = \"smtps://192.0.2.20\"", NULL },
	{ LOGIN "smart_host = \"smtp+starttls://192.0.2.20\"\nsmart_host_verify = "
		"\"pin\"",
		NULL },
	{ LOGIN "smart_host = \"127.0.0.1\"", NULL },
	{ LOGIN "smart_host = \"lmtp://[::1]:24\"", NULL },
	{ LOGIN "smart_host = \"lmtp:/run/mta\"", NULL },
	{ LOGIN "smart_host = \"smtps://127.0.0.1\"\nsmart_host_verify = \"none\"",
		NULL },
	{ LOGIN, "c: `smart_host_credentials` is a login at a server that `smart_host` "
		 "does not name" },
	{ LOGIN "smart_host = \"192.0.2.20\"", "would be sent in clear" },
	{ LOGIN "smart_host = \"lmtp://192.0.2.20\"", "would be sent in clear" },
	{ LOGIN "smart_host = \"smtps://192.0.2.20\"\nsmart_host_verify = \"none\"",
		"would be sent to anybody who answers" },
	{ LOGIN "smart_host = \"smtp+starttls://[2001:db8::20]\"\nsmart_host_verify = "
		"\"none\"",
		"would be sent to anybody who answers" },
	{ THREE "smart_host_credentials = \"a\"",
		"c:4: `smart_host_credentials` is a path from /" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s;
		struct error err = { 0 };
		int r = settings_parse("c", rows[i].text, &s, &err);

		if (rows[i].why ? r == 0 || !strstr(err.text, rows[i].why) : r < 0)
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r == 0) {
			assert_string_equal(s.smart_host_credentials, "/a");
			settings_fini(&s);
		}
	}
}

static void test_credential_of_the_service(void **state)
{
	struct settings s;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/x", 1), 0);
	assert_int_equal(settings_parse("c",
				 THREE "smart_host = \"127.0.0.1\"\n"
				       "smart_host_credentials = \"%d/relay\"",
				 &s, &err),
		0);
	assert_string_equal(s.smart_host_credentials, "/run/x/relay");
	settings_fini(&s);
	assert_int_equal(settings_parse("c", THREE, &s, &err), 0);
	assert_string_equal(s.smart_host_credentials, "");
	settings_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_credential_of_the_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
