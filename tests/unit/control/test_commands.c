/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Command lines: what they mean, and the sentence when they mean nothing. */
#include "control/commands.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 8

static const struct {
	const char *words[WORDS_MAX];
	const char *command; /* NULL: refused with .sentence */
	const char *config, *argument;
	const char *flags; /* j, w, W (watch), y, h */
	const char *sentence;
} rows[] = {
	{ { "status" }, "status", PROGRAM_CONFIG, NULL, "", NULL },
	{ { "-c", "f", "status" }, "status", "f", NULL, "", NULL },
	{ { "status", "-c", "f" }, "status", "f", NULL, "", NULL },
	{ { "status", "-cf", "--json" }, "status", "f", NULL, "j", NULL },
	{ { "--json", "account", "alice" }, "account", PROGRAM_CONFIG, "alice", "j",
		NULL },
	{ { "account", "--", "--json" }, "account", PROGRAM_CONFIG, "--json", "", NULL },
	{ { "account", "-" }, "account", PROGRAM_CONFIG, "-", "", NULL },
	{ { "transfer", "a", "--wait" }, "transfer", PROGRAM_CONFIG, "a", "w", NULL },
	{ { "flows", "--watch", "--json" }, "flows", PROGRAM_CONFIG, NULL, "jW", NULL },
	{ { "account", "--help" }, "account", PROGRAM_CONFIG, NULL, "h", NULL },
	{ { "route", "alice", "local" }, "route", PROGRAM_CONFIG, "alice", "", NULL },
	{ { "alias", "add", "a@b", "c" }, "alias", PROGRAM_CONFIG, "add", "", NULL },
	{ { "alias", "import", "f", "--format", "--json" }, "alias", PROGRAM_CONFIG,
		"import", "", NULL }, /* a value is whatever comes next */
	{ { "retire", "--yes", "--days=3" }, "retire", PROGRAM_CONFIG, NULL, "y", NULL },
	{ { "report", "--days", "3", "--json" }, "report", PROGRAM_CONFIG, NULL, "j",
		NULL },
	{ { NULL }, NULL, NULL, NULL, NULL, "no command given; see `mailferry --help`" },
	{ { "report", "--days" }, NULL, NULL, NULL, NULL,
		"option '--days' requires a value: --days N" },
	{ { "status", "--json=yes" }, NULL, NULL, NULL, NULL,
		"option '--json' takes no value" },
	{ { "status", "--days=3" }, NULL, NULL, NULL, NULL,
		"'status' takes no option '--days'" },
	{ { "alias" }, NULL, NULL, NULL, NULL, "mailferry alias import FILE|add" },
	{ { "alias", "a", "b", "c", "d" }, NULL, NULL, NULL, NULL,
		"unexpected argument 'd'; see `mailferry alias --help`" },
	{ { "beer" }, NULL, NULL, NULL, NULL, "unknown command 'beer'" },
	{ { "stat" }, NULL, NULL, NULL, NULL, "did you mean `mailferry status`?" },
	{ { "acounts" }, NULL, NULL, NULL, NULL, "did you mean `mailferry accounts`?" },
	{ { "status", "--beer" }, NULL, NULL, NULL, NULL, "unknown option '--beer'" },
	{ { "status", "-j" }, NULL, NULL, NULL, NULL, "unknown option '-j'" },
	{ { "status", "x" }, NULL, NULL, NULL, NULL, "unexpected argument 'x'" },
	{ { "account" }, NULL, NULL, NULL, NULL,
		"missing argument; usage: mailferry account USER" },
	{ { "route", "alice" }, NULL, NULL, NULL, NULL,
		"mailferry route USER auto|source|local" },
	{ { "status", "--wait" }, NULL, NULL, NULL, NULL,
		"'status' takes no option '--wait'" },
	{ { "passwd", "a", "--json" }, NULL, NULL, NULL, NULL,
		"'passwd' takes no option '--json'" },
	{ { "status", "-c" }, NULL, NULL, NULL, NULL,
		"option '-c' requires a value: -c FILE" },
};

static void flags_of(const struct request *q, char text[static 8])
{
	(void)snprintf(text, 8, "%s%s%s%s%s", q->control.json ? "j" : "",
		q->control.wait ? "w" : "", q->control.watch ? "W" : "",
		q->control.yes ? "y" : "", q->help ? "h" : "");
}

static void check_taken(size_t i, const struct request *q)
{
	char flags[8];
	const char *argument = q->control.n_arguments ? q->control.arguments[0] : NULL;
	const char *want = rows[i].argument;

	flags_of(q, flags);
	if (!q->command || strcmp(q->command->name, rows[i].command) != 0 ||
		strcmp(q->control.config, rows[i].config) != 0 ||
		strcmp(flags, rows[i].flags) != 0 || !argument != !want ||
		(want && strcmp(argument, want) != 0))
		fail_msg("row %zu: %s config=%s flags=%s", i,
			q->command ? q->command->name : "no command", q->control.config,
			flags);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argv[WORDS_MAX + 2] = { (char *)(uintptr_t) "mailferry" };
		struct request q = { 0 };
		struct error err = { 0 };
		int argc = 1, r;

		for (; argc <= WORDS_MAX && rows[i].words[argc - 1]; argc++)
			argv[argc] = (char *)(uintptr_t)rows[i].words[argc - 1];
		r = command_line_read(argc, argv, &q, &err);
		if (r != (rows[i].command ? 0 : -EINVAL))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r == 0)
			check_taken(i, &q);
		else if (!strstr(err.text, rows[i].sentence))
			fail_msg("row %zu: \"%s\"", i, err.text);
	}
}

static void test_values(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "mailferry", (char *)(uintptr_t) "alias",
		(char *)(uintptr_t) "--format=aliases", (char *)(uintptr_t) "import",
		(char *)(uintptr_t) "--domain", (char *)(uintptr_t) "b=c",
		(char *)(uintptr_t) "f", NULL };
	struct request q = { 0 };

	(void)state;
	assert_int_equal(command_line_read(7, argv, &q, NULL), 0);
	assert_string_equal(q.control.format, "aliases");
	assert_string_equal(q.control.domain, "b=c");
	assert_null(q.control.days);
	assert_int_equal(q.control.n_arguments, 2);
	assert_string_equal(q.control.arguments[1], "f");
}

/* Help of the whole names each command; help of one, its options. */
static void test_help(void **state)
{
	static const char *const names[] = { "check", "up", "rules", "status", "accounts",
		"account", "route", "transfer", "counters", "flows", "alias", "passwd",
		"report", "retire" };
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	help_print(NULL, to);
	(void)fclose(to);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "\n  %s ", names[i]);
		if (!strstr(text, line))
			fail_msg("help does not name %s", names[i]);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test(test_values), cmocka_unit_test(test_help) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
