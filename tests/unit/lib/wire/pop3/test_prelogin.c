/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The POP3 server before login, driven by tests/transcripts/pop3/prelogin. The test plays
 * the caller: each attempt is written down and refused, unless the password is "right".
 *
 *   G: +OK ... <1@x>   the offer's greeting; K: a line of its capabilities; O: stls
 *   C: S:              client and server
 *   L: USER|alice|secret|          a login: mechanism, user, password, master user
 *   P: USER alice                  what the source is told of it
 *   X: CRAM-MD5|alice|             a mechanism that only the source can do, whose user,
 *                                  and whose proof it is when not the user's own
 *   Y: line                        the client's next answer in it
 *   T: STLS
 *   Z: login | close
 */
#include "wire/pop3/upstream.h"

#include "lib/wire/transcript.h"
#include "lib/wire/wire_test.h"

#define COMMAND_MAX_HERE 200

struct caller {
	struct pop3_prelogin machine;
	struct buf trace, reply;
};

/* To a source that asks for all there is. */
static void say_steps(struct caller *c)
{
	struct pop3_upstream u, tried;
	struct buf out, ignored;
	struct str response;
	size_t used;
	bool user = c->machine.login.kind == LOGIN_PASSWORD;

	buf_init(&out, 0);
	buf_init(&ignored, 0);
	pop3_upstream_init(&u);
	u.state = POP3_UPSTREAM_IN_READY;
	assert_int_equal(pop3_upstream_login(&u, &c->machine.login, &out), 0);
	while (u.state == POP3_UPSTREAM_IN_LOGIN) {
		tried = u;
		if (pop3_upstream_next(&tried, STR_LIT("+OK\r\n"), &response, &used,
			    &ignored) == UPSTREAM_OK)
			break;
		assert_int_equal(pop3_upstream_next(&u,
					 user ? STR_LIT("+OK\r\n") : STR_LIT("+ \r\n"),
					 &response, &used, &out),
			UPSTREAM_AGAIN);
	}
	trace_bytes(&c->trace, 'P', &out);
	buf_fini(&ignored);
	buf_fini(&out);
}

static void say_login(struct caller *c, char mark)
{
	const struct wire_login *l = &c->machine.login;
	struct buf text;

	buf_init(&text, 0);
	buf_append(&text, l->mechanism);
	buf_byte(&text, '|');
	buf_append(&text, l->user);
	if (mark == 'L') {
		buf_byte(&text, '|');
		buf_append(&text, l->password);
	}
	buf_byte(&text, '|');
	buf_append(&text, l->master);
	trace_line(&c->trace, mark, buf_view(&text));
	buf_fini(&text);
	if (mark == 'X' || mark == 'L')
		say_steps(c);
}

static void refuse(struct caller *c)
{
	pop3_prelogin_answered(&c->machine);
	buf_append_c(&c->reply, "-ERR refused\r\n");
}

static bool login(struct caller *c)
{
	const struct challenge_proof *proof = &c->machine.login.proof;

	say_login(c, 'L');
	if (proof->kind == CHALLENGE_APOP) {
		trace_line(&c->trace, 'D', proof->challenge);
		trace_line(&c->trace, 'D', proof->digest);
	}
	if (str_eq(c->machine.login.password, STR_LIT("right"))) {
		trace_line(&c->trace, 'Z', STR_LIT("login"));
		return false;
	}
	refuse(c);
	return true;
}

/* The source asks once more after the first line, and then says no. */
static void exchange(struct caller *c)
{
	say_login(c, 'X');
	buf_append_c(&c->reply, "+ challenge\r\n");
	pop3_prelogin_challenged(&c->machine);
}

static bool act(struct caller *c, enum prelogin_action action)
{
	switch (action) {
	case PRELOGIN_NEED_MORE:
		return false;
	case PRELOGIN_AGAIN:
		return true;
	case PRELOGIN_LOGIN:
		return login(c);
	case PRELOGIN_EXCHANGE:
		exchange(c);
		return true;
	case PRELOGIN_EXCHANGE_LINE:
		trace_line(&c->trace, 'Y', c->machine.line);
		say_login(c, 'W');
		refuse(c);
		return true;
	case PRELOGIN_STARTTLS:
		trace_line(&c->trace, 'T', c->machine.login.mechanism);
		refuse(c);
		return true;
	case PRELOGIN_CLOSE:
		trace_line(&c->trace, 'Z', STR_LIT("close"));
		return false;
	}
	return false;
}

static void run_in_steps(const struct transcript *t, const struct pop3_offer *offer,
	struct str input, size_t step)
{
	struct caller c;
	struct buf want;
	struct arena arena;
	size_t start = 0, known = 0, used;
	enum prelogin_action action;
	bool on;

