/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's side before login. Each row runs in one piece and split at every byte; the
 * replies and what the machine understood must be the same.
 *
 *   [LOGIN user/password mechanism: step|step]  an attempt, and what the source is told
 * of it; it is answered "tag NO no" [EXCHANGE user mechanism: step]             the
 * source challenges at once; then the client's line as [LINE user: line], which is
 * answered "tag NO no" [STARTTLS tag: step] [CLOSE]
 */
#include "wire/imap/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COMMAND_MAX 200

static const struct imap_offer offer = {
	.greeting = STR("* OK hello"),
	.capability = STR("IMAP4rev1 SASL-IR ID AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 "
			  "AUTH=XOAUTH2 AUTH=SCRAM-SHA-1"),
	.id = STR("NIL"),
	.starttls = true,
};

#define CAPABILITY                                                                       \
	"* CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 "         \
	"AUTH=XOAUTH2 AUTH=SCRAM-SHA-1\r\na OK Capability completed.\r\n"

static const struct row {
	const char *name;
	struct str input;
	const char *expected;
} rows[] = {
	{ "capability", STR("a CAPABILITY\r\n"), CAPABILITY },
	{ "case, bare LF", STR("a capability\n"), CAPABILITY },
	{ "noop and id", STR("a NOOP\r\nb ID (\"name\" \"x\")\r\n"),
		"a OK NOOP completed.\r\n* ID NIL\r\nb OK ID completed.\r\n" },
	{ "logout", STR("a LOGOUT\r\nb NOOP\r\n"),
		"* BYE Logging out\r\na OK Logout completed.\r\n[CLOSE]" },
	{ "atoms", STR("a LOGIN alice secret\r\n"),
		"[LOGIN alice/secret LOGIN: z1 LOGIN \"alice\" \"secret\"\r\n]a NO "
		"no\r\n" },
	{ "bare LF becomes CRLF", STR("a LOGIN alice secret\n"),
		"[LOGIN alice/secret LOGIN: z1 LOGIN \"alice\" \"secret\"\r\n]a NO "
		"no\r\n" },
	{ "spaces", STR("a  LOGIN  alice   secret  \r\n"),
		"[LOGIN alice/secret LOGIN: z1 LOGIN \"alice\" \"secret\"\r\n]a NO "
		"no\r\n" },
	{ "white space and tags of all kinds (mailutils)",
		STR(" a+1[x]\tLOGIN\talice\tsecret\t\r\n"),
		"[LOGIN alice/secret LOGIN: z1 LOGIN \"alice\" \"secret\"\r\n]a+1[x] NO "
		"no\r\n" },
	{ "no tags", STR("+a NOOP\r\n*a NOOP\r\na\\ NOOP\r\na\"b NOOP\r\n"),
		"* BAD Invalid command.\r\n* BAD Invalid command.\r\n* BAD Invalid "
		"command.\r\n* BAD Invalid command.\r\n" },
	{ "a mechanism in quotes (mailutils)",
		STR("a AUTHENTICATE \"plain\" AGFsaWNlAHNlY3JldA==\r\n"),
		"[LOGIN alice/secret AUTHENTICATE PLAIN: z1 AUTHENTICATE PLAIN "
		"AGFsaWNlAHNlY3JldA==\r\n]a NO no\r\n" },
	{ "quoted", STR("a LOGIN \"al ice\" \"p\\\"q\\\\r\"\r\n"),
		"[LOGIN al ice/p\"q\\r LOGIN: z1 LOGIN \"al ice\" "
		"\"p\\\"q\\\\r\"\r\n]a NO no\r\n" },
	{ "quotes that touch, as Dovecot takes them", STR("a LOGIN \"alice\"\"x\"\r\n"),
		"[LOGIN alice/x LOGIN: z1 LOGIN \"alice\" \"x\"\r\n]a NO no\r\n" },
	{ "empty password", STR("a LOGIN alice \"\"\r\n"),
		"[LOGIN alice/ LOGIN: z1 LOGIN \"alice\" \"\"\r\n]a NO no\r\n" },
	{ "8-bit", STR("a LOGIN \"alice\" \"p\xc3\xa4ss\"\r\n"),
		"[LOGIN alice/p\xc3\xa4ss LOGIN: z1 LOGIN \"alice\" "
		"\"p\xc3\xa4ss\"\r\n]a NO no\r\n" },
	{ "no atom, sent as one", STR("a LOGIN dom\\alice p%s*s\"]\r\n"),
		"[LOGIN dom\\alice/p%s*s\"] LOGIN: z1 LOGIN \"dom\\\\alice\" "
		"\"p%s*s\\\"]\"\r\n]a NO no\r\n" },
	{ "literals", STR("a LOGIN {5}\r\nalice {6}\r\nsecret\r\n"),
		"+ OK\r\n+ OK\r\n[LOGIN alice/secret LOGIN: z1 LOGIN \"alice\" "
		"\"secret\"\r\n]a NO no\r\n" },
	{ "literals that quotes might change",
		STR("a LOGIN {5}\r\nal\\ce {2}\r\n\"x\r\n"),
		"+ OK\r\n+ OK\r\n[LOGIN al\\ce/\"x LOGIN: z1 LOGIN {5}\r\n|al\\ce "
		"{2}\r\n|\"x\r\n]a NO no\r\n" },
	{ "8-bit literal", STR("a LOGIN alice {2}\r\n\xc3\xa4\r\n"),
		"+ OK\r\n[LOGIN alice/\xc3\xa4 LOGIN: z1 LOGIN \"alice\" {2}\r\n|"
		"\xc3\xa4\r\n]a NO no\r\n" },
	{ "literal with CRLF and braces", STR("a LOGIN alice {6}\r\na\r\n{3}\r\n"),
		"+ OK\r\n[LOGIN alice/a\r\n{3} LOGIN: z1 LOGIN \"alice\" "
		"{6}\r\n|a\r\n{3}\r\n]a NO no\r\n" },
	/* the source may not know LITERAL+, and take what follows for a command */
	{ "LITERAL+", STR("a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"),
		"[LOGIN alice/secret LOGIN: z1 LOGIN \"alice\" \"secret\"\r\n]"
		"a NO no\r\n" },
	{ "a command in LITERAL+",
		STR("a LOGIN {5+}\r\nalice {16+}\r\nx\r\nb LOGIN mal x\r\n"),
		"[LOGIN alice/x\r\nb LOGIN mal x LOGIN: z1 LOGIN \"alice\" {16}\r\n|"
		"x\r\nb LOGIN mal x\r\n]a NO no\r\n" },
	{ "LITERAL+, then quoted", STR("a LOGIN {5+}\r\nalice \"x\"\r\n"),
		"[LOGIN alice/x LOGIN: z1 LOGIN \"alice\" \"x\"\r\n]a NO no\r\n" },
	{ "empty literal", STR("a LOGIN alice {0}\r\n\r\n"),
		"+ OK\r\n[LOGIN alice/ LOGIN: z1 LOGIN \"alice\" \"\"\r\n]a NO no\r\n" },
	{ "several tries, pipelined", STR("a LOGIN x y\r\nb LOGIN x z\r\nc NOOP\r\n"),
		"[LOGIN x/y LOGIN: z1 LOGIN \"x\" \"y\"\r\n]a NO no\r\n"
		"[LOGIN x/z LOGIN: z1 LOGIN \"x\" \"z\"\r\n]b NO no\r\nc OK NOOP "
		"completed.\r\n" },
	{ "too few arguments", STR("a LOGIN alice\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },
	{ "too many", STR("a LOGIN alice b c\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },
	{ "open quote", STR("a LOGIN \"alice b\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },
	{ "CR in a word", STR("a LOGIN alice b\rc\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },

	{ "ID goes before the login",
		STR("a ID (\"name\" \"x y\" \"os\" NIL)\r\nb LOGIN alice x\r\n"),
		"* ID NIL\r\na OK ID completed.\r\n[LOGIN alice/x LOGIN: z1 ID "
		"(\"name\" \"x y\" \"os\" NIL)\r\nz2 LOGIN \"alice\" \"x\"\r\n]b NO "
		"no\r\n" },
	{ "ID is written anew",
		STR("a ID  ( \"n\" {2+}\r\n\r\n  \"v\" \"\xc3\xa4\" )\r\nb AUTHENTICATE "
		    "CRAM-MD5\r\n"),
		"* ID NIL\r\na OK ID completed.\r\n[EXCHANGE - CRAM-MD5: z1 ID (\"n\" "
		"NIL \"v\" NIL)\r\nz2 AUTHENTICATE CRAM-MD5\r\n]" },
	{ "what is no ID is not passed on",
		STR("a ID (\"name\" \"x\r\nb ID (n v) z\r\nc ID NIL\r\nd LOGIN x y\r\n"),
		"* ID NIL\r\na OK ID completed.\r\n* ID NIL\r\nb OK ID completed.\r\n"
		"* ID NIL\r\nc OK ID completed.\r\n[LOGIN x/y LOGIN: z1 LOGIN \"x\" "
		"\"y\"\r\n]d NO no\r\n" },

	/* \0alice\0secret */
	{ "PLAIN", STR("a AUTHENTICATE PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\n"),
		"+ \r\n[LOGIN alice/secret AUTHENTICATE PLAIN: z1 AUTHENTICATE "
		"PLAIN\r\n|AGFsaWNlAHNlY3JldA==\r\n]a NO no\r\n" },
	{ "PLAIN, initial response", STR("a authenticate plain AGFsaWNlAHNlY3JldA==\r\n"),
		"[LOGIN alice/secret AUTHENTICATE PLAIN: z1 AUTHENTICATE PLAIN "
		"AGFsaWNlAHNlY3JldA==\r\n]a NO no\r\n" },
	{ "PLAIN, same authzid", STR("a AUTHENTICATE PLAIN YQBhAGI=\r\n"),
		"[LOGIN a/b AUTHENTICATE PLAIN: z1 AUTHENTICATE PLAIN "
		"YQBhAGI=\r\n]a NO no\r\n" },
	{ "PLAIN, for another", STR("a AUTHENTICATE PLAIN YQBtAGI=\r\n"),
		"[LOGIN a/b by m AUTHENTICATE PLAIN: z1 AUTHENTICATE PLAIN "
		"YQBtAGI=\r\n]a NO no\r\n" },
	{ "PLAIN, empty initial", STR("a AUTHENTICATE PLAIN =\r\n"),
		"a BAD Invalid SASL response.\r\n" },
	{ "PLAIN, cancelled", STR("a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n"),
		"+ \r\na BAD Authentication cancelled.\r\nb OK NOOP completed.\r\n" },
	{ "PLAIN, no base64", STR("a AUTHENTICATE PLAIN\r\n?\r\nb NOOP\r\n"),
		"+ \r\na BAD Invalid SASL response.\r\nb OK NOOP completed.\r\n" },
	{ "LOGIN mechanism", STR("a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\neA==\r\n"),
		"+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n[LOGIN alice/x AUTHENTICATE LOGIN: "
		"z1 AUTHENTICATE LOGIN\r\n|YWxpY2U=\r\n|eA==\r\n]a NO no\r\n" },
	{ "LOGIN mechanism, initial", STR("a AUTHENTICATE LOGIN YWxpY2U=\r\neA==\r\n"),
		"+ UGFzc3dvcmQ6\r\n[LOGIN alice/x AUTHENTICATE LOGIN: z1 AUTHENTICATE "
		"LOGIN\r\n|YWxpY2U=\r\n|eA==\r\n]a NO no\r\n" },
	{ "LOGIN mechanism, empty password", STR("a AUTHENTICATE LOGIN YWxpY2U=\r\n\r\n"),
		"+ UGFzc3dvcmQ6\r\n[LOGIN alice/ AUTHENTICATE LOGIN: z1 AUTHENTICATE "
		"LOGIN\r\n|YWxpY2U=\r\n|\r\n]a NO no\r\n" },
	{ "LOGIN mechanism, NUL in the name", STR("a AUTHENTICATE LOGIN YQBi\r\n"),
		"a BAD Invalid SASL response.\r\n" },
	/* "alice 00" */
	{ "CRAM-MD5", STR("a AUTHENTICATE cram-md5\r\nYWxpY2UgMDA=\r\nb NOOP\r\n"),
		"[EXCHANGE - CRAM-MD5: z1 AUTHENTICATE CRAM-MD5\r\n][LINE alice: "
		"YWxpY2UgMDA=]a NO no\r\nb OK NOOP completed.\r\n" },
	{ "a space behind the mechanism (mutt with gsasl)",
		STR("a AUTHENTICATE CRAM-MD5 \r\nYWxpY2UgMDA= \r\n"),
		"[EXCHANGE - CRAM-MD5: z1 AUTHENTICATE CRAM-MD5\r\n][LINE alice: "
		"YWxpY2UgMDA=]a NO no\r\n" },
	{ "an exchange is base64 or it is cancelled",
		STR("a AUTHENTICATE CRAM-MD5\r\nb LOGIN mallory x\r\n"),
		"[EXCHANGE - CRAM-MD5: z1 AUTHENTICATE CRAM-MD5\r\n][LINE -: *]"
		"a NO no\r\n" },
	{ "CR in an exchange", STR("a AUTHENTICATE CRAM-MD5\r\nYQ\rYQ\r\n"),
		"[EXCHANGE - CRAM-MD5: z1 AUTHENTICATE CRAM-MD5\r\n][LINE -: *]"
		"a NO no\r\n" },
	{ "XOAUTH2, initial",
		STR("a AUTHENTICATE XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n"),
		"[EXCHANGE alice XOAUTH2: z1 AUTHENTICATE XOAUTH2 "
		"dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n]" },
	{ "XOAUTH2, initial that is none", STR("a AUTHENTICATE XOAUTH2 {x}\r\n"),
		"a BAD Invalid SASL response.\r\n" },
	/* n,a=alice,n=mallory,r=x */
	{ "SCRAM, for another",
		STR("a AUTHENTICATE SCRAM-SHA-1 bixhPWFsaWNlLG49bWFsbG9yeSxyPXg=\r\n"),
		"[EXCHANGE alice by mallory SCRAM-SHA-1: z1 AUTHENTICATE SCRAM-SHA-1 "
		"bixhPWFsaWNlLG49bWFsbG9yeSxyPXg=\r\n]" },
	{ "a mechanism that is not offered",
		STR("a AUTHENTICATE GSSAPI\r\nb LOGIN x y\r\n"),
		"a NO Unsupported authentication mechanism.\r\n[LOGIN x/y LOGIN: z1 "
		"LOGIN \"x\" \"y\"\r\n]b NO no\r\n" },
	{ "no mechanism", STR("a AUTHENTICATE\r\n"),
		"a BAD AUTHENTICATE wants a mechanism.\r\n" },

	{ "starttls", STR("a STARTTLS\r\n"), "[STARTTLS a: z1 STARTTLS\r\n]a NO no\r\n" },
	{ "not before login", STR("a SELECT INBOX\r\n"),
		"a BAD Unknown command, or not before login.\r\n" },
	{ "no tag", STR("LOGIN\r\n"), "* BAD Invalid command.\r\n" },
	{ "empty line", STR("\r\n"), "* BAD Invalid command.\r\n" },
	{ "plus as tag", STR("+ NOOP\r\n"), "* BAD Invalid command.\r\n" },
	{ "NUL", STR("a LOGIN al\0ce x\r\n"), "* BAD NUL is not allowed in IMAP.\r\n" },
	{ "NUL in a literal", STR("a LOGIN a {1+}\r\n\0\r\n"),
		"* BAD NUL is not allowed in IMAP.\r\n" },
	{ "literal of 2^63", STR("a LOGIN {9223372036854775808}\r\n"),
		"* BYE Invalid literal size.\r\n[CLOSE]" },
	{ "literal of 2^63 - 1", STR("a LOGIN {9223372036854775807+}\r\n"),
		"* BYE Literal too large.\r\n[CLOSE]" },
	{ "literal larger than a command", STR("a LOGIN {201}\r\n"),
		"* BYE Literal too large.\r\n[CLOSE]" },
};

struct talk {
	struct imap_prelogin machine;
	struct arena arena;
	struct buf input, out;
};

/* What a source is told that asks for all there is, under the tags "z1" and so on. */
static void put_sent(struct talk *t)
{
	struct imap_upstream u, tried;
	struct buf ignored;
	struct str response;
	size_t used;

	buf_init(&ignored, 0);
	imap_upstream_init(&u, STR_LIT("z"));
	u.state = IMAP_UPSTREAM_IN_READY;
	assert_int_equal(imap_upstream_login(&u, &t->machine.login, &t->out), 0);
	if (u.state == IMAP_UPSTREAM_IN_PREFACE)
		assert_int_equal(imap_upstream_next(&u, STR_LIT("z1 OK\r\n"), &response,
					 &used, &t->out),
			UPSTREAM_AGAIN);
	while (u.state == IMAP_UPSTREAM_IN_LOGIN) {
		struct str ok =
			u.commands == 1 ? STR_LIT("z1 OK\r\n") : STR_LIT("z2 OK\r\n");

		tried = u;
		if (imap_upstream_next(&tried, ok, &response, &used, &ignored) ==
			UPSTREAM_OK)
			break;
		(void)buf_append_c(&t->out, "|");
		assert_int_equal(imap_upstream_next(&u, STR_LIT("+ go\r\n"), &response,
					 &used, &t->out),
			UPSTREAM_AGAIN);
	}
	(void)buf_append_c(&t->out, "]");
	buf_fini(&ignored);
}

static void answer_no(struct talk *t)
{
	(void)buf_printf(&t->out, "%.*s NO no\r\n", STR_ARG(t->machine.login.tag));
	imap_prelogin_answered(&t->machine);
}

static void put_attempt(struct talk *t)
{
	const struct wire_login *l = &t->machine.login;

	assert_int_equal(buf_printf(&t->out, "[LOGIN %.*s/%.*s", STR_ARG(l->user),
				 STR_ARG(l->password)),
		0);
	if (l->master.len)
		assert_int_equal(buf_printf(&t->out, " by %.*s", STR_ARG(l->master)), 0);
	assert_int_equal(buf_printf(&t->out, " %.*s: ", STR_ARG(l->mechanism)), 0);
	put_sent(t);
	answer_no(t);
}

static void put_exchange(struct talk *t)
{
	const struct wire_login *l = &t->machine.login;
	struct str user = l->user.ptr ? l->user : STR_LIT("-");

	(void)buf_printf(&t->out, "[EXCHANGE %.*s", STR_ARG(user));
	if (l->master.len)
		(void)buf_printf(&t->out, " by %.*s", STR_ARG(l->master));
	(void)buf_printf(&t->out, " %.*s: ", STR_ARG(l->mechanism));
	put_sent(t);
	imap_prelogin_challenged(&t->machine);
}

static void put_action(struct talk *t, enum prelogin_action action)
{
	const struct wire_login *l = &t->machine.login;
	struct str user = l->user.ptr ? l->user : STR_LIT("-");

	switch (action) {
	case PRELOGIN_LOGIN:
		put_attempt(t);
		break;
	case PRELOGIN_EXCHANGE:
		put_exchange(t);
		break;
	case PRELOGIN_EXCHANGE_LINE:
		(void)buf_printf(&t->out, "[LINE %.*s: %.*s]", STR_ARG(user),
			STR_ARG(t->machine.line));
		answer_no(t);
		break;
	case PRELOGIN_STARTTLS:
		(void)buf_printf(&t->out, "[STARTTLS %.*s: ", STR_ARG(l->tag));
		put_sent(t);
		answer_no(t);
		break;
	case PRELOGIN_CLOSE:
		(void)buf_append_c(&t->out, "[CLOSE]");
		break;
	case PRELOGIN_AGAIN:
	case PRELOGIN_NEED_MORE:
		break;
	}
}

static void finish(struct talk *t)
{
	buf_fini(&t->input);
	buf_fini(&t->out);
	arena_fini(&t->arena);
}

/* false: closed. */
static bool feed(struct talk *t, struct str bytes)
{
	enum prelogin_action action;
	size_t used;

	assert_int_equal(buf_append(&t->input, bytes), 0);
	do {
		action = imap_prelogin_next(
			&t->machine, buf_view(&t->input), &used, &t->out);
		put_action(t, action);
		buf_consume(&t->input, used);
		if (action == PRELOGIN_CLOSE)
			return false;
	} while (action != PRELOGIN_NEED_MORE);
	return true;
}

static void run(const struct row *row, size_t piece)
{
	struct talk t = { 0 };
	struct str rest = row->input, got;

	arena_init(&t.arena);
	buf_init(&t.input, 0);
	buf_init(&t.out, 0);
	imap_prelogin_init(&t.machine, &offer, &t.arena, COMMAND_MAX);
	while (rest.len) {
		if (!feed(&t, str_take(rest, piece)))
			break;
		rest = str_skip(rest, piece);
	}
	got = buf_view(&t.out);
	if (!str_eq(got, str_from(row->expected)))
		fail_msg("%s, %zu bytes at a time\n got: %.*s\nwant: %s", row->name,
			piece, STR_ARG(got), row->expected);
	finish(&t);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run(&rows[i], SIZE_MAX / 2);
		for (size_t piece = 1; piece < 12; piece++)
			run(&rows[i], piece);
	}
}

/* Two pieces, cut at each place. */
static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t at = 1; at < rows[i].input.len; at++)
			run(&rows[i], at);
}

static void test_line_without_end(void **state)
{
	char *line = test_malloc(COMMAND_MAX * 3);
	struct row row = { "no newline", { line, COMMAND_MAX * 3 },
		"* BYE Command too long.\r\n[CLOSE]" };

	(void)state;
	memset(line, 'x', COMMAND_MAX * 3);
	run(&row, COMMAND_MAX * 3);
	run(&row, 7);
	test_free(line);
}

static void test_many_bad_commands(void **state)
{
	struct talk t = { 0 };
	int answered = 0;

	(void)state;
	arena_init(&t.arena);
	imap_prelogin_init(&t.machine, &offer, &t.arena, COMMAND_MAX);
	while (answered < 100 && feed(&t, STR_LIT("?\r\n")))
		answered++;
	assert_int_equal(answered, 19);
	assert_int_equal(t.machine.state, IMAP_PRELOGIN_CLOSED);
	finish(&t);
}

/* In an exchange the client has the word for one line, and not before the challenge. */
static void test_exchange_waits(void **state)
{
	const struct str lines = STR("YQ==\r\nYg==\r\n");
	struct imap_prelogin p;
	struct arena arena;
	struct buf reply;
	size_t used;

	(void)state;
	arena_init(&arena);
	buf_init(&reply, 0);
	imap_prelogin_init(&p, &offer, &arena, COMMAND_MAX);
	assert_int_equal(imap_prelogin_next(&p, STR_LIT("a AUTHENTICATE CRAM-MD5\r\n"),
				 &used, &reply),
		PRELOGIN_EXCHANGE);
	for (size_t line = 0; line < 2; line++) {
		assert_int_equal(
			imap_prelogin_next(&p, lines, &used, &reply), PRELOGIN_NEED_MORE);
		assert_int_equal(used, 0);
		imap_prelogin_challenged(&p);
		assert_int_equal(imap_prelogin_next(&p, lines, &used, &reply),
			PRELOGIN_EXCHANGE_LINE);
		assert_int_equal(used, 6);
	}
	imap_prelogin_answered(&p);
	imap_prelogin_challenged(&p); /* of an exchange that is over */
	assert_string_equal(imap_prelogin_state_name(p.state), "command");
	buf_fini(&reply);
	arena_fini(&arena);
}

/* More literals than any command has. */
static void test_many_literals(void **state)
{
	struct talk t = { 0 };
	int taken = 0;

	(void)state;
	arena_init(&t.arena);
	imap_prelogin_init(&t.machine, &offer, &t.arena, COMMAND_MAX);
	assert_true(feed(&t, STR_LIT("a ID {0}\r\n")));
	while (taken < 100 && feed(&t, STR_LIT("{0}\r\n")))
		taken++;
	assert_int_equal(taken, 15);
	finish(&t);
}

/* The source reached inside TLS, what it does not offer in clear is refused in clear. */
static void test_tls_first(void **state)
{
	static const struct {
		const char *capability, *says, *reply;
	} tries[] = {
		{ "IMAP4rev1 STARTTLS LOGINDISABLED", "a LOGIN b c\r\n",
			"a NO [PRIVACYREQUIRED] Begin TLS first.\r\n" },
		{ "IMAP4rev1 STARTTLS LOGINDISABLED", "a AUTHENTICATE PLAIN AGEAYg==\r\n",
			"a NO Unsupported authentication mechanism.\r\n" },
		{ "IMAP4rev1 STARTTLS AUTH=PLAIN", "a AUTHENTICATE PLAIN\r\n", "+ \r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct imap_offer first = offer;
		struct talk t = { 0 };

		first.capability = str_from(tries[i].capability);
		first.tls_first = true;
		arena_init(&t.arena);
		imap_prelogin_init(&t.machine, &first, &t.arena, COMMAND_MAX);
		assert_true(feed(&t, str_from(tries[i].says)));
		if (!str_eq(buf_view(&t.out), str_from(tries[i].reply)))
			fail_msg("%s%.*s", tries[i].says, STR_ARG(buf_view(&t.out)));
		finish(&t);
	}
}

static void test_id_is_not_for_clients(void **state)
{
	static const struct {
		const char *says, *kept;
	} tries[] = {
		{ "a ID (\"x-originating-ip\" \"10.0.0.1\")\r\n", "()" },
		{ "a ID (\"name\" \"x-y\" \"X-Originating-IP\" NIL \"os\" \"z\")\r\n",
			"(\"name\" \"x-y\" \"os\" \"z\")" },
		{ "a ID (\"x-a\" \"b\" \"name\" \"c\" \"x-proxy-ttl\" \"1\")\r\n",
			"(\"name\" \"c\")" },
		{ "a ID ({4+}\r\nx-ip \"1\" \"n\" \"v\")\r\n", "(\"n\" \"v\")" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct imap_offer ours = offer;
		struct talk t = { 0 };

		ours.from_us = true;
		arena_init(&t.arena);
		imap_prelogin_init(&t.machine, &ours, &t.arena, COMMAND_MAX);
		assert_true(feed(&t, str_from(tries[i].says)));
		if (!str_eq(t.machine.id, str_from(tries[i].kept)))
			fail_msg("%s%.*s", tries[i].says, STR_ARG(t.machine.id));
		finish(&t);
	}
}

static void test_starttls_not_offered(void **state)
{
	struct imap_offer plain = offer;
	struct talk t = { 0 };

	(void)state;
	plain.starttls = false;
	arena_init(&t.arena);
	imap_prelogin_init(&t.machine, &plain, &t.arena, COMMAND_MAX);
	assert_true(feed(&t, STR_LIT("a STARTTLS\r\n")));
	assert_true(str_eq(
		buf_view(&t.out), STR_LIT("a BAD TLS is not available here.\r\n")));
	finish(&t);
}

static const struct filter_row {
	const char *name, *greeting, *expected;
	bool starttls;
} filter_rows[] = {
	{ "dovecot",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE "
		"LITERAL+ "
		"STARTTLS AUTH=PLAIN] Dovecot ready.",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS "
		"AUTH=PLAIN] Dovecot ready.",
		true },
	{ "no TLS", "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] x",
		"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x", false },
	{ "no list", "* OK [ALERT] STARTTLS soon", "* OK [ALERT] STARTTLS soon", false },
	{ "cyrus",
		"* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE AUTH=CRAM-MD5 X-NETSCAPE] y",
		"* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-MD5] y", false },
	{ "a substring is no capability", "* OK [CAPABILITY XSASL-IR SASL-IRX IMAP4] z",
		"* OK [CAPABILITY IMAP4] z", true },
};

static void test_filter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(filter_rows) / sizeof(filter_rows[0]); i++) {
		const struct filter_row *row = &filter_rows[i];
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(imap_greeting_filter(
					 str_from(row->greeting), row->starttls, &out),
			0);
		if (!str_eq(buf_view(&out), str_from(row->expected)))
			fail_msg("%s: %.*s", row->name, STR_ARG(buf_view(&out)));
		buf_fini(&out);
	}
}

static void test_capability_after(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(
		imap_capability_after(
			STR_LIT("IMAP4rev1 auth=PLAIN SORT STARTTLS LOGINDISABLED "
				"SASL-IR ACL"),
			&out),
		0);
	assert_true(str_eq(buf_view(&out), STR_LIT("IMAP4rev1 SORT ACL")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_line_without_end),
		cmocka_unit_test(test_many_bad_commands),
		cmocka_unit_test(test_exchange_waits),
		cmocka_unit_test(test_many_literals),
		cmocka_unit_test(test_starttls_not_offered),
		cmocka_unit_test(test_id_is_not_for_clients),
		cmocka_unit_test(test_tls_first),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_capability_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
