/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands, paths, parameters, replies, EHLO lists and addresses, as tables. */
#include "wire/smtp/address.h"
#include "wire/smtp/command.h"
#include "wire/smtp/reply.h"

#include "lib/wire/wire_test.h"

static void test_commands(void **state)
{
	static const struct {
		struct str line;
		enum smtp_verb verb;
		struct str args;
	} rows[] = {
		{ STR("EHLO a.b"), SMTP_EHLO, STR("a.b") },
		{ STR("ehlo"), SMTP_EHLO, STR("") },
		{ STR("Mail FROM:<a@b>  "), SMTP_MAIL, STR("FROM:<a@b>") },
		{ STR("RCPT\tTO:<a>"), SMTP_RCPT, STR("TO:<a>") },
		{ STR("  DATA"), SMTP_DATA, STR("") },
		{ STR("DATAX"), SMTP_UNKNOWN, STR("") },
		{ STR("DAT"), SMTP_UNKNOWN, STR("") },
		{ STR("MAIL\0FROM"), SMTP_UNKNOWN, STR("") },
		{ STR("bdat 3 LAST"), SMTP_BDAT, STR("3 LAST") },
		{ STR("xclient ADDR=x"), SMTP_XCLIENT, STR("ADDR=x") },
		{ STR("ETRN #x"), SMTP_FOLLOWED, STR("#x") },
		{ STR("BURL x"), SMTP_REFUSED, STR("x") },
		{ STR(""), SMTP_UNKNOWN, STR("") },
		{ STR("STARTTLS"), SMTP_STARTTLS, STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str line = exact_copy(rows[i].line);
		struct smtp_command c = smtp_command(line);

		if (c.verb != rows[i].verb)
			fail_msg("%.*s: %s", STR_ARG(line), smtp_verb_name(c.verb));
		SAME("arguments", c.args, rows[i].args);
		exact_free(line);
	}
	for (int v = 0; v < SMTP_VERB_COUNT; v++)
		assert_non_null(smtp_verb_name((enum smtp_verb)v));
}

static void test_paths(void **state)
{
	static const struct {
		struct str args, address, params;
		bool ok;
	} rows[] = {
		{ STR("TO:<a@b>"), STR("a@b"), STR(""), true },
		{ STR("to:<a@b> NOTIFY=NEVER X"), STR("a@b"), STR("NOTIFY=NEVER X"),
			true },
		{ STR("TO: <a@b>"), STR("a@b"), STR(""), true },
		{ STR("TO : <a@b>"), STR("a@b"), STR(""), true },
		{ STR("TO:a@b X=1"), STR("a@b"), STR("X=1"), true },
		{ STR("TO:<>"), STR(""), STR(""), true },
		{ STR("TO:< a@b >X"), STR("a@b"), STR("X"), true },
		{ STR("TO:<\"a> b\"@c> P"), STR("\"a> b\"@c"), STR("P"), true },
		{ STR("TO:<\"a\\\">\"@c>"), STR("\"a\\\">\"@c"), STR(""), true },
		{ STR("TO:<a\\>b@c>"), STR("a\\>b@c"), STR(""), true },
		{ STR("TO:\"a b\"@c"), STR("\"a b\"@c"), STR(""), true },
		{ STR("TO:<@x,@y:a@b>"), STR("a@b"), STR(""), true },
		{ STR("TO:<@x>"), STR("@x"), STR(""), true },
		{ STR("TO:<\xc3\xa4@b> SMTPUTF8"), STR("\xc3\xa4@b"), STR("SMTPUTF8"),
			true },
		{ STR("TO:<a@b"), STR(""), STR(""), false },
		{ STR("TO:<\"a@b>"), STR(""), STR(""), false },
		{ STR("TO:\"a"), STR(""), STR(""), false },
		{ STR("TO:<a\\"), STR(""), STR(""), false },
		{ STR("TO:"), STR(""), STR(""), false },
		{ STR("TO <a@b>"), STR(""), STR(""), false },
		{ STR("FROM:<a@b>"), STR(""), STR(""), false },
		{ STR("T"), STR(""), STR(""), false },
		{ STR(""), STR(""), STR(""), false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str args = exact_copy(rows[i].args);
		struct smtp_path path;

		if (smtp_path_parse(args, STR_LIT("TO"), &path) != rows[i].ok)
			fail_msg("%.*s", STR_ARG(args));
		if (rows[i].ok) {
			SAME("address", path.address, rows[i].address);
			SAME("parameters", path.params, rows[i].params);
		}
		exact_free(args);
	}
}

static void test_params(void **state)
{
	struct str params = STR_LIT("SIZE=100  BODY=8BITMIME\tSMTPUTF8 X= ");
	struct str name, value;

	(void)state;
	assert_int_equal(smtp_param_size(params), 100);
	assert_int_equal(smtp_param_size(STR_LIT("size=18446744073709551616 SIZE=7")), 7);
	assert_int_equal(smtp_param_size(STR_LIT("XSIZE=9 SIZE")), 0);
	assert_true(smtp_param_next(&params, &name, &value));
	assert_true(smtp_param_next(&params, &name, &value));
	SAME("name", name, STR_LIT("BODY"));
	SAME("value", value, STR_LIT("8BITMIME"));
	assert_true(smtp_param_next(&params, &name, &value));
	SAME("name", name, STR_LIT("SMTPUTF8"));
	assert_null(value.ptr);
	assert_true(smtp_param_next(&params, &name, &value));
	SAME("name", name, STR_LIT("X"));
	assert_non_null(value.ptr);
	assert_false(smtp_param_next(&params, &name, &value));
}

static void test_bdat(void **state)
{
	static const struct {
		struct str args;
		uint64_t size;
		bool ok, last;
	} rows[] = {
		{ STR("1000 LAST"), 1000, true, true },
		{ STR("1000  last"), 1000, true, true },
		{ STR("0"), 0, true, false },
		{ STR("2147483647"), 2147483647, true, false },
		{ STR("2147483648 LAST"), 0, false, false },
		{ STR("4294967306"), 0, false, false },
		{ STR("5 LATEST"), 0, false, false },
		{ STR("5 LAST 6"), 0, false, false },
		{ STR(""), 0, false, false },
		{ STR("-1"), 0, false, false },
		{ STR("LAST"), 0, false, false },
		{ STR("99999999999999999999"), 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		uint64_t size = 0;
		bool last = false;

		assert_int_equal(smtp_bdat_size(rows[i].args, &size, &last), rows[i].ok);
		if (rows[i].ok)
			assert_true(size == rows[i].size && last == rows[i].last);
	}
}

static void test_spoken(void **state)
{
	(void)state;
	assert_true(smtp_params_are_spoken(STR_LIT("")));
	assert_true(smtp_params_are_spoken(
		STR_LIT("size=5 BODY=8BITMIME SMTPUTF8 auth=<> RET=HDRS ENVID=x")));
	assert_true(smtp_params_are_spoken(STR_LIT("NOTIFY=NEVER ORCPT=rfc822;a")));
	assert_false(smtp_params_are_spoken(STR_LIT("SIZE=5 PRDR")));
	assert_false(smtp_params_are_spoken(STR_LIT("BODY=binarymime")));
	assert_false(smtp_params_are_spoken(STR_LIT("BY=120;R")));
}

static void test_unsafe(void **state)
{
	(void)state;
	assert_false(smtp_line_is_unsafe(STR_LIT("NOOP \t\xff\x7f\x01")));
	assert_true(smtp_line_is_unsafe(STR_LIT("NOOP\rDATA")));
	assert_true(smtp_line_is_unsafe(STR_LIT("NOOP\nDATA")));
	assert_true(smtp_line_is_unsafe(STR_LIT("NOOP\0")));
}

static void test_replies(void **state)
{
	static const struct {
		const char *name;
		struct str input;
		enum smtp_reply_is is;
		unsigned code;
		struct str text;
		size_t used;
	} rows[] = {
		{ "one line", STR("250 Ok\r\nmore"), SMTP_REPLY_COMPLETE, 250, STR("Ok"),
			8 },
		{ "no text", STR("250\r\n"), SMTP_REPLY_COMPLETE, 250, STR(""), 5 },
		{ "a space", STR("250 \r\n"), SMTP_REPLY_COMPLETE, 250, STR(""), 6 },
		{ "bare LF", STR("354 x\n"), SMTP_REPLY_COMPLETE, 354, STR("x"), 6 },
		{ "several", STR("250-a\r\n250-b\r\n250 c\r\n"), SMTP_REPLY_COMPLETE, 250,
			STR("c"), 21 },
		{ "another code at the end", STR("250-a\r\n550 b\r\n"),
			SMTP_REPLY_COMPLETE, 550, STR("b"), 14 },
		{ "empty line inside", STR("250-\r\n250 c\r\n"), SMTP_REPLY_COMPLETE, 250,
			STR("c"), 13 },
		{ "half", STR("250 O"), SMTP_REPLY_NEED_MORE, 0, STR(""), 0 },
		{ "half of several", STR("250-a\r\n"), SMTP_REPLY_NEED_MORE, 0, STR(""),
			0 },
		{ "nothing", STR(""), SMTP_REPLY_NEED_MORE, 0, STR(""), 0 },
		{ "no code", STR("hello\r\n"), SMTP_REPLY_BROKEN, 0, STR(""), 0 },
		{ "short code", STR("25 Ok\r\n"), SMTP_REPLY_BROKEN, 0, STR(""), 0 },
		{ "long code", STR("2500 Ok\r\n"), SMTP_REPLY_BROKEN, 0, STR(""), 0 },
		{ "signed", STR("+25 Ok\r\n"), SMTP_REPLY_BROKEN, 0, STR(""), 0 },
		{ "empty line", STR("\r\n"), SMTP_REPLY_BROKEN, 0, STR(""), 0 },
		{ "nonsense later", STR("250-a\r\nb\r\n"), SMTP_REPLY_BROKEN, 0, STR(""),
			0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		for (size_t len = 0; len <= rows[i].input.len; len++) {
			struct str input = exact_copy(str_take(rows[i].input, len));
			struct smtp_reply r;
			size_t used;
			enum smtp_reply_is is = smtp_reply_next(input, &r, &used);

			if (len == rows[i].input.len && is != rows[i].is)
				fail_msg("%s", rows[i].name);
			if (is == SMTP_REPLY_COMPLETE) {
				assert_int_equal(used, rows[i].used);
				assert_int_equal(r.code, rows[i].code);
				SAME(rows[i].name, r.text, rows[i].text);
				assert_int_equal(r.bytes.len, used);
			}
			exact_free(input);
		}
	}
}

static void test_reply_limits(void **state)
{
	struct buf endless;
	struct smtp_reply r;
	size_t used;

	(void)state;
	buf_init(&endless, 0);
	while (buf_len(&endless) <= SMTP_REPLY_MAX)
		buf_append_c(&endless, "250-x\r\n");
	assert_int_equal(
		smtp_reply_next(buf_view(&endless), &r, &used), SMTP_REPLY_BROKEN);
	buf_clear(&endless);
	for (size_t i = 0; i <= SMTP_REPLY_LINE_MAX; i++)
		buf_byte(&endless, '2');
	assert_int_equal(
		smtp_reply_next(buf_view(&endless), &r, &used), SMTP_REPLY_BROKEN);
	buf_fini(&endless);
}

static void test_enhanced(void **state)
{
	static const struct {
		struct str text, code;
	} rows[] = {
		{ STR("5.1.1 nobody"), STR("5.1.1") },
		{ STR("2.0.0"), STR("2.0.0") },
		{ STR("4.10.123 x"), STR("4.10.123") },
		{ STR("1.2.3 x"), STR("") },
		{ STR("5.1 x"), STR("") },
		{ STR("5.1.1x"), STR("") },
		{ STR("5.1."), STR("") },
		{ STR("52.1.1"), STR("") },
		{ STR("Ok 2.0.0"), STR("") },
		{ STR(""), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str code = STR("");

		assert_int_equal(
			smtp_enhanced_code(rows[i].text, &code), rows[i].code.len > 0);
		SAME("code", code, rows[i].code);
	}
}

/* What is shown with nothing, with AUTH and STARTTLS, and with all. */
static void test_ehlo(void **state)
{
	static const struct {
		const char *name;
		struct str reply, least, login, all;
		bool has_followed;
	} rows[] = {
		{ "Postfix",
			STR("250-mx\r\n250-PIPELINING\r\n250-SIZE 1\r\n250-ETRN\r\n"
			    "250-STARTTLS\r\n250-AUTH PLAIN\r\n250-AUTH=PLAIN\r\n"
			    "250-DSN\r\n250 CHUNKING\r\n"),
			STR("250-mx\r\n250-PIPELINING\r\n250-SIZE 1\r\n250 CHUNKING\r\n"),
			STR("250-mx\r\n250-PIPELINING\r\n250-SIZE 1\r\n250-STARTTLS\r\n"
			    "250-AUTH PLAIN\r\n250-AUTH=PLAIN\r\n250 CHUNKING\r\n"),
			STR("250-mx\r\n250-PIPELINING\r\n250-SIZE 1\r\n250-ETRN\r\n"
			    "250-STARTTLS\r\n250-AUTH PLAIN\r\n250-AUTH=PLAIN\r\n"
			    "250-DSN\r\n250 CHUNKING\r\n"),
			true },
		{ "Exchange",
			STR("250-mx Hello\r\n250-X-EXPS GSSAPI\r\n250-XEXCH50\r\n"
			    "250-BINARYMIME\r\n250-x-link2state\r\n250 8bitmime\r\n"),
			STR("250-mx Hello\r\n250 8bitmime\r\n"),
			STR("250-mx Hello\r\n250 8bitmime\r\n"),
			STR("250-mx Hello\r\n250-BINARYMIME\r\n250 8bitmime\r\n"), true },
		{ "Exim", STR("250-mx\r\n250-PRDR\r\n250-X_PIPE_CONNECT\r\n250 HELP\r\n"),
			STR("250-mx\r\n250-X_PIPE_CONNECT\r\n250 HELP\r\n"),
			STR("250-mx\r\n250-X_PIPE_CONNECT\r\n250 HELP\r\n"),
			STR("250-mx\r\n250-PRDR\r\n250-X_PIPE_CONNECT\r\n250 HELP\r\n"),
			true },
		{ "all left out", STR("250-mx\r\n250-X-NEW A B\r\n250 burl imap\r\n"),
			STR("250 mx\r\n"), STR("250 mx\r\n"), STR("250 mx\r\n"), false },
		{ "one line", STR("250 mx\r\n"), STR("250 mx\r\n"), STR("250 mx\r\n"),
			STR("250 mx\r\n"), false },
		{ "bare LFs, and nothing left out", STR("250-mx\n250 SIZE\n"),
			STR("250-mx\n250 SIZE\n"), STR("250-mx\n250 SIZE\n"),
			STR("250-mx\n250 SIZE\n"), false },
		{ "bare LFs", STR("250-mx\n250-SIZE\n250 X\n"),
			STR("250-mx\r\n250 SIZE\r\n"), STR("250-mx\r\n250 SIZE\r\n"),
			STR("250-mx\r\n250 SIZE\r\n"), false },
	};
	const unsigned login = SMTP_KEEP_AUTH | SMTP_KEEP_STARTTLS;
	const unsigned ours = SMTP_ADD_AUTH | SMTP_ADD_STARTTLS;

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(smtp_ehlo_filter(rows[i].reply, 0, &out), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].least);
		buf_clear(&out);
		assert_int_equal(smtp_ehlo_filter(rows[i].reply, login, &out), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].login);
		buf_clear(&out);
		assert_int_equal(smtp_ehlo_filter(rows[i].reply, ~ours, &out), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].all);
		assert_int_equal(
			smtp_ehlo_has_followed(rows[i].reply, 0), rows[i].has_followed);
		buf_fini(&out);
	}
}

/* What we carry out ourselves is no more than we have. */
static void test_ehlo_ours(void **state)
{
	struct str keyword;

	(void)state;
	assert_null(smtp_ehlo_lost(STR_LIT("DSN"), SMTP_KEEP_DSN, &keyword));
	assert_non_null(smtp_ehlo_lost(STR_LIT("PRDR"), SMTP_KEEP_DSN, &keyword));
	assert_true(smtp_ehlo_has_followed(STR_LIT("250-mx\r\n250 DSN\r\n"), 0));
	assert_false(
		smtp_ehlo_has_followed(STR_LIT("250-mx\r\n250 DSN\r\n"), SMTP_KEEP_DSN));
	assert_true(smtp_ehlo_has_followed(
		STR_LIT("250-mx\r\n250-DSN\r\n250 ETRN\r\n"), SMTP_KEEP_DSN));
}

/* A word is lost exactly when the answer without the source's extensions has it not. */
static void test_ehlo_lost(void **state)
{
	static const struct str words[] = { STR("PIPELINING"), STR("size 1"),
		STR("AUTH PLAIN"), STR("AUTH=PLAIN"), STR("STARTTLS"), STR("DSN"),
		STR("dsn"), STR("ETRN"), STR("XCLIENT NAME ADDR"), STR("XFORWARD NAME"),
		STR("PRDR"), STR("BINARYMIME"), STR("DELIVERBY 1"), STR("MT-PRIORITY"),
		STR("FUTURERELEASE 1 2"), STR("NO-SOLICITING"), STR("RRVS"), STR("MTRK"),
		STR("SUBMITTER"), STR("BURL"), STR("X-NEW"), STR("LIMITS RCPTMAX=1") };

	(void)state;
	for (size_t i = 0; i < N_ROWS(words); i++) {
		struct str keyword, args;
		const char *why = smtp_ehlo_lost(words[i], 0, &keyword);
		struct buf reply, out;

		buf_init(&reply, 0);
		buf_init(&out, 0);
		assert_int_equal(
			buf_printf(&reply, "250-mx\r\n250 %.*s\r\n", STR_ARG(words[i])),
			0);
		assert_int_equal(smtp_ehlo_filter(buf_view(&reply),
					 SMTP_KEEP_AUTH | SMTP_KEEP_STARTTLS, &out),
			0);
		if (!why != smtp_ehlo_has(buf_view(&out), keyword, &args))
			fail_msg("%.*s: %s", STR_ARG(words[i]), why ? why : "kept");
		buf_fini(&out);
		buf_fini(&reply);
	}
}

/* What is bound to the source's own TLS passes nobody who ends it. */
static void test_ehlo_bound(void **state)
{
	static const struct {
		struct str reply, shown;
	} rows[] = {
		{ STR("250-mx\r\n250-AUTH EXTERNAL PLAIN SCRAM-SHA-1 "
		      "scram-sha-1-plus XOAUTH2\r\n250 AUTH=LOGIN EXTERNAL\r\n"),
			STR("250-mx\r\n250-AUTH PLAIN XOAUTH2\r\n"
			    "250 AUTH=LOGIN\r\n") },
		{ STR("250-mx\r\n250 AUTH SCRAM-SHA-1 PLAIN\r\n"),
			STR("250-mx\r\n250 AUTH SCRAM-SHA-1 PLAIN\r\n") },
		{ STR("250-mx\r\n250 AUTH EXTERNAL\r\n"), STR("250 mx\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(
			smtp_ehlo_filter(rows[i].reply, SMTP_KEEP_AUTH, &out), 0);
		SAME("bound", buf_view(&out), rows[i].shown);
		buf_fini(&out);
	}
}

static void test_ehlo_has(void **state)
{
	const struct str reply = STR("250-SIZE\r\n250-size 100\r\n250 AUTH=PLAIN\r\n");
	struct str args;

	(void)state;
	assert_true(smtp_ehlo_has(reply, STR_LIT("SIZE"), &args));
	SAME("the first line is a name", args, STR_LIT("100"));
	assert_true(smtp_ehlo_has(reply, STR_LIT("AUTH"), &args));
	assert_false(smtp_ehlo_has(reply, STR_LIT("PIPELINING"), &args));
	assert_false(smtp_ehlo_has(reply, STR_LIT("SIZ"), &args));
}

static const struct {
	struct str text, local, domain;
	bool ok;
} addresses[] = {
	{ STR("Alice@Example.COM"), STR("alice"), STR("example.com"), true },
	{ STR("a.b+c-d@x"), STR("a.b+c-d"), STR("x"), true },
	{ STR("\"John Doe\"+N@x."), STR("john doe+n"), STR("x"), true },
	{ STR("\"a@b\"@x"), STR("a@b"), STR("x"), true },
	{ STR("\"alice\"@x"), STR("alice"), STR("x"), true },
	{ STR("\"a\\\"b\\\\\"@x"), STR("a\"b\\"), STR("x"), true },
	{ STR("al\\ice@x"), STR("alice"), STR("x"), true },
	{ STR("postmaster"), STR("postmaster"), STR(""), true },
	{ STR("Postmaster@[192.0.2.1]"), STR("postmaster"), STR("[192.0.2.1]"), true },
	{ STR("a@[IPv6:2001:DB8::1]"), STR("a"), STR("[ipv6:2001:db8::1]"), true },
	{ STR("\xc3\x84@\xc3\x84.de"), STR("\xc3\x84"), STR("\xc3\x84.de"), true },
	{ STR("a!b%c/d={}@x_y"), STR("a!b%c/d={}"), STR("x_y"), true },
	{ STR("alice(not (really) me)@x(y)"), STR("alice"), STR("x"), true },
	{ STR("(a \\) b) alice@x"), STR("alice"), STR("x"), true },
	{ STR("\"a(b)\"@x"), STR("a(b)"), STR("x"), true },
	{ STR("a\\(b@x"), STR("a(b"), STR("x"), true },
	{ STR("alice(@x"), STR(""), STR(""), false },
	{ STR("alice(\\"), STR(""), STR(""), false },
	{ STR("alice(()\\"), STR(""), STR(""), false },
	{ STR("alice)@x"), STR(""), STR(""), false },
	{ STR("(alice@x)"), STR(""), STR(""), false },
	{ STR("Alice <alice@x"), STR(""), STR(""), false },
	{ STR("@a,@b:alice@x"), STR(""), STR(""), false },
	{ STR("a,b@x"), STR(""), STR(""), false },
	{ STR("group:alice@x;"), STR(""), STR(""), false },
	{ STR(""), STR(""), STR(""), false },
	{ STR("@x"), STR(""), STR(""), false },
	{ STR("\"\"@x"), STR(""), STR(""), false },
	{ STR("a@"), STR(""), STR(""), false },
	{ STR("a@."), STR(""), STR(""), false },
	{ STR("a@b..c"), STR(""), STR(""), false },
	{ STR("a@b.."), STR(""), STR(""), false },
	{ STR("a@.b"), STR(""), STR(""), false },
	{ STR("a@b@c"), STR(""), STR(""), false },
	{ STR("a@b c"), STR(""), STR(""), false },
	{ STR("a b@c"), STR(""), STR(""), false },
	{ STR("\"a@c"), STR(""), STR(""), false },
	{ STR("a\\"), STR(""), STR(""), false },
	{ STR("a\0b@c"), STR(""), STR(""), false },
	{ STR("a\r@c"), STR(""), STR(""), false },
	{ STR("\"a\nb\"@c"), STR(""), STR(""), false },
	{ STR("a@[1"), STR(""), STR(""), false },
	{ STR("a@1]"), STR(""), STR(""), false },
	{ STR("a@[1]2"), STR(""), STR(""), false },
	{ STR("a@[[1]"), STR(""), STR(""), false },
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(addresses); i++) {
		struct str text = exact_copy(addresses[i].text);
		struct smtp_address a;
		struct arena arena;

		arena_init(&arena);
		if (smtp_address_parse(text, &arena, &a) != addresses[i].ok)
			fail_msg("%.*s", STR_ARG(text));
		if (addresses[i].ok) {
			SAME("local part", a.local, addresses[i].local);
			SAME("domain", a.domain, addresses[i].domain);
		}
		arena_fini(&arena);
		exact_free(text);
	}
}

/* What a server finds in the local part of its own addresses. */
static void test_inner_addresses(void **state)
{
	static const struct {
		struct str text, local, domain;
	} rows[] = {
		{ STR("alice%example.com@here"), STR("alice"), STR("example.com") },
		{ STR("a%b%Example.COM.@here"), STR("a%b"), STR("example.com") },
		{ STR("alice%[192.0.2.1]"), STR(""), STR("") },
		{ STR("example.com!alice@here"), STR("alice"), STR("example.com") },
		{ STR("a!b!c"), STR("b!c"), STR("a") },
		{ STR("a!b%c@here"), STR("a!b"), STR("c") },
		{ STR("\"alice@example.com\"@here"), STR("alice"), STR("example.com") },
		{ STR("\"a@b%c\"@here"), STR("a"), STR("") },
		{ STR("alice@here"), STR(""), STR("") },
		{ STR("%example.com@here"), STR(""), STR("") },
		{ STR("alice%@here"), STR(""), STR("") },
		{ STR("!alice@here"), STR(""), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct smtp_address a = { 0 }, inner = { 0 };
		struct arena arena;
		bool found;

		arena_init(&arena);
		if (smtp_address_parse(rows[i].text, &arena, &a))
			found = smtp_address_inner(&a, &arena, &inner);
		else
			found = false;
		if (found != (rows[i].domain.len > 0))
			fail_msg("%.*s", STR_ARG(rows[i].text));
		if (found) {
			SAME("local part", inner.local, rows[i].local);
			SAME("domain", inner.domain, rows[i].domain);
		}
		arena_fini(&arena);
	}
}

static void test_address_limits(void **state)
{
	struct smtp_address a;
	struct arena arena;
	struct buf text;

	(void)state;
	arena_init(&arena);
	buf_init(&text, 0);
	for (int i = 0; i < SMTP_LOCAL_PART_MAX; i++)
		buf_byte(&text, 'a');
	assert_true(smtp_address_parse(buf_view(&text), &arena, &a));
	buf_byte(&text, '@');
	for (int i = 0; i < SMTP_DOMAIN_MAX; i++)
		buf_byte(&text, 'd');
	assert_true(smtp_address_parse(buf_view(&text), &arena, &a));
	assert_int_equal(a.domain.len, SMTP_DOMAIN_MAX);
	buf_byte(&text, 'd');
	assert_false(smtp_address_parse(buf_view(&text), &arena, &a));
	buf_clear(&text);
	for (int i = 0; i <= SMTP_LOCAL_PART_MAX; i++)
		buf_byte(&text, 'a');
	assert_false(smtp_address_parse(buf_view(&text), &arena, &a));
	buf_fini(&text);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_bdat),
		cmocka_unit_test(test_spoken),
		cmocka_unit_test(test_unsafe),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_reply_limits),
		cmocka_unit_test(test_enhanced),
		cmocka_unit_test(test_ehlo),
		cmocka_unit_test(test_ehlo_ours),
		cmocka_unit_test(test_ehlo_lost),
		cmocka_unit_test(test_ehlo_bound),
		cmocka_unit_test(test_ehlo_has),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_inner_addresses),
		cmocka_unit_test(test_address_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
