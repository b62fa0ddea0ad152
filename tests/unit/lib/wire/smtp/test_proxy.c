/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SMTP proxy between a client and a source, driven by tests/transcripts/smtp. A file
 * is one dialogue in the order in which things happen:
 *
 *   R: a@x local alice    where an address lives: local ACCOUNT, known ACCOUNT (the
 *                         same, and the source was asked before), busy, later, unknown,
 *                         elsewhere, unreadable; else source
 *   M: a@x                a sender whom the source has accepted before; with one, also
 *                         what is remembered of senders alone comes out
 *   K: alice right        whose word on a login counts: right, wrong, later; else source
 *   O: starttls           of the offer; O: tls-here, source-secure, nobody-here, from-us,
 * policy, retired, reports, size 100,
 * unknown WORDS; else a line of its EHLO (several) E: end 452 4.3.1 …    how staging
 * fails: begin, end, commit C: S:                 what client and source say L: source
 * lost        or "client gone"
 *
 * and what must come out:
 *
 *   c: s:                 what client and source get
 *   t:                    the text that is staged
 *   A: …                  actions (behind "start tls": L: tls begun, L: tls passes)
 *
 * Each runs line by line, byte by byte, and with all that the client says at once, the
 * source answering what it gets (not when there is a line "N:": that one needs its
 * order).
 */
#include "wire/smtp/proxy.h"

#include "lib/wire/transcript.h"
#include "lib/wire/wire_test.h"

struct side {
	struct buf in, out;
};

struct play {
	const struct transcript *t;
	struct smtp_proxy proxy;
	struct smtp_offer offer;
	struct side client, source;
	struct buf staged, trace, ehlo;
	bool closed, dropped;
};

static struct str word(struct str *rest)
{
	return str_split(rest, ' ');
}

/* ---- the caller ---- */

static enum smtp_route route_by_name(struct str name)
{
	static const struct {
		struct str name;
		enum smtp_route route;
	} rows[] = {
		{ STR("local"), SMTP_ROUTE_LOCAL },
		{ STR("known"), SMTP_ROUTE_LOCAL_KNOWN },
		{ STR("busy"), SMTP_ROUTE_BUSY },
		{ STR("later"), SMTP_ROUTE_LATER },
		{ STR("unknown"), SMTP_ROUTE_UNKNOWN },
		{ STR("elsewhere"), SMTP_ROUTE_ELSEWHERE },
		{ STR("unreadable"), SMTP_ROUTE_UNREADABLE },
		{ STR("refused"), SMTP_ROUTE_REFUSED },
	};

	for (size_t i = 0; i < N_ROWS(rows); i++)
		if (str_eq(name, rows[i].name))
			return rows[i].route;
	fail_msg("no route: %.*s", STR_ARG(name));
	return SMTP_ROUTE_SOURCE;
}

static void route(struct play *p)
{
	const struct smtp_recipient *r = p->proxy.routing;

	for (size_t i = 0; i < p->t->n_lines; i++) {
		struct str line = str_trim(p->t->lines[i].text), how;

		if (p->t->lines[i].mark != 'R' || !str_eq(word(&line), r->address))
			continue;
		how = word(&line);
		smtp_proxy_routed(&p->proxy, route_by_name(how), line);
		return;
	}
	smtp_proxy_routed(&p->proxy, SMTP_ROUTE_SOURCE, STR_LIT(""));
}

/* "M: x@example.net": the source has accepted it before. */
static void recall(struct play *p)
{
	bool known = false;

	for (size_t i = 0; i < p->t->n_lines; i++)
		known = known ||
		        (p->t->lines[i].mark == 'M' &&
				str_eq(str_trim(p->t->lines[i].text), p->proxy.sender));
	smtp_proxy_sender_known(&p->proxy, known);
}

