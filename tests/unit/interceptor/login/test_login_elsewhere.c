/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logins of users who have moved to another server, as scripts (script.h): that server
   judges them, and nobody else. */
#include "interceptor/login/login.h"
#include "interceptor/session/script.h"
#include "lib/registry/registry_fixture.h"

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_IMAP] = { &login_handler, &login_imap },
	[SERVICE_POP3] = { &login_handler, &login_pop3 },
};

#define GREETED "c * OK ready"
#define ASKED                                                                            \
	GREETED, "C a LOGIN Carol@example.com secret", "state logging-in",               \
		"destination 1", "S * OK hello", "s % LOGIN \"carol\" \"secret\""
#define TELLS "S $ OK [CAPABILITY IMAP4rev1 IDLE] in"
#define TOLD "c a OK [CAPABILITY IMAP4rev1 IDLE] in"
#define UNAVAILABLE                                                                      \
	"NO [UNAVAILABLE] The mail server is not available; please try again later."
#define USE_A_PASSWORD                                                                   \
	"NO [CONTACTADMIN] This login method is not available for your mailbox any "     \
	"more; please use your password."
#define MOVING                                                                           \
	"NO [UNAVAILABLE] Your mailbox is being moved; please try again in a moment."

static const struct script_row imap[] = {
	{ "right", SERVICE_IMAP, "carol",
		{ ASKED, TELLS, TOLD, "state relay", "live 1", "learned 0", "right 1",
			"failed 0", "verifying 0", "C b NOOP", "s b NOOP" } },
	{ "pipelined", SERVICE_IMAP, "carol",
		{ GREETED, "C a LOGIN carol secret\r\nb SELECT INBOX", "S * OK hello",
			"s % LOGIN \"carol\" \"secret\"", TELLS, TOLD,
			"s b SELECT INBOX" } },
	{ "its capabilities are asked for", SERVICE_IMAP, "carol",
		{ ASKED, "S $ OK in", "s % CAPABILITY", "state logging-in", "live 0",
			"S * CAPABILITY IMAP4rev1 MOVE", "S $ OK that was all",
			"c * CAPABILITY IMAP4rev1 MOVE", "c a OK in", "state relay" } },
	{ "they were told beside the answer", SERVICE_IMAP, "carol",
		{ ASKED, "S * CAPABILITY IMAP4rev1 MOVE", "S $ OK in",
			"c * CAPABILITY IMAP4rev1 MOVE", "c a OK in", "state relay" } },
	{ "it does not say them", SERVICE_IMAP, "carol",
		{ ASKED, "S $ OK in", "s % CAPABILITY", "S $ BAD what", "c a OK in",
			"state relay" } },
	{ "an answer to something else", SERVICE_IMAP, "carol",
		{ ASKED, "S $ OK in", "s % CAPABILITY", "S a OK", "state lingering",
			"c * BYE [UNAVAILABLE] The mail server is not available; please "
			"try again later.",
			"live 0" } },
	{ "lost before they are known", SERVICE_IMAP, "carol",
		{ ASKED, "S $ OK in", "s % CAPABILITY", "source ends", "c a " UNAVAILABLE,
			"state prelogin" } },
	{ "its OK is no other login's", SERVICE_IMAP, "carol",
		{ ASKED, "S $ OK in", "s % CAPABILITY", "source ends", "c a " UNAVAILABLE,
			"C b LOGIN alice wrong", "destination 0", "S * OK hello",
			"s % LOGIN \"alice\" \"wrong\"", "S $ NO not you",
			"c b NO not you", "state prelogin", "learned 0", "failed 1" } },
	{ "wrong, then right", SERVICE_IMAP, "carol",
		{ ASKED, "S $ NO [AUTHENTICATIONFAILED] not you",
			"c a NO [AUTHENTICATIONFAILED] not you", "state prelogin",
			"failed 1", "source 0", "stale 0", "C b LOGIN carol secret",
			"S * OK hello", "s % LOGIN \"carol\" \"secret\"",
			"S $ OK [CAPABILITY IMAP4rev1] in",
			"c b OK [CAPABILITY IMAP4rev1] in", "state relay" } },
	{ "wrong, then somebody at the source", SERVICE_IMAP, "carol",
		{ ASKED, "S $ NO not you", "c a NO not you", "C b LOGIN alice secret",
			"destination 0", "S * OK hello", "s % LOGIN \"alice\" \"secret\"",
			"S $ OK in", "c b OK in", "learned 1" } },
	{ "wrong, then a mechanism of the source", SERVICE_IMAP, "carol",
		{ ASKED, "S $ NO not you", "c a NO not you", "C b AUTHENTICATE CRAM-MD5",
			"destination 0", "S * OK hello", "s % AUTHENTICATE CRAM-MD5" } },
	{ "wrong, then STARTTLS at the source", SERVICE_IMAP, "carol",
		{ ASKED, "S $ NO not you", "c a NO not you", "C b STARTTLS",
			"destination 0", "S * OK hello", "s % STARTTLS" } },
	/* NUL carol NUL secret */
	{ "by PLAIN", SERVICE_IMAP, "carol",
		{ GREETED, "C a AUTHENTICATE PLAIN AGNhcm9sAHNlY3JldA==", "S * OK hello",
			"s % LOGIN \"carol\" \"secret\"", TELLS, TOLD } },
	/* NUL carol NUL "sec" CR LF "ret" */
	{ "what ends a line is no line", SERVICE_IMAP, "carol",
		{ GREETED, "C a AUTHENTICATE PLAIN AGNhcm9sAHNlYw0KcmV0", "S * OK hello",
			"s % AUTHENTICATE PLAIN", "S +", "s AGNhcm9sAHNlYw0KcmV0", TELLS,
			TOLD } },
	{ "a digest", SERVICE_IMAP, "carol",
		{ GREETED, "C a AUTHENTICATE CRAM-MD5", "S * OK hello",
			"s % AUTHENTICATE CRAM-MD5",
			"S + PDEuMkBob3N0Pg==", "c + PDEuMkBob3N0Pg==",
			"C Y2Fyb2wgOTdkYTE3YTIyNWEzNTYxMjhlNTE0NjQyNDgwNjhkMzY=",
			"c a " USE_A_PASSWORD, "source 0", "verifying 0" } },
	{ "a master's password", SERVICE_IMAP, "carol",
		{ GREETED, "C a LOGIN carol*root master", "c a " USE_A_PASSWORD,
			"source 0" } },
	{ "no connection: never the source", SERVICE_IMAP, "carol",
		{ "let connect fail", GREETED, "C a LOGIN carol secret",
			"c a " UNAVAILABLE, "destination 1", "state prelogin" } },
	{ "refused, then it is back", SERVICE_IMAP, "carol",
		{ "let connect take time", GREETED, "C a LOGIN carol secret", "refused",
			"c a " UNAVAILABLE, "let not connect take time",
			"C b LOGIN carol secret", "destination 1", "S * OK hello",
			"s % LOGIN \"carol\" \"secret\"" } },
	{ "slow", SERVICE_IMAP, "carol", { ASKED, "timeout", "c a " UNAVAILABLE } },
	{ "it says why it goes", SERVICE_IMAP, "carol",
		{ ASKED, "S * BYE too many", "source ends", "c * BYE too many",
			"state lingering" } },
	{ "PREAUTH is nobody's", SERVICE_IMAP, "carol",
		{ GREETED, "C a LOGIN carol secret", "S * PREAUTH root",
			"state lingering",
			"c * BYE [UNAVAILABLE] The mail server is not available; please "
			"try again later." } },
	{ "it leaves while it is asked", SERVICE_IMAP, "carol",
		{ ASKED, "account leaves", "quiesce by force", "settled 1", "source 0",
			"state busy" } },
	{ "it leaves, and nobody says so", SERVICE_IMAP, "carol",
		{ ASKED, "account leaves", TELLS, "state busy", "source 0", "timeout",
			"c a " MOVING } },
	{ "it leaves while it is served", SERVICE_IMAP, "carol",
		{ "plain", ASKED, TELLS, TOLD, "account leaves", "time passes",
			"quiesce by force",
			"c * BYE Your mailbox has moved; please log in again.",
			"state draining", "source ends", "settled 1" } },
	{ "it arrives while the source is asked", SERVICE_IMAP, "dora",
		{ GREETED, "C a LOGIN dora secret", "destination 0", "S * OK hello",
			"s % LOGIN \"dora\" \"secret\"", "account switches",
			"account arrives", "S $ OK old", "learned 1", "destination 1",
			"S * OK hello", "s % LOGIN \"dora\" \"secret\"",
			"S $ NO other password", "c a NO other password",
			"state prelogin" } },
	{ "it arrives while it is held", SERVICE_IMAP, "bob",
		{ GREETED, "C a LOGIN bob secret", "state busy", "account arrives",
			"tick", "destination 1", "S * OK hello",
			"s % LOGIN \"bob\" \"secret\"", TELLS, TOLD, "state relay" } },
	{ "one at the source does not cross", SERVICE_IMAP, "dora",
		{ "plain", GREETED, "C a LOGIN dora secret", "S * OK hello",
			"s % LOGIN \"dora\" \"secret\"", "S $ OK in", "c a OK in",
			"time passes", "ask for live", "settled 0", "account switches",
			"quiesce by force",
			"c * BYE Your mailbox has moved; please log in again.",
			"state draining", "noted 100" } },
};

