/* SPDX-License-Identifier: GPL-3.0-or-later */
/* POP3 logins as scripts (script.h): what differs from IMAP. */
#include "interceptor/login/login.h"
#include "interceptor/session/script.h"
#include "lib/registry/registry_fixture.h"

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_POP3] = { &login_handler, &login_pop3 },
};

#define GREETED "c +OK ready"
#define USER(name) GREETED, "C USER " name, "c +OK", "C PASS secret"
#define ASKED(name) USER(name), "S +OK hello", "s USER " name, "S +OK", "s PASS secret"
#define MOVING                                                                           \
	"c -ERR [SYS/TEMP] Your mailbox is being moved; please try again in a moment."
#define UNAVAILABLE                                                                      \
	"c -ERR [SYS/TEMP] The mail server is not available; please try again later."
#define IN_USE "S -ERR [IN-USE] maildrop is locked"
/* a source with APOP: it is asked first, and greets each client itself */
#define SHOWN                                                                            \
	"state greeting", "S +OK ready <1896.697@host>", "s CAPA", "S +OK\r\nUSER\r\n.", \
		"c +OK ready <1896.697@host>", "state prelogin", "source 1"
#define APOP(name) SHOWN, "C APOP " name " c4c9334bac560ecc979e58001b3e22fb"

static const struct script_row at_the_source[] = {
	{ "right", SERVICE_POP3, "alice",
		{ ASKED("alice"), "S +OK in", "c +OK in", "state relay", "live 1",
			"learned \"secret" } },
	{ "wrong", SERVICE_POP3, "alice",
		{ ASKED("alice"), "S -ERR [AUTH] no", "c -ERR [AUTH] no",
			"state prelogin", "source 0", "live 0", "C QUIT",
			"c +OK Logging out", "state lingering" } },
	{ "not there", SERVICE_POP3, "alice",
		{ "let connect fail", USER("alice"), UNAVAILABLE, "state prelogin" } },
	{ "lost after USER", SERVICE_POP3, "alice",
		{ USER("alice"), "S +OK hello", "s USER alice", "source ends",
			UNAVAILABLE } },
	{ "PLAIN", SERVICE_POP3, "alice",
		{ GREETED, "C AUTH PLAIN AGFsaWNlAHNlY3JldA==", "S +OK hello",
			"s AUTH PLAIN AGFsaWNlAHNlY3JldA==", "S +OK in", "c +OK in",
			"learned \"secret" } },
	/* alice NUL mallory NUL secret */
	{ "a proof of another", SERVICE_POP3, "alice",
		{ GREETED, "C AUTH PLAIN YWxpY2UAbWFsbG9yeQBzZWNyZXQ=", "S +OK hello",
			"s AUTH PLAIN YWxpY2UAbWFsbG9yeQBzZWNyZXQ=", "S +OK in",
			"c +OK in", "learned 0", "live 1", "state relay" } },
	{ "a mechanism that the source does not offer, and logins behind it",
		SERVICE_POP3, "alice",
		{ GREETED, "C AUTH X-NONE",
			"c -ERR Unsupported authentication mechanism.", "C USER alice",
			"c +OK", "source 0" } },
	{ "an answer too much", SERVICE_POP3, "alice",
		{ "plain", USER("alice"), "S +OK hello", "s USER alice",
			"S +OK\r\n+OK in", UNAVAILABLE, "learned 0", "source 0" } },
	{ "TLS, which the source begins", SERVICE_POP3, NULL,
		{ GREETED, "C STLS", "S +OK hello", "s STLS", "S +OK begin",
			"c +OK begin", "C no TLS", "state relay", "s no TLS" } },
	{ "TLS, which the source refuses", SERVICE_POP3, NULL,
		{ GREETED, "C STLS", "S +OK hello", "s STLS", "S -ERR no", "c -ERR no",
			"state prelogin", "source 0" } },
	{ "silent", SERVICE_POP3, NULL,
		{ GREETED, "timeout", "c -ERR Too slow; please log in again." } },
	{ "in use, by another device", SERVICE_POP3, "alice",
		{ ASKED("alice"), IN_USE, "c -ERR [IN-USE] maildrop is locked",
			"state prelogin" } },
};