static void done(struct play *p, const char *what)
{
	static char refusal[256];

	for (size_t i = 0; i < p->t->n_lines; i++) {
		struct str line = str_trim(p->t->lines[i].text);

		if (p->t->lines[i].mark != 'E' || !str_eq(word(&line), str_from(what)))
			continue;
		(void)snprintf(refusal, sizeof(refusal), "%.*s", STR_ARG(line));
		smtp_proxy_done(&p->proxy, str_from(refusal));
		return;
	}
	smtp_proxy_done(&p->proxy, STR_LIT(""));
}

static void say(struct play *p, const char *action)
{
	trace_line(&p->trace, 'A', str_from(action));
}

static void say_reported(const struct smtp_proxy *f, const char *as, struct buf *text)
{
	for (const struct smtp_recipient *r = f->transaction.reported; r;
		r = r->next_reported)
		buf_printf(text, "%s %.*s", as, STR_ARG(r->address));
}

static void say_report(struct play *p)
{
	struct buf text;

	buf_init(&text, 0);
	say_reported(&p->proxy, "report", &text);
	trace_line(&p->trace, 'A', buf_view(&text));
	buf_fini(&text);
	smtp_proxy_done(&p->proxy, STR_LIT(""));
}

static void say_recipients(struct play *p)
{
	const struct smtp_proxy *f = &p->proxy;
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "begin <%.*s>", STR_ARG(f->transaction.sender));
	for (const struct smtp_recipient *r = f->transaction.local.first; r; r = r->next)
		buf_printf(&text, " %.*s=%.*s", STR_ARG(r->address), STR_ARG(r->account));
	say_reported(f, " reported", &text);
	buf_printf(&text, " helo=%s %s%s", f->client.helo,
		f->client.esmtp ? "ESMTP" : "SMTP", f->client.authenticated ? "A" : "");
	trace_line(&p->trace, 'A', buf_view(&text));
	buf_fini(&text);
}

static void say_login(struct play *p, const char *what)
{
	const struct smtp_login *l = &p->proxy.login;
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s %.*s|%.*s|%.*s|%.*s", what, STR_ARG(l->mechanism),
		STR_ARG(l->user), STR_ARG(l->password), STR_ARG(l->master));
	trace_line(&p->trace, 'A', buf_view(&text));
	buf_fini(&text);
}

/* "K: alice right": all others are the source's. */
static void check(struct play *p)
{
	static const struct str names[SMTP_CHECK_COUNT] = { STR("source"), STR("right"),
		STR("wrong"), STR("later") };

	for (size_t i = 0; i < p->t->n_lines; i++) {
		struct str line = str_trim(p->t->lines[i].text);

		if (p->t->lines[i].mark != 'K' ||
			!str_eq(word(&line), p->proxy.login.user))
			continue;
		for (unsigned k = 0; k < SMTP_CHECK_COUNT; k++)
			if (str_eq(line, names[k]))
				smtp_proxy_checked(&p->proxy, (enum smtp_check)k);
		return;
	}
	smtp_proxy_checked(&p->proxy, SMTP_CHECK_SOURCE);
}

static bool is_about_senders(const struct play *p)
{
	for (size_t i = 0; i < p->t->n_lines; i++)
		if (p->t->lines[i].mark == 'M')
			return true;
	return false;
}

static void say_remember(struct play *p)
{
	const struct smtp_recipient *r = p->proxy.recipient;
	char text[300];

	if (!r && !is_about_senders(p))
		return;
	(void)snprintf(text, sizeof(text), "remember <%.*s> %.*s",
		STR_ARG(p->proxy.sender), STR_ARG(r ? r->address : STR_LIT("itself")));
	say(p, text);
}

static void say_at_source(struct play *p)
{
	char text[300];

	(void)snprintf(text, sizeof(text), "at source %.*s %u",
		STR_ARG(p->proxy.recipient->address), p->proxy.code);
	say(p, text);
}

