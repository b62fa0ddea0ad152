/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a refusal of RCPT is about, by codes and words that real servers have. */
#include "wire/smtp/refusal.h"

#include "lib/wire/wire_test.h"

#define UNKNOWN "nobody of that kind" /* what this source says to unknown recipients */

static struct smtp_reply reply_of(const char *text, char *line, size_t size)
{
	struct smtp_reply reply;
	size_t used;

	(void)snprintf(line, size, "%s\r\n", text);
	assert_int_equal(
		smtp_reply_next(str_from(line), &reply, &used), SMTP_REPLY_COMPLETE);
	return reply;
}

static const struct smtp_envelope plain = { .recipient = STR("alice@example.com"),
	.sender = STR("boss@example.com"),
	.helo = STR("client.example.net") };

static bool is_mailbox(const char *text, const struct smtp_envelope *envelope)
{
	char line[512];
	struct smtp_reply reply = reply_of(text, line, sizeof(line));

	return smtp_refusal_of(&reply, envelope, STR_LIT(UNKNOWN)) ==
	       SMTP_REFUSAL_OF_MAILBOX;
}

static void test_of_the_client(void **state)
{
	static const char *const rows[] = {
		/* by their codes */
		"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected",
		"450 4.7.1 <x>: Helo command rejected: Host not found",
		"450 4.7.25 Client host rejected: cannot find your hostname",
		"450 4.2.0 <a@b>: Recipient address rejected: Greylisted",
		"450 4.1.8 <x@y>: Sender address rejected: Domain not found",
		"550 5.1.7 Bad sender address",
		"452 4.5.3 Too many recipients",
		"503 5.5.1 Error: need MAIL command",
		"550 5.0.0 no",
		"451 Greylisted, try again in 5 minutes",
		"554 Blocked",
		"421 4.3.2 Shutting down",
		"421 user unknown",
		/* without a code that says it */
		"550 192.0.2.13 is not welcome",
		"550 Administrative prohibition",
		"550-192.0.2.13 is blocked\r\n550 see http://example.net/no.such.user",
		"551 we do not want you",
		"553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)",
		"550 rejected because 192.0.2.1 is in a black list",
		"550 5.1.0 <boss@example.com>: sender rejected",
		"550 5.1.0 <boss@example.com>: Sender address rejected: User unknown in "
		"local recipient table",
		"550 5.7.1 Message rejected due to content restrictions",
		"550 5.7.23 SPF validation failed",
		"550 Requested action not taken: mailbox unavailable",
		/* words of the client itself */
		"550 5.1.0 <no such user@example.net>: rejected",
		"550 no.such.user.example.net is not welcome",
		"550 \"no such user\"@example.net: rejected",
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		if (is_mailbox(rows[i], &plain))
			fail_msg("%s", rows[i]);
}

static void test_of_the_mailbox(void **state)
{
	static const char *const rows[] = {
		"550 5.1.1 <a@b>: User unknown in virtual mailbox table",
		"550 5.1.10 null MX",
		"450 4.1.2 <a@b>: Recipient address rejected",
		"552 5.2.2 Mailbox full",
		"550 5.2.1 Disabled",
		"451 4.3.0 <a@b>: Temporary lookup failure",
		"451 4.3.5 Server configuration problem",
		"451 4.4.3 DNS",
		"550 Unrouteable address",
		"550 unknown user",
		"550 5.1.0 alice@example.com... User unknown",
		"550 5.7.1 alice... User unknown",
		"550 <alice@example.com>: User unknown",
		"550-Unknown user\r\n550 alice@example.com",
		"550 sorry, no mailbox here by that name. (#5.1.1)",
		"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
		"551 User not local; please try <b@c>",
		"552 Mailbox is FULL",
		"554 5.7.1 <alice@example.com>: Relay access denied",
		"550 relay not permitted",
		"550 No Such User Here",
		"550 User doesn't exist",
		/* as this source says it */
		"550 Nobody (of that kind): alice",
		"550 5.7.1 <alice@example.com> nobody of that kind",
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		if (!is_mailbox(rows[i], &plain))
			fail_msg("%s", rows[i]);
}

/* What the client calls itself, a server may repeat anywhere. */
static void test_planted_words(void **state)
{
	static const struct smtp_envelope rows[] = {
		{ .recipient = STR("alice@example.com"),
			.sender = STR("x@example.net"),
			.helo = STR("no-such-user") },
		{ .recipient = STR("alice@example.com"),
			.sender = STR("\"a> no such user \"@example.net"),
			.helo = STR("x") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		if (is_mailbox("550 no such user: rejected", &rows[i]))
			fail_msg("row %zu", i);
}

static void test_words(void **state)
{
	static const struct {
		const char *text, *recipient, *words;
	} rows[] = {
		{ "550 5.1.1 <alice@example.com>: No such User!", "alice@example.com",
			"no such user" },
		{ "550-5.1.1 alice is\r\n550-5.1.1\r\n550 5.1.1  gone",
			"alice@example.com", "is gone" },
		{ "550 ALICE's box", "alice@example.com", "s box" },
		{ "550 malice", "alice@example.com", "malice" },
		{ "550 alice@example.com... no", "", "no" },
		{ "550 [192.0.2.1] mail.example.com said no", "x", "said no" },
		{ "550 <not closed", "x", "not closed" },
		{ "550", "x", "" },
	};
	char line[512];
	struct buf words;

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct smtp_reply reply = reply_of(rows[i].text, line, sizeof(line));

		buf_init(&words, 0);
		assert_int_equal(
			smtp_refusal_words(&reply, str_from(rows[i].recipient), &words),
			0);
		SAME(rows[i].text, buf_view(&words), str_from(rows[i].words));
		buf_fini(&words);
	}
}

/* A reply that is longer than any "no such user" is none. */
static void test_long_reply(void **state)
{
	static char line[4000];
	struct smtp_reply reply;
	size_t used;

	(void)state;
	(void)snprintf(line, sizeof(line), "550 no such user %3900s\r\n", "");
	for (size_t i = 17; line[i] == ' '; i++)
		line[i] = i % 9 ? 'a' : ' ';
	assert_int_equal(
		smtp_reply_next(str_from(line), &reply, &used), SMTP_REPLY_COMPLETE);
	assert_int_equal(
		smtp_refusal_of(&reply, &plain, STR_LIT("")), SMTP_REFUSAL_OF_CLIENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_the_client),
		cmocka_unit_test(test_of_the_mailbox),
		cmocka_unit_test(test_planted_words),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_long_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
