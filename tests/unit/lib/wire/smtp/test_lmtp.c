/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The LMTP server, driven by tests/transcripts/lmtp. A file is one dialogue:
 *
 *   R: a@x local alice    where an address lives: local ACCOUNT, busy, source, not-yet,
 *                         later, unreadable, elsewhere; else unknown
 *   E: alice 452 4.2.2 …  what its delivery is refused with; E: begin, E: write: likewise
 *   O: 100                the most bytes of a message
 *   C:                    what the client says
 *
 * and what must come out: c: what it hears, t: the text that is kept, A: actions.
 *
 * Each runs line by line, byte by byte, cut at every byte, and all at once.
 */
#include "wire/smtp/lmtp.h"

#include "lib/wire/transcript.h"
#include "lib/wire/wire_test.h"

struct play {
	const struct transcript *t;
	struct lmtp lmtp;
	struct buf in, out, kept, trace;
	bool closed;
};

static struct str word(struct str *rest)
{
	return str_split(rest, ' ');
}

/* What stands behind the word in a line of that mark; ptr NULL: there is none. */
static struct str line_of(const struct play *p, char mark, struct str first)
{
	for (size_t i = 0; i < p->t->n_lines; i++) {
		struct str line = str_trim(p->t->lines[i].text);

		if (p->t->lines[i].mark == mark && str_eq(word(&line), first))
			return line;
	}
	return (struct str){ 0 };
}

/* ---- the caller ---- */

static void route(struct play *p)
{
	static const struct str names[LMTP_ROUTE_COUNT] = {
		[LMTP_ROUTE_LOCAL] = STR("local"),
		[LMTP_ROUTE_BUSY] = STR("busy"),
		[LMTP_ROUTE_SOURCE] = STR("source"),
		[LMTP_ROUTE_NOT_YET] = STR("not-yet"),
		[LMTP_ROUTE_LATER] = STR("later"),
		[LMTP_ROUTE_UNKNOWN] = STR("unknown"),
		[LMTP_ROUTE_ELSEWHERE] = STR("elsewhere"),
		[LMTP_ROUTE_UNREADABLE] = STR("unreadable"),
	};
	struct str line = line_of(p, 'R', p->lmtp.recipient->address);
	struct str how = line.ptr ? word(&line) : STR_LIT("unknown");
	unsigned i = 0;

	while (i < LMTP_ROUTE_COUNT && !str_eq(names[i], how))
		i++;
	if (i == LMTP_ROUTE_COUNT)
		fail_msg("no route: %.*s", STR_ARG(how));
	lmtp_routed(&p->lmtp, (enum lmtp_route)i, line);
}

/* NULL: all goes well. */
static const char *refusal_of(struct play *p, const char *what)
{
	static char text[256];
	struct str line = line_of(p, 'E', str_from(what));

	if (!line.ptr)
		return NULL;
	(void)snprintf(text, sizeof(text), "%.*s", STR_ARG(line));
	return text;
}

static void begin_message(struct play *p)
{
	const char *refusal = refusal_of(p, "begin");
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "begin <%.*s>", STR_ARG(p->lmtp.sender));
	for (const struct smtp_recipient *r = p->lmtp.deliveries.first; r; r = r->next)
		buf_printf(&text, " %.*s=%.*s", STR_ARG(r->address), STR_ARG(r->account));
	trace_line(&p->trace, 'A', buf_view(&text));
	buf_fini(&text);
	lmtp_begun(&p->lmtp, refusal);
}

static void keep(struct play *p)
{
	const char *refusal = refusal_of(p, "write");

	if (refusal) {
		lmtp_write_failed(&p->lmtp, refusal);
		return;
	}
	buf_append(&p->kept, p->lmtp.bytes);
	trace_bytes(&p->trace, 't', &p->kept);
}

/* "E: carol -": nobody answers for carol. */
static void end_message(struct play *p)
{
	size_t n = 0;

	trace_line(&p->trace, 'A', STR_LIT("end"));
	for (const struct smtp_recipient *r = p->lmtp.deliveries.first; r;
		r = r->next, n++) {
		struct str line = line_of(p, 'E', r->account);

		if (!line.ptr)
			lmtp_answer(&p->lmtp, n, STR_LIT(""));
		else if (!str_eq(line, STR_LIT("-")))
			lmtp_answer(&p->lmtp, n, line);
	}
	lmtp_answer(&p->lmtp, n, STR_LIT("")); /* of none */
	lmtp_done(&p->lmtp);
}

