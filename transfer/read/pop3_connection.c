/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/pop3_connection.h"

#include "base/clock.h"
#include "transfer/read/pace.h"
#include "wire/pop3/prelogin.h"
#include "wire/sasl.h"

#include <errno.h>
#include <sys/param.h>

#define IN_FLIGHT_MAX                                                                    \
	64 /* some kilobytes of questions: no server's buffer is smaller                 \
	    */
#define BYTES_IN_FLIGHT_MIN 262144
#define RATE_MS 500
#define TICK_MS 200
#define CAPA_MAX 8192
/* Name look-ups and tarpits take half of it; clients wait about as long. */
#define GREETING_PATIENCE_MS 60000

void pop3_connection_init(struct pop3_connection *t, unsigned patience_ms,
	int (*tick)(void *context), void *context)
{
	*t = (struct pop3_connection){ .patience_ms = patience_ms,
		.tick = tick,
		.context = context,
		.most_bytes = BYTES_IN_FLIGHT_MIN };
	source_connection_init(&t->net);
}

/* ── asking ────────────────────────────────────────────────────────────────────────── */

struct asking {
	struct pop3_connection *t;
	const struct pop3_questions *q;
	struct pop3_reader reader;
	size_t asked, answered;
	uint64_t bytes; /* of the answers that are under way */
	struct error *err;
};

static uint32_t size_of(const struct asking *a, size_t i)
{
	return a->q->size ? a->q->size(a->q->context, i) : 0;
}

/* Messages keep the pace, one after the other. */
static bool is_its_turn(struct asking *a)
{
	struct source_connection *net = &a->t->net;

	if (!a->q->size || !pace_limits_reading(net->pace))
		return true;
	return a->asked == a->answered &&
	       source_connection_may_ask(net, 1, size_of(a, a->asked));
}

static bool has_room(const struct asking *a)
{
	size_t most = a->t->pipelining ? IN_FLIGHT_MAX : 1;

	return a->asked < a->q->n && a->asked - a->answered < most &&
	       (a->asked == a->answered ||
		       a->bytes + size_of(a, a->asked) <= a->t->most_bytes);
}

static int ask_more(struct asking *a)
{
	int r = 0;

	while (r == 0 && has_room(a) && is_its_turn(a)) {
		a->bytes += size_of(a, a->asked);
		if (a->q->size)
			source_connection_asked(&a->t->net, 1, size_of(a, a->asked));
		r = a->q->ask(a->q->context, a->asked++, &a->t->net.out);
	}
	return r == 0 ? source_connection_flush(&a->t->net, a->err) : r;
}

/* Whether this step ends the answer. */
static bool is_last(const struct asking *a, enum pop3_read what)
{
	return what == POP3_READ_ERR || what == POP3_READ_END ||
	       (what == POP3_READ_OK && a->q->expect == POP3_EXPECT_ONE_LINE);
}

/* 1: a step was taken; 0: more must come; else -errno. */
static int take_step(struct asking *a)
{
	struct str bytes;
	size_t used;
	enum pop3_read what =
		pop3_reader_next(&a->reader, buf_view(&a->t->net.in), &bytes, &used);
	int r = 0;

	if (what == POP3_READ_BROKEN)
		return error_set(a->err, -EPROTO, "the source does not speak POP3");
	if (what != POP3_READ_NEED_MORE)
		r = a->q->answer(a->q->context, a->answered, what, bytes);
	buf_consume(&a->t->net.in, used);
	if (is_last(a, what)) {
		a->bytes -= size_of(a, a->answered++);
		pop3_reader_expect(&a->reader, a->q->expect);
	}
	return r ? r : what != POP3_READ_NEED_MORE;
}

/* A line that is faster than was thought is used at once, one that is slower from the
   next half second on. */
static void measure(struct pop3_connection *t, size_t bytes)
{
	uint64_t now = clock_monotonic_ms(), took = now - t->came_since;

	t->came += bytes;
	if (took < RATE_MS) {
		t->most_bytes = MAX(t->most_bytes, t->came);
		return;
	}
	t->most_bytes = MAX((uint64_t)BYTES_IN_FLIGHT_MIN, t->came * RATE_MS / took);
	t->came = 0;
	t->came_since = now;
}