#define USER "c +OK ready", "C USER carol", "c +OK Send your password.", "C PASS secret"

static const struct script_row pop3[] = {
	{ "right", SERVICE_POP3, "carol",
		{ "c +OK ready", "C USER carol@example.com", "c +OK", "C PASS secret",
			"destination 1", "S +OK hello", "s USER carol", "S +OK",
			"s PASS secret", "S +OK in", "c +OK in", "state relay", "live 1",
			"learned 0", "C STAT", "s STAT" } },
	{ "wrong", SERVICE_POP3, "carol",
		{ "c +OK ready", "C USER carol", "c +OK", "C PASS secret", "S +OK hello",
			"s USER carol", "S -ERR [AUTH] not you", "c -ERR [AUTH] not you",
			"failed 1", "state prelogin", "source 0" } },
	{ "in use there", SERVICE_POP3, "carol",
		{ "c +OK ready", "C USER carol", "c +OK", "C PASS secret", "S +OK hello",
			"s USER carol", "S +OK", "s PASS secret",
			"S -ERR [IN-USE] maildrop is locked",
			"c -ERR [IN-USE] maildrop is locked", "state prelogin" } },
	{ "away", SERVICE_POP3, "carol",
		{ "let connect fail", "c +OK ready", "C USER carol", "c +OK",
			"C PASS secret",
			"c -ERR [SYS/TEMP] The mail server is not available; please try "
			"again later.",
			"state prelogin" } },
	/* NUL carol NUL "sec" CR LF "DELE 1" */
	{ "what ends a line is no line", SERVICE_POP3, "carol",
		{ "c +OK ready", "C AUTH PLAIN AGNhcm9sAHNlYw0KREVMRSAx", "S +OK hello",
			"s AUTH PLAIN", "S +", "s AGNhcm9sAHNlYw0KREVMRSAx", "S +OK in",
			"c +OK in", "state relay" } },
};

static void run(const struct script_row *table, size_t n, const char *greeting)
{
	const struct script_setup setup = {
		.greeting = greeting, .live = true, .elsewhere = true
	};
	struct script *s = script_new(handlers, &setup);

	script_run_all(s, table, n);
	script_free(s);
}

static void test_imap(void **state)
{
	(void)state;
	run(imap, ROWS(imap), "* OK ready");
}

static void test_pop3(void **state)
{
	(void)state;
	run(pop3, ROWS(pop3), "+OK ready");
}

/* It was copied to another server than the configuration names by now. */
static void test_another_home(void **state)
{
	static const struct script_row row = { "another home", SERVICE_IMAP, "carol",
		{ GREETED, "C a LOGIN carol secret", "c a " UNAVAILABLE, "destination 0",
			"source 0" } };
	const struct script_setup setup = { .greeting = "* OK ready", .elsewhere = true };
	struct script *s = script_new(handlers, &setup);

	(void)state;
	script_destination(s, "imap://192.0.2.31");
	script_run_all(s, &row, 1);
	script_destination(s, "store");
	script_run_all(s, &row, 1);
	script_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_imap),
		cmocka_unit_test(test_pop3),
		cmocka_unit_test(test_another_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