	arena_init(&arena);
	buf_init(&c.trace, 0);
	buf_init(&c.reply, 0);
	buf_init(&want, 0);
	pop3_prelogin_init(&c.machine, offer, &arena, COMMAND_MAX_HERE);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			action = pop3_prelogin_next(&c.machine,
				str_skip(str_take(input, known), start), &used, &c.reply);
			start += used;
			trace_bytes(&c.trace, 'S', &c.reply);
			on = act(&c, action);
			trace_bytes(&c.trace, 'S', &c.reply);
		} while (on);
	} while (action == PRELOGIN_NEED_MORE && known < input.len);
	assert_same_trace(
		t, step, buf_view(&c.trace), transcript_trace(t, "CGKO", &want));
	buf_fini(&want);
	buf_fini(&c.reply);
	buf_fini(&c.trace);
	arena_fini(&arena);
}

static void run(const struct transcript *t)
{
	struct buf bytes, greeting, capability, options;
	struct pop3_offer offer = { 0 };
	struct str input;

	buf_init(&bytes, 0);
	buf_init(&greeting, 0);
	buf_init(&capability, 0);
	buf_init(&options, 0);
	offer.greeting = str_trim(transcript_of(t, 'G', &greeting));
	offer.capability = transcript_of(t, 'K', &capability);
	offer.starttls = transcript_of(t, 'O', &options).len > 0;
	input = exact_copy(transcript_of(t, 'C', &bytes));
	for (size_t step = 1; step <= input.len; step += step < 40 ? 1 : input.len / 7)
		run_in_steps(t, &offer, input, step);
	run_in_steps(t, &offer, input, input.len);
	exact_free(input);
	buf_fini(&options);
	buf_fini(&capability);
	buf_fini(&greeting);
	buf_fini(&bytes);
}

static void test_transcripts(void **state)
{
	(void)state;
	transcripts_run("pop3/prelogin", run);
}

/* The source reached inside TLS, what it does not offer in clear is refused in clear. */
static void test_tls_first(void **state)
{
	static const struct {
		const char *capability, *says, *reply;
	} rows[] = {
		{ "STLS\r\n", "USER a\r\nPASS b\r\n",
			"-ERR [AUTH] Begin TLS first.\r\n-ERR USER first.\r\n" },
		{ "STLS\r\n", "AUTH PLAIN AGEAYg==\r\n",
			"-ERR Unsupported authentication mechanism.\r\n" },
		{ "STLS\r\nUSER\r\n", "USER a\r\n", "+OK\r\n" },
		{ "STLS\r\nSASL PLAIN\r\n", "AUTH PLAIN\r\n", "+ \r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pop3_offer offer = { .greeting = STR("+OK"),
			.capability = str_from(rows[i].capability),
			.tls_first = true };
		struct str input = str_from(rows[i].says);
		struct pop3_prelogin p;
		struct arena arena;
		struct buf reply;
		size_t used;

		arena_init(&arena);
		buf_init(&reply, 0);
		pop3_prelogin_init(&p, &offer, &arena, 100);
		while (input.len &&
			pop3_prelogin_next(&p, input, &used, &reply) == PRELOGIN_AGAIN)
			input = str_skip(input, used);
		if (!str_eq(buf_view(&reply), str_from(rows[i].reply)))
			fail_msg("%s%.*s", rows[i].says, STR_ARG(buf_view(&reply)));
		buf_fini(&reply);
		arena_fini(&arena);
	}
}

/* While somebody looks at an attempt, nothing more is taken. */
static void test_waits(void **state)
{
	const struct pop3_offer offer = { .greeting = STR("+OK") };
	const struct str input = STR("PASS b\r\nUSER c\r\n");
	struct pop3_prelogin p;
	struct arena arena;
	struct buf reply;
	size_t used;

	(void)state;
	arena_init(&arena);
	buf_init(&reply, 0);
	pop3_prelogin_init(&p, &offer, &arena, 100);
	assert_int_equal(pop3_prelogin_next(&p, STR_LIT("USER a\r\n"), &used, &reply),
		PRELOGIN_AGAIN);
	assert_int_equal(pop3_prelogin_next(&p, input, &used, &reply), PRELOGIN_LOGIN);
	assert_int_equal(used, 8);
	assert_int_equal(p.state, POP3_PRELOGIN_IN_ATTEMPT);
	assert_int_equal(pop3_prelogin_next(&p, str_skip(input, 8), &used, &reply),
		PRELOGIN_NEED_MORE);
	assert_int_equal(used, 0);
	pop3_prelogin_answered(&p);
	assert_int_equal(pop3_prelogin_next(&p, str_skip(input, 8), &used, &reply),
		PRELOGIN_AGAIN);
	assert_string_equal(pop3_prelogin_state_name(p.state), "command");
	assert_string_equal(
		pop3_prelogin_state_name((enum pop3_prelogin_state)99), "unknown");
	buf_fini(&reply);
	arena_fini(&arena);
}

/* A client that does not read its answers is closed, not served on. */
static void test_reply_is_full(void **state)
{
	const struct pop3_offer offer = { .greeting = STR("+OK") };
	struct pop3_prelogin p;
	struct arena arena;
	struct buf reply;
	size_t used;

	(void)state;
	arena_init(&arena);
	buf_init(&reply, 3);
	pop3_prelogin_init(&p, &offer, &arena, 100);
	assert_int_equal(pop3_prelogin_next(&p, STR_LIT("USER a\r\n"), &used, &reply),
		PRELOGIN_CLOSE);
	assert_int_equal(pop3_prelogin_next(&p, STR_LIT("USER a\r\n"), &used, &reply),
		PRELOGIN_CLOSE);
	buf_fini(&reply);
	arena_fini(&arena);
}

