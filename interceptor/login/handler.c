/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The session's handler for logins: bytes between the session and the two machines of the
   protocol, one towards the client and one towards the source. */
#include "interceptor/login/login.h"
#include "interceptor/protocols/offer.h"

#include <errno.h>
#include <uv.h>

#define READ_SIZE 1024       /* a login is smaller; malloc() keeps such pieces at hand */
#define TO_CLIENT_MAX 262144 /* unread replies: the client only sends */
#define GREETING_MS 60000    /* for the source to show itself: clients wait as long */
#define RESUME_MS 5000 /* for another try, after a hold took all the time there was */

/* ---- steps ---- */

#define TO(step) (1u << LOGIN_IN_##step)
/* where an attempt leads to, by its account's route */
#define TO_ROUTE (TO(LOGGING_IN) | TO(BUSY) | TO(VERIFYING) | TO(REFUSING) | TO(PRELOGIN))

static const struct session_step steps[LOGIN_STEP_COUNT] = {
	[LOGIN_IN_GREETING] = { "greeting", TO(PRELOGIN),
		{ UV_DISCONNECT, UV_READABLE } },
	[LOGIN_IN_PRELOGIN] = { "prelogin",
		TO_ROUTE | TO(HELLO) | TO(UPGRADING) | TO(EXCHANGE),
		{ UV_READABLE, UV_READABLE } },
	[LOGIN_IN_HELLO] = { "tls-hello", TO(UPGRADING) | TO(RECORDING),
		{ UV_READABLE, 0 } },
	[LOGIN_IN_UPGRADING] = { "upgrading", TO(PRELOGIN) | TO(HELLO) | TO(RECORDING),
		{ UV_DISCONNECT, UV_READABLE } },
	[LOGIN_IN_RECORDING] = { "recording", 0, { UV_DISCONNECT, 0 } },
	[LOGIN_IN_LOGGING_IN] = { "logging-in", TO_ROUTE | TO(PROVED),
		{ UV_DISCONNECT, UV_READABLE } },
	[LOGIN_IN_EXCHANGE] = { "exchange", TO_ROUTE | TO(EXCHANGE) | TO(PROVED),
		{ UV_READABLE, UV_READABLE } },
	[LOGIN_IN_PROVED] = { "proved", TO_ROUTE | TO(PROVED), { UV_DISCONNECT, 0 } },
	[LOGIN_IN_BUSY] = { "busy", TO_ROUTE, { UV_DISCONNECT, 0 } },
	[LOGIN_IN_VERIFYING] = { "verifying", TO_ROUTE, { UV_DISCONNECT, UV_READABLE } },
	[LOGIN_IN_REFUSING] = { "refusing", TO(PRELOGIN),
		{ UV_DISCONNECT, UV_READABLE } },
};
#undef TO
#undef TO_ROUTE

void login_set_step(struct session *s, enum login_step step, uint64_t ms)
{
	session_set_step(s, steps, step, ms);
}

static const char *state_name(const struct session *s)
{
	return steps[s->step].name;
}

static bool is_idle(const struct session *s)
{
	return s->step == LOGIN_IN_PRELOGIN || s->step == LOGIN_IN_HELLO;
}

static struct session_events wants(const struct session *s)
{
	return steps[s->step].wants;
}

void login_resume(struct session *s)
{
	uint64_t now = s->host->ops->now(s->host);
	uint64_t end = s->accepted_at +
	               s->host->settings->limits.login_timeout_s * UINT64_C(1000);

	/* one that was held may have no time left */
	login_set_step(
		s, LOGIN_IN_PRELOGIN, end > now + RESUME_MS ? end - now : RESUME_MS);
	session_again(s);
}

/* ---- memory ---- */

static void take_offer(struct session *s, struct offer *o)
{
	struct login *l = login_of(s);

	offer_unref(l->offer);
	l->offer = o;
	login_protocol_of(s)->take_offer(l->machine, o, s->is_secure);
}

