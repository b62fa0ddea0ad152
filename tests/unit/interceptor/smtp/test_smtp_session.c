/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SMTP sessions as scripts (script.h): where mail goes, and what goes wrong at each
   point. Alice lives at the source, carol here, bob's account is switching. */
#include "interceptor/session/script.h"
#include "interceptor/smtp/smtp.h"
#include "lib/registry/registry_fixture.h"

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_SMTP] = { &smtp_handler, NULL },
	[SERVICE_SUBMISSION] = { &smtp_handler, NULL },
};

#define GREETED "S 220 old", "c 220 old"
#define HELO GREETED, "C HELO client", "s HELO client", "S 250 old", "c 250 old"
#define MAIL                                                                             \
	HELO, "C MAIL FROM:<x@example.net>", "s MAIL FROM:<x@example.net>", "S 250 Ok",  \
		"c 250 Ok"
#define ALICE                                                                            \
	"C RCPT TO:<alice@example.com>", "s RCPT TO:<alice@example.com>", "S 250 alice", \
		"c 250 alice"
/* the source is asked, and does not know the user any more */
#define CAROL                                                                            \
	"C RCPT TO:<carol@example.com>", "s RCPT TO:<carol@example.com>",                \
		"S 550 5.1.1 gone", "c 250 2.1.5 Ok"
#define CAROL_ALONE "C RCPT TO:<carol@example.com>", "c 250 2.1.5 Ok"
#define LOCAL_DATA "C DATA", "s RSET", "S 250 Ok", "c 354 End data with <CR><LF>.<CR><LF>"
#define DATA "C DATA", "s DATA", "S 354 go", "c 354 go"
#define GO "C Subject: x", "C ", "C text", "C ."
#define HEARD "s Subject: x", "s ", "s text"
#define AWAY "451 4.4.1 The mail server is not available; please try again later"

static const struct script_row ordinary[] = {
	{ "to the source", SERVICE_SMTP, "alice",
		{ MAIL, ALICE, DATA, GO, HEARD, "s .", "relayed 0", "S 250 queued",
			"c 250 queued", "counted 1", "relayed 1", "C QUIT", "s QUIT",
			"S 221 bye", "c 221 bye", "state lingering", "client ends",
			"state gone", "source 0" } },
	{ "before the greeting", SERVICE_SMTP, "alice",
		{ "C HELO client", "s HELO client", "S 220 old", "c 220 old", "S 250 old",
			"c 250 old" } },
	{ "to a user here", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, GO, "told stage carol <x@example.net> at once",
			"mail is Subject: x\r\n\r\ntext", "mail delivered",
			"c 250 2.0.0 Ok", "counted 0", "C NOOP", "s NOOP", "S 250 Ok",
			"c 250 Ok" } },
	{ "to both", SERVICE_SMTP, "carol",
		{ MAIL, ALICE, CAROL, DATA, GO, HEARD,
			"told stage carol <x@example.net> in any case", "mail staged",
			"s .", "S 250 queued", "told deliver carol", "mail delivered",
			"c 250 queued" } },
	{ "to both, and the source refuses it", SERVICE_SMTP, "carol",
		{ MAIL, ALICE, CAROL, DATA, GO, HEARD, "mail staged", "s .", "S 554 no",
			"c 554 no", "told discard carol" } },
	{ "to both, and the mailstore refuses it", SERVICE_SMTP, "carol",
		{ MAIL, ALICE, CAROL, DATA, GO, HEARD, "mail refused",
			"c 452 4.2.2 Mailbox full", "source 0", "state lingering" } },
	{ "to both, and the source has accepted both", SERVICE_SMTP, "carol",
		{ MAIL, ALICE, "C RCPT TO:<carol@example.com>",
			"s RCPT TO:<carol@example.com>", "S 250 carol", "c 250 2.1.5 Ok",
			"C DATA", "s RSET", "S 250 Ok", "s MAIL FROM:<x@example.net>",
			"S 250 Ok", "s RCPT TO:<alice@example.com>", "S 250 alice",
			"s DATA", "S 354 go", "c 354 go", "C .", "mail staged", "s .",
			"S 250 queued", "mail delivered", "c 250 queued" } },
	{ "the source refuses the client", SERVICE_SMTP, "carol",
		{ MAIL, "C RCPT TO:<carol@example.com>", "s RCPT TO:<carol@example.com>",
			"S 550 you are not welcome", "c 550 you are not welcome" } },
	{ "a login at the source, which did not show it", SERVICE_SMTP, "alice",
		{ HELO, "C AUTH PLAIN AGFsaWNlAHNlY3JldA==", "s AUTH PLAIN", "S 334 ",
			"s *", "s AUTH PLAIN AGFsaWNlAHNlY3JldA==", "S 501 no",
			"S 235 yes", "c 235 yes", "learned 1", "learned \"secret",
			"secrets 0" } },
	{ "to an account that is switching", SERVICE_SMTP, "bob",
		{ MAIL, "C RCPT TO:<bob@example.com>",
			"c 450 4.2.1 This mailbox is being moved; please try again in a "
			"moment" } },
	{ "in an unknown form", SERVICE_SMTP, "carol",
		{ MAIL, "C RCPT TO:<carol(@example.com>",
			"c 553 5.1.3 This form of an address is not understood; "
			"user@domain is wanted",
			"C RCPT TO:<carol%example.com@localhost>",
			"s RCPT TO:<carol%example.com@localhost>", "S 550 unknown user",
			"c 250 2.1.5 Ok" } },
};

