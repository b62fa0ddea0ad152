/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IMAP before login: wire/imap/prelogin.h towards the client, wire/imap/upstream.h
   towards the source. */
#include "interceptor/crossing/crossing.h"
#include "interceptor/login/protocol.h"
#include "interceptor/protocols/offer.h"
#include "interceptor/session/unique.h"
#include "wire/imap/cursor.h"
#include "wire/imap/upstream.h"

#include <errno.h>
#include <stddef.h>

struct imap_machine {
	struct imap_offer offer;
	struct imap_prelogin client;
	struct imap_upstream source;
	struct str after;        /* capabilities, as they are behind the login */
	struct imap_probe probe; /* in GREETING: the source shows itself to the client */
};

/* ---- the client's side ---- */

static void take_offer(void *machine, const struct offer *o, bool secure)
{
	const struct learnt *shown = secure ? &o->secure : &o->shown;
	struct imap_machine *f = machine;

	f->after = shown->after;
	f->offer = (struct imap_offer){ .greeting = shown->greeting,
		.capability = shown->capability,
		.id = shown->id,
		.starttls = !secure && o->tls != SERVICE_TLS_HIDE &&
		            str_has_word(shown->capability, STR_LIT("STARTTLS")),
		.tls_first = !secure && o->tls_first,
		.from_us = o->from_us };
}

static void init(void *machine, struct arena *arena, size_t login_bytes)
{
	struct imap_machine *f = machine;

	imap_prelogin_init(&f->client, &f->offer, arena, login_bytes);
	imap_probe_init(&f->probe, arena);
}

static void challenged(void *machine)
{
	struct imap_machine *f = machine;

	imap_prelogin_challenged(&f->client);
}

static enum prelogin_action client_next(
	void *machine, struct str input, size_t *ret_used, struct buf *reply)
{
	struct imap_machine *f = machine;

	return imap_prelogin_next(&f->client, input, ret_used, reply);
}

/* ---- the source's side ---- */

/* Without randomness its tags could be guessed: then it is not used. */
static void source_begin(void *machine)
{
	struct imap_machine *f = machine;
	char unique[UNIQUE_LEN + 1];
	bool random = unique_make(unique);

	imap_upstream_init(&f->source, str_from(unique));
	if (!random)
		f->source.state = IMAP_UPSTREAM_CLOSED;
}

static bool source_is_ready(const void *machine)
{
	const struct imap_machine *f = machine;

	return f->source.state == IMAP_UPSTREAM_IN_READY;
}

static void source_greeted(void *machine)
{
	struct imap_machine *f = machine;

	if (f->source.state != IMAP_UPSTREAM_CLOSED)
		f->source.state = IMAP_UPSTREAM_IN_READY;
}

static int send_login(
	void *machine, const struct wire_login *login, struct buf *to_source)
{
	struct imap_machine *f = machine;

	return imap_upstream_login(&f->source, login, to_source);
}

static int answer(void *machine, struct buf *to_source)
{
	struct imap_machine *f = machine;

	return imap_upstream_answer(&f->source, f->client.line, to_source);
}

static enum upstream_event source_next(void *machine, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_source)
{
	struct imap_machine *f = machine;

	return imap_upstream_next(&f->source, input, ret_response, ret_used, to_source);
}

/* Whether one of the untagged responses is CAPABILITY. */
static bool tells_capability(struct str untagged)
{
	while (untagged.len) {
		struct str line = str_split(&untagged, '\n');

		if (str_istarts(line, STR_LIT("* CAPABILITY ")))
			return true;
	}
	return false;
}

/* Courier and mailutils say what they can before the login only, and of that we show what
   every server here can: the rest is told now, once (RFC 3501, 7.2.1). */
static int complete_welcome(
	const void *machine, struct str before, struct str response, struct buf *out)
{
	const struct imap_machine *f = machine;
	struct str list;

	if (!f->after.len || imap_capability_of(response, &list) ||
		tells_capability(before))
		return 0;
	return buf_printf(out, "* CAPABILITY %.*s\r\n", STR_ARG(f->after));
}

/* The client has seen the capabilities of another server, and may believe in them. */
static bool asks_capability(
	void *machine, struct str before, struct str response, struct buf *to_source)
{
	struct imap_machine *f = machine;
	struct str list;

	if (imap_capability_of(response, &list) || tells_capability(before))
		return false;
	return imap_upstream_ask_behind(&f->source, STR_LIT("CAPABILITY"), to_source) ==
	       0;
}

static void answered(void *machine)
{
	struct imap_machine *f = machine;

	imap_prelogin_answered(&f->client);
}

static int accept_tls(const void *machine, struct buf *to_client)
{
	const struct imap_machine *f = machine;

	return buf_printf(to_client, "%.*s OK Begin TLS negotiation now.\r\n",
		STR_ARG(f->client.login.tag));
}

/* ---- words ---- */

static int refuse(const void *machine, enum refusal_reason why, struct str learnt,
	struct buf *to_client)
{
	static const char *const texts[REFUSAL_REASON_COUNT] = {
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
	const struct imap_machine *f = machine;
	struct str text = why == REFUSAL_WRONG_PASSWORD && learnt.len
	                          ? learnt
	                          : str_from(texts[why]);

	return buf_printf(
		to_client, "%.*s %.*s\r\n", STR_ARG(f->client.login.tag), STR_ARG(text));
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
	if (user.len && str_ihas(text, user))
		return false;
	*ret_text = c.rest;
	return true;
}

const struct login_protocol login_imap = {
	.protocol = &protocol_imap,
	.size = sizeof(struct imap_machine),
	.init = init,
	.take_offer = take_offer,
	.probe = offsetof(struct imap_machine, probe),
	.client_next = client_next,
	.wire_login = offsetof(struct imap_machine, client.login),
	.exchange_line = offsetof(struct imap_machine, client.line),
	.challenged = challenged,
	.answered = answered,
	.accept_tls = accept_tls,
	.follow = crossing_follow,
	.alpn = "imap",
	.refuse = refuse,
	.source_begin = source_begin,
	.source_greeted = source_greeted,
	.source_is_ready = source_is_ready,
	.send = send_login,
	.answer = answer,
	.source_next = source_next,
	.complete_welcome = complete_welcome,
	.asks_capability = asks_capability,
	.refusal_text = refusal_text,
	.words = {
		[CLOSE_TIMEOUT] = STR("* BYE Too slow; please log in again.\r\n"),
		[CLOSE_TOO_MUCH] = STR("* BYE Too much before login.\r\n"),
		[CLOSE_CROWDED] = STR("* BYE [UNAVAILABLE] Too many connections.\r\n"),
		[CLOSE_UNAVAILABLE] = STR("* BYE [UNAVAILABLE] The mail server is not available; "
			"please try again later.\r\n"),
		[CLOSE_MOVED] = STR("* BYE Your mailbox has moved; please log in again.\r\n"),
		[CLOSE_KICKED] = STR("* BYE Closed by the administrator; please log in again.\r\n"),
	},
};
