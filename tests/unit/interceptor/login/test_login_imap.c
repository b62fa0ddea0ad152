/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IMAP logins as scripts (script.h): by the account's route, and what goes wrong at each
   point. */
#include "interceptor/login/login.h"
#include "interceptor/session/script.h"
#include "lib/registry/registry_fixture.h"

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_IMAP] = { &login_handler, &login_imap },
};

#define GREETED "c * OK ready"
#define CAPABILITY                                                                       \
	"c * CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=CRAM-MD5", "c a OK completed"
#define ASKED                                                                            \
	GREETED, "C a LOGIN alice secret", "state logging-in", "S * OK hello",           \
		"s % LOGIN \"alice\" \"secret\""
#define UNAVAILABLE                                                                      \
	"NO [UNAVAILABLE] The mail server is not available; please try again later."
#define BYE_UNAVAILABLE                                                                  \
	"c * BYE [UNAVAILABLE] The mail server is not available; please try again "      \
	"later."
#define MOVING                                                                           \
	"NO [UNAVAILABLE] Your mailbox is being moved; please try again in a moment."
#define USE_A_PASSWORD                                                                   \
	"NO [CONTACTADMIN] This login method is not available for your mailbox any "     \
	"more; please use your password."
#define HELD GREETED, "C a LOGIN bob secret", "state busy", "live 0", "source 0"
#define VERIFIED GREETED, "C a LOGIN carol secret", "state verifying", "source 0"
#define CHALLENGED                                                                       \
	GREETED, "C a AUTHENTICATE CRAM-MD5", "state exchange", "S * OK hello",          \
		"s % AUTHENTICATE CRAM-MD5",                                             \
		"S + PDEuMkBob3N0Pg==", "c + PDEuMkBob3N0Pg=="

static const struct script_row before_login[] = {
	{ "greeted", SERVICE_IMAP, NULL,
		{ GREETED, "source 0", "connections 1", "waiting 1", "state prelogin" } },
	{ "commands", SERVICE_IMAP, NULL,
		{ GREETED, "C a NOOP", "c a OK NOOP completed.", "source 0" } },
	{ "logout", SERVICE_IMAP, NULL,
		{ GREETED, "C a LOGOUT", "c * BYE Logging out",
			"c a OK Logout completed.", "state lingering", "client ends",
			"state gone" } },
	{ "logout, and the client stays", SERVICE_IMAP, NULL,
		{ GREETED, "C a LOGOUT", "c * BYE Logging out",
			"c a OK Logout completed.", "C b NOOP", "state lingering",
			"timeout", "state gone", "client 0" } },
	{ "the client leaves", SERVICE_IMAP, NULL,
		{ GREETED, "client ends", "state gone", "client 0" } },
	{ "the client breaks", SERVICE_IMAP, NULL,
		{ GREETED, "client breaks", "state gone", "client 0" } },
	{ "silent for too long", SERVICE_IMAP, NULL,
		{ GREETED, "timeout", "c * BYE Too slow; please log in again.",
			"state lingering" } },
	{ "too many connections", SERVICE_IMAP, NULL,
		{ "plain", "let crowded", "c * BYE [UNAVAILABLE] Too many connections.",
			"state gone" } },
	{ "too many, and nobody makes room", SERVICE_IMAP, NULL,
		{ "plain", "let there be many",
			"c * BYE [UNAVAILABLE] Too many connections.", "state gone" } },
	{ "no memory, and nobody makes room", SERVICE_IMAP, NULL,
		{ "plain", GREETED, "let memory be full", "C a NOOP",
			"c a OK NOOP completed.",
			"c * BYE [UNAVAILABLE] Too many connections.", "state gone" } },
	{ "one place while it is small", SERVICE_IMAP, NULL,
		{ "plain", GREETED, "places 0", "C a NOOP", "c a OK NOOP completed.",
			"places 1", "C b NOOP", "c b OK NOOP completed.", "places 1",
			"failed 0" } },
	{ "silence is a failure", SERVICE_IMAP, NULL,
		{ GREETED, "timeout", "c * BYE Too slow; please log in again.",
			"failed 1" } },
};

