/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SMTP: one machine between client and source for the whole session (smtp.h). */
#include "base/log.h"
#include "interceptor/smtp.h"
#include "interceptor/source.h"
#include "interceptor/worker.h"
#include "wire/smtp/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 32768 /* in one turn; the others have theirs */
#define READ_MAX 32768  /* unread by the machine: then the sender waits */
/* Written and not taken: then nothing new is read for it. Above what one reply or one
   portion of a message has. */
#define WRITE_HIGH 65536
#define WRITE_MAX (WRITE_HIGH + SMTP_REPLY_MAX + 2 * SMTP_PROXY_PORTION)
#define IDLE_MS                                                                          \
	900000 /* RFC 5321, 4.5.3.2: 10 minutes for a final dot; the source's            \
	          own time-outs are shorter, and its answer passes */

/* ---- what the source shows ---- */

static struct str host_name(char name[static SMTP_NAME_MAX])
{
	if (gethostname(name, SMTP_NAME_MAX - 1) < 0 || !name[0])
		(void)snprintf(name, SMTP_NAME_MAX, "localhost");
	name[SMTP_NAME_MAX - 1] = '\0';
	return str_from(name);
}

static void probe_begin(void *probe, struct arena *arena)
{
	char name[SMTP_NAME_MAX];

	smtp_probe_init(probe, arena_str(arena, host_name(name)), STR_LIT(""), arena);
}

static enum lane_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	struct str response;

	switch (smtp_probe_next(probe, input, &response, ret_used, to_source)) {
	case SMTP_PROBE_NEED_MORE:
		return LANE_PROBE_NEED_MORE;
	case SMTP_PROBE_AGAIN:
		return LANE_PROBE_AGAIN;
	case SMTP_PROBE_DONE:
		return LANE_PROBE_DONE;
	case SMTP_PROBE_BYE:
	case SMTP_PROBE_BROKEN:
		break;
	}
	return LANE_PROBE_FAILED;
}

static struct learnt probe_result(const void *probe)
{
	const struct smtp_probe *p = probe;

	return (struct learnt){
		.greeting = p->greeting, .capability = p->ehlo, .id = STR("")
	};
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	struct buf ehlo;
	int r = 0;

	buf_init(&ehlo, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	/* it is shown only while the source is away, and then there is no TLS */
	(void)tls;
	if (learnt->capability.len)
		r = smtp_ehlo_filter(learnt->capability, SMTP_KEEP_AUTH, &ehlo);
	if (r == 0) {
		ret_shown->greeting = arena_str(arena, learnt->greeting);
		ret_shown->capability = arena_str(arena, buf_view(&ehlo));
		ret_shown->id = STR_LIT("");
		r = ret_shown->greeting.ptr && ret_shown->capability.ptr ? 0 : -ENOMEM;
	}
	buf_fini(&ehlo);
	return r;
}

/* ---- memory ---- */

/* "220 mail.example.com ESMTP": what it calls itself, so do we. */
static struct str take_name(struct str greeting, char name[static SMTP_NAME_MAX])
{
	struct str text = str_skip(greeting, 4);
	size_t n = 0;