static void init(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct session_memory *m = s->memory;
	struct login *l = login_of(s);
	size_t login_bytes = s->host->settings->limits.login_bytes;
	struct offer *offer = s->host->ops->offer(s->host, s->service);

	m->from_client.limit = m->to_source.limit = login_bytes + READ_SIZE;
	m->from_source.limit = m->to_client.limit = TO_CLIENT_MAX;
	buf_init(&l->answer, TO_CLIENT_MAX);
	tls_hello_init(&l->hello);
	l->machine = arena_alloc(&m->arena, p->size);
	if (!l->machine) {
		session_close(s, "no memory");
		return;
	}
	p->init(l->machine, &m->arena, login_bytes);
	if (offer)
		take_offer(s, offer_ref(offer));
}

static void end(struct session *s)
{
	struct login *l = login_of(s);

	if (s->step == LOGIN_IN_VERIFYING)
		s->host->ops->forget(s->host, s);
	buf_wipe(&l->answer);
	buf_fini(&l->answer);
	offer_unref(l->offer);
	tls_hello_fini(&l->hello);
}

static struct str words(const void *protocol, enum close_reason reason)
{
	const struct login_protocol *p = protocol;

	return p->words[reason];
}

/* ---- the client's side ---- */

static int connect_source(struct session *s)
{
	int r;

	if (s->source_state == SOURCE_NONE)
		s->connects_to =
			login_is_elsewhere(s) ? SERVER_DESTINATION : SERVER_SOURCE;
	r = session_connect(s);
	if (r == 0 && s->source_state == SOURCE_CONNECTING) {
		login_protocol_of(s)->source_begin(login_of(s)->machine);
		login_of(s)->is_challenged = false; /* not by this one */
	}
	return r;
}

void login_send(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);
	int r = s->source_state == SOURCE_NONE ? connect_source(s) : 0;

	if (r < 0) {
		login_source_lost(s, r);
		return;
	}
	/* its greeting will bring us here again */
	if (s->source_state != SOURCE_OPEN || !p->source_is_ready(l->machine))
		return;
	if (buf_len(&s->memory->from_source))
		login_source_lost(s, -EPROTO); /* it speaks unasked */
	else if (p->send(l->machine,
			 login_is_elsewhere(s) ? &l->elsewhere : login_wire(s),
			 &s->memory->to_source) < 0)
		session_close(s, "no memory");
}

void login_send_if_open(struct session *s)
{
	if (s->source_state == SOURCE_NONE && s->host->ops->is_retired(s->host))
		login_source_lost(s, -ECONNREFUSED);
	else
		login_send(s);
}

static void *part(const struct session *s, size_t at)
{
	return (char *)login_of(s)->machine + at;
}

static void exchange_line(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);

	login_take_attempt(s);
	l->attempt.proof = challenge_answer(login_wire(s)->mechanism, l->challenge,
		*(const struct str *)part(s, p->exchange_line), &s->memory->arena);
	l->challenge = STR_LIT("");
	if (login_exchange_allowed(s) && p->answer(l->machine, &s->memory->to_source) < 0)
		session_close(s, "no memory");
}

/* false: the client's machine stops here. */
static bool act(struct session *s, enum prelogin_action action)
{
	switch (action) {
	case PRELOGIN_NEED_MORE:
		return false;
	case PRELOGIN_AGAIN:
		break;
	case PRELOGIN_LOGIN:
		login_take_attempt(s);
		login_attempt(s);
		break;
	case PRELOGIN_EXCHANGE:
		login_take_attempt(s);
		if (login_exchange_allowed(s))
			login_send_if_open(s);
		break;
	case PRELOGIN_EXCHANGE_LINE:
		exchange_line(s);
		break;
	case PRELOGIN_STARTTLS:
		login_starttls(s);
		break;
	case PRELOGIN_CLOSE:
		session_finish(s, "logout");
		break;
	}
	return true;
}

static bool reads_client(const struct session *s)
{
	return session_is_handled(s) && steps[s->step].wants.client & UV_READABLE;
}

