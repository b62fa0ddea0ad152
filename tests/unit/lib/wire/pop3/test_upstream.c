/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The POP3 client up to the answer of its login, and the probe, driven by
 * tests/transcripts/pop3/upstream: a login begins when the greeting has come.
 *
 *   I: USER alice secret   the login: how, user, password; "PROBE": none, the probe
 *   X: YQ==                an exchange, and the client's answer to each challenge
 *   S: C:                  server and client; lines of S that follow one another come
 *                          together, and not before what stands above them
 *   H: yes                 it is odd as it comes at once: not cut into pieces
 *   E: ok +OK …  an event, and the line it came with
 *   G: K:        what the probe learnt
 */
#include "wire/pop3/upstream.h"

#include "lib/wire/transcript.h"
#include "lib/wire/wire_test.h"

static const char *const event_names[] = {
	[UPSTREAM_NEED_MORE] = "need more",
	[UPSTREAM_GREETED] = "greeted",
	[UPSTREAM_AGAIN] = "again",
	[UPSTREAM_CONTINUE] = "continue",
	[UPSTREAM_OK] = "ok",
	[UPSTREAM_NO] = "no",
	[UPSTREAM_BYE] = "bye",
	[UPSTREAM_BROKEN] = "broken",
};

static void say_event(struct buf *trace, const char *name, struct str response)
{
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s ", name);
	buf_append(&text, response);
	trace_line(trace, 'E', str_trim(buf_view(&text)));
	buf_fini(&text);
}

static const struct form {
	struct str name;
	struct wire_login login;
} forms[] = {
	{ STR("PROBE"), { .kind = LOGIN_NONE } },
	{ STR("USER"), { .kind = LOGIN_PASSWORD } },
	{ STR("PLAIN"), { .kind = LOGIN_SASL_PLAIN } },
	{ STR("PLAIN-INITIAL"), { .kind = LOGIN_SASL_PLAIN, .has_initial = true } },
	{ STR("LOGIN"), { .kind = LOGIN_SASL_LOGIN } },
	{ STR("APOP"), { .kind = LOGIN_APOP } },
	{ STR("STLS"), { .kind = LOGIN_STARTTLS } },
	{ STR("CRAM-MD5"), { .kind = LOGIN_EXCHANGE, .mechanism = STR("CRAM-MD5") } },
	{ STR("XOAUTH2"), { .kind = LOGIN_EXCHANGE,
				  .mechanism = STR("XOAUTH2"),
				  .initial = STR("eA==") } },
};

static struct wire_login login_of(struct str text)
{
	struct str name = str_split(&text, ' ');
	struct wire_login l = { 0 };

	for (size_t i = 0; i < N_ROWS(forms); i++)
		if (str_eq(forms[i].name, name))
			l = forms[i].login;
	l.user = str_split(&text, ' ');
	l.password = text;
	l.proof.digest = text;
	return l;
}

struct client {
	struct pop3_upstream machine;
	struct pop3_probe probe;
	struct wire_login login;
	struct str line; /* the client's, in an exchange */
	struct buf trace, out;
};

static bool login_step(struct client *c, struct str input, size_t *start)
{
	struct str response;
	size_t used;
	enum upstream_event e =
		pop3_upstream_next(&c->machine, input, &response, &used, &c->out);

	*start += used;
	trace_bytes(&c->trace, 'C', &c->out);
	if (e == UPSTREAM_NEED_MORE)
		return false;
	if (e != UPSTREAM_AGAIN)
		say_event(&c->trace, event_names[e], response);
	if (e == UPSTREAM_GREETED) {
		assert_int_equal(pop3_upstream_login(&c->machine, &c->login, &c->out), 0);
		trace_bytes(&c->trace, 'C', &c->out);
	}
	if (e == UPSTREAM_CONTINUE) {
		assert_int_equal(pop3_upstream_answer(&c->machine, c->line, &c->out), 0);
		trace_bytes(&c->trace, 'C', &c->out);
	}
	return e != UPSTREAM_BYE && e != UPSTREAM_BROKEN;
}

