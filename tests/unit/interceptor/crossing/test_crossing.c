/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions that change sides when their account switches, as scripts (script.h): to the
   quiet point, over it, and back. */
#include "interceptor/crossing/crossing.h"
#include "interceptor/login/login.h"
#include "interceptor/session/script.h"
#include "lib/registry/registry_fixture.h"

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_IMAP] = { &login_handler, &login_imap },
	[SERVICE_POP3] = { &login_handler, &login_pop3 },
};

#define IN                                                                               \
	"c * OK ready", "C a LOGIN dora secret", "S * OK hello",                         \
		"s % LOGIN \"dora\" \"secret\"", "S $ OK in", "c a OK in", "state relay"
#define SELECTED                                                                         \
	"C b SELECT INBOX", "s b SELECT INBOX", "S * 2 EXISTS", "c * 2 EXISTS",          \
		"S * OK [UIDVALIDITY 7]", "c * OK [UIDVALIDITY 7]", "S b OK in",         \
		"c b OK in"
#define IDLING "C i IDLE", "s i IDLE", "S + idling", "c + idling"
#define SWITCHES "account switches", "quiesce live", "settled -1"
#define FETCHED                                                                          \
	"S * 1 FETCH (UID 3)", "S * 2 FETCH (UID 5)", "S $ OK done",                     \
		"state crossing-waits", "settled 1"
#define QUIET "s % FETCH 1:* (UID)", FETCHED
#define MOVED "c * BYE Your mailbox has moved; please log in again."

static const struct script_row over[] = {
	{ "between two commands", SERVICE_IMAP, "dora",
		{ IN, SELECTED, "ask for live", "settled 1", SWITCHES, QUIET, "live 1",
			"account arrives", "tick", "state crossing-verifies",
			"verdict right", "state local", "source 0", "live 1", "noted 1",
			"handed dora idle= ticket=tkt select INBOX 7 uids=3,5 enabled=" } },
	{ "in IDLE", SERVICE_IMAP, "dora",
		{ IN, SELECTED, IDLING, SWITCHES, "s DONE", "S * 1 EXPUNGE",
			"c * 1 EXPUNGE", "S i OK over", "s % NOOP", "S $ OK",
			"s % FETCH 1:* (UID)", "S * 1 FETCH (UID 5)", "S $ OK",
			"settled 1", "account arrives", "tick", "verdict right",
			"handed dora idle=i ticket=tkt select INBOX 7 uids=5 enabled=" } },
	{ "without a mailbox", SERVICE_IMAP, "dora",
		{ IN, SWITCHES, "s % NOOP", "S $ OK", "settled 1", "account arrives",
			"tick", "verdict right",
			"handed dora idle= ticket=tkt none  0 uids= enabled=" } },
	{ "by force", SERVICE_IMAP, "dora",
		{ IN, SELECTED, "account switches", "quiesce by force", QUIET,
			"account arrives", "tick", "verdict right", "state local" } },
	{ "a command is under way", SERVICE_IMAP, "dora",
		{ IN, SELECTED, "C c NOOP", "s c NOOP", SWITCHES, "S c OK done",
			"c c OK done", QUIET, "account arrives", "tick", "verdict right",
			"state local" } },
	{ "what the client sends meanwhile waits", SERVICE_IMAP, "dora",
		{ IN, SWITCHES, "C c NOOP", "s % NOOP", "S $ OK", "settled 1",
			"account switches back", "tick", "state relay", "s c NOOP",
			"S c OK done", "c c OK done" } },
};

static const struct script_row back[] = {
	{ "the switch fails", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, QUIET, "account switches back", "tick",
			"state relay", "live 1", "C c NOOP", "s c NOOP", "S c OK",
			"c c OK" } },
	{ "and in IDLE", SERVICE_IMAP, "dora",
		{ IN, SELECTED, IDLING, SWITCHES, "s DONE", "S i OK over", "s % NOOP",
			"S $ OK", QUIET, "account switches back", "tick", "s i IDLE",
			"S * 3 EXISTS", "c * 3 EXISTS", "S + idling", "state relay",
			"C DONE", "s DONE", "S i OK over", "c i OK over" } },
	{ "and once more, to the end", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, QUIET, "account switches back", "tick",
			"quiesce live", "s % FETCH 2:* (UID)", "S * 2 FETCH (UID 5)",
			"S $ OK done", "state crossing-waits", "settled 1" } },
	{ "the numbers do not fit", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, "s % FETCH 1:* (UID)", "S $ OK",
			"s % FETCH 1:* (UID)", "S $ OK", "s % FETCH 1:* (UID)", "S $ OK",
			"settled 0", "state relay" } },
	{ "it turns out that it cannot", SERVICE_IMAP, "dora",
		{ IN, "C b COMPRESS DEFLATE", "s b COMPRESS DEFLATE", SWITCHES,
			"S b OK go", "c b OK go", "state relay", "settled 0" } },
	{ "the source does not answer in time what was asked before", SERVICE_IMAP,
		"dora",
		{ IN, "C b NOOP", "s b NOOP", SWITCHES, "timeout", "state relay",
			"settled 0" } },
};