#define SIZED                                                                            \
	HELO, "C MAIL FROM:<x@example.net> SIZE=9000",                                   \
		"s MAIL FROM:<x@example.net> SIZE=9000", "S 250 Ok", "c 250 Ok"
#define FULL "c 452 4.2.2 Mailbox full"

/* Whether a mailbox has room is asked at RCPT. */
static const struct script_row room[] = {
	{ "it has some", SERVICE_SMTP, "carol",
		{ "let room be told", SIZED, "C RCPT TO:<carol@example.com>",
			"told room carol 9000", "mail delivered",
			"s RCPT TO:<carol@example.com>", "S 250 Ok", "c 250 2.1.5 Ok",
			LOCAL_DATA, GO, "told stage carol <x@example.net> at once",
			"mail delivered", "c 250 2.0.0 Ok" } },
	{ "it has none: the source is not asked, the others go on", SERVICE_SMTP, "carol",
		{ "let room be told", MAIL, ALICE, "C RCPT TO:<carol@example.com>",
			"told room carol 0", "mail refused", FULL, DATA, GO, HEARD, "s .",
			"S 250 queued", "c 250 queued", "relayed 1" } },
	{ "a size that is not answered yet", SERVICE_SMTP, "carol",
		{ "let room be told", GREETED, "C EHLO client", "s EHLO client",
			"S 250-old", "S 250 PIPELINING", "c 250-old", "c 250 PIPELINING",
			"C MAIL FROM:<x@example.net> SIZE=9000",
			"s MAIL FROM:<x@example.net> SIZE=9000",
			"C RCPT TO:<carol@example.com>", "told room carol 9000", "C RSET",
			"S 250 Ok", "c 250 Ok", "mail refused", FULL, "s RSET",
			"S 250 Ok", "c 250 Ok", "C MAIL FROM:<x@example.net>",
			"s MAIL FROM:<x@example.net>", "C RCPT TO:<carol@example.com>",
			"told room carol 0" } },
	{ "the source answers about another one meanwhile", SERVICE_SMTP, "carol",
		{ "let room be told", GREETED, "C EHLO client", "s EHLO client",
			"S 250-old", "S 250 PIPELINING", "c 250-old", "c 250 PIPELINING",
			"C MAIL FROM:<x@example.net>", "s MAIL FROM:<x@example.net>",
			"S 250 Ok", "c 250 Ok", "C RCPT TO:<alice@example.com>",
			"s RCPT TO:<alice@example.com>", "C RCPT TO:<carol@example.com>",
			"told room carol 0", "S 250 alice", "c 250 alice",
			"mail delivered", "s RCPT TO:<carol@example.com>",
			"S 550 5.1.1 gone", "c 250 2.1.5 Ok", DATA, GO, HEARD,
			"told stage carol <x@example.net> in any case", "mail staged",
			"s .", "S 250 queued", "mail delivered", "c 250 queued" } },
	{ "the client leaves meanwhile", SERVICE_SMTP, "carol",
		{ "let room be told", MAIL, "C RCPT TO:<carol@example.com>",
			"client breaks", "state gone", "mail refused" } },
	{ "the source leaves meanwhile", SERVICE_SMTP, "carol",
		{ "let room be told", MAIL, "C RCPT TO:<carol@example.com>",
			"source breaks", "mail delivered", "c 250 2.1.5 Ok" } },
	{ "the mailstore ends meanwhile", SERVICE_SMTP, "carol",
		{ "let room be told", MAIL, "C RCPT TO:<carol@example.com>",
			"mailstore ends",
			"c 451 4.3.0 The mailbox cannot be reached now, try again "
			"later",
			ALICE } },
	{ "the account switches meanwhile", SERVICE_SMTP, "carol",
		{ "let room be told", MAIL, "C RCPT TO:<carol@example.com>",
			"account leaves", "quiesce", "settled 1", "mail delivered",
			"s RCPT TO:<carol@example.com>", "S 550 5.1.1 gone",
			"c 250 2.1.5 Ok", "C DATA",
			"c 450 4.2.1 The mailbox is being moved, try again in a "
			"moment",
			"s RSET" } },
};