static const struct script_row at_the_source[] = {
	{ "right", SERVICE_IMAP, "alice",
		{ ASKED, "S $ OK logged in", "c a OK logged in", "state relay", "live 1",
			"learned 1", "learned \"secret", "waiting 0", "places 0",
			"right 1", "failed 0" } },
	{ "right, and bytes pass", SERVICE_IMAP, "alice",
		{ ASKED, "S $ OK logged in", "c a OK logged in", "C b NOOP", "s b NOOP",
			"S b OK", "c b OK", "client ends", "state relay", "source ends",
			"state gone" } },
	{ "pipelined", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN alice secret\r\nb SELECT INBOX", "S * OK hello",
			"s % LOGIN \"alice\" \"secret\"",
			"S * CAPABILITY IMAP4rev1\r\n$ OK in\r\n* BYE soon",
			"c * CAPABILITY IMAP4rev1", "c a OK in", "c * BYE soon",
			"s b SELECT INBOX" } },
	{ "unknown, and right", SERVICE_IMAP, NULL,
		{ GREETED, "C a LOGIN eve secret", "S * OK hello",
			"s % LOGIN \"eve\" \"secret\"", "S $ OK in", "c a OK in",
			"state relay", "learned 1" } },
	{ "literals", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN {5}", "c + OK", "C alice {6}", "c + OK", "C secret",
			"S * OK hello", "s % LOGIN \"alice\" \"secret\"", "S $ OK in",
			"c a OK in", "state relay" } },
	{ "wrong, then right over a new connection", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN alice wrong", "S * OK hello",
			"s % LOGIN \"alice\" \"wrong\"",
			"S $ NO [AUTHENTICATIONFAILED] no",
			"c a NO [AUTHENTICATIONFAILED] no", "state prelogin", "source 0",
			"learned 0", "live 0", "C b LOGIN alice secret", "S * OK hello",
			"s % LOGIN \"alice\" \"secret\"", "S $ OK in", "c b OK in",
			"state relay" } },
	{ "the answer is not to what was asked", SERVICE_IMAP, "alice",
		{ ASKED, "S a OK logged in", BYE_UNAVAILABLE, "learned 0", "source 0" } },
	{ "no connection", SERVICE_IMAP, "alice",
		{ "let connect fail", GREETED, "C a LOGIN alice secret",
			"c a " UNAVAILABLE, "state prelogin", "live 0" } },
	{ "refused, then it is back", SERVICE_IMAP, "alice",
		{ "let connect take time", GREETED, "C a LOGIN alice secret", "refused",
			"c a " UNAVAILABLE, "source 0", "let not connect take time",
			"C b LOGIN alice secret", "S * OK hello",
			"s % LOGIN \"alice\" \"secret\"" } },
	{ "slow to connect", SERVICE_IMAP, "alice",
		{ "let connect take time", GREETED, "C a LOGIN alice secret", "timeout",
			"c a " UNAVAILABLE, "state prelogin" } },
	{ "slow to greet", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN alice secret", "timeout", "state logging-in",
			"S * OK hello", "s % LOGIN \"alice\" \"secret\"", "timeout",
			"c a " UNAVAILABLE } },
	{ "lost before its greeting", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN alice secret", "source ends",
			"c a " UNAVAILABLE } },
	{ "lost after its greeting", SERVICE_IMAP, "alice",
		{ ASKED, "source ends", "c a " UNAVAILABLE, "state prelogin" } },
	{ "broken after its greeting", SERVICE_IMAP, "alice",
		{ ASKED, "source breaks", "c a " UNAVAILABLE } },
	{ "lost with a reason", SERVICE_IMAP, "alice",
		{ ASKED, "S * BYE closing down", "source ends", "c * BYE closing down",
			"source 0" } },
	{ "the client leaves meanwhile", SERVICE_IMAP, "alice",
		{ ASKED, "client breaks", "state gone", "source 0" } },
	{ "a master's login", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN alice*root master", "S * OK hello",
			"s % LOGIN \"alice*root\" \"master\"", "S $ OK in", "c a OK in",
			"learned 0", "live 1" } },
	/* alice NUL mallory NUL secret */
	{ "a proof of another", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN YWxpY2UAbWFsbG9yeQBzZWNyZXQ=",
			"S * OK hello",
			"s % AUTHENTICATE PLAIN YWxpY2UAbWFsbG9yeQBzZWNyZXQ=",
			"S $ OK in", "c a OK in", "learned 0", "live 1",
			"state relay" } },
	/* eve NUL mallory NUL secret */
	{ "a proof of another, for an unknown user", SERVICE_IMAP, NULL,
		{ GREETED, "C a AUTHENTICATE PLAIN ZXZlAG1hbGxvcnkAc2VjcmV0",
			"S * OK hello", "s % AUTHENTICATE PLAIN ZXZlAG1hbGxvcnkAc2VjcmV0",
			"S $ OK in", "c a OK in", "learned 0", "state relay" } },
	/* alice NUL carol NUL secret: carol's old mailbox may be what it opens */
	{ "a proof of somebody who lives here", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN YWxpY2UAY2Fyb2wAc2VjcmV0",
			"c a " USE_A_PASSWORD, "source 0", "learned 0" } },
	/* alice NUL bob NUL secret */
	{ "a proof of somebody who is moving", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN YWxpY2UAYm9iAHNlY3JldA==",
			"c a " MOVING, "source 0" } },
	{ "a master who lives here", SERVICE_IMAP, "alice",
		{ GREETED, "C a LOGIN alice*carol secret", "c a " USE_A_PASSWORD,
			"source 0" } },
	{ "ID goes first", SERVICE_IMAP, "alice",
		{ GREETED, "C a ID (\"name\" \"x\")", "c * ID NIL",
			"c a OK ID completed.", "C b LOGIN alice secret", "S * OK hello",
			"s % LOGIN \"alice\" \"secret\"" } },
};

