/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How daemons read their command line. */
#include "settings/program.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 6
#define CONFIG "@" /* stands for the path of a good configuration */

static const struct row {
	const char *name;
	bool has_account;
	const char *arguments[ARGUMENTS_MAX];
	int status; /* -1: runs */
	const char *account;
} rows[] = {
	{ "a configuration", false, { "-c", CONFIG }, -1, NULL },
	{ "an account", true, { "-c", CONFIG, "--account", "alice" }, -1, "alice" },
	{ "an account like an option", true, { "-c", CONFIG, "--account", "-h" }, -1,
		"-h" },
	{ "help", false, { "-h" }, 0, NULL },
	{ "help in full", true, { "--help" }, 0, NULL },
	{ "help wins", true, { "--account", "alice", "--help" }, 0, NULL },
	{ "no such account option", false, { "-c", CONFIG, "--account", "alice" }, 2,
		NULL },
	{ "no value", true, { "--account" }, 2, NULL },
	{ "no such worker option", true, { "-c", CONFIG, "--worker", "0" }, 2, NULL },
	{ "a word too many", true, { "-c", CONFIG, "alice" }, 2, NULL },
	{ "an unknown option", false, { "--beer" }, 2, NULL },
	{ "no such file", false, { "-c", "/nonexistent/conf" }, 1, NULL },
	{ "a mistake in the file", false, { "-c", "/etc/passwd" }, 2, NULL },
};

static char *config_file(void)
{
	static const char text[] = "source = \"192.0.2.1\"\ndomains = {\"example.com\"}\n"
				   "strategy = \"after-logoff\"\n";
	char *path = strdup("/tmp/mailferry-program-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	return path;
}

static void run(const struct row *row, char *config)
{
	struct program p = {
		.name = "test", .usage = "usage: test\n", .has_account = row->has_account
	};
	char *argv[ARGUMENTS_MAX + 2] = { (char *)(uintptr_t) "test" };
	struct program_start start;
	int argc = 1, status;

	for (; argc <= ARGUMENTS_MAX && row->arguments[argc - 1]; argc++)
		argv[argc] = strcmp(row->arguments[argc - 1], CONFIG) == 0
		                     ? config
		                     : (char *)(uintptr_t)row->arguments[argc - 1];
	optind = 0; /* from the beginning again */
	status = program_begin(&p, argc, argv, &start);
	if (status != row->status)
		fail_msg("%s: %d", row->name, status);
	if (status >= 0)
		return;
	assert_string_equal(start.config, config);
	if (row->account)
		assert_string_equal(start.account, row->account);
	else
		assert_null(start.account);
	assert_int_equal(start.settings.n_domains, 1);
	settings_fini(&start.settings);
}

static void test_rows(void **state)
{
	char *config = config_file();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(&rows[i], config);
	(void)unlink(config);
	free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