static const struct script_row ends[] = {
	{ "the client leaves in the message", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, "C text", "client ends", "state gone" } },
	{ "it leaves behind the dot", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, GO, "client breaks", "state talking",
			"mail delivered", "state gone" } },
	/* it only says no more, and reads: without the answer it would send it again */
	{ "it ends behind the dot", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, GO, "client ends", "state talking",
			"mail delivered", "c 250 2.0.0 Ok", "state gone" } },
	{ "it ends behind the dot of a message for the source", SERVICE_SMTP, "alice",
		{ MAIL, ALICE, DATA, GO, HEARD, "s .", "client ends", "state talking",
			"S 250 queued", "c 250 queued", "state gone" } },
	{ "the source leaves, and carol is served", SERVICE_SMTP, "carol",
		{ MAIL, "source breaks", "source 0", CAROL_ALONE,
			"C RCPT TO:<alice@example.com>", "c " AWAY, "C DATA",
			"c 354 End data with <CR><LF>.<CR><LF>", GO, "mail delivered",
			"c 250 2.0.0 Ok" } },
	{ "it cannot be reached", SERVICE_SMTP, "carol",
		{ "let connect fail", "c 220 mail.example.com ESMTP", "C HELO client",
			"c 250 mail.example.com ESMTP", "C MAIL FROM:<x@example.net>",
			"c 250 2.1.0 Ok", CAROL_ALONE } },
	{ "it refuses and leaves", SERVICE_SMTP, "carol",
		{ "S 554 go away", "c 554 go away", "source ends", "source 0",
			"state lingering" } },
	{ "it leaves without a greeting", SERVICE_SMTP, "carol",
		{ "source ends", "c 421 4.4.1 The mail server has closed the connection",
			"source 0", "state lingering" } },
	{ "it refuses EHLO and leaves", SERVICE_SMTP, "carol",
		{ GREETED, "C EHLO client", "s EHLO client", "S 550 bad name",
			"c 550 bad name", "source ends", "state lingering" } },
	{ "it is retired", SERVICE_SMTP, "carol",
		{ "let retired", "c 220 mail.example.com ESMTP", "source 0",
			"C HELO client", "c 250 mail.example.com ESMTP",
			"C MAIL FROM:<x@example.net>", "c 250 2.1.0 Ok",
			"C RCPT TO:<nobody@example.com>",
			"c 550 5.1.1 There is no such mailbox here",
			"C RCPT TO:<x@example.org>",
			"c 550 5.7.1 Mail for other domains is not relayed",
			CAROL_ALONE } },
	{ "the mailstore is away", SERVICE_SMTP, "carol",
		{ "let mailstore be away", MAIL, "C RCPT TO:<carol@example.com>",
			"c 451 4.3.0 Please try again later", ALICE } },
	{ "the mailstore ends in the middle", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, GO, "mailstore ends",
			"c 451 4.3.0 The mailbox cannot be reached now, try again "
			"later" } },
	{ "silent for too long", SERVICE_SMTP, "carol",
		{ HELO, "timeout", "c 421 4.4.2 Too slow; closing", "state lingering" } },
	{ "the source is silent", SERVICE_SMTP, "carol",
		{ "let connect take time", "timeout", "c 220 mail.example.com ESMTP",
			"source 0" } },
	/* connected, which only its greeting would have told us */
	{ "the source is slow to greet", SERVICE_SMTP, "carol",
		{ "let connect take time", "connected", "timeout", "overdue 0",
			"patience 900", GREETED } },
	{ "the same, and the client has given up", SERVICE_SMTP, "carol",
		{ "let connect take time", "connected", "client ends", "timeout",
			"patience 60", "timeout", "c 421 4.4.2 Too slow; closing",
			"state gone" } },
};