static const struct script_row exchanges[] = {
	{ "passed on", SERVICE_IMAP, "alice",
		{ CHALLENGED, "C YWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			"s YWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			"S $ OK in", "c a OK in", "learned \"CRAM-MD5", "state relay" } },
	{ "for an account that lives here", SERVICE_IMAP, "carol",
		{ CHALLENGED, "C Y2Fyb2wgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			"state verifying", "verdict right", "source 0",
			"handed carol tag=a ticket=tkt unread=", "state local",
			"followed 0" } },
	{ "that cannot be judged", SERVICE_IMAP, "carol",
		{ CHALLENGED, "C Y2Fyb2wgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			"verdict no password", "c a " USE_A_PASSWORD } },
	{ "the account switches meanwhile", SERVICE_IMAP, "bob",
		{ CHALLENGED, "C Ym9iIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm",
			"state busy", "source 0" } },
	{ "given up", SERVICE_IMAP, "alice",
		{ CHALLENGED, "C *", "s *", "S $ BAD given up", "c a BAD given up",
			"state prelogin", "stale 1" } },
	{ "too slow", SERVICE_IMAP, "alice",
		{ CHALLENGED, "timeout", "c * BYE Too slow; please log in again.",
			"source 0" } },
	{ "the source is lost", SERVICE_IMAP, "alice",
		{ CHALLENGED, "source ends", BYE_UNAVAILABLE } },
	{ "the source is retired", SERVICE_IMAP, "alice",
		{ "let retired", GREETED, "C a AUTHENTICATE CRAM-MD5",
			BYE_UNAVAILABLE } },
};

static const struct script_row held[] = {
	{ "switched in time", SERVICE_IMAP, "bob",
		{ HELD, "tick", "state busy", "account arrives", "tick",
			"state verifying", "verdict right",
			"handed bob tag=a ticket=tkt unread=", "live 1" } },
	{ "back at the source", SERVICE_IMAP, "bob",
		{ HELD, "account switches back", "tick", "state logging-in", "slow 1",
			"S * OK hello", "s % LOGIN \"bob\" \"secret\"", "S $ OK in",
			"c a OK in", "state relay" } },
	{ "for too long", SERVICE_IMAP, "bob",
		{ HELD, "timeout", "c a " MOVING, "state prelogin" } },
	{ "the client leaves", SERVICE_IMAP, "bob",
		{ HELD, "client breaks", "state gone" } },
	{ "the account switches while the source is asked", SERVICE_IMAP, "dora",
		{ GREETED, "C a LOGIN dora secret", "S * OK hello",
			"s % LOGIN \"dora\" \"secret\"", "account switches", "quiesce",
			"state busy", "source 0", "settled 1", "account arrives", "tick",
			"verdict right", "state local" } },
	{ "it was proved, and has switched: it is checked here", SERVICE_IMAP, "dora",
		{ GREETED, "C a LOGIN dora secret", "S * OK hello",
			"s % LOGIN \"dora\" \"secret\"", "account switches", "S $ OK in",
			"state proved", "account arrives", "tick", "state verifying",
			"source 0", "verdict wrong", "state refusing" } },
	/* alice NUL mallory NUL secret */
	{ "a proof of another, and the account switches", SERVICE_IMAP, "dora",
		{ GREETED, "C a AUTHENTICATE PLAIN ZG9yYQBtYWxsb3J5AHNlY3JldA==",
			"S * OK hello",
			"s % AUTHENTICATE PLAIN ZG9yYQBtYWxsb3J5AHNlY3JldA==",
			"account switches", "S $ OK in", "c a " MOVING, "source 0",
			"learned 0" } },
	{ "a quiesce before login", SERVICE_IMAP, "alice",
		{ GREETED, "quiesce", "settled 1", "state prelogin" } },
	{ "a quiesce in an exchange", SERVICE_IMAP, "alice",
		{ CHALLENGED, "C YWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			"s YWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			"quiesce", "settled 0", "state exchange", "quiesce by force",
			"settled 1", "c a " MOVING, "state prelogin" } },
	{ "a quiesce of a live session", SERVICE_IMAP, "alice",
		{ "plain", ASKED, "S $ OK in", "c a OK in", "quiesce", "settled 0",
			"state relay", "time passes", "quiesce by force",
			"state draining", "settled -1",
			"c * BYE Your mailbox has moved; please log in again.",
			"source ends", "state gone", "settled 1" } },
	{ "a quiesce of one that the source has ended", SERVICE_IMAP, "alice",
		{ ASKED, "S $ OK in", "c a OK in", "source ends", "live 0", "quiesce",
			"state gone", "settled 1" } },
	{ "mail is on its way", SERVICE_IMAP, "alice",
		{ "let mail be on its way", GREETED, "quiesce", "settled -1",
			"let not mail be on its way", "timeout",
			"c * BYE Too slow; please log in again.", "client ends",
			"state gone", "settled 1" } },
};

static const struct script_row here[] = {
	{ "right", SERVICE_IMAP, "carol",
		{ VERIFIED, "verifying 1", "verdict right",
			"handed carol tag=a ticket=tkt unread=", "state local", "live 1",
			"client 0", "waiting 0" } },
	{ "right, pipelined", SERVICE_IMAP, "carol",
		{ GREETED, "C a LOGIN carol secret\r\nb NOOP", "verdict right",
			"handed carol tag=a ticket=tkt unread=b NOOP" } },
	{ "wrong", SERVICE_IMAP, "carol",
		{ VERIFIED, "verdict wrong", "state refusing", "timeout",
			"c a NO [AUTHENTICATIONFAILED] Authentication failed.",
			"state prelogin" } },
	{ "nobody can tell", SERVICE_IMAP, "carol",
		{ VERIFIED, "verdict unknown", "c a " UNAVAILABLE } },
	{ "no mailstore", SERVICE_IMAP, "carol",
		{ "let hand-off fail", VERIFIED, "verdict right", "c a " UNAVAILABLE,
			"state prelogin", "live 0" } },
	{ "it goes back meanwhile", SERVICE_IMAP, "carol",
		{ VERIFIED, "account leaves", "verdict right", "state busy" } },
	{ "the client leaves meanwhile", SERVICE_IMAP, "carol",
		{ VERIFIED, "client breaks", "state gone", "verifying 0" } },
	{ "no verdict comes", SERVICE_IMAP, "carol",
		{ VERIFIED, "timeout", "state gone", "verifying 0" } },
	{ "a master's login", SERVICE_IMAP, "carol",
		{ GREETED, "C a LOGIN carol*root master", "c a " USE_A_PASSWORD } },
};

/* Towards the source a login goes as the client sent it, by whatever mechanism. */
static const struct script_row mechanisms[] = {
	{ "PLAIN with an initial response", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "S * OK hello",
			"s % AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "S $ OK in",
			"c a OK in", "learned \"secret", "state relay" } },
	{ "PLAIN in two steps", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN", "c + ", "C AGFsaWNlAHNlY3JldA==",
			"S * OK hello", "s % AUTHENTICATE PLAIN", "S +",
			"s AGFsaWNlAHNlY3JldA==", "S $ OK in", "c a OK in",
			"learned \"secret" } },
	{ "LOGIN in three steps", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE LOGIN", "c + VXNlcm5hbWU6",
			"C YWxpY2U=", "c + UGFzc3dvcmQ6", "C c2VjcmV0", "S * OK hello",
			"s % AUTHENTICATE LOGIN", "S + VXNlcm5hbWU6",
			"s YWxpY2U=", "S + UGFzc3dvcmQ6", "s c2VjcmV0", "S $ OK in",
			"c a OK in", "learned \"secret" } },
	{ "PLAIN, for somebody who lives here", SERVICE_IMAP, "carol",
		{ GREETED,
			"C a AUTHENTICATE PLAIN AGNhcm9sAHNlY3JldA==", "state verifying",
			"verdict right", "handed carol tag=a ticket=tkt unread=" } },
	{ "PLAIN, given up", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN", "c + ", "C *",
			"c a BAD Authentication cancelled.", "source 0",
			"state prelogin" } },
	{ "PLAIN, that the source has forgotten", SERVICE_IMAP, "alice",
		{ GREETED, "C a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "S * OK hello",
			"s % AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", "S $ BAD what",
			"c a BAD what", "learned 0", "source 0" } },
	{ "one that shows no name", SERVICE_IMAP, NULL,
		{ GREETED, "C a AUTHENTICATE GSSAPI dG9rZW4=", "S * OK hello",
			"s % AUTHENTICATE GSSAPI dG9rZW4=", "S $ OK in", "c a OK in",
			"learned 0", "live 0", "state relay" } },
	{ "TLS, which the source begins", SERVICE_IMAP, NULL,
		{ GREETED, "C a STARTTLS", "state upgrading", "S * OK hello",
			"s % STARTTLS", "S $ OK begin", "c a OK begin", "state tls-hello",
			"C no TLS", "state relay", "s no TLS", "live 0", "learned 0" } },
	{ "TLS, and the registry is busy", SERVICE_IMAP, NULL,
		{ GREETED, "C a STARTTLS", "S * OK hello", "s % STARTTLS", "S $ OK begin",
			"c a OK begin", "let registry be busy", "C no TLS",
			"state recording", "tick", "state recording", "unseen 0",
			"let not registry be busy", "tick", "unseen 1", "state relay",
			"s no TLS" } },
	{ "TLS, and the registry stays busy", SERVICE_IMAP, NULL,
		{ GREETED, "C a STARTTLS", "S * OK hello", "s % STARTTLS", "S $ OK begin",
			"c a OK begin", "let registry be busy", "C no TLS", "timeout",
			"state gone" } },
	{ "TLS, which the source refuses", SERVICE_IMAP, NULL,
		{ GREETED, "C a STARTTLS", "S * OK hello", "s % STARTTLS", "S $ NO no",
			"c a NO no", "state prelogin", "source 0", "C b NOOP",
			"c b OK NOOP completed." } },
	{ "TLS", SERVICE_IMAP, NULL,
		{ "plain", GREETED, "C a STARTTLS", "S * OK hello", "s % STARTTLS",
			"S $ OK begin", "c a OK begin", "C no TLS", "state relay",
			"s no TLS" } },
	{ "TLS, and bytes in clear behind it", SERVICE_IMAP, NULL,
		{ "plain", GREETED, "C a STARTTLS\r\nb NOOP", "state gone" } },
	{ "TLS, and the source is lost", SERVICE_IMAP, NULL,
		{ GREETED, "C a STARTTLS", "S * OK hello", "s % STARTTLS", "source ends",
			BYE_UNAVAILABLE } },
	{ "TLS, and the source is slow", SERVICE_IMAP, NULL,
		{ GREETED, "C a STARTTLS", "S * OK hello", "s % STARTTLS", "timeout",
			BYE_UNAVAILABLE } },
	{ "TLS, and the source is retired", SERVICE_IMAP, NULL,
		{ "let retired", GREETED, "C a STARTTLS", BYE_UNAVAILABLE } },
};

static void run(const struct script_row *table, size_t n)
{
	struct script *s =
		script_new(handlers, &(struct script_setup){ .greeting = "* OK ready" });

	script_run_all(s, table, n);
	script_free(s);
}

static void test_before_login(void **state)
{
	(void)state;
	run(before_login, ROWS(before_login));
}

static void test_at_the_source(void **state)
{
	(void)state;
	run(at_the_source, ROWS(at_the_source));
}

static void test_exchanges(void **state)
{
	(void)state;
	run(exchanges, ROWS(exchanges));
}

static void test_mechanisms(void **state)
{
	(void)state;
	run(mechanisms, ROWS(mechanisms));
}

static void test_held(void **state)
{
	(void)state;
	run(held, ROWS(held));
}

static void test_here(void **state)
{
	(void)state;
	run(here, ROWS(here));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_login),
		cmocka_unit_test(test_at_the_source),
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
