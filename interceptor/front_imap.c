/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IMAP in front of the login: wire/imap/prelogin.h towards the client,
 * wire/imap/upstream.h towards the source; front.c joins them with the session.
 */
#include "interceptor/front.h"
#include "interceptor/worker.h"
#include "wire/imap/cursor.h"
#include "wire/imap/upstream.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stddef.h>
#include <stdio.h>

#define TAG_BYTES 8u /* random: no client can guess them */

struct imap_front {
	struct imap_offer offer;
	struct imap_prelogin client;
	struct imap_upstream source;
	struct imap_probe probe; /* in GREETING: the source shows itself to the client */
};

/* ---- what the source shows ---- */

static void probe_begin(void *probe, struct arena *arena)
{
	imap_probe_init(probe, arena);
}

static enum lane_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	struct str response;

	switch (imap_probe_next(probe, input, &response, ret_used, to_source)) {
	case IMAP_PROBE_NEED_MORE:
		return LANE_PROBE_NEED_MORE;
	case IMAP_PROBE_AGAIN:
		return LANE_PROBE_AGAIN;
	case IMAP_PROBE_DONE:
		return LANE_PROBE_DONE;
	case IMAP_PROBE_BYE:
	case IMAP_PROBE_BROKEN:
		break;
	}
	return LANE_PROBE_FAILED;
}

static struct learnt probe_result(const void *probe)
{
	const struct imap_probe *p = probe;

	return (struct learnt){
		.greeting = p->greeting, .capability = p->capability, .id = p->id
	};
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	bool starttls = tls == SERVICE_TLS_PASS;
	struct buf greeting, capability;
	int r;

	buf_init(&greeting, IMAP_RESPONSE_MAX);
	buf_init(&capability, IMAP_RESPONSE_MAX);
	r = imap_greeting_filter(learnt->greeting, starttls, &greeting);
	if (r == 0)
		r = imap_capability_filter(learnt->capability, starttls, &capability);
	if (r == 0) {
		ret_shown->greeting = arena_str(arena, buf_view(&greeting));
		ret_shown->capability = arena_str(arena, buf_view(&capability));
		ret_shown->id = arena_str(arena, learnt->id);
		r = ret_shown->greeting.ptr && ret_shown->capability.ptr &&
		                    ret_shown->id.ptr
		            ? 0
		            : -ENOMEM;
	}
	buf_fini(&greeting);
	buf_fini(&capability);
	return r;
}

/* ---- the client's side ---- */

static void take_offer(void *front, const struct offer *o)
{
	struct imap_front *f = front;

	f->offer = (struct imap_offer){ .greeting = o->shown.greeting,
		.capability = o->shown.capability,
		.id = o->shown.id,
		.starttls =
			o->tls == SERVICE_TLS_PASS &&
			imap_capability_has(o->shown.capability, STR_LIT("STARTTLS")) };
}

static void front_begin(struct session *s)
{
	struct imap_front *f = session_front(s);

	imap_prelogin_init(&f->client, &f->offer, &s->pre->arena,
		s->worker->settings->limits.login_bytes);
	imap_probe_init(&f->probe, &s->pre->arena);
	if (s->pre->offer)
		take_offer(f, s->pre->offer);
}

static const struct wire_login *login(const void *front)
{
	const struct imap_front *f = front;

	return &f->client.login;
}

static struct str exchange_line(const void *front)
{
	const struct imap_front *f = front;

	return f->client.line;
}

static void challenged(void *front)
{
	struct imap_front *f = front;

	imap_prelogin_challenged(&f->client);
}

static enum prelogin_action client_next(
	void *front, struct str input, size_t *ret_used, struct buf *reply)
{
	struct imap_front *f = front;

	return imap_prelogin_next(&f->client, input, ret_used, reply);
}

/* ---- the source's side ---- */

/* Without randomness its tags could be guessed: then it is not used. */
static void upstream_begin(struct session *s)
{
	struct imap_front *f = session_front(s);
	unsigned char bytes[TAG_BYTES];
	char unique[2 * TAG_BYTES + 1];

	bool random = RAND_bytes(bytes, sizeof(bytes)) == 1;

	for (size_t i = 0; i < TAG_BYTES; i++)
		(void)snprintf(&unique[2 * i], 3, "%02x", random ? bytes[i] : 0u);
	imap_upstream_init(&f->source, str_from(unique));
	if (!random)
		f->source.state = IMAP_UPSTREAM_CLOSED;
}

static bool source_is_ready(const void *front)
{
	const struct imap_front *f = front;

	return f->source.state == IMAP_UPSTREAM_IN_READY;
}

static void source_greeted(void *front)
{
	struct imap_front *f = front;

	f->source.state = IMAP_UPSTREAM_IN_READY;
}