static const struct script_row ends[] = {
	{ "an expunge that cannot be told between two commands", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, "s % FETCH 1:* (UID)", "S * 1 EXPUNGE", MOVED,
			"settled 1" } },
	{ "the source does not answer us", SERVICE_IMAP, "dora",
		{ IN, SWITCHES, "s % NOOP", "timeout", MOVED, "state lingering",
			"settled 1", "noted 100" } },
	{ "the source answers somebody else", SERVICE_IMAP, "dora",
		{ IN, SWITCHES, "s % NOOP", "S b OK", MOVED, "settled 1" } },
	{ "the source ends", SERVICE_IMAP, "dora",
		{ IN, SWITCHES, "s % NOOP", "source ends", MOVED, "settled 1" } },
	{ "the switch takes too long", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, QUIET, "timeout", MOVED } },
	{ "by force, and it cannot", SERVICE_IMAP, "dora",
		{ IN, "C b COMPRESS DEFLATE", "s b COMPRESS DEFLATE", "account switches",
			"quiesce by force", "S b OK go", "c b OK go", MOVED,
			"settled 1" } },
	{ "the password opens nothing", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, QUIET, "account arrives", "tick",
			"verdict wrong", MOVED, "noted 100" } },
	{ "it goes back while it is judged", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, QUIET, "account arrives", "tick",
			"account leaves", "verdict right", MOVED } },
	{ "the mailstore is away", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, QUIET, "account arrives", "tick",
			"let hand-off fail", "verdict right", MOVED } },
	{ "the client leaves", SERVICE_IMAP, "dora",
		{ IN, SELECTED, SWITCHES, "s % FETCH 1:* (UID)", "client breaks",
			"state gone" } },
};

static const struct script_row stays[] = {
	{ "nobody asks it to change sides", SERVICE_IMAP, "dora",
		{ IN, SELECTED, "quiesce", "settled 0", "state relay" } },
	{ "half a command", SERVICE_IMAP, "dora",
		{ IN, "C b APPEND x {3}", "s b APPEND x {3}", "ask for live", "settled 0",
			"quiesce live", "settled 0", "state relay" } },
	{ "without a password", SERVICE_IMAP, "alice",
		{ "c * OK ready", "C a AUTHENTICATE GSSAPI YQ==", "S * OK hello",
			"s % AUTHENTICATE GSSAPI YQ==", "S $ OK in", "c a OK in",
			"state relay", "ask for live", "settled 1" } },
	{ "the vault was away", SERVICE_IMAP, "dora",
		{ "let hand-off fail", IN, "ask for live", "settled 0", "quiesce live",
			"settled 0" } },
};

static const struct script_row pop3[] = {
	{ "POP3", SERVICE_POP3, "dora",
		{ "c +OK ready", "C USER dora", "c +OK", "C PASS secret", "S +OK hello",
			"s USER dora", "S +OK", "s PASS secret", "S +OK in", "c +OK in",
			"ask for live", "settled 0" } },
};

#define LOOKS "quiesce soon", "settled -1"
#define KNOWN                                                                            \
	LOOKS, "s % FETCH 1:* (UID)", "S * 1 FETCH (UID 3)", "S * 2 FETCH (UID 5)",      \
		"state crossing", "S $ OK done", "state relay", "settled 1"

