/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * POP3 in front of the login: wire/pop3/prelogin.h towards the client,
 * wire/pop3/upstream.h towards the source; front.c joins them with the session.
 *
 * A source whose greeting bears a timestamp (APOP, RFC 1939, 7) greets each client
 * itself: the timestamp is good for the connection that said it, so that one is made at
 * once. APOP then goes to the source over that connection and no other, or, when the
 * account lives here, is checked here with the password that was captured: against the
 * timestamp that this client was shown, in either case, and a source's is new for each
 * connection (RFC 1939, 7). While the source is away the timestamp is ours; when it is
 * retired there is none, as no password opens any more.
 */
#include "interceptor/front.h"
#include "interceptor/worker.h"
#include "wire/pop3/upstream.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>

#define UNIQUE_BYTES 16u /* random: nobody is ever shown the same timestamp twice */

struct pop3_front {
	struct pop3_offer offer;
	struct pop3_prelogin client;
	struct pop3_upstream source;
	struct pop3_probe probe; /* in GREETING: the source shows itself to the client */
};

/* ---- what the source shows ---- */

static void probe_begin(void *probe, struct arena *arena)
{
	pop3_probe_init(probe, arena);
}

static enum lane_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	static const enum lane_probe results[] = {
		[POP3_PROBE_NEED_MORE] = LANE_PROBE_NEED_MORE,
		[POP3_PROBE_AGAIN] = LANE_PROBE_AGAIN,
		[POP3_PROBE_DONE] = LANE_PROBE_DONE,
		[POP3_PROBE_BYE] = LANE_PROBE_FAILED,
		[POP3_PROBE_BROKEN] = LANE_PROBE_FAILED,
	};
	struct str response;

	return results[pop3_probe_next(probe, input, &response, ret_used, to_source)];
}

static struct learnt probe_result(const void *probe)
{
	const struct pop3_probe *p = probe;

	return (struct learnt){
		.greeting = p->greeting, .capability = p->capability, .id = STR("")
	};
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	struct buf capability;
	int r;

	buf_init(&capability, POP3_CAPABILITY_MAX);
	r = pop3_capability_filter(
		learnt->capability, tls == SERVICE_TLS_PASS, &capability);
	if (r == 0) {
		ret_shown->greeting = arena_str(arena, learnt->greeting);
		ret_shown->capability = arena_str(arena, buf_view(&capability));
		ret_shown->id = STR_LIT("");
		r = ret_shown->greeting.ptr && ret_shown->capability.ptr ? 0 : -ENOMEM;
	}
	buf_fini(&capability);
	return r;
}

static bool is_personal(const struct learnt *shown)
{
	struct str timestamp;

	return pop3_greeting_timestamp(shown->greeting, &timestamp);
}

static int own_greeting(struct str greeting, bool is_retired, struct buf *out)
{
	unsigned char bytes[UNIQUE_BYTES];
	char text[2 * UNIQUE_BYTES + 1];

	if (is_retired)
		return pop3_greeting_put(greeting, out);
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	for (size_t i = 0; i < UNIQUE_BYTES; i++)
		(void)snprintf(&text[2 * i], 3, "%02x", bytes[i]);
	return pop3_greeting_stamp(greeting, str_from(text), out);
}

/* ---- the client's side ---- */

static void take_offer(void *front, const struct offer *o)
{
	struct pop3_front *f = front;

	f->offer = (struct pop3_offer){ .greeting = o->shown.greeting,
		.capability = o->shown.capability,
		.starttls = o->tls == SERVICE_TLS_PASS &&
		            pop3_capability_has(o->shown.capability, STR_LIT("STLS")) };
}

static void front_begin(struct session *s)
{
	struct pop3_front *f = session_front(s);

	pop3_prelogin_init(&f->client, &f->offer, &s->pre->arena,
		s->worker->settings->limits.login_bytes);
	pop3_probe_init(&f->probe, &s->pre->arena);
	if (s->pre->offer)
		take_offer(f, s->pre->offer);
}

static const struct wire_login *login(const void *front)
{
	const struct pop3_front *f = front;

	return &f->client.login;
}

static struct str exchange_line(const void *front)
{
	const struct pop3_front *f = front;

	return f->client.line;
}

static void challenged(void *front)
{
	struct pop3_front *f = front;

	pop3_prelogin_challenged(&f->client);
}

