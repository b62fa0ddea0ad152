/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is a proof that a server does not relay, and what is not. */
#include "control/check/relay_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *line;
	enum relay_answer wanted;
} answers[] = {
	{ "250 2.1.5 Ok", RELAY_ACCEPTS },
	{ "554 5.7.1 <x@example.net>: Relay access denied", RELAY_REFUSES },
	{ "454 4.7.1 <x@example.net>: Relay access denied", RELAY_REFUSES },
	{ "550 relay not permitted", RELAY_REFUSES },
	{ "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
		RELAY_REFUSES },
	{ "550 5.7.54 SMTP; Unable to deliver there", RELAY_REFUSES },
	{ "530 5.7.0 Log in first", RELAY_REFUSES },
	{ "550 Authentication required", RELAY_REFUSES },
	/* greylisting, a black list, the sender; later it may well relay */
	{ "450 4.7.1 <x@example.net>: Recipient address rejected: Greylisted",
		RELAY_UNKNOWN },
	{ "451 4.7.1 Please try again later", RELAY_UNKNOWN },
	{ "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked",
		RELAY_UNKNOWN },
	{ "554 5.7.1 <x@example.com>: Sender address rejected: Access denied",
		RELAY_UNKNOWN },
	{ "454 4.7.0 Temporary authentication failure", RELAY_UNKNOWN },
	{ "550 5.1.1 User unknown", RELAY_UNKNOWN },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct smtp_reply reply;
		char text[256];
		size_t used;

		(void)snprintf(text, sizeof(text), "%s\r\n", answers[i].line);
		assert_int_equal(smtp_reply_next(str_from(text), &reply, &used),
			SMTP_REPLY_COMPLETE);
		if (relay_answer_to_rcpt(&reply) != answers[i].wanted)
			fail_msg("%s", answers[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
