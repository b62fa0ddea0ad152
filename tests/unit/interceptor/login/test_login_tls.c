/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clients of TLS as scripts (script.h): from the first byte or behind STARTTLS, with a
   key for the name that they ask for, with another, with none, and not known yet. */
#include "interceptor/login/login.h"
#include "interceptor/session/script.h"
#include "interceptor/tls/hello.h"
#include "lib/registry/registry_fixture.h"

static const struct tls_service imaps = { { &login_handler, &login_imap }, "imap" };

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_IMAP] = { &login_handler, &login_imap },
	[SERVICE_POP3] = { &login_handler, &login_pop3 },
	[SERVICE_IMAPS] = { &tls_hello_handler, &imaps },
};

#define OURS "H mail.example.com"
#define THEIRS "H other.example"
#define PASSED "h other.example", "unseen 1", "asked other.example", "state relay"
#define LOST "state gone", "source 0", "unseen 0", "learned 0"

static const struct script_row implicit[] = {
	{ "nothing yet", SERVICE_IMAPS, NULL,
		{ "state tls-hello", "source 0", "connections 1", "waiting 1" } },
	{ "no keys at all", SERVICE_IMAPS, NULL,
		{ THEIRS, PASSED, "waiting 0", "S answer", "c answer", "C more",
			"s more" } },
	{ "no name", SERVICE_IMAPS, NULL,
		{ "H -", "h -", "unseen 1", "asked -", "state relay" } },
	{ "a source that speaks first", SERVICE_IMAPS, NULL,
		{ "let connect take time", THEIRS, "state passing", "connected",
			"S hello", "c hello", PASSED } },
	{ "no TLS: it is the source's to say so", SERVICE_IMAPS, NULL,
		{ "C a LOGIN alice secret", "s a LOGIN alice secret", "unseen 1",
			"asked -", "learned 0", "S * BAD", "c * BAD" } },
	/* a record of 0x0d0a bytes, which begins with something else than a hello */
	{ "TLS, and no hello", SERVICE_IMAPS, NULL,
		{ "C \x16\x03\x01", "state tls-hello", "source 0", "C x",
			"s \x16\x03\x01", "s x", "unseen 1" } },
	{ "leaves", SERVICE_IMAPS, NULL, { "client ends", LOST } },
	{ "leaves in the middle", SERVICE_IMAPS, NULL,
		{ "C \x16\x03\x01", "client ends", LOST } },
	{ "breaks in the middle", SERVICE_IMAPS, NULL,
		{ "C \x16\x03\x01", "client breaks", LOST } },
	{ "is silent", SERVICE_IMAPS, NULL, { "timeout", LOST } },
	{ "is silent in the middle", SERVICE_IMAPS, NULL,
		{ "C \x16\x03\x01", "timeout", LOST } },
	{ "the account switches", SERVICE_IMAPS, "carol",
		{ "quiesce", "settled 1", "state tls-hello" } },

	{ "the source is away", SERVICE_IMAPS, NULL,
		{ "let connect fail", THEIRS, "state gone", "source 0" } },
	{ "the source is retired", SERVICE_IMAPS, NULL, { "let retired", THEIRS, LOST } },
	{ "the source refuses", SERVICE_IMAPS, NULL,
		{ "let connect take time", THEIRS, "unseen 1", "refused",
			"state gone" } },
	{ "the source is slow", SERVICE_IMAPS, NULL,
		{ "let connect take time", THEIRS, "timeout", "state gone",
			"source 0" } },
	{ "the client breaks before the source is there", SERVICE_IMAPS, NULL,
		{ "let connect take time", THEIRS, "state passing", "client breaks",
			"state gone", "source 0" } },

	{ "the registry is busy: nothing passes that it does not know of", SERVICE_IMAPS,
		NULL,
		{ "let registry be busy", THEIRS, "state recording", "source 0", "tick",
			"state recording", "source 0", "let not registry be busy", "tick",
			PASSED } },
	{ "the registry stays busy", SERVICE_IMAPS, NULL,
		{ "let registry be busy", THEIRS, "timeout", LOST } },
	{ "the registry is busy, and the client breaks", SERVICE_IMAPS, NULL,
		{ "let registry be busy", THEIRS, "client breaks", LOST } },

	{ "the keys are not here yet: nobody is passed on", SERVICE_IMAPS, NULL,
		{ "let keys be late", OURS, LOST, "asked mail.example.com" } },
	{ "a key for another name", SERVICE_IMAPS, NULL,
		{ "let keys be here", THEIRS, PASSED } },
	{ "a key, and no TLS", SERVICE_IMAPS, NULL,
		{ "let keys be here", "C NOOP", "s NOOP", "unseen 1" } },
	{ "a key: the login is inside", SERVICE_IMAPS, "carol",
		{ "let keys be here", OURS, "asked mail.example.com", "handshake",
			"t * OK ready", "source 0", "unseen 0", "T a LOGIN carol secret",
			"verifying 1", "verdict wrong", "timeout",
			"t a NO [AUTHENTICATIONFAILED] Authentication failed." } },
	{ "a key, and no name asked for", SERVICE_IMAPS, NULL,
		{ "let keys be here", "H -", "handshake", "t * OK ready", "T a NOOP",
			"t a OK NOOP completed.", "unseen 0" } },
	{ "a key, and the client ends its side", SERVICE_IMAPS, NULL,
		{ "let keys be here", OURS, "handshake", "t * OK ready",
			"client says its end", "state gone", "client is told the end" } },
	{ "a key, and the client breaks in the handshake", SERVICE_IMAPS, NULL,
		{ "let keys be here", OURS, "client breaks", LOST } },
};