/* false: nothing more to do for now. */
static bool act(struct play *p, enum lmtp_action action)
{
	switch (action) {
	case LMTP_NEED_MORE:
		return false;
	case LMTP_AGAIN:
		break;
	case LMTP_ROUTE:
		route(p);
		break;
	case LMTP_BEGIN:
		begin_message(p);
		break;
	case LMTP_BYTES:
		keep(p);
		break;
	case LMTP_END:
		end_message(p);
		break;
	case LMTP_FORGET:
		trace_line(&p->trace, 'A', STR_LIT("forget"));
		buf_clear(&p->kept);
		break;
	case LMTP_CLOSE:
		trace_line(&p->trace, 'A', STR_LIT("close"));
		p->closed = true;
		return false;
	}
	return true;
}

static void turn(struct play *p)
{
	bool on = !p->closed;

	while (on) {
		struct str in = exact_copy(buf_view(&p->in));
		size_t used;
		enum lmtp_action action = lmtp_next(&p->lmtp, in, &used);

		assert_true(used <= in.len);
		buf_consume(&p->in, used);
		trace_bytes(&p->trace, 'c', &p->out);
		on = act(p, action);
		trace_bytes(&p->trace, 'c', &p->out);
		exact_free(in);
	}
}

/* ---- a run ---- */

static void begin(struct play *p, const struct transcript *t)
{
	struct lmtp_offer offer = { .name = STR("mx") };

	*p = (struct play){ .t = t };
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].mark == 'O')
			assert_true(
				str_to_u64(str_trim(t->lines[i].text), &offer.size_max));
	buf_init(&p->in, 0);
	buf_init(&p->out, 0);
	buf_init(&p->kept, 0);
	buf_init(&p->trace, 0);
	lmtp_init(&p->lmtp, &offer, &p->out);
	turn(p);
}

static void finish(struct play *p)
{
	lmtp_fini(&p->lmtp);
	buf_fini(&p->in);
	buf_fini(&p->out);
	buf_fini(&p->kept);
	buf_fini(&p->trace);
}

static void feed(struct play *p, struct str text, size_t step)
{
	while (text.len && !p->closed) {
		buf_append(&p->in, str_take(text, step));
		text = str_skip(text, step);
		turn(p);
	}
}

static void line_by_line(const struct transcript *t, size_t step)
{
	struct play p;
	struct buf want;

	begin(&p, t);
	buf_init(&want, 0);
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].mark == 'C')
			feed(&p, t->lines[i].text, step);
	assert_same_trace(
		t, step, buf_view(&p.trace), transcript_trace(t, "CROE", &want));
	buf_fini(&want);
	finish(&p);
}

/* Whatever came together: what the client hears, what is kept and what is done is the
   same. */
static void cut_at(const struct transcript *t, struct str all, size_t at)
{
	struct play p;
	struct buf want;

	begin(&p, t);
	buf_init(&want, 0);
	feed(&p, str_take(all, at), all.len);
	feed(&p, str_skip(all, at), all.len);
	assert_same_trace(t, at, buf_view(&p.trace), transcript_trace(t, "CROE", &want));
	buf_fini(&want);
	finish(&p);
}

static void run(const struct transcript *t)
{
	struct buf all;
	struct str says;

	line_by_line(t, SIZE_MAX);
	line_by_line(t, 1);
	buf_init(&all, 0);
	says = transcript_of(t, 'C', &all);
	for (size_t at = 0; at <= says.len; at++)
		cut_at(t, says, at);
	buf_fini(&all);
}

static void test_transcripts(void **state)
{
	(void)state;
	transcripts_run("lmtp", run);
}

/* ---- limits ---- */

struct dialogue {
	struct lmtp lmtp;
	struct buf out;
};

static void open_dialogue(struct dialogue *d)
{
	static const struct lmtp_offer offer = { .name = STR("mx") };
	size_t used;

	buf_init(&d->out, 0);
	lmtp_init(&d->lmtp, &offer, &d->out);
	assert_int_equal(lmtp_next(&d->lmtp, STR_LIT(""), &used), LMTP_AGAIN);
}

static void close_dialogue(struct dialogue *d)
{
	lmtp_fini(&d->lmtp);
	buf_fini(&d->out);
}

/* One command; each RCPT is for an account of its own. */
static void says(struct dialogue *d, const char *line)
{
	struct str in = str_from(line);
	char account[32];
	size_t used;
	enum lmtp_action action;

	buf_clear(&d->out);
	do {
		action = lmtp_next(&d->lmtp, in, &used);
		in = str_skip(in, used);
		(void)snprintf(account, sizeof(account), "a%zu", d->lmtp.n_accepted);
		if (action == LMTP_ROUTE)
			lmtp_routed(&d->lmtp, LMTP_ROUTE_LOCAL, str_from(account));
	} while (action != LMTP_NEED_MORE && action != LMTP_CLOSE);
}

