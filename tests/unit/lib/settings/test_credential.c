/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREE                                                                            \
	"source = \"192.0.2.1\"\ndomains = {\"example.com\"}\n"                          \
	"strategy = \"after-logoff\"\n"

/* "%d" is where systemd put the service's credentials. */
static char too_long[2000];

static void test_credentials(void **state)
{
	static const struct {
		const char *folder, *path; /* NULL: refused */
	} rows[] = {
		{ "/run/credentials/x", "/run/credentials/x/mail.key" },
		{ NULL, "/run/credentials/mailferry-vault.service/mail.key" },
		{ "", "/run/credentials/mailferry-vault.service/mail.key" },
		{ "relative", "/run/credentials/mailferry-vault.service/mail.key" },
		{ "/with\nline", NULL },
		{ too_long, NULL },
	};

	(void)state;
	memset(too_long, '/', sizeof(too_long) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s;
		struct error err = { 0 };
		int r;

		assert_int_equal(rows[i].folder ? setenv("CREDENTIALS_DIRECTORY",
							  rows[i].folder, 1)
						: unsetenv("CREDENTIALS_DIRECTORY"),
			0);
		r = settings_parse("c",
			THREE "tls { certificate = {\"/a\"} key = {\"%d/mail.key\"} }",
			&s, &err);
		assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
		if (r < 0)
			continue;
		assert_string_equal(s.tls.keys.paths[0], rows[i].path);
		settings_fini(&s);
	}
	(void)unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_credentials) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