static void client_ready(struct session *s)
{
	struct session_memory *m = s->memory;
	enum prelogin_action action;
	size_t used;

	if (s->bytes_in > s->host->settings->limits.login_bytes) {
		session_say_bye(s, CLOSE_TOO_MUCH);
		return;
	}
	if (s->step == LOGIN_IN_HELLO) {
		login_read_hello(s);
		return;
	}
	if (!reads_client(s))
		return;
	do {
		action = login_protocol_of(s)->client_next(login_of(s)->machine,
			buf_view(&m->from_client), &used, &m->to_client);
		/* views into it stay good until bytes are appended */
		buf_consume(&m->from_client, used);
	} while (act(s, action) && reads_client(s) && s->step != LOGIN_IN_HELLO);
	if (!buf_len(&m->from_client))
		buf_wipe(&m->from_client); /* it may go on for long behind a login */
	if (s->step == LOGIN_IN_PRELOGIN && s->client_ended)
		session_finish(s, "client left");
}

/* ---- the source's side ---- */

/* IMAP: under the client's own tag. The source was given another, so that nothing that
   the client sent can bring forth an answer that is taken for this one. */
static int keep_conclusion(struct session *s, struct str response, bool ok)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);
	struct str tag = login_wire(s)->tag;

	if (ok && s->step != LOGIN_IN_UPGRADING && p->complete_welcome &&
		!login_is_elsewhere(s) &&
		p->complete_welcome(
			l->machine, buf_view(&l->answer), response, &l->answer) < 0)
		return -ENOBUFS;
	if (tag.len && (buf_append(&l->answer, tag) < 0 || buf_byte(&l->answer, ' ') < 0))
		return -ENOBUFS;
	return buf_append(&l->answer, response);
}

static void concluded(struct session *s, struct str response, bool ok)
{
	if (login_waits_for_capability(s, &response, &ok))
		return;
	if (keep_conclusion(s, response, ok) < 0)
		session_close(s, "source says too much");
	else if (s->step == LOGIN_IN_UPGRADING)
		login_upgraded(s, ok);
	else
		login_answered(s, ok);
}

static void keep_answer(struct session *s, struct str response)
{
	if (s->step != LOGIN_IN_PRELOGIN && s->step != LOGIN_IN_GREETING &&
		buf_append(&login_of(s)->answer, response) < 0)
		session_close(s, "source says too much");
}

/* The client has the word, for one line; it may have sent it already. */
static void challenge(struct session *s, struct str line)
{
	struct login *l = login_of(s);

	l->challenge = arena_str(&s->memory->arena, line);
	login_protocol_of(s)->challenged(l->machine);
	session_say(s, line);
	session_again(s);
}

static void source_says(struct session *s, enum upstream_event event, struct str response)
{
	switch (event) {
	case UPSTREAM_GREETED:
		if (s->step != LOGIN_IN_PRELOGIN)
			login_send(s);
		break;
	case UPSTREAM_UNTAGGED:
		keep_answer(s, response);
		break;
	case UPSTREAM_CONTINUE:
		challenge(s, response);
		break;
	case UPSTREAM_OK:
		concluded(s, response, true);
		break;
	case UPSTREAM_NO:
		concluded(s, response, false);
		break;
	case UPSTREAM_BYE:
		keep_answer(s, response);
		login_source_lost(s, -ECONNREFUSED);
		break;
	case UPSTREAM_BROKEN:
		/* whose answer it is cannot be told: both sides end */
		login_source_lost(s, -EPROTO);
		break;
	case UPSTREAM_AGAIN:
	case UPSTREAM_NEED_MORE:
		break;
	}
}

static void source_connected(struct session *s)
{
	if (s->step == LOGIN_IN_GREETING)
		session_set_deadline(s, GREETING_MS);
	if (s->step != LOGIN_IN_LOGGING_IN && s->step != LOGIN_IN_EXCHANGE &&
		s->step != LOGIN_IN_UPGRADING)
		return;
	session_set_deadline(s, LOGIN_ANSWER_MS);
	login_send(s);
}