static int send_login(void *front, struct buf *to_source)
{
	struct imap_front *f = front;

	return imap_upstream_login(&f->source, &f->client.login, to_source);
}

static int answer(void *front, struct buf *to_source)
{
	struct imap_front *f = front;

	return imap_upstream_answer(&f->source, f->client.line, to_source);
}

static enum upstream_event source_next(void *front, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_source)
{
	struct imap_front *f = front;

	return imap_upstream_next(&f->source, input, ret_response, ret_used, to_source);
}

static void *probe(void *front)
{
	struct imap_front *f = front;

	return &f->probe;
}

static void answered(struct session *s)
{
	struct imap_front *f = session_front(s);

	imap_prelogin_answered(&f->client);
}

static const struct front_ops front_ops = {
	.client_next = client_next,
	.login = login,
	.exchange_line = exchange_line,
	.challenged = challenged,
	.source_is_ready = source_is_ready,
	.send = send_login,
	.answer = answer,
	.source_next = source_next,
	.probe = probe,
	.take_offer = take_offer,
	.source_greeted = source_greeted,
};

/* ---- words ---- */

static void refuse(struct session *s, enum refusal why)
{
	static const char *const texts[REFUSAL_COUNT] = {
		/* RFC 5530: a client that knows it does not ask for a new password */
		[REFUSAL_BUSY] = "NO [UNAVAILABLE] Your mailbox is being moved; please "
				 "try again in a moment.",
		[REFUSAL_UNAVAILABLE] = "NO [UNAVAILABLE] The mail server is not "
					"available; please try again later.",
		[REFUSAL_WRONG_PASSWORD] =
			"NO [AUTHENTICATIONFAILED] Authentication failed.",
		[REFUSAL_MECHANISM] =
			"NO [CONTACTADMIN] This login method is not available for your "
			"mailbox any more; please use your password.",
	};
	struct imap_front *f = session_front(s);
	struct str text = str_from(texts[why]), learnt = s->pre->offer->refusal;
	struct str tag = f->client.login.tag;

	if (why == REFUSAL_WRONG_PASSWORD && learnt.len)
		text = learnt;
	if (buf_printf(&s->pre->to_client, "%.*s %.*s\r\n", STR_ARG(tag), STR_ARG(text)) <
		0)
		session_close(s, "client does not read");
	else
		imap_prelogin_answered(&f->client);
}

static struct str farewell(enum farewell why)
{
	static const struct str texts[FAREWELL_COUNT] = {
		[FAREWELL_TIMEOUT] = STR("* BYE Too slow; please log in again.\r\n"),
		[FAREWELL_TOO_MUCH] = STR("* BYE Too much before login.\r\n"),
		[FAREWELL_CROWDED] = STR("* BYE [UNAVAILABLE] Too many connections.\r\n"),
		[FAREWELL_UNAVAILABLE] =
			STR("* BYE [UNAVAILABLE] The mail server is not available; "
			    "please try again later.\r\n"),
		[FAREWELL_MOVED] =
			STR("* BYE Your mailbox has moved; please log in again.\r\n"),
	};

	return texts[why];
}

/* "tag NO [AUTHENTICATIONFAILED] text", or without a code. Other codes say something else
   (RFC 5530: EXPIRED, UNAVAILABLE, LIMIT...). */
static bool refusal_text(struct str answer, struct str user, struct str *ret_text)
{
	struct imap_cursor c = imap_cursor(str_trim(answer));
	const struct str code = STR("[AUTHENTICATIONFAILED]");
	struct str tag, text;

	if (str_index(c.rest, '\n') < c.rest.len || !imap_tag(&c, &tag) ||
		!imap_space(&c) || !str_istarts(c.rest, STR_LIT("NO ")))
		return false;
	text = str_skip(c.rest, 3);
	if (text.len && text.ptr[0] == '[' && !str_istarts(text, code))
		return false;
	for (size_t i = 0; user.len && i + user.len <= text.len; i++)
		if (str_istarts(str_skip(text, i), user))
			return false; /* it speaks of him: nothing for others */
	*ret_text = c.rest;
	return true;
}

const struct lane lane_imap = {
	.name = "imap",
	.probe_size = sizeof(struct imap_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("probe3 LOGOUT\r\n"),
	.show = show,
	.front = &front_ops,
	.front_size = sizeof(struct imap_front),
	.front_begin = front_begin,
	.greet = front_greet,
	.client_bytes = front_client_bytes,
	.upstream_bytes = front_upstream_bytes,
	.upstream_begin = upstream_begin,
	.send_attempt = front_send_attempt,
	.refuse = refuse,
	.answered = answered,
	.farewell = farewell,
	.refusal_text = refusal_text,
};
