/* SPDX-License-Identifier: GPL-3.0-or-later */
/* POP3 before login: wire/pop3/prelogin.h towards the client, wire/pop3/upstream.h
   towards the source. */
#include "interceptor/login/protocol.h"
#include "interceptor/protocols/offer.h"
#include "wire/pop3/upstream.h"

#include <stddef.h>

struct pop3_machine {
	struct pop3_offer offer;
	struct pop3_prelogin client;
	struct pop3_upstream source;
	struct pop3_probe probe; /* in GREETING: the source shows itself to the client */
};

/* ---- the client's side ---- */

static void take_offer(void *machine, const struct offer *o, bool secure)
{
	const struct learnt *shown = secure ? &o->secure : &o->shown;
	struct pop3_machine *f = machine;

	f->offer = (struct pop3_offer){ .greeting = shown->greeting,
		.capability = shown->capability,
		.starttls = !secure && o->tls != SERVICE_TLS_HIDE &&
		            pop3_capability_has(shown->capability, STR_LIT("STLS")),
		.tls_first = !secure && o->tls_first };
}

static void init(void *machine, struct arena *arena, size_t login_bytes)
{
	struct pop3_machine *f = machine;

	pop3_prelogin_init(&f->client, &f->offer, arena, login_bytes);
	pop3_probe_init(&f->probe, arena);
}

static void challenged(void *machine)
{
	struct pop3_machine *f = machine;

	pop3_prelogin_challenged(&f->client);
}

static enum prelogin_action client_next(
	void *machine, struct str input, size_t *ret_used, struct buf *reply)
{
	struct pop3_machine *f = machine;

	return pop3_prelogin_next(&f->client, input, ret_used, reply);
}

/* ---- the source's side ---- */

static void source_begin(void *machine)
{
	struct pop3_machine *f = machine;

	pop3_upstream_init(&f->source);
}

static bool source_is_ready(const void *machine)
{
	const struct pop3_machine *f = machine;

	return f->source.state == POP3_UPSTREAM_IN_READY;
}

static void source_greeted(void *machine)
{
	struct pop3_machine *f = machine;

	f->source.state = POP3_UPSTREAM_IN_READY;
}

static int send_login(
	void *machine, const struct wire_login *login, struct buf *to_source)
{
	struct pop3_machine *f = machine;

	return pop3_upstream_login(&f->source, login, to_source);
}

static int answer(void *machine, struct buf *to_source)
{
	struct pop3_machine *f = machine;

	return pop3_upstream_answer(&f->source, f->client.line, to_source);
}

static enum upstream_event source_next(void *machine, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_source)
{
	struct pop3_machine *f = machine;

	return pop3_upstream_next(&f->source, input, ret_response, ret_used, to_source);
}

static void answered(void *machine)
{
	struct pop3_machine *f = machine;

	pop3_prelogin_answered(&f->client);
}

static int accept_tls(const void *machine, struct buf *to_client)
{
	(void)machine;
	return buf_append_c(to_client, "+OK Begin TLS negotiation.\r\n");
}

/* ---- words ---- */

#define IN_USE "-ERR [IN-USE] Your mailbox is in use; please try again in a moment."
#define MECHANISM                                                                        \
	"This login method is not available for your mailbox any more; please use your " \
	"password."

/* Response codes only where the source announces them (RFC 2449, 6.4; RFC 3206): a client
   of a server without them may take "[SYS/TEMP]" for part of a name. IN-USE says to
   everybody else what no client takes for a wrong password. */
static struct str refusal_words(const struct pop3_machine *f, enum refusal_reason why)
{
	static const struct {
		struct str with_codes, without;
	} texts[REFUSAL_REASON_COUNT] = {
		[REFUSAL_BUSY] = { STR("-ERR [SYS/TEMP] Your mailbox is being moved; "
				       "please try again in a moment."),
			STR(IN_USE) },
		[REFUSAL_UNAVAILABLE] = { STR("-ERR [SYS/TEMP] The mail server is not "
					      "available; please try again later."),
			STR(IN_USE) },
		[REFUSAL_WRONG_PASSWORD] = { STR("-ERR [AUTH] Authentication failed."),
			STR("-ERR Authentication failed.") },
		[REFUSAL_MECHANISM] = { STR("-ERR [SYS/PERM] " MECHANISM),
			STR("-ERR " MECHANISM) },
	};

	return pop3_capability_has(f->offer.capability, STR_LIT("RESP-CODES"))
	               ? texts[why].with_codes
	               : texts[why].without;
}

static int refuse(const void *machine, enum refusal_reason why, struct str learnt,
	struct buf *to_client)
{
	struct str text = why == REFUSAL_WRONG_PASSWORD && learnt.len
	                          ? learnt
	                          : refusal_words(machine, why);

	return buf_printf(to_client, "%.*s\r\n", STR_ARG(text));
}

/* "-ERR text", or "-ERR [AUTH] text". Other codes say something else (RFC 3206). */
static bool refusal_text(struct str answer, struct str user, struct str *ret_text)
{
	struct str line = str_trim(answer), text;

	if (str_index(line, '\n') < line.len || !str_istarts(line, STR_LIT("-ERR")))
		return false;
	text = str_trim(str_skip(line, 4));
	if (text.len && text.ptr[0] == '[' && !str_istarts(text, STR_LIT("[AUTH]")))
		return false;
	if (user.len && str_ihas(text, user))
		return false;
	*ret_text = line;
	return true;
}

static bool is_in_use(struct str answer)
{
	return pop3_is_in_use(str_trim(answer));
}

const struct login_protocol login_pop3 = {
	.protocol = &protocol_pop3,
	.size = sizeof(struct pop3_machine),
	.init = init,
	.take_offer = take_offer,
	.probe = offsetof(struct pop3_machine, probe),
	.client_next = client_next,
	.wire_login = offsetof(struct pop3_machine, client.login),
	.exchange_line = offsetof(struct pop3_machine, client.line),
	.challenged = challenged,
	.answered = answered,
	.accept_tls = accept_tls,
	.alpn = "pop3",
	.refuse = refuse,
	.source_begin = source_begin,
	.source_greeted = source_greeted,
	.source_is_ready = source_is_ready,
	.send = send_login,
	.answer = answer,
	.source_next = source_next,
	.is_in_use = is_in_use,
	.refusal_text = refusal_text,
	.words = {
		[CLOSE_TIMEOUT] = STR("-ERR Too slow; please log in again.\r\n"),
		[CLOSE_TOO_MUCH] = STR("-ERR Too much before login.\r\n"),
		[CLOSE_CROWDED] = STR("-ERR [SYS/TEMP] Too many connections.\r\n"),
		[CLOSE_UNAVAILABLE] = STR("-ERR [SYS/TEMP] The mail server is not available; "
			"please try again later.\r\n"),
		/* a line of ours would be taken for the next answer */
		[CLOSE_MOVED] = STR(""),
		[CLOSE_KICKED] = STR(""),
	},
};