#define EHLO GREETED, "C EHLO client", "s EHLO client", "S 250-old", "S 250 STARTTLS"

#define AUTH                                                                             \
	GREETED, "C EHLO client", "s EHLO client", "S 250-old",                          \
		"S 250 AUTH PLAIN LOGIN", "c 250-old", "c 250 AUTH PLAIN LOGIN"
#define CAROLS "AUTH PLAIN AGNhcm9sAHNlY3JldA=="

/* Who lives here is let in by the vault alone. */
static const struct script_row logins[] = {
	{ "right, and the source takes it", SERVICE_SUBMISSION, "carol",
		{ AUTH, "C " CAROLS, "verifying 1", "verdict right", "s " CAROLS,
			"S 235 yes", "c 235 yes", "learned 0", "secrets 0",
			"C MAIL FROM:<carol@example.com>",
			"s MAIL FROM:<carol@example.com>", "S 250 Ok", "c 250 Ok",
			"C RCPT TO:<x@example.org>", "s RCPT TO:<x@example.org>",
			"S 250 Ok", "c 250 Ok", "C RCPT TO:<carol@example.com>",
			"s RCPT TO:<carol@example.com>", "S 250 Ok", "c 250 2.1.5 Ok" } },
	{ "right, and the source has another password", SERVICE_SUBMISSION, "carol",
		{ AUTH, "C " CAROLS, "verdict right", "s " CAROLS, "S 535 no",
			"c 235 2.7.0 Authentication successful", "learned 0" } },
	{ "wrong: it goes nowhere", SERVICE_SUBMISSION, "carol",
		{ AUTH, "C " CAROLS, "verdict wrong", "c 535 5.7.8 Authentication failed",
			"secrets 0", "C NOOP", "s NOOP", "S 250 Ok", "c 250 Ok" } },
	{ "it cannot be looked at now", SERVICE_SUBMISSION, "carol",
		{ AUTH, "C " CAROLS, "verdict unknown",
			"c 454 4.7.0 Login is not possible now, try again later" } },
	{ "she leaves meanwhile", SERVICE_SUBMISSION, "carol",
		{ AUTH, "C " CAROLS, "verifying 1", "client breaks", "state gone",
			"verifying 0" } },
	{ "her account switches", SERVICE_SUBMISSION, "bob",
		{ AUTH, "C AUTH PLAIN AGJvYgBzZWNyZXQ=",
			"c 454 4.7.0 Login is not possible now, try again later" } },
	{ "by a master's password", SERVICE_SUBMISSION, "carol",
		{ AUTH, "C AUTH PLAIN Y2Fyb2wAbWFzdGVyAHNlY3JldA==",
			"c 535 5.7.8 Authentication failed", "verifying 0" } },
	{ "without the source", SERVICE_SMTP, "carol",
		{ "source breaks", "c 220 mail.example.com ESMTP", "C " CAROLS,
			"verdict right", "c 235 2.7.0 Authentication successful",
			"C MAIL FROM:<carol@example.com>", "c 250 2.1.0 Ok", CAROL_ALONE,
			"C RCPT TO:<x@example.org>", "c " AWAY } },
};