static void test_capability_filter(void **state)
{
	static const struct {
		const char *name;
		struct str capability, shown, shown_tls;
	} rows[] = {
		{ "Dovecot",
			STR("CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n"
			    "AUTH-RESP-CODE\r\nSTLS\r\nUSER\r\nSASL PLAIN LOGIN\r\n"),
			STR("TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n"
			    "AUTH-RESP-CODE\r\nUSER\r\nSASL PLAIN LOGIN\r\n"),
			STR("TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n"
			    "AUTH-RESP-CODE\r\nSTLS\r\nUSER\r\nSASL PLAIN LOGIN\r\n") },
		{ "what blinds or binds", STR("UTF8 USER\r\nLANG\r\nXCLIENT\r\ntop\r\n"),
			STR("top\r\n"), STR("top\r\n") },
		{ "what differs by user",
			STR("EXPIRE 60\r\nLOGIN-DELAY 900\r\nEXPIRE 0 USER\r\n"),
			STR("EXPIRE 60 USER\r\nLOGIN-DELAY 900 USER\r\nEXPIRE 0 "
			    "USER\r\n"),
			STR("EXPIRE 60 USER\r\nLOGIN-DELAY 900 USER\r\nEXPIRE 0 "
			    "USER\r\n") },
		{ "nothing", STR(""), STR(""), STR("") },
		{ "half a line, empty lines", STR("\r\n\r\nTOP"), STR("TOP\r\n"),
			STR("TOP\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf plain, tls;

		buf_init(&plain, 0);
		buf_init(&tls, 0);
		assert_int_equal(
			pop3_capability_filter(rows[i].capability, false, &plain), 0);
		assert_int_equal(
			pop3_capability_filter(rows[i].capability, true, &tls), 0);
		SAME(rows[i].name, buf_view(&plain), rows[i].shown);
		SAME(rows[i].name, buf_view(&tls), rows[i].shown_tls);
		buf_fini(&plain);
		buf_fini(&tls);
	}
}

static void test_capability_args(void **state)
{
	const struct str capability = STR("TOP\r\nSASL PLAIN  X\r\nUSER\r\n");
	struct str args;

	(void)state;
	assert_true(pop3_capability_args(capability, STR_LIT("sasl"), &args));
	SAME("SASL", args, STR_LIT("PLAIN  X"));
	assert_true(pop3_capability_args(capability, STR_LIT("USER"), &args));
	SAME("USER", args, STR_LIT(""));
	assert_false(pop3_capability_has(capability, STR_LIT("PLAIN")));
	assert_false(pop3_capability_has(capability, STR_LIT("SAS")));
}

static void test_greeting(void **state)
{
	static const struct {
		struct str greeting, timestamp, without, stamped;
	} rows[] = {
		{ STR("+OK ready <1896.6971@mail>"), STR("<1896.6971@mail>"),
			STR("+OK ready"), STR("+OK ready <1234@mail>") },
		{ STR("+OK <a@b> ready."), STR("<a@b>"), STR("+OK ready."),
			STR("+OK <1234@b> ready.") },
		{ STR("+OK a@b <c@d@e> <f@g>"), STR("<c@d@e>"), STR("+OK a@b <f@g>"),
			STR("+OK a@b <1234@d@e> <f@g>") },
		{ STR("+OK <a@b>"), STR("<a@b>"), STR("+OK"), STR("+OK <1234@b>") },
		{ STR("+OK ready"), STR(""), STR("+OK ready"), STR("+OK ready") },
		{ STR("+OK <no at sign>"), STR(""), STR("+OK <no at sign>"),
			STR("+OK <no at sign>") },
		{ STR("+OK <a@b"), STR(""), STR("+OK <a@b"), STR("+OK <a@b") },
		{ STR("+OK a@b> <"), STR(""), STR("+OK a@b> <"), STR("+OK a@b> <") },
		{ STR(""), STR(""), STR(""), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str timestamp = STR("");
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(pop3_greeting_timestamp(rows[i].greeting, &timestamp),
			rows[i].timestamp.len > 0);
		SAME("timestamp", timestamp, rows[i].timestamp);
		assert_int_equal(pop3_greeting_put(rows[i].greeting, &out), 0);
		SAME("greeting", buf_view(&out), rows[i].without);
		buf_clear(&out);
		assert_int_equal(
			pop3_greeting_stamp(rows[i].greeting, STR_LIT("1234"), &out), 0);
		SAME("stamped", buf_view(&out), rows[i].stamped);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_tls_first),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_reply_is_full),
		cmocka_unit_test(test_capability_filter),
		cmocka_unit_test(test_capability_args),
		cmocka_unit_test(test_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