static void learnt(struct client *c)
{
	struct str lines = c->probe.capability;

	trace_line(&c->trace, 'G', c->probe.greeting);
	while (lines.len)
		trace_line(&c->trace, 'K', str_trim(str_split(&lines, '\n')));
}

static bool probe_step(struct client *c, struct str input, size_t *start)
{
	struct str response;
	size_t used;
	enum pop3_probe_event e =
		pop3_probe_next(&c->probe, input, &response, &used, &c->out);

	*start += used;
	trace_bytes(&c->trace, 'C', &c->out);
	if (e == POP3_PROBE_DONE)
		learnt(c);
	else if (e == POP3_PROBE_BYE || e == POP3_PROBE_BROKEN)
		say_event(&c->trace, e == POP3_PROBE_BYE ? "bye" : "broken", response);
	return e == POP3_PROBE_AGAIN;
}

/* The lines of S from line *at on that come together. */
static struct str next_turn(const struct transcript *t, size_t *at, struct buf *out)
{
	while (*at < t->n_lines && t->lines[*at].mark != 'S')
		(*at)++;
	for (; *at < t->n_lines && t->lines[*at].mark == 'S'; (*at)++)
		assert_int_equal(buf_append(out, t->lines[*at].text), 0);
	return buf_view(out);
}

static void feed(struct client *c, struct str input, size_t step)
{
	size_t start = 0, known = 0;
	bool on;

	while (known < input.len) {
		known = input.len - known > step ? known + step : input.len;
		do {
			struct str unread = str_skip(str_take(input, known), start);

			on = c->login.kind == LOGIN_NONE ? probe_step(c, unread, &start)
			                                 : login_step(c, unread, &start);
		} while (on);
	}
}

static void run_in_steps(struct client *c, const struct transcript *t, size_t step)
{
	struct arena arena;
	struct buf want, turn;
	struct str input;

	arena_init(&arena);
	buf_init(&c->trace, 0);
	buf_init(&c->out, 0);
	buf_init(&want, 0);
	pop3_upstream_init(&c->machine);
	pop3_probe_init(&c->probe, &arena);
	for (size_t at = 0; at < t->n_lines;) {
		buf_init(&turn, 0);
		input = exact_copy(next_turn(t, &at, &turn));
		feed(c, input, step);
		exact_free(input);
		buf_fini(&turn);
	}
	assert_same_trace(
		t, step, buf_view(&c->trace), transcript_trace(t, "SIXH", &want));
	buf_fini(&want);
	buf_fini(&c->out);
	buf_fini(&c->trace);
	arena_fini(&arena);
}

static void run(const struct transcript *t)
{
	struct client c = { 0 };
	bool hasty = false;

	for (size_t i = 0; i < t->n_lines; i++) {
		if (t->lines[i].mark == 'I')
			c.login = login_of(str_trim(t->lines[i].text));
		else if (t->lines[i].mark == 'X')
			c.line = str_trim(t->lines[i].text);
		else if (t->lines[i].mark == 'H')
			hasty = true;
	}
	for (size_t step = hasty ? 1000 : 1; step < 120; step++)
		run_in_steps(&c, t, step);
	run_in_steps(&c, t, 1000);
}

static void test_transcripts(void **state)
{
	(void)state;
	transcripts_run("pop3/upstream", run);
}

static void test_too_long(void **state)
{
	char *line = malloc(POP3_RESPONSE_MAX + 1);
	struct pop3_upstream u;
	struct str response;
	struct buf out;
	size_t used;

	(void)state;
	assert_non_null(line);
	memset(line, '+', POP3_RESPONSE_MAX + 1);
	buf_init(&out, 0);
	pop3_upstream_init(&u);
	assert_int_equal(pop3_upstream_next(&u, str_of(line, POP3_RESPONSE_MAX),
				 &response, &used, &out),
		UPSTREAM_NEED_MORE);
	assert_int_equal(pop3_upstream_next(&u, str_of(line, POP3_RESPONSE_MAX + 1),
				 &response, &used, &out),
		UPSTREAM_BROKEN);
	assert_string_equal(pop3_upstream_state_name(u.state), "closed");
	buf_fini(&out);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