/* About what the source is asked, and what it has said. */
static void act_on_source(struct play *p, enum smtp_proxy_action action)
{
	if (action == SMTP_PROXY_AT_SOURCE) {
		say_at_source(p);
	} else if (action == SMTP_PROXY_KNOWN_SENDER) {
		recall(p);
	} else if (action == SMTP_PROXY_REMEMBER) {
		say_remember(p);
	} else if (action == SMTP_PROXY_FORGET) {
		say(p, "forget sender");
	} else {
		say(p, "renew source");
		buf_clear(&p->source.in);
		smtp_proxy_source_reopened(&p->proxy);
	}
}

static void act_on_copy(struct play *p, enum smtp_proxy_action action)
{
	const char *what = action == SMTP_PROXY_COMMIT ? "commit" : "end";

	if (action == SMTP_PROXY_STAGE_BEGIN) {
		say_recipients(p);
		done(p, "begin");
	} else if (action == SMTP_PROXY_STAGE_BYTES) {
		buf_append(&p->staged, p->proxy.bytes);
		trace_bytes(&p->trace, 't', &p->staged);
	} else if (action == SMTP_PROXY_REPORT) {
		say_report(p);
	} else if (action == SMTP_PROXY_ABORT) {
		say(p, "abort");
		buf_clear(&p->staged);
	} else {
		say(p, what);
		done(p, what);
	}
}

/* false: nothing more to do for now. */
static bool act(struct play *p, enum smtp_proxy_action action)
{
	switch (action) {
	case SMTP_PROXY_NEED_MORE:
		return false;
	case SMTP_PROXY_AGAIN:
		break;
	case SMTP_PROXY_ROUTE:
		route(p);
		break;
	case SMTP_PROXY_AT_SOURCE:
	case SMTP_PROXY_KNOWN_SENDER:
	case SMTP_PROXY_REMEMBER:
	case SMTP_PROXY_FORGET:
	case SMTP_PROXY_RENEW_SOURCE:
		act_on_source(p, action);
		break;
	case SMTP_PROXY_STAGE_BEGIN:
	case SMTP_PROXY_STAGE_BYTES:
	case SMTP_PROXY_STAGE_END:
	case SMTP_PROXY_COMMIT:
	case SMTP_PROXY_REPORT:
	case SMTP_PROXY_ABORT:
		act_on_copy(p, action);
		break;
	case SMTP_PROXY_CONNECT_RELAY:
		say(p, "connect relay");
		smtp_proxy_relay_begun(&p->proxy);
		break;
	case SMTP_PROXY_TRACE:
		buf_append_c(&p->source.out, "Received: us\r\n");
		break;
	case SMTP_PROXY_CHECK:
		check(p);
		break;
	case SMTP_PROXY_AUTHENTICATED:
	case SMTP_PROXY_LOGIN_REFUSED:
		say_login(p, action == SMTP_PROXY_AUTHENTICATED ? "login" : "refused");
		break;
	case SMTP_PROXY_UPGRADE:
	case SMTP_PROXY_START_TLS:
		say(p, action == SMTP_PROXY_UPGRADE ? "upgrade" : "start tls");
		break;
	case SMTP_PROXY_DROP_SOURCE:
		say(p, "drop source");
		p->dropped = true;
		break;
	case SMTP_PROXY_CLOSE:
		say(p, "close");
		p->closed = true;
		return false;
	}
	return true;
}

static void turn(struct play *p)
{
	bool on = !p->closed;

	while (on) {
		/* each at the end of its own memory */
		struct str client = exact_copy(buf_view(&p->client.in));
		struct str source = exact_copy(buf_view(&p->source.in));
		struct smtp_proxy_io io = { .client = client, .source = source };
		enum smtp_proxy_action action = smtp_proxy_next(&p->proxy, &io);

		assert_true(io.client_used <= client.len && io.source_used <= source.len);
		buf_consume(&p->client.in, io.client_used);
		buf_consume(&p->source.in, io.source_used);
		trace_bytes(&p->trace, 's', &p->source.out);
		trace_bytes(&p->trace, 'c', &p->client.out);
		on = act(p, action);
		exact_free(client);
		exact_free(source);
	}
}