/* ---- GREETING: the source shows itself to this client first ---- */

/* In one packet. */
static void say_greeting(struct session *s, struct str greeting)
{
	struct buf line;

	buf_init(&line, 0);
	if (buf_append(&line, greeting) == 0 && buf_append_c(&line, "\r\n") == 0)
		session_say(s, buf_view(&line));
	else
		session_close(s, "no memory");
	buf_fini(&line);
}

/* After STARTTLS there is no second greeting. */
static void greet(struct session *s, const struct offer *o)
{
	if (!s->is_upgraded)
		say_greeting(s, s->is_secure ? o->secure.greeting : o->shown.greeting);
	if (s->state != SESSION_GONE)
		login_resume(s);
}

static bool is_personal(const struct session *s, const struct offer *o)
{
	const struct protocol *p = login_protocol_of(s)->protocol;

	return p->is_personal && p->is_personal(s->is_secure ? &o->secure : &o->shown);
}

static void begin(struct session *s)
{
	const struct offer *o = s->host->ops->offer(s->host, s->service);
	int r;

	if (o && !is_personal(s, o)) {
		greet(s, o);
		return;
	}
	session_set_deadline(s, GREETING_MS);
	if (!session_memory(s))
		return;
	r = s->host->ops->is_retired(s->host) ? -ECONNREFUSED : connect_source(s);
	if (r < 0)
		login_source_lost(s, r);
}

/* What it shows to this client is what all will be shown, unless it is good for one. */
static struct offer *offer_from(struct session *s, const struct learnt *learnt)
{
	struct offer *mine = NULL, *common;

	/* behind a client's STARTTLS it may show something else (protocols/offer.h) */
	if (!s->is_upgraded)
		s->host->ops->learnt(s->host, s->service, learnt);
	common = s->host->ops->offer(s->host, s->service);
	if (!common || !is_personal(s, common))
		return common ? offer_ref(common) : NULL;
	return offer_make(learnt->greeting, common, &mine) < 0 ? NULL : mine;
}

static void learnt_all(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);
	struct learnt learnt = p->protocol->probe_result(part(s, p->probe));
	struct offer *o = offer_from(s, &learnt);

	if (!o) {
		session_say_bye(s, CLOSE_UNAVAILABLE);
		return;
	}
	take_offer(s, o);
	p->source_greeted(l->machine);
	l->is_challenged = true;
	greet(s, o);
}

static int own_offer(struct session *s, const struct offer *common, struct offer **ret)
{
	const struct learnt *shown = s->is_secure ? &common->secure : &common->shown;
	struct buf greeting;
	int r;

	buf_init(&greeting, 0);
	r = login_protocol_of(s)->protocol->own_greeting(
		shown->greeting, s->host->ops->is_retired(s->host), &greeting);
	if (r == 0)
		r = offer_make(buf_view(&greeting), common, ret);
	buf_fini(&greeting);
	return r;
}

bool login_greet_alone(struct session *s)
{
	const struct offer *common = s->host->ops->offer(s->host, s->service);
	struct offer *mine;

	if (!common || !login_protocol_of(s)->protocol->own_greeting ||
		own_offer(s, common, &mine) < 0)
		return false;
	take_offer(s, mine);
	greet(s, mine);
	return true;
}

/* true: there may be more in what has come. */
static bool learn(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct session_memory *m = s->memory;
	struct login *l = login_of(s);
	struct str bytes = buf_view(&m->from_source);
	size_t used;
	enum protocol_probe is =
		p->protocol->probe_bytes(part(s, p->probe), bytes, &used, &m->to_source);

	if (is == PROTOCOL_PROBE_FAILED && used) /* a BYE with the reason */
		(void)buf_append(&l->answer, str_take(bytes, used));
	buf_consume(&m->from_source, used);
	if (is == PROTOCOL_PROBE_FAILED)
		login_source_lost(s, -EPROTO);
	else if (is == PROTOCOL_PROBE_DONE)
		learnt_all(s);
	return is == PROTOCOL_PROBE_AGAIN;
}