static const struct script_row tls[] = {
	{ "without a key no mail for carol can go where it is not seen", SERVICE_SMTP,
		"carol",
		{ EHLO, "c 250 old", "C STARTTLS",
			"c 502 5.5.1 TLS is not available here" } },
	{ "users send their mail", SERVICE_SUBMISSION, "carol",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "unseen 0", "C no TLS", "unseen 1",
			"state relay", "s no TLS" } },
	{ "the source speaks behind its 220", SERVICE_SUBMISSION, "carol",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "S 250 trick", "C no TLS", "unseen 0",
			"state gone" } },
	{ "the source is lost behind it", SERVICE_SUBMISSION, "carol",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "source ends", "unseen 0",
			"state gone" } },
	{ "the client does not begin", SERVICE_SUBMISSION, "carol",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "timeout", "state gone" } },
	{ "the client leaves instead", SERVICE_SUBMISSION, "carol",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "client breaks", "unseen 0",
			"state gone" } },
	{ "bytes behind it", SERVICE_SUBMISSION, "carol",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"C NOOP", "S 220 go", "unseen 0", "state gone" } },
};

#define MOVED "c 421 4.2.1 A mailbox is being moved; please try again in a moment"

static const struct script_row switches[] = {
	{ "nothing of it is here", SERVICE_SMTP, "dora",
		{ MAIL, ALICE, "account switches", "quiesce", "settled 1",
			"state talking" } },
	{ "a recipient was accepted", SERVICE_SMTP, "dora",
		{ MAIL, "C RCPT TO:<dora@example.com>", "s RCPT TO:<dora@example.com>",
			"S 250 Ok", "c 250 Ok", "account switches", "quiesce", MOVED,
			"settled 1", "source 0", "state lingering" } },
	{ "by another form of its address", SERVICE_SMTP, "dora",
		{ MAIL, "C RCPT TO:<dora>", "s RCPT TO:<dora>", "S 250 Ok", "c 250 Ok",
			"account switches", "quiesce", MOVED, "settled 1" } },
	{ "its message is coming", SERVICE_SMTP, "dora",
		{ MAIL, "C RCPT TO:<dora@example.com>", "s RCPT TO:<dora@example.com>",
			"S 250 Ok", "c 250 Ok", DATA, "C text", "s text",
			"account switches", "quiesce", "settled -1", "C .", "s .",
			"S 250 queued", "c 250 queued", "settled 1", "relayed 1",
			"state talking" } },
	{ "it does not end", SERVICE_SMTP, "dora",
		{ MAIL, "C RCPT TO:<dora@example.com>", "s RCPT TO:<dora@example.com>",
			"S 250 Ok", "c 250 Ok", DATA, "account switches", "quiesce",
			"settled -1", "timeout", MOVED, "settled 1", "source 0" } },
	{ "the source has the dot", SERVICE_SMTP, "dora",
		{ MAIL, "C RCPT TO:<dora@example.com>", "s RCPT TO:<dora@example.com>",
			"S 250 Ok", "c 250 Ok", DATA, "C .", "s .", "account switches",
			"quiesce", "settled -1", "S 250 queued", "c 250 queued",
			"settled 1" } },
	{ "it goes back while its message is staged", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, GO, "account leaves", "quiesce", "settled -1",
			"mail delivered", "c 250 2.0.0 Ok", "settled 1" } },
	{ "it goes back between two chunks", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, "C BDAT 6", "s RSET", "S 250 Ok", "C text",
			"c 250 2.0.0 Ok", "account leaves", "quiesce", "settled 1",
			"C BDAT 0 LAST",
			"c 450 4.2.1 The mailbox is being moved, try again in a "
			"moment" } },
	{ "it goes back behind the last chunk", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, "C BDAT 6 LAST", "s RSET", "S 250 Ok", "C text",
			"account leaves", "quiesce", "settled -1", "mail delivered",
			"c 250 2.0.0 Ok", "settled 1" } },
	{ "it goes back before the dot", SERVICE_SMTP, "carol",
		{ MAIL, CAROL, LOCAL_DATA, "C text", "account leaves", "quiesce",
			"settled 1", "C .",
			"c 450 4.2.1 The mailbox is being moved, try again in a "
			"moment" } },
};

#define CHUNKING                                                                         \
	GREETED, "C EHLO client", "s EHLO client", "S 250-old", "S 250 CHUNKING",        \
		"c 250-old", "c 250 CHUNKING", "C MAIL FROM:<x@example.net>",            \
		"s MAIL FROM:<x@example.net>", "S 250 Ok", "c 250 Ok",                   \
		"C RCPT TO:<dora@example.com>", "s RCPT TO:<dora@example.com>",          \
		"S 250 Ok", "c 250 Ok"