/* ---- a run ---- */

static void offer_line(struct play *p, struct str line)
{
	struct str what = word(&line);

	if (str_eq(what, STR_LIT("starttls")))
		p->offer.tls = SMTP_TLS_PASS;
	else if (str_eq(what, STR_LIT("tls-here")))
		p->offer.tls = SMTP_TLS_HERE;
	else if (str_eq(what, STR_LIT("source-secure")))
		p->offer.source_is_secure = true;
	else if (str_eq(what, STR_LIT("nobody-here")))
		p->offer.nobody_here = true;
	else if (str_eq(what, STR_LIT("from-us")))
		p->offer.from_us = true;
	else if (str_eq(what, STR_LIT("policy")))
		p->offer.policy = true;
	else if (str_eq(what, STR_LIT("retired")))
		p->offer.retired = true;
	else if (str_eq(what, STR_LIT("relay")))
		p->offer.relay = SMTP_RELAY_BY_SMTP;
	else if (str_eq(what, STR_LIT("reports")))
		p->offer.reports = true;
	else if (str_eq(what, STR_LIT("lmtp")))
		p->offer.relay = SMTP_RELAY_BY_LMTP;
	else if (str_eq(what, STR_LIT("secure")))
		p->offer.is_secure = true;
	else if (str_eq(what, STR_LIT("unknown")))
		p->offer.unknown_user = line;
	else if (str_eq(what, STR_LIT("size")))
		assert_true(str_to_u64(line, &p->offer.size_max));
	else
		buf_printf(&p->ehlo, "%.*s\r\n", STR_ARG(line));
}

static void begin(struct play *p, const struct transcript *t)
{
	*p = (struct play){ .t = t };
	p->offer.name = STR_LIT("mx");
	buf_init(&p->client.in, 0);
	buf_init(&p->client.out, 0);
	buf_init(&p->source.in, 0);
	buf_init(&p->source.out, 0);
	buf_init(&p->staged, 0);
	buf_init(&p->trace, 0);
	buf_init(&p->ehlo, 0);
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].mark == 'O')
			offer_line(p, str_trim(t->lines[i].text));
	p->offer.ehlo = buf_view(&p->ehlo);
	smtp_proxy_init(&p->proxy, &p->offer, &p->client.out, &p->source.out);
}

static void finish(struct play *p)
{
	smtp_proxy_fini(&p->proxy);
	buf_fini(&p->client.in);
	buf_fini(&p->client.out);
	buf_fini(&p->source.in);
	buf_fini(&p->source.out);
	buf_fini(&p->staged);
	buf_fini(&p->trace);
	buf_fini(&p->ehlo);
}

static void feed(struct play *p, struct side *to, struct str text, size_t step)
{
	while (text.len && !p->closed) {
		buf_append(&to->in, str_take(text, step));
		text = str_skip(text, step);
		turn(p);
	}
}

static void event(struct play *p, struct str what)
{
	if (str_eq(str_trim(what), STR_LIT("source lost")))
		smtp_proxy_source_lost(&p->proxy);
	else if (str_eq(str_trim(what), STR_LIT("source connected")))
		smtp_proxy_source_connected(&p->proxy);
	else if (str_eq(str_trim(what), STR_LIT("tls begun")))
		smtp_proxy_tls_begun(&p->proxy);
	else if (str_eq(str_trim(what), STR_LIT("source renewed")))
		smtp_proxy_source_renewed(&p->proxy);
	else if (str_eq(str_trim(what), STR_LIT("tls passes")))
		smtp_proxy_tls_passes(&p->proxy);
	else
		smtp_proxy_client_gone(&p->proxy);
	turn(p);
}