static int wait_for_more(struct asking *a)
{
	struct source_connection *net = &a->t->net;
	size_t before = buf_len(&net->in);
	unsigned ms = source_connection_until_turn(net, TICK_MS);
	int r = source_connection_wait(&net, 1, ms, a->t->patience_ms, a->err);

	if (r == 0 && a->t->tick)
		r = a->t->tick(a->t->context);
	if (r == 0 && net->is_readable)
		r = source_connection_fill(net, a->err);
	if (r == 1)
		measure(a->t, buf_len(&net->in) - before);
	return r < 0 ? r : 0;
}

int pop3_connection_ask(
	struct pop3_connection *t, const struct pop3_questions *q, struct error *err)
{
	struct asking a = { .t = t, .q = q, .err = err };
	int r = 0;

	pop3_reader_expect(&a.reader, q->expect);
	t->net.heard_at = clock_monotonic_ms(); /* we may have been silent ourselves */
	while (r >= 0 && a.answered < q->n) {
		r = ask_more(&a);
		if (r == 0)
			r = take_step(&a);
		if (r == 0)
			r = wait_for_more(&a);
	}
	return r < 0 ? r : 0;
}

/* ── one question ──────────────────────────────────────────────────────────────────── */

struct single {
	struct str question;
	bool ok;
	struct buf answer; /* the first line's text, then all lines */
};