static void hears(struct dialogue *d, const char *begins)
{
	struct str got = buf_view(&d->out);

	if (!str_starts(got, str_from(begins)))
		fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(got), begins);
}

static void test_too_many_recipients(void **state)
{
	struct dialogue d;

	(void)state;
	open_dialogue(&d);
	says(&d, "LHLO client\r\nMAIL FROM:<x@y>\r\n");
	for (unsigned i = 0; i < SMTP_RECIPIENTS_MAX; i++) {
		says(&d, "RCPT TO:<a@example.com>\r\n");
		hears(&d, "250 ");
	}
	says(&d, "RCPT TO:<a@example.com>\r\n");
	hears(&d, "452 4.5.3 ");
	says(&d, "RSET\r\n");
	says(&d, "MAIL FROM:<x@y>\r\nRCPT TO:<a@example.com>\r\n");
	hears(&d, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
	close_dialogue(&d);
}

/* Addresses that are refused take memory as well. */
static void test_too_much_memory(void **state)
{
	char line[1100];
	struct dialogue d;
	size_t n = 0;

	(void)state;
	memset(line, 'a', sizeof(line));
	(void)memcpy(line, "RCPT TO:<", 9);
	(void)memcpy(line + sizeof(line) - 4, ">\r\n", 4);
	open_dialogue(&d);
	says(&d, "LHLO client\r\nMAIL FROM:<x@y>\r\n");
	do
		says(&d, line);
	while (n++ < 2000 && str_starts(buf_view(&d.out), STR_LIT("250 ")));
	hears(&d, "452 4.5.3 ");
	assert_true(d.lmtp.arena.used <= SMTP_TRANSACTION_MAX + 2 * sizeof(line));
	close_dialogue(&d);
}

static void test_too_many_errors(void **state)
{
	struct dialogue d;

	(void)state;
	open_dialogue(&d);
	for (int i = 0; i < 19; i++) {
		says(&d, "WHAT\r\n");
		hears(&d, "500 5.5.2 ");
	}
	says(&d, "WHAT\r\n");
	hears(&d, "421 4.7.0 ");
	assert_int_equal(d.lmtp.state, LMTP_CLOSED);
	close_dialogue(&d);
}

static void test_long_line(void **state)
{
	static char line[SMTP_COMMAND_MAX + 10];
	struct dialogue d;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	open_dialogue(&d);
	says(&d, line);
	hears(&d, "500 5.5.2 Line too long");
	says(&d, "more of it\r\nNOOP\r\n");
	hears(&d, "250 2.0.0 Ok\r\n");
	close_dialogue(&d);
}

/* A client that does not read what it is told. */
static void test_full_buffer(void **state)
{
	struct dialogue d;
	size_t used;

	(void)state;
	open_dialogue(&d);
	d.out.limit = buf_len(&d.out) + 4;
	assert_int_equal(lmtp_next(&d.lmtp, STR_LIT("NOOP\r\n"), &used), LMTP_AGAIN);
	assert_int_equal(lmtp_next(&d.lmtp, STR_LIT("NOOP\r\n"), &used), LMTP_CLOSE);
	close_dialogue(&d);
}

/* Answers come late: nothing is taken meanwhile. */
static void test_waits(void **state)
{
	struct dialogue d;
	size_t used;

	(void)state;
	open_dialogue(&d);
	says(&d, "LHLO client\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\n");
	assert_int_equal(lmtp_next(&d.lmtp, STR_LIT("DATA\r\n"), &used), LMTP_BEGIN);
	lmtp_begun(&d.lmtp, NULL);
	assert_int_equal(lmtp_next(&d.lmtp, STR_LIT(".\r\n"), &used), LMTP_END);
	buf_clear(&d.out);
	assert_false(lmtp_is_idle(&d.lmtp));
	assert_int_equal(lmtp_next(&d.lmtp, STR_LIT("NOOP\r\n"), &used), LMTP_NEED_MORE);
	assert_int_equal(used, 0);
	lmtp_done(&d.lmtp);
	hears(&d, "451 4.3.0 "); /* nobody has answered */
	assert_true(lmtp_is_idle(&d.lmtp));
	close_dialogue(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_too_many_recipients),
		cmocka_unit_test(test_too_much_memory),
		cmocka_unit_test(test_too_many_errors),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