#define STARTTLS_HERE                                                                    \
	"let keys be here", "c * OK ready", "C a STARTTLS",                              \
		"c a OK Begin TLS negotiation now.", "state tls-hello", "source 0"
#define STLS_HERE                                                                        \
	"let keys be here", "c +OK ready", "C STLS", "c +OK Begin TLS negotiation.",     \
		"state tls-hello", "source 0"

static const struct script_row starttls[] = {
	{ "IMAP: a key, and the login begins anew", SERVICE_IMAP, "carol",
		{ STARTTLS_HERE, OURS, "handshake", "T b LOGIN carol secret",
			"verifying 1", "unseen 0" } },
	{ "IMAP: it is not greeted twice", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, OURS, "handshake", "T b NOOP", "t b OK NOOP completed.",
			"state prelogin" } },
	{ "IMAP: a login in clear after the promise", SERVICE_IMAP, "carol",
		{ STARTTLS_HERE, "C b LOGIN carol secret", LOST, "verifying 0" } },
	{ "IMAP: leaves instead", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, "client ends", LOST } },
	{ "IMAP: does not take the promise", SERVICE_IMAP, NULL,
		{ "let keys be here", "c * OK ready", "client blocks", "C a STARTTLS",
			LOST } },
	{ "IMAP: is silent", SERVICE_IMAP, NULL, { STARTTLS_HERE, "timeout", LOST } },
	{ "IMAP: another name, which goes to the source", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, THEIRS, "S * OK hello", "s % STARTTLS", "S $ OK begin",
			PASSED, "S answer", "c answer" } },
	{ "IMAP: another name, and the registry is busy", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, "let registry be busy", THEIRS, "S * OK hello",
			"s % STARTTLS", "S $ OK begin", "state recording", "tick",
			"state recording", "let not registry be busy", "tick", PASSED } },
	{ "IMAP: another name, and the registry stays busy", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, "let registry be busy", THEIRS, "S * OK hello",
			"s % STARTTLS", "S $ OK begin", "timeout", LOST } },
	{ "IMAP: another name, and the source refuses", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, THEIRS, "S * OK hello", "s % STARTTLS", "S $ NO no",
			LOST } },
	{ "IMAP: another name, and the source is lost", SERVICE_IMAP, NULL,
		{ STARTTLS_HERE, THEIRS, "source ends", LOST } },
	{ "IMAP: another name, and the source is retired", SERVICE_IMAP, NULL,
		{ "let retired", STARTTLS_HERE, THEIRS, LOST } },
	{ "IMAP: promised, and the keys are not here yet", SERVICE_IMAP, NULL,
		{ "let keys be late", "c * OK ready", "C a STARTTLS",
			"c a OK Begin TLS negotiation now.", OURS, LOST } },
	{ "POP3: a key, and the login begins anew", SERVICE_POP3, "carol",
		{ STLS_HERE, OURS, "handshake", "T USER carol", "t +OK", "T PASS secret",
			"verifying 1" } },
	{ "POP3: another name, which goes to the source", SERVICE_POP3, NULL,
		{ STLS_HERE, THEIRS, "S +OK hello", "s STLS", "S +OK begin", PASSED } },
	{ "POP3: another name, and the source refuses", SERVICE_POP3, NULL,
		{ STLS_HERE, THEIRS, "S +OK hello", "s STLS", "S -ERR no", LOST } },
};

static const struct script_setup imap = { .greeting = "* OK ready" };
static const struct script_setup pop3 = { .greeting = "+OK ready" };

static void test_implicit(void **state)
{
	struct script *s = script_new(handlers, &imap);

	(void)state;
	script_run_all(s, implicit, ROWS(implicit));
	script_free(s);
}

#define PROMISE_LEN 40

/* Not over streams that would block at first: a client that does not take the promise is
   taken for one that does not read. */
static void test_starttls(void **state)
{
	static const enum oddity ways[] = { ODD_NONE, ODD_TRICKLE, ODD_PENDING };

	(void)state;
	for (size_t i = 0; i < ROWS(starttls); i++) {
		const struct script_row *row = &starttls[i];
		struct script *s = script_new(
			handlers, row->service == SERVICE_POP3 ? &pop3 : &imap);

		for (size_t j = 0; j < ROWS(ways); j++)
			script_run(s, row, (struct script_way){ ways[j], 0 });
		for (size_t split = 1; split < PROMISE_LEN; split++)
			script_run(s, row, (struct script_way){ ODD_NONE, split });
		script_free(s);
	}
}

/* A hello that comes in two pieces, wherever it is cut. */
#define HELLO_LEN 320 /* and more: the last cuts are none */

static void test_cut(void **state)
{
	static const struct script_row rows[] = {
		{ "passed", SERVICE_IMAPS, NULL, { "let keys be here", THEIRS, PASSED } },
		{ "here", SERVICE_IMAPS, NULL,
			{ "let keys be here", OURS, "handshake", "t * OK ready" } },
		{ "behind STARTTLS", SERVICE_IMAP, NULL,
			{ STARTTLS_HERE, OURS, "handshake", "T b NOOP",
				"t b OK NOOP completed." } },
	};
	struct script *s = script_new(handlers, &imap);

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		for (size_t split = 1; split < HELLO_LEN; split++)
			script_run(s, &rows[i], (struct script_way){ ODD_NONE, split });
	script_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_implicit),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