/* Some seconds before, each session finds out what its client knows. */
static const struct script_row soon[] = {
	{ "at the switch the last one is asked for", SERVICE_IMAP, "dora",
		{ IN, SELECTED, KNOWN, "C c NOOP", "s c NOOP", "S c OK", "c c OK",
			SWITCHES, "s % FETCH 2:* (UID)", "S * 2 FETCH (UID 5)",
			"S $ OK done", "settled 1", "account arrives", "tick",
			"verdict right",
			"handed dora idle= ticket=tkt select INBOX 7 uids=3,5 enabled=" } },
	{ "and what is new since", SERVICE_IMAP, "dora",
		{ IN, SELECTED, KNOWN, "S * 3 EXISTS", "c * 3 EXISTS", SWITCHES,
			"s % FETCH 2:* (UID)", "S * 2 FETCH (UID 5)",
			"S * 3 FETCH (UID 9)", "S $ OK done", "account arrives", "tick",
			"verdict right",
			"handed dora idle= ticket=tkt select INBOX 7 uids=3,5,9 "
			"enabled=" } },
	{ "without what is gone since", SERVICE_IMAP, "dora",
		{ IN, SELECTED, KNOWN, "C c NOOP", "s c NOOP", "S * 1 EXPUNGE",
			"c * 1 EXPUNGE", "S c OK", "c c OK", SWITCHES,
			"s % FETCH 1:* (UID)", "S * 1 FETCH (UID 5)", "S $ OK done",
			"account arrives", "tick", "verdict right",
			"handed dora idle= ticket=tkt select INBOX 7 uids=5 enabled=" } },
	{ "in IDLE", SERVICE_IMAP, "dora",
		{ IN, SELECTED, IDLING, LOOKS, "s DONE", "S i OK over", "s % NOOP",
			"S $ OK", "s % FETCH 1:* (UID)", "S * 1 FETCH (UID 3)",
			"S * 2 FETCH (UID 5)", "S $ OK", "s i IDLE", "settled -1",
			"S + idling", "state relay", "settled 1", "S * 1 EXPUNGE",
			"c * 1 EXPUNGE", SWITCHES, "s DONE", "S i OK over", "s % NOOP",
			"S $ OK", "s % FETCH 1:* (UID)", "S * 1 FETCH (UID 5)", "S $ OK",
			"settled 1", "account arrives", "tick", "verdict right",
			"handed dora idle=i ticket=tkt select INBOX 7 uids=5 enabled=" } },
	{ "the last one is another one: all are listed", SERVICE_IMAP, "dora",
		{ IN, SELECTED, KNOWN, SWITCHES, "s % FETCH 2:* (UID)",
			"S * 2 FETCH (UID 6)", "S $ OK done", "s % FETCH 1:* (UID)",
			"S * 1 FETCH (UID 3)", "S * 2 FETCH (UID 6)", "S $ OK done",
			"settled 1", "account arrives", "tick", "verdict right",
			"handed dora idle= ticket=tkt select INBOX 7 uids=3,6 enabled=" } },
	{ "another mailbox is selected", SERVICE_IMAP, "dora",
		{ IN, SELECTED, KNOWN, SELECTED, SWITCHES, QUIET } },
	{ "the switch comes while it asks", SERVICE_IMAP, "dora",
		{ IN, SELECTED, LOOKS, SWITCHES, QUIET, "account arrives", "tick",
			"verdict right", "state local" } },
	{ "what the client sends meanwhile waits", SERVICE_IMAP, "dora",
		{ IN, SELECTED, LOOKS, "C c NOOP", "s % FETCH 1:* (UID)",
			"S * 1 FETCH (UID 3)", "S * 2 FETCH (UID 5)", "S $ OK",
			"state relay", "s c NOOP", "S c OK", "c c OK" } },
	{ "the numbers do not fit: it stays as it was", SERVICE_IMAP, "dora",
		{ IN, SELECTED, LOOKS, "s % FETCH 1:* (UID)", "S $ OK",
			"s % FETCH 1:* (UID)", "S $ OK", "s % FETCH 1:* (UID)", "S $ OK",
			"settled 1", "state relay" } },
	{ "nothing is selected", SERVICE_IMAP, "dora",
		{ IN, "quiesce soon", "settled 1", "state relay" } },
	{ "once is enough", SERVICE_IMAP, "dora",
		{ IN, SELECTED, KNOWN, "quiesce soon", "settled 1", "state relay" } },
};

static void run(const struct script_row *rows, size_t n, bool live)
{
	const struct script_setup setup = {
		.greeting = rows->service == SERVICE_POP3 ? "+OK ready" : "* OK ready",
		.live = live
	};
	struct script *s = script_new(handlers, &setup);

	script_run_all(s, rows, n);
	script_free(s);
}

static void test_over(void **state)
{
	(void)state;
	run(over, ROWS(over), true);
}

static void test_back(void **state)
{
	(void)state;
	run(back, ROWS(back), true);
}

static void test_ends(void **state)
{
	(void)state;
	run(ends, ROWS(ends), true);
}

static void test_soon(void **state)
{
	(void)state;
	run(soon, ROWS(soon), true);
}

static void test_stays(void **state)
{
	(void)state;
	run(stays, ROWS(stays), true);
	run(pop3, ROWS(pop3), true);
}

static const struct script_row off[] = {
	{ "as it was", SERVICE_IMAP, "dora",
		{ "plain", IN, SELECTED, "ask for live", "settled 0", "account switches",
			"time passes", "quiesce by force", MOVED, "noted 100" } },
};

static void test_off(void **state)
{
	(void)state;
	run(off, ROWS(off), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_soon),
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