static void in_order(const struct transcript *t, size_t step)
{
	struct play p;
	struct buf want;

	begin(&p, t);
	buf_init(&want, 0);
	for (size_t i = 0; i < t->n_lines; i++) {
		if (t->lines[i].mark == 'C')
			feed(&p, &p.client, t->lines[i].text, step);
		else if (t->lines[i].mark == 'S')
			feed(&p, &p.source, t->lines[i].text, step);
		else if (t->lines[i].mark == 'L')
			event(&p, t->lines[i].text);
	}
	assert_same_trace(
		t, step, buf_view(&p.trace), transcript_trace(t, "CSLROENKM", &want));
	buf_fini(&want);
	finish(&p);
}

/* ---- everything of the client at once ---- */

struct script {
	size_t at;    /* the next line of the transcript to look at for an S: */
	size_t seen;  /* bytes of the trace that were looked at */
	bool in_data; /* behind 354 */
	size_t chunk; /* bytes that are left of one */
	size_t owed;  /* replies */
};

/* The next whole reply of the source into its input; false: the script is over. */
static bool next_reply(struct play *p, struct script *s)
{
	const struct transcript *t = p->t;

	for (; s->at < t->n_lines; s->at++) {
		struct str text = t->lines[s->at].text;

		if (t->lines[s->at].mark != 'S')
			continue;
		buf_append(&p->source.in, text);
		if (str_starts(text, STR_LIT("354")))
			s->in_data = true;
		if (text.len < 4 || text.ptr[3] != '-') {
			s->at++;
			return true;
		}
	}
	return false;
}

/* Whether it is text of a chunk. */
static bool is_of_chunk(const struct play *p, struct script *s, struct str line)
{
	size_t len = line.len - 2; /* with its LF, without the mark */

	if (s->chunk)
		s->chunk -= len < s->chunk ? len : s->chunk;
	else if (str_starts(line, STR_LIT("s: BDAT ")) && p->proxy.source_has_chunking)
		s->chunk = (size_t)strtoul(line.ptr + 8, NULL, 10);
	else
		return false;
	return !str_starts(line, STR_LIT("s: BDAT "));
}

/* Counts what the source was asked since the last look. */
static void look(struct play *p, struct script *s)
{
	struct str fresh = str_skip(buf_view(&p->trace), s->seen);

	s->seen += fresh.len;
	while (fresh.len) {
		struct str line = str_split(&fresh, '\n');

		if (!str_starts(line, STR_LIT("s: ")) || is_of_chunk(p, s, line))
			continue;
		if (!s->in_data || str_eq(line, STR_LIT("s: .\r"))) {
			s->owed++;
			s->in_data = false;
		}
	}
}

static void of_mark(struct str trace, char mark, struct buf *out)
{
	while (trace.len) {
		struct str line = str_split(&trace, '\n');

		if (line.len && line.ptr[0] == mark)
			buf_printf(out, "%.*s\n", STR_ARG(line));
	}
}

static void compare_marks(struct play *p)
{
	struct buf want;

	buf_init(&want, 0);
	transcript_trace(p->t, "CSLROENKMA", &want);
	for (const char *mark = "cst"; *mark; mark++) {
		struct buf a, b;

		buf_init(&a, 0);
		buf_init(&b, 0);
		of_mark(buf_view(&p->trace), *mark, &a);
		of_mark(buf_view(&want), *mark, &b);
		assert_same_trace(p->t, 0, buf_view(&a), buf_view(&b));
		buf_fini(&a);
		buf_fini(&b);
	}
	buf_fini(&want);
}

static void at_once(const struct transcript *t)
{
	struct play p;
	struct script s = { .owed = 1 }; /* the greeting */

	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].mark == 'N')
			return;
	begin(&p, t);
	transcript_of(t, 'C', &p.client.in);
	do {
		turn(&p);
		look(&p, &s);
	} while (!p.closed && !p.dropped && s.owed-- && next_reply(&p, &s));
	turn(&p);
	compare_marks(&p);
	finish(&p);
}

static void run(const struct transcript *t)
{
	in_order(t, SIZE_MAX / 2);
	in_order(t, 1);
	in_order(t, 3);
	at_once(t);
}

static void test_transcripts(void **state)
{
	(void)state;
	transcripts_run("smtp", run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