static void source_ready(struct session *s)
{
	struct session_memory *m = s->memory;
	enum upstream_event event;
	struct str response;
	size_t used;

	while (s->step == LOGIN_IN_GREETING)
		if (!learn(s))
			return;
	do {
		event = login_protocol_of(s)->source_next(login_of(s)->machine,
			buf_view(&m->from_source), &response, &used, &m->to_source);
		buf_consume(&m->from_source, used);
		source_says(s, event, response);
	} while (event != UPSTREAM_NEED_MORE && session_is_handled(s) &&
		 s->source_state == SOURCE_OPEN && s->step != LOGIN_IN_PROVED);
}

/* ---- time, and the account's switch ---- */

static void timeout(struct session *s)
{
	switch ((enum login_step)s->step) {
	case LOGIN_IN_GREETING:
	case LOGIN_IN_UPGRADING:
	case LOGIN_IN_LOGGING_IN:
		if (s->source_state == SOURCE_CONNECTING &&
			s->connects_to == SERVER_SOURCE)
			s->host->notes[NOTE_UNANSWERED]++;
		login_source_lost(s, -ETIMEDOUT);
		break;
	case LOGIN_IN_HELLO:
		session_close(s, "timeout");
		break;
	case LOGIN_IN_PRELOGIN:
	case LOGIN_IN_EXCHANGE:
		session_say_bye(s, CLOSE_TIMEOUT);
		break;
	case LOGIN_IN_PROVED:
	case LOGIN_IN_BUSY:
		login_recheck(s, true);
		break;
	case LOGIN_IN_REFUSING:
		login_refuse(s, REFUSAL_WRONG_PASSWORD);
		break;
	case LOGIN_IN_VERIFYING:
		session_close(s, "timeout");
		break;
	case LOGIN_IN_RECORDING:
		session_close(s, "the registry is busy");
		break;
	case LOGIN_STEP_COUNT:
		break;
	}
}

static void tick(struct session *s)
{
	if (s->step == LOGIN_IN_RECORDING)
		login_record_unseen(s);
	else
		login_recheck(s, false);
}

static enum quiesce quiesce(struct session *s, struct str account, bool force)
{
	if (!session_is_of(s, account))
		return QUIESCE_NOTHING;
	switch ((enum login_step)s->step) {
	case LOGIN_IN_LOGGING_IN:
		/* the source has not answered yet: it waits, as those do who come now */
		login_hold(s);
		break;
	case LOGIN_IN_PROVED:
		/* logged in, and has asked for nothing; but the maildrop is locked */
		if (login_protocol_of(s)->is_in_use && login_of(s)->attempt.password.ptr)
			login_hold(s);
		break;
	case LOGIN_IN_EXCHANGE:
		if (!force)
			return QUIESCE_LEFT;
		login_refuse(s, REFUSAL_BUSY);
		break;
	case LOGIN_IN_GREETING:
	case LOGIN_IN_PRELOGIN:
	case LOGIN_IN_HELLO:
	case LOGIN_IN_UPGRADING:
	case LOGIN_IN_RECORDING:
	case LOGIN_IN_BUSY:
	case LOGIN_IN_VERIFYING:
	case LOGIN_IN_REFUSING:
	case LOGIN_STEP_COUNT:
		break;
	}
	return QUIESCE_NOTHING;
}

const struct handler login_handler = {
	.state_size = sizeof(struct login),
	.read_size = READ_SIZE,
	.begin = begin,
	.init = init,
	.end = end,
	.is_idle = is_idle,
	.wants = wants,
	.client_ready = client_ready,
	.source_connected = source_connected,
	.source_ready = source_ready,
	.source_lost = login_source_lost,
	.timeout = timeout,
	.tick = tick,
	.quiesce = quiesce,
	.words = words,
	.state_name = state_name,
};