static const struct script_row maildrop[] = {
	{ "the transfer is in it, and leaves", SERVICE_POP3, "dora",
		{ "let password be known", USER("dora"), "live 1", "S +OK hello",
			"s USER dora", "S +OK", "s PASS secret", IN_USE, "state busy",
			"source 0", "live 1", "time passes", "tick", "S +OK hello",
			"s USER dora", "S +OK", "s PASS secret", "S +OK in", "c +OK in",
			"state relay", "slow 0" } },
	{ "the transfer is in it, and the password is another", SERVICE_POP3, "dora",
		{ USER("dora"), "live 0", "S +OK hello", "s USER dora", "S +OK",
			"s PASS secret", "S -ERR [AUTH] no", "c -ERR [AUTH] no",
			"live 0" } },
	{ "somebody else is in it, for too long", SERVICE_POP3, "dora",
		{ ASKED("dora"), IN_USE, "state busy", "timeout", "state logging-in",
			"S +OK hello", "s USER dora", "S +OK", "s PASS secret", IN_USE,
			"c -ERR [IN-USE] maildrop is locked", "state prelogin",
			"live 0" } },
	{ "the account switches while it waits", SERVICE_POP3, "dora",
		{ ASKED("dora"), IN_USE, "state busy", "account switches", "tick",
			"state busy", "account arrives", "tick", "state verifying",
			"verdict right", "handed dora tag= ticket=tkt unread=" } },
	{ "the account switches while the source is asked", SERVICE_POP3, "dora",
		{ ASKED("dora"), "quiesce", "state busy", "source 0", "live 0",
			"settled 1" } },
	{ "busy for too long", SERVICE_POP3, "bob",
		{ USER("bob"), "state busy", "timeout", MOVING } },
};

/* A client is held until its mailbox has arrived (strategy immediate). */
static const struct script_row immediate[] = {
	{ "arrives in time", SERVICE_POP3, "dora",
		{ ASKED("dora"), "S +OK in", "state proved", "live 0", "source 1",
			"account switches", "quiesce", "settled 1", "state busy",
			"account arrives", "tick", "verdict right", "state local" } },
	{ "arrives without a quiesce", SERVICE_POP3, "dora",
		{ ASKED("dora"), "S +OK in", "account switches", "account arrives",
			"tick", "state verifying", "verdict right", "state local",
			"handed dora tag= ticket=tkt unread=" } },
	{ "is slow: to the source", SERVICE_POP3, "dora",
		{ ASKED("dora"), "S +OK in", "state proved", "timeout", "c +OK in",
			"state relay", "slow 1" } },
	{ "was slow before: not held", SERVICE_POP3, "dora",
		{ "let slow account", ASKED("dora"), "S +OK in", "c +OK in",
			"state relay" } },
	{ "switches when time is up: as much again", SERVICE_POP3, "dora",
		{ ASKED("dora"), "S +OK in", "account switches", "timeout",
			"state proved", "timeout", MOVING, "state prelogin",
			"source 0" } },
	{ "the client leaves meanwhile", SERVICE_POP3, "dora",
		{ ASKED("dora"), "S +OK in", "state proved", "client breaks",
			"state gone", "source 0" } },
	{ "nothing moves", SERVICE_POP3, "alice",
		{ ASKED("alice"), "S +OK in", "c +OK in", "state relay" } },
};

static const struct script_row digests[] = {
	{ "at the source, over that connection", SERVICE_POP3, "alice",
		{ APOP("alice"), "s APOP alice c4c9334bac560ecc979e58001b3e22fb",
			"S +OK in", "c +OK in", "learned \"APOP", "state relay" } },
	{ "here", SERVICE_POP3, "carol",
		{ APOP("carol"), "state verifying", "source 0", "verdict right",
			"handed carol tag= ticket=tkt unread=" } },
	{ "twice: the challenge was another connection's", SERVICE_POP3, "alice",
		{ APOP("alice"), "s APOP alice c4c9334bac560ecc979e58001b3e22fb",
			"S -ERR no", "c -ERR no", "source 0",
			"C APOP alice c4c9334bac560ecc979e58001b3e22fb",
			"c -ERR [IN-USE] Your mailbox is in use; please try again in a "
			"moment." } },
	{ "the source refuses to greet", SERVICE_POP3, NULL,
		{ "S -ERR go away", "c -ERR go away", "source 0" } },
	{ "the source breaks in its greeting", SERVICE_POP3, NULL,
		{ "S +OK ready <1896.697@host>", "s CAPA", "client 1" } },
};

static void run(
	const struct script_row *table, size_t n, const struct script_setup *setup)
{
	struct script *s = script_new(handlers, setup);

	script_run_all(s, table, n);
	script_free(s);
}

static void test_at_the_source(void **state)
{
	(void)state;
	run(at_the_source, ROWS(at_the_source),
		&(struct script_setup){ .greeting = "+OK ready" });
}

static void test_maildrop(void **state)
{
	(void)state;
	run(maildrop, ROWS(maildrop), &(struct script_setup){ .greeting = "+OK ready" });
}

static void test_immediate(void **state)
{
	(void)state;
	run(immediate, ROWS(immediate),
		&(struct script_setup){
			.greeting = "+OK ready", .strategy = STRATEGY_IMMEDIATE });
}

static void test_digests(void **state)
{
	(void)state;
	run(digests, ROWS(digests), &(struct script_setup){ .greeting = NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_the_source),
		cmocka_unit_test(test_maildrop),
		cmocka_unit_test(test_immediate),
		cmocka_unit_test(test_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