static enum prelogin_action client_next(
	void *front, struct str input, size_t *ret_used, struct buf *reply)
{
	struct pop3_front *f = front;

	return pop3_prelogin_next(&f->client, input, ret_used, reply);
}

/* ---- the source's side ---- */

static void upstream_begin(struct session *s)
{
	struct pop3_front *f = session_front(s);

	pop3_upstream_init(&f->source);
	s->pre->is_challenged = false; /* not by this one */
}

static bool source_is_ready(const void *front)
{
	const struct pop3_front *f = front;

	return f->source.state == POP3_UPSTREAM_IN_READY;
}

static void source_greeted(void *front)
{
	struct pop3_front *f = front;

	f->source.state = POP3_UPSTREAM_IN_READY;
}

static int send_login(void *front, struct buf *to_source)
{
	struct pop3_front *f = front;

	return pop3_upstream_login(&f->source, &f->client.login, to_source);
}

static int answer(void *front, struct buf *to_source)
{
	struct pop3_front *f = front;

	return pop3_upstream_answer(&f->source, f->client.line, to_source);
}

static enum upstream_event source_next(void *front, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_source)
{
	struct pop3_front *f = front;

	return pop3_upstream_next(&f->source, input, ret_response, ret_used, to_source);
}

static void *probe(void *front)
{
	struct pop3_front *f = front;

	return &f->probe;
}

static void answered(struct session *s)
{
	struct pop3_front *f = session_front(s);

	pop3_prelogin_answered(&f->client);
}

/* ---- words ---- */

#define IN_USE "-ERR [IN-USE] Your mailbox is in use; please try again in a moment."
#define MECHANISM                                                                        \
	"This login method is not available for your mailbox any more; please use your " \
	"password."

/* Response codes only where the source announces them (RFC 2449, 6.4; RFC 3206): a client
   of a server without them may take "[SYS/TEMP]" for part of a name. IN-USE says to
   everybody else what no client takes for a wrong password. */
static struct str refusal_words(const struct pop3_front *f, enum refusal why)
{
	static const struct {
		struct str with_codes, without;
	} texts[REFUSAL_COUNT] = {
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

static void refuse(struct session *s, enum refusal why)
{
	struct pop3_front *f = session_front(s);
	struct str text = refusal_words(f, why), learnt = s->pre->offer->refusal;

	if (why == REFUSAL_WRONG_PASSWORD && learnt.len)
		text = learnt;
	if (buf_printf(&s->pre->to_client, "%.*s\r\n", STR_ARG(text)) < 0)
		session_close(s, "client does not read");
	else
		pop3_prelogin_answered(&f->client);
}

static struct str farewell(enum farewell why)
{
	static const struct str texts[FAREWELL_COUNT] = {
		[FAREWELL_TIMEOUT] = STR("-ERR Too slow; please log in again.\r\n"),
		[FAREWELL_TOO_MUCH] = STR("-ERR Too much before login.\r\n"),
		[FAREWELL_CROWDED] = STR("-ERR [SYS/TEMP] Too many connections.\r\n"),
		[FAREWELL_UNAVAILABLE] =
			STR("-ERR [SYS/TEMP] The mail server is not available; "
			    "please try again later.\r\n"),
		/* between two answers a line of ours would be taken for the next answer
		 */
		[FAREWELL_MOVED] = STR(""),
	};

	return texts[why];
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
	for (size_t i = 0; user.len && i + user.len <= text.len; i++)
		if (str_istarts(str_skip(text, i), user))
			return false; /* it speaks of him: nothing for others */
	*ret_text = line;
	return true;
}

static bool is_in_use(struct str answer)
{
	return pop3_is_in_use(str_trim(answer));
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

const struct lane lane_pop3 = {
	.name = "pop3",
	.probe_size = sizeof(struct pop3_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("QUIT\r\n"),
	.show = show,
	.is_personal = is_personal,
	.own_greeting = own_greeting,
	.front = &front_ops,
	.front_size = sizeof(struct pop3_front),
	.front_begin = front_begin,
	.greet = front_greet,
	.client_bytes = front_client_bytes,
	.upstream_bytes = front_upstream_bytes,
	.upstream_begin = upstream_begin,
	.send_attempt = front_send_attempt,
	.refuse = refuse,
	.answered = answered,
	.farewell = farewell,
	.is_in_use = is_in_use,
	.refusal_text = refusal_text,
};