	while (n < text.len && n < SMTP_NAME_MAX - 1 &&
		((text.ptr[n] >= '0' && text.ptr[n] <= '9') || text.ptr[n] == '.' ||
			text.ptr[n] == '-' ||
			((text.ptr[n] | 0x20) >= 'a' && (text.ptr[n] | 0x20) <= 'z')))
		n++;
	if (!n)
		return host_name(name);
	memcpy(name, text.ptr, n);
	name[n] = '\0';
	return str_of(name, n);
}

/* Then its offer stands as it is. Later not: a local delivery is never reported, for one
   (DSN, RFC 3461, NOTIFY=SUCCESS), as we have no queue to send from. Without DSN the
   server before us says "relayed", which is true (5.2.2 there). */
static bool is_nobody_here(struct session *s)
{
	bool any_local = true;

	return registry_any_local(s->worker->registry, &any_local, NULL) == 0 &&
	       !any_local;
}

static void front_begin(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	const struct settings *settings = s->worker->settings;
	struct pre *p = s->pre;

	if (p->offer) {
		f->offer.greeting = p->offer->shown.greeting;
		f->offer.ehlo = p->offer->shown.capability;
	}
	f->offer.name = take_name(f->offer.greeting, f->name);
	f->offer.starttls = settings->services[s->service].tls == SERVICE_TLS_PASS;
	f->offer.nobody_here = is_nobody_here(s);
	f->offer.policy = settings->smtp_policy == SMTP_POLICY_SOURCE;
	f->offer.retired = worker_is_retired(s->worker);
	f->offer.size_max = settings->limits.message_bytes;
	smtp_proxy_init(&f->machine, &f->offer, &p->to_client, &p->to_upstream);
	arena_init(&f->arena);
	p->from_client.limit = READ_MAX + READ_SIZE;
	p->from_upstream.limit = SMTP_REPLY_MAX + READ_SIZE;
	p->to_client.limit = p->to_upstream.limit = WRITE_MAX;
}

static void end(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	smtp_abort(s);
	smtp_proxy_fini(&f->machine);
	arena_fini(&f->arena);
}

/* ---- the machine's turn ---- */

static bool client_must_wait(const struct pre *p)
{
	return buf_len(&p->to_upstream) > WRITE_HIGH ||
	       buf_len(&p->to_client) > WRITE_HIGH;
}

static enum smtp_proxy_action step(struct session *s)
{
	struct pre *p = s->pre;
	struct smtp_proxy_io io = { .client = STR(""),
		.source = buf_view(&p->from_upstream) };
	enum smtp_proxy_action action;