#define DORA                                                                             \
	"C RCPT TO:<dora@example.com>", "s RCPT TO:<dora@example.com>", "S 250 dora",    \
		"c 250 dora"
#define HELD MAIL, "quiesce soon", "settled 1", "C RCPT TO:<dora@example.com>"
#define HOLD_ENDS "time passes", "tick", "hold passes"

/* Mail for an account that is about to switch. */
static const struct script_row soon[] = {
	{ "it waits, and is taken here", SERVICE_SMTP, "dora",
		{ HELD, "account switches", "route changed", "quiesce", "settled 1",
			"tick", "account arrives", "route changed",
			"s RCPT TO:<dora@example.com>", "S 550 5.1.1 gone",
			"c 250 2.1.5 Ok", LOCAL_DATA, GO,
			"told stage dora <x@example.net> at once", "mail delivered",
			"c 250 2.0.0 Ok", "relayed 0" } },
	{ "the account stays", SERVICE_SMTP, "dora",
		{ HELD, "account switches", "route changed", "account switches back",
			"route changed", "s RCPT TO:<dora@example.com>", "S 250 dora",
			"c 250 dora" } },
	{ "it does not switch", SERVICE_SMTP, "dora",
		{ HELD, HOLD_ENDS, "tick", "s RCPT TO:<dora@example.com>", "S 250 dora",
			"c 250 dora" } },
	{ "the switch takes long", SERVICE_SMTP, "dora",
		{ HELD, "account switches", HOLD_ENDS, "tick",
			"c 450 4.2.1 This mailbox is being moved; please try again in a "
			"moment" } },
	{ "others do not wait", SERVICE_SMTP, "dora",
		{ MAIL, "quiesce soon", "settled 1", ALICE } },
	{ "nor what goes behind one that was accepted", SERVICE_SMTP, "dora",
		{ MAIL, DORA, "quiesce soon", "settled -1", DORA, DATA, "settled -1", GO,
			HEARD, "s .", "S 250 queued", "c 250 queued", "relayed 2",
			"settled 1", "C MAIL FROM:<x@example.net>",
			"s MAIL FROM:<x@example.net>", "S 250 Ok", "c 250 Ok",
			"C RCPT TO:<dora@example.com>", "route changed",
			"s RCPT TO:<dora@example.com>", "S 250 dora", "c 250 dora" } },
	{ "what the source has just taken is waited for", SERVICE_SMTP, "dora",
		{ MAIL, "let mail be on its way", "quiesce soon", "settled -1",
			"let not mail be on its way", "C NOOP", "s NOOP", "S 250 Ok",
			"c 250 Ok", "settled 1" } },
	{ "the client leaves meanwhile", SERVICE_SMTP, "dora",
		{ HELD, "client breaks", "state gone", "account switches", "quiesce",
			"settled 1" } },
	{ "the source leaves meanwhile", SERVICE_SMTP, "dora",
		{ HELD, "source breaks", "account switches", "route changed",
			"account arrives", "route changed", "c 250 2.1.5 Ok", "C DATA",
			"c 354 End data with <CR><LF>.<CR><LF>", GO,
			"told stage dora <x@example.net> at once", "mail delivered",
			"c 250 2.0.0 Ok" } },
	{ "what comes behind it in one packet waits, too", SERVICE_SMTP, "dora",
		{ HELD, "C NOOP", "tick", "account switches", "account switches back",
			"route changed", "s RCPT TO:<dora@example.com>", "S 250 dora",
			"c 250 dora", "s NOOP", "S 250 Ok", "c 250 Ok" } },
};

#define SWITCH "account moves", "account switches", "quiesce"

/* While nobody lives here messages come in chunks, too: a switch must wait for them; and
   inside TLS that is not ours, which a switch ends. */
