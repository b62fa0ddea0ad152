/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The POP3 client up to the answer of its login, and the probe, driven by
 * tests/transcripts/pop3/upstream: a login begins when the greeting has come.
 *
 *   I: USER      the mechanism ("PROBE": no login, the probe); P: its steps
 *   X: yes       an exchange: challenges are not answered here
 *   S: C:        server and client
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

struct client {
	struct pop3_upstream machine;
	struct pop3_probe probe;
	struct wire_login login;
	bool exchange, probing;
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
		assert_int_equal(
			pop3_upstream_login(&c->machine, &c->login, c->exchange, &c->out),
			0);
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

static void run_in_steps(
	struct client *c, const struct transcript *t, struct str input, size_t step)
{
	struct arena arena;
	struct buf want;
	size_t start = 0, known = 0;
	bool on;

	arena_init(&arena);
	buf_init(&c->trace, 0);
	buf_init(&c->out, 0);
	buf_init(&want, 0);
	pop3_upstream_init(&c->machine);
	pop3_probe_init(&c->probe, &arena);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			struct str unread = str_skip(str_take(input, known), start);

			on = c->probing ? probe_step(c, unread, &start)
			                : login_step(c, unread, &start);
		} while (on);
	} while (known < input.len);
	assert_same_trace(
		t, step, buf_view(&c->trace), transcript_trace(t, "SIPX", &want));
	buf_fini(&want);
	buf_fini(&c->out);
	buf_fini(&c->trace);
	arena_fini(&arena);
}

static void run(const struct transcript *t)
{
	struct client c = { 0 };
	struct buf bytes;
	struct str input;

	buf_init(&bytes, 0);
	for (size_t i = 0; i < t->n_lines; i++) {
		if (t->lines[i].mark == 'I')
			c.login.mechanism = str_trim(t->lines[i].text);
		else if (t->lines[i].mark == 'P')
			c.login.steps[c.login.n_steps++] = t->lines[i].text;
		else if (t->lines[i].mark == 'X')
			c.exchange = true;
	}
	c.probing = str_eq(c.login.mechanism, STR_LIT("PROBE"));
	input = exact_copy(transcript_of(t, 'S', &bytes));
	for (size_t step = 1; step < input.len; step++)
		run_in_steps(&c, t, input, step);
	run_in_steps(&c, t, input, input.len);
	exact_free(input);
	buf_fini(&bytes);
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