	if (!client_must_wait(p))
		io.client = buf_view(&p->from_client);
	action = smtp_proxy_next(&smtp_of(s)->machine, &io);
	/* views into them stay good until bytes are appended */
	buf_consume(&p->from_client, io.client_used);
	buf_consume(&p->from_upstream, io.source_used);
	return action;
}

static void upgrade(struct session *s)
{
	char id[SESSION_ID_MAX];

	/* what came behind STARTTLS in clear was never meant to be inside TLS */
	buf_wipe(&s->pre->from_client);
	log_info(session_id(s, id), "uncapturable", "why=TLS");
	session_set_route(s, ROUTE_SOURCE);
	session_relay(s);
}

/* false: the machine stops here. */
static bool act(struct session *s, enum smtp_proxy_action action)
{
	switch (action) {
	case SMTP_PROXY_NEED_MORE:
		return false;
	case SMTP_PROXY_AGAIN:
		break;
	case SMTP_PROXY_ROUTE:
		smtp_route_recipient(s);
		break;
	case SMTP_PROXY_AT_SOURCE:
		smtp_count_recipient(s);
		break;
	case SMTP_PROXY_STAGE_BEGIN:
		smtp_stage_begin(s);
		break;
	case SMTP_PROXY_STAGE_BYTES:
		smtp_stage_bytes(s);
		break;
	case SMTP_PROXY_STAGE_END:
		smtp_stage_end(s);
		break;
	case SMTP_PROXY_COMMIT:
		smtp_commit(s);
		break;
	case SMTP_PROXY_ABORT:
		smtp_abort(s);
		break;
	case SMTP_PROXY_AUTHENTICATED:
		smtp_authenticated(s);
		break;
	case SMTP_PROXY_UPGRADE:
		upgrade(s);
		break;
	case SMTP_PROXY_DROP_SOURCE:
		session_drop_upstream(s);
		break;
	case SMTP_PROXY_CLOSE:
		session_finish(s, "over");
		break;
	}
	return s->state == SESSION_TALKING;
}

/* ---- sockets ---- */

static void source_lost(struct session *s, const char *why)
{
	char id[SESSION_ID_MAX];

	if (s->upstream_state == UPSTREAM_NONE)
		return;
	log_warning(session_id(s, id), "source", "error=\"%s\" in=\"%s\"", why,
		smtp_proxy_state_name(smtp_of(s)->machine.state));
	session_drop_upstream(s);
	smtp_proxy_source_lost(&smtp_of(s)->machine);
}

static void client_lost(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (f->client_dead)
		return;
	f->client_dead = true;
	s->ended = true;
	buf_clear(&s->pre->to_client);
	smtp_proxy_client_gone(&f->machine);
}

static void write_client(struct session *s)
{
	struct buf *b = &s->pre->to_client;
	ssize_t n = 1;

	if (smtp_of(s)->client_dead)
		buf_clear(b);
	while (buf_len(b) && n > 0) {
		n = stream_write_buf(s->client, b);
		s->bytes_out += n > 0 ? (uint64_t)n : 0;
	}
	if (n < 0 && n != -EAGAIN)
		client_lost(s);
}

static void write_source(struct session *s)
{
	struct buf *b = &s->pre->to_upstream;
	ssize_t n = 1;

	if (s->upstream_state != UPSTREAM_OPEN)
		return;
	while (buf_len(b) && n > 0)
		n = stream_write_buf(s->upstream, b);
	/* what it still has to say is read before it counts as lost */
	if (n < 0 && n != -EAGAIN)
		buf_clear(b);
}

static void want_events(struct session *s)
{
	const struct pre *p = s->pre;
	bool dead = smtp_of(s)->client_dead;
	int client = 0, upstream = 0;

	if (!s->ended && buf_len(&p->from_client) < READ_MAX && !client_must_wait(p))
		client |= UV_READABLE;
	else if (!s->ended && !s->hung)
		client |= UV_DISCONNECT;
	if (!dead && buf_len(&p->to_client))
		client |= UV_WRITABLE;
	if (buf_len(&p->to_client) <= WRITE_HIGH)
		upstream |= UV_READABLE;
	if (s->upstream_state == UPSTREAM_CONNECTING)
		upstream = UV_WRITABLE;
	else if (buf_len(&p->to_upstream))
		upstream |= UV_WRITABLE;
	stream_want(s->client, client);
	stream_want(s->upstream, upstream);
}

/* All that he has sent is read, and nothing of it waits for anybody: there will be no
   more. */
static bool is_at_end(const struct session *s)
{
	return s->ended && !smtp_of(s)->client_dead &&
	       smtp_proxy_awaits_client(&smtp_of(s)->machine);
}

/* Transactions that are over are nobody's business any more. */
static void look_after_recipients(struct session *s)
{
	if (smtp_proxy_is_idle(&smtp_of(s)->machine)) {
		smtp_forget_at_source(s);
		smtp_of(s)->must_end = false;
	}
	worker_check_quiesced(s->worker);
}

/* Until it needs more; true: what stopped it was a buffer that is empty again. */
static bool run_once(struct session *s)
{
	bool waited;

	while (act(s, step(s)))
		;
	if (s->state != SESSION_TALKING)
		return false;
	waited = client_must_wait(s->pre);
	write_source(s);
	write_client(s);
	if (is_at_end(s) && !waited) {
		client_lost(s);
		return true;
	}
	return waited && !client_must_wait(s->pre);
}

static void after_run(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	f->running = false;
	look_after_recipients(s);
	if (s->state != SESSION_TALKING)
		return;
	if (f->must_end || s->upstream_state == UPSTREAM_CONNECTING)
		want_events(s);
	else
		session_set_state(s, SESSION_TALKING, IDLE_MS);
}

void smtp_run(struct session *s)
{
	if (s->state != SESSION_TALKING || smtp_of(s)->running)
		return;
	smtp_of(s)->running = true;
	while (run_once(s))
		;
	if (s->state == SESSION_TALKING)
		after_run(s);
	else
		worker_check_quiesced(s->worker);
}

static void read_client(struct session *s)
{
	ssize_t n = stream_read_buf(s->client, &s->pre->from_client, READ_SIZE);

	if (n > 0)
		s->bytes_in += (uint64_t)n;
	else if (n == 0)
		s->ended = true;
	else if (n != -EAGAIN)
		client_lost(s);
}

static void read_source(struct session *s)
{
	ssize_t n = stream_read_buf(s->upstream, &s->pre->from_upstream, READ_SIZE);

	if (n > 0 || n == -EAGAIN)
		return;
	smtp_run(s); /* its last words */
	if (s->state == SESSION_TALKING)
		source_lost(s, n == 0 ? "it closed" : strerror((int)-n));
}

static void connected(struct session *s)
{
	int r = stream_connected(s->upstream);

	if (r < 0) {
		source_lost(s, strerror(-r));
		return;
	}
	s->upstream_state = UPSTREAM_OPEN;
	session_is_known(s); /* the source's own limits hold for him now */
}

static void ready(struct session *s, const struct stream *which, int events, int error)
{
	if (which == s->client) {
		if (error)
			client_lost(s);
		else if (events & UV_READABLE)
			read_client(s);
		else if (events & UV_DISCONNECT)
			s->hung = true;
	} else if (s->upstream_state == UPSTREAM_CONNECTING) {
		connected(s);
	} else if (error || events & UV_READABLE) {
		read_source(s);
	}
	if (s->state == SESSION_TALKING)
		smtp_run(s);
}

/* ---- beginning and end ---- */

static void begin(struct session *s)
{
	int r;

	if (!session_want_pre(s))
		return;
	session_set_state(s, SESSION_TALKING, IDLE_MS);
	session_set_route(s, ROUTE_SOURCE);
	r = session_connect_upstream(s);
	if (r < 0) {
		smtp_proxy_source_lost(&smtp_of(s)->machine);
		smtp_run(s);
	}
}

void smtp_farewell(struct session *s, enum farewell why)
{
	smtp_abort(s);
	session_drop_upstream(s);
	session_farewell(s, why);
	worker_check_quiesced(s->worker);
}

static void timeout(struct session *s)
{
	if (s->upstream_state == UPSTREAM_CONNECTING) {
		source_lost(s, "no answer");
		smtp_run(s);
	} else {
		smtp_farewell(
			s, smtp_of(s)->must_end ? FAREWELL_MOVED : FAREWELL_TIMEOUT);
	}
}

static void upstream_begin(struct session *s)
{
	(void)s; /* there is one for a session, and the machine waits for its greeting */
}

static struct str farewell(enum farewell why)
{
	static const struct str texts[FAREWELL_COUNT] = {
		[FAREWELL_TIMEOUT] = STR("421 4.4.2 Too slow; closing\r\n"),
		[FAREWELL_TOO_MUCH] = STR("421 4.7.0 Too much\r\n"),
		[FAREWELL_CROWDED] = STR("421 4.7.0 Too many connections\r\n"),
		[FAREWELL_UNAVAILABLE] =
			STR("421 4.4.1 The mail server is not available; please try "
			    "again later\r\n"),
		[FAREWELL_MOVED] = STR("421 4.2.1 A mailbox is being moved; please try "
				       "again in a moment\r\n"),
	};

	return texts[why];
}

static const struct talk_ops talk = {
	.begin = begin,
	.ready = ready,
	.want_events = want_events,
	.timeout = timeout,
	.end = end,
	.quiesce = smtp_quiesce,
	.has_business = smtp_has_business,
};

const struct lane lane_smtp = {
	.name = "smtp",
	.probe_size = sizeof(struct smtp_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("QUIT\r\n"),
	.show = show,
	.talk = &talk,
	.front_size = sizeof(struct smtp_session),
	.front_begin = front_begin,
	.upstream_begin = upstream_begin,
	.farewell = farewell,
};
