/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines are read as log.h writes them; and what becomes of one in the journal. */
#include "base/journal.h"
#include "base/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "2026-03-01T10:11:12.345Z "

static void assert_str(struct str is, const char *wanted)
{
	if (!str_eq(is, str_from(wanted)))
		fail_msg("\"%.*s\", not \"%s\"", STR_ARG(is), wanted);
}

static void test_read(void **state)
{
	struct log_line l;

	(void)state;
	assert_true(log_line_read(
		STR_LIT(HEAD "interceptor info 5f2-1 login account=alice x=1\n"), &l));
	assert_str(l.time, "2026-03-01T10:11:12.345Z");
	assert_str(l.program, "interceptor");
	assert_str(l.level, "info");
	assert_str(l.session, "5f2-1");
	assert_str(l.event, "login");
	assert_str(l.text, "account=alice x=1");
}

static void test_no_lines(void **state)
{
	static const char *const lines[] = { "", "\n", "mailferry-vault: no key",
		HEAD "interceptor info 5f2-1", "2026-03-01 10:11:12.345Z a b c d e",
		"==12==ERROR: AddressSanitizer: something with words" };
	struct log_line l;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(log_line_read(str_from(lines[i]), &l));
}

static const struct {
	const char *text, *key, *value;
} values[] = {
	{ "account=alice route=local", "account", "alice" },
	{ "account=alice route=local", "route", "local" },
	{ "account=alice", "out", "" },
	{ "account=", "account", "" },
	{ "", "account", "" },
	{ "reason=\"too slow\" account=bob", "reason", "too slow" },
	{ "reason=\"too slow", "reason", "too slow" },
	/* a name that a client chose */
	{ "account=x account=alice client=1.2.3.4:5", "account", "x" },
	{ "account=x client=9.9.9.9:1 service=imap client=1.2.3.4:5", "client",
		"1.2.3.4:5" },
	{ "client=1.2.3.4:5 account=x client=9.9.9.9:1", "client", "1.2.3.4:5" },
	{ "the_account=x account=y", "account", "y" },
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_str(log_value(str_from(values[i].text), str_from(values[i].key)),
			values[i].value);
}

static void test_value_is(void **state)
{
	struct str account = STR("account");

	(void)state;
	assert_true(
		log_value_is(STR_LIT("account=alice x=1"), account, STR_LIT("alice")));
	assert_true(log_value_is(STR_LIT("account=alice"), account, STR_LIT("alice")));
	assert_true(log_value_is(STR_LIT("account=a b x=1"), account, STR_LIT("a b")));
	assert_true(log_value_is(STR_LIT("account=\"a b\" x"), account, STR_LIT("a b")));
	assert_false(log_value_is(STR_LIT("account=alice2"), account, STR_LIT("alice")));
	assert_false(log_value_is(STR_LIT("account=alice"), account, STR_LIT("alic")));
	assert_false(log_value_is(STR_LIT("x=alice"), account, STR_LIT("alice")));
	assert_false(log_value_is(STR_LIT(""), account, STR_LIT("")));
	assert_false(log_value_is(STR_LIT("account= x"), account, STR_LIT("")));
}

static void test_time(void **state)
{
	char text[LOG_TIME_MAX];

	(void)state;
	assert_str(log_time_text(0, text), "1970-01-01T00:00:00.000Z");
	assert_str(log_time_text(1772359872345, text), "2026-03-01T10:11:12.345Z");
}

/* ---- the journal ---- */

static void assert_entry(const struct journal_entry *e, const char *wanted)
{
	char bytes[8192];
	ssize_t n;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_true(journal_put(ends[0], e));
	n = recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT);
	assert_true(n > 0);
	assert_str(str_of(bytes, (size_t)n), wanted);
	close(ends[0]);
	close(ends[1]);
}

static void test_entry(void **state)
{
	const struct journal_entry e = { 6, "interceptor", "5f2-1", "login",
		STR("service=imap client=1.2.3.4:5 account=alice route=local") };
	const struct journal_entry bare = { 3, "vault", NULL, "start",
		STR("error=\"x\"") };
	/* as another of our processes may name it */
	const struct journal_entry odd = { 6, "mailstore", "5\nACCOUNT=bob", "logout",
		STR("account=alice") };

	(void)state;
	assert_entry(&odd,
		"PRIORITY=6\nSYSLOG_IDENTIFIER=mailferry-mailstore\nEVENT=logout\n"
		"MESSAGE=5?ACCOUNT=bob logout account=alice\nSESSION=5?ACCOUNT=bob\n"
		"ACCOUNT=alice\n");
	assert_entry(&e,
		"PRIORITY=6\nSYSLOG_IDENTIFIER=mailferry-interceptor\nEVENT=login\n"
		"MESSAGE=5f2-1 login service=imap client=1.2.3.4:5 account=alice "
		"route=local\nSESSION=5f2-1\nACCOUNT=alice\nSERVICE=imap\n"
		"CLIENT=1.2.3.4:5\n");
	assert_entry(&bare, "PRIORITY=3\nSYSLOG_IDENTIFIER=mailferry-vault\nEVENT=start\n"
			    "MESSAGE=- start error=\"x\"\n");
}

/* A name as long as a line: the line goes out, and once more as a field if it fits. */
static void test_long_entry(void **state)
{
	char text[2048], bytes[8192];
	struct journal_entry e = { 6, "interceptor", NULL, "refused", STR("") };
	int ends[2];
	ssize_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "account=", 8);
	e.text = str_of(text, sizeof(text));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_true(journal_put(ends[0], &e));
	n = recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT);
	assert_true(n > 4000 && n < 6144 && bytes[n - 1] == '\n');
	close(ends[1]);
	/* nobody there: it is for stderr */
	assert_false(journal_put(ends[0], &e));
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_no_lines),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_value_is),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_long_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