static int single_ask(void *context, size_t i, struct buf *out)
{
	const struct single *s = context;
	int r = buf_append(out, s->question);

	(void)i;
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static int single_answer(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	struct single *s = context;
	int r;

	(void)i;
	if (what == POP3_READ_END)
		return 0;
	s->ok = what != POP3_READ_ERR;
	r = buf_append(&s->answer, bytes);
	return r < 0 ? r : buf_append_c(&s->answer, "\r\n");
}

static int ask_one(struct pop3_connection *t, struct single *s, struct str question,
	enum pop3_expect expect, struct error *err)
{
	struct pop3_questions q = { .n = 1,
		.expect = expect,
		.ask = single_ask,
		.answer = single_answer,
		.context = s };

	s->question = question;
	buf_clear(&s->answer);
	return pop3_connection_ask(t, &q, err);
}

/* ── logging in ────────────────────────────────────────────────────────────────────── */

static int greeting(struct pop3_connection *t, struct error *err)
{
	struct pop3_reader reader;
	struct asking a = { .t = t, .err = err };
	enum pop3_read what;
	struct str bytes;
	size_t used;
	int r = 0;

	pop3_reader_expect(&reader, POP3_EXPECT_ONE_LINE);
	while (r == 0) {
		what = pop3_reader_next(&reader, buf_view(&t->net.in), &bytes, &used);
		buf_consume(&t->net.in, used);
		if (what == POP3_READ_OK)
			return 0;
		if (what != POP3_READ_NEED_MORE)
			return error_set(
				err, -EAGAIN, "the source's POP3 does not greet");
		r = wait_for_more(&a);
	}
	return r;
}

static bool is_for_now(const struct single *s)
{
	return pop3_refused_for_now(str_trim(buf_view(&s->answer)));
}

static int refused(struct pop3_connection *t, const struct single *s, struct error *err)
{
	struct str line = str_trim(buf_view(&s->answer));

	/* a maildrop that is in use says nothing of the others */
	if (is_for_now(s) && !pop3_is_in_use(line))
		pace_login_ended(t->net.pace, -EAGAIN, clock_monotonic_ms());
	return error_set(err, is_for_now(s) ? -EAGAIN : -EACCES,
		"the source refuses the login by POP3: %.*s",
		STR_ARG(str_take(line, 200)));
}

static int log_in_plain(struct pop3_connection *t, struct single *s, struct str login,
	struct str password, struct error *err)
{
	struct sasl_plain plain = { .authcid = login, .password = password };
	struct buf line;
	int r;

	buf_init(&line, 0);
	r = buf_append_c(&line, "AUTH PLAIN ");
	r = r < 0 ? r : sasl_plain_put(&line, &plain);
	r = r < 0 ? r : ask_one(t, s, buf_view(&line), POP3_EXPECT_ONE_LINE, err);
	buf_wipe(&line);
	buf_fini(&line);
	return r;
}

static int log_in_user(struct pop3_connection *t, struct single *s, struct str login,
	struct str password, struct error *err)
{
	struct buf line;
	int r;

	buf_init(&line, 0);
	r = buf_printf(&line, "USER %.*s", STR_ARG(login));
	r = r < 0 ? r : ask_one(t, s, buf_view(&line), POP3_EXPECT_ONE_LINE, err);
	if (r == 0 && s->ok) {
		buf_clear(&line);
		r = buf_append_c(&line, "PASS ");
		r = r < 0 ? r : buf_append(&line, password);
		r = r < 0 ? r : ask_one(t, s, buf_view(&line), POP3_EXPECT_ONE_LINE, err);
	}
	buf_wipe(&line);
	buf_fini(&line);
	return r;
}

static bool offers_plain(struct str capability)
{
	struct str mechanisms;

	return pop3_capability_args(capability, STR_LIT("SASL"), &mechanisms) &&
	       str_has_word(mechanisms, STR_LIT("PLAIN"));
}

static int log_in(struct pop3_connection *t, struct str login, struct str password,
	struct error *err)
{
	struct single s = { 0 };
	bool plain = false;
	int r;

	buf_init(&s.answer, CAPA_MAX);
	r = ask_one(t, &s, STR_LIT("CAPA"), POP3_EXPECT_LINES, err);
	if (r == 0 && s.ok) {
		struct str capability = buf_view(&s.answer);

		t->pipelining = pop3_capability_has(capability, STR_LIT("PIPELINING"));
		plain = offers_plain(capability);
	}
	if (r == 0 && plain)
		r = log_in_plain(t, &s, login, password, err);
	/* some offer what they then refuse */
	if (r == 0 && (!plain || (!s.ok && !is_for_now(&s))))
		r = log_in_user(t, &s, login, password, err);
	if (r == 0 && !s.ok)
		r = refused(t, &s, err);
	else if (r == 0 || r == -ETIMEDOUT)
		pace_login_ended(t->net.pace, r, clock_monotonic_ms());
	buf_fini(&s.answer);
	return r;
}

int pop3_connection_greet(
	struct pop3_connection *t, const struct sockaddr_storage *to, struct error *err)
{
	unsigned patience_ms = t->patience_ms;
	uint64_t began = clock_monotonic_ms();
	int r;

	if (t->is_greeted)
		return 0;
	r = source_connection_open(&t->net, &t->dialer, to, t->patience_ms, err);
	if (r < 0)
		return r;
	if (t->patience_ms < GREETING_PATIENCE_MS)
		t->patience_ms = GREETING_PATIENCE_MS;
	r = greeting(t, err);
	t->patience_ms = patience_ms;
	t->is_greeted = r == 0;
	t->greeting_ms = (unsigned)(clock_monotonic_ms() - began);
	return r;
}

int pop3_connection_login(struct pop3_connection *t, const struct sockaddr_storage *to,
	struct str login, struct str password, struct error *err)
{
	int r = pop3_connection_greet(t, to, err);

	t->is_greeted = false;
	t->net.heard_at = clock_monotonic_ms();
	return r ? r : log_in(t, login, password, err);
}

void pop3_connection_end(struct pop3_connection *t)
{
	struct single s = { 0 };

	buf_init(&s.answer, CAPA_MAX);
	if (source_connection_is_open(&t->net) &&
		ask_one(t, &s, STR_LIT("RSET"), POP3_EXPECT_ONE_LINE, NULL) == 0)
		(void)ask_one(t, &s, STR_LIT("QUIT"), POP3_EXPECT_ONE_LINE, NULL);
	buf_fini(&s.answer);
	source_connection_close(&t->net);
}
