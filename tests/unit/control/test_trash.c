/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lies in the trash long enough is erased, and nothing else is. */
#include "control/accounts/trash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY 86400

static void shell(const char *folder, const char *command)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), "cd %s && %s", folder, command);
	assert_int_equal(system(text), 0); /* NOLINT(cert-env33-c): our own words */
}

static void load(const char *folder, struct settings *ret)
{
	struct error err = { 0 };
	char text[256];

	(void)snprintf(text, sizeof(text),
		"source = \"192.0.2.1\"\ndomains = {\"example.com\"}\nstate_dir = \"%s\"\n"
		"trash_days = 2\n",
		folder);
	assert_int_equal(settings_parse("test", text, ret, &err), 0);
}

static void old_ones_go(void **state)
{
	char folder[] = "/tmp/mailferry-trash-XXXXXX";
	struct settings s = { 0 };
	struct error err = { 0 };
	unsigned count = 9;

	(void)state;
	assert_non_null(mkdtemp(folder));
	load(folder, &s);
	assert_int_equal(trash_empty(&s, 10 * DAY, &count, &err), 0);
	assert_int_equal(count, 0); /* there is no trash */
	shell(folder, "mkdir -p trash/a.1000/bodies trash/b.691200 trash/c.691201"
		      " trash/.1000 trash/noted mail && echo x > trash/a.1000/bodies/1 &&"
		      " echo x > mail/kept && ln -s ../../mail trash/a.1000/link &&"
		      " echo x > trash/d.x");
	assert_int_equal(trash_empty(&s, 10 * DAY, &count, &err), 0);
	assert_int_equal(count, 2); /* a, and b whose two days are over just now */
	shell(folder, "test ! -e trash/a.1000 && test ! -e trash/b.691200");
	shell(folder,
		"test -d trash/c.691201 && test -d trash/noted && test -d trash/.1000"
		" && test -e trash/d.x && test -e mail/kept");
	shell(folder, "rm -rf trash mail");
	(void)rmdir(folder);
	settings_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(old_ones_go) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