static const struct script_row chunks[] = {
	{ "unseen", SERVICE_SMTP, "dora",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "C no TLS", "unseen 1", "state relay",
			"s no TLS", SWITCH, "state draining", "settled -1", "source ends",
			"settled 1", "state gone" } },
	{ "it begins when an account has begun to move", SERVICE_SMTP, "dora",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"account moves", "S 220 go", "unseen 0", "state gone" } },
	{ "or then, before the client's hello", SERVICE_SMTP, "dora",
		{ EHLO, "c 250-old", "c 250 STARTTLS", "C STARTTLS", "s STARTTLS",
			"S 220 go", "c 220 go", "account moves", "C no TLS", "unseen 0",
			"state gone" } },
	{ "between two chunks", SERVICE_SMTP, "dora",
		{ CHUNKING, "C BDAT 10", "s BDAT 10", "C 12345678", "s 12345678",
			"S 250 Ok", "c 250 Ok", SWITCH, MOVED, "settled 1",
			"source 0" } },
	{ "the last one is coming", SERVICE_SMTP, "dora",
		{ CHUNKING, "C BDAT 20 LAST", "s BDAT 20 LAST", "C 12345678",
			"s 12345678", SWITCH, "settled -1", "C abcdefgh", "s abcdefgh",
			"settled -1", "S 250 queued", "c 250 queued", "settled 1",
			"relayed 1", "state talking" } },
	{ "it does not come", SERVICE_SMTP, "dora",
		{ CHUNKING, "C BDAT 20 LAST", "s BDAT 20 LAST", SWITCH, "settled -1",
			"timeout", MOVED, "settled 1", "source 0" } },
	{ "all is there, and no answer yet", SERVICE_SMTP, "dora",
		{ CHUNKING, "C BDAT 0 LAST", "s BDAT 0 LAST", SWITCH, "settled -1",
			"S 250 queued", "c 250 queued", "settled 1", "relayed 1" } },
	{ "a recipient that nobody can read", SERVICE_SMTP, "dora",
		{ GREETED, "C HELO client", "s HELO client", "S 250 old", "c 250 old",
			"C MAIL FROM:<x@example.net>", "s MAIL FROM:<x@example.net>",
			"S 250 Ok", "c 250 Ok", "C RCPT TO:<A <dora@example.com>",
			"s RCPT TO:<A <dora@example.com>", "S 250 Ok", "c 250 Ok", SWITCH,
			MOVED, "settled 1" } },
	{ "it has moved, and the client was offered more", SERVICE_SMTP, "dora",
		{ GREETED, "C EHLO client", "s EHLO client", "S 250-old", "S 250 DSN",
			"c 250-old", "c 250 DSN", "account moves", "account switches",
			"account arrives", "C MAIL FROM:<x@example.net>",
			"s MAIL FROM:<x@example.net>", "S 250 Ok", "c 250 Ok",
			"C RCPT TO:<dora@example.com>",
			"c 421 4.3.2 This server offers something else by now; please "
			"connect again",
			"source 0", "state lingering" } },
};

static void run(const struct script_row *rows, size_t n, bool nobody_here)
{
	const struct script_setup setup = { .greeting = "220 mail.example.com ESMTP\r\n",
		.nobody_here = nobody_here };
	struct script *s = script_new(handlers, &setup);

	script_run_all(s, rows, n);
	script_free(s);
}

static void test_ordinary(void **state)
{
	(void)state;
	run(ordinary, ROWS(ordinary), false);
}

/* Carol lives at another server than the configuration names by now: her mail waits. */
static void test_another_home(void **state)
{
	static const struct script_row row = { "another home", SERVICE_SMTP, "carol",
		{ MAIL, "C RCPT TO:<carol@example.com>",
			"c 451 4.3.0 Please try again later", ALICE } };
	const struct script_setup setup = { .greeting = "220 mail.example.com ESMTP\r\n",
		.elsewhere = true };
	struct script *s = script_new(handlers, &setup);

	(void)state;
	script_destination(s, "imap://192.0.2.31");
	script_run_all(s, &row, 1);
	script_free(s);
}

static void test_room(void **state)
{
	(void)state;
	run(room, ROWS(room), false);
}

static void test_ends(void **state)
{
	(void)state;
	run(ends, ROWS(ends), false);
}

static void test_switches(void **state)
{
	(void)state;
	run(switches, ROWS(switches), false);
}

static void test_soon(void **state)
{
	(void)state;
	run(soon, ROWS(soon), false);
}

static void test_chunks(void **state)
{
	(void)state;
	run(chunks, ROWS(chunks), true);
}

static void test_logins(void **state)
{
	(void)state;
	run(logins, ROWS(logins), false);
}

static void test_tls(void **state)
{
	(void)state;
	run(tls, ROWS(tls), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_another_home),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_soon),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
