/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a filter leaves, how fast a transfer is, and what a sweep found. */
#include "control/terminal/view.h"
#include "control/views/sweep_view.h"
#include "control/views/transfers_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct row {
	const char *filter;
	bool matches;
} rows[] = {
	{ "", true },
	{ " ", true },
	{ "anna", true },
	{ "ANNA", true },
	{ "192.0.2.7:", true },
	{ "imap", true },
	{ "anna imap", true },
	{ "anna pop3", false },
	{ "account=nn", true },
	{ "account=imap", false },
	{ "service=imap account=anna", true },
	{ "client=192.0.2.8", false },
	{ "nothing=anna", false },
	{ "bytes_in=7", false }, /* no text */
	{ "=anna", false },
	{ "annaa", false },
};

static void test_filter(void **state)
{
	json_t *flow = json_pack("{s:s, s:s, s:s, s:i}", "account", "Anna", "service",
		"imaps", "client", "192.0.2.7:4000", "bytes_in", 7);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (view_matches(flow, rows[i].filter) != rows[i].matches)
			fail_msg("\"%s\"", rows[i].filter);
	json_decref(flow);
}

static void test_rates(void **state)
{
	struct transfer_seen s = { .account = 1 };

	(void)state;
	transfer_seen_update(
		&s, 1000, 500, 50000); /* what was there before is no speed */
	assert_int_equal((int)s.messages_s, 0);
	transfer_seen_update(&s, 1500, 600, 60000); /* too soon to say */
	assert_int_equal((int)s.messages_s, 0);
	transfer_seen_update(&s, 3000, 700, 90000);
	assert_int_equal((int)s.messages_s, 100);
	assert_int_equal((int)s.bytes_s, 20000);
	transfer_seen_update(&s, 4000, 700, 90000); /* it stands still: slowly down */
	assert_int_equal((int)s.messages_s, 70);
	transfer_seen_update(&s, 5000, 10, 100); /* it began anew */
	assert_int_equal((int)s.messages_s, 0);
	assert_int_equal((int)s.account, 1);
}

static void test_swept(void **state)
{
	json_t *swept = json_pack("{s:i, s:s, s:[{s:s, s:i, s:s}, {s:s, s:i, s:s}]}",
		"messages", 3, "error", "it said \033[2J", "folders", "name", "In\abox",
		"messages", 2, "note", "", "name", "Junk", "messages", 1, "note", "a\nb");
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(swept);
	assert_non_null(to);
	sweep_view_print(swept, to);
	assert_int_equal(fclose(to), 0);
	assert_non_null(strstr(text, "old mailbox: 3 message(s)\n"));
	assert_non_null(strstr(text, "  the last look failed: it said ?[2J\n"));
	assert_non_null(strstr(text, "  In?box: 2\n"));
	assert_non_null(strstr(text, "  Junk: 1; a?b\n"));
	free(text);
	json_decref(swept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
