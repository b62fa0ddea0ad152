/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/lmtp.h"

#include "base/log.h"
#include "interceptor/protocols/offer.h"
#include "interceptor/protocols/protocol.h"
#include "interceptor/session/quiesce.h"
#include "interceptor/session/session.h"
#include "interceptor/smtp/recipient.h"
#include "interceptor/smtp/staging.h"
#include "wire/smtp/lmtp.h"
#include "wire/smtp/trace.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define READ_SIZE 65536
#define READ_MAX 65536    /* unread by the machine */
#define WRITE_MAX 1048576 /* the answers of one message, and of commands before it */
#define IDLE_MS 300000    /* RFC 5321, 4.5.3.2.7 */
#define ANSWER_MS 8000    /* an account switches, and its mail is with the mailstore */
#define HEADER_MAX 16384  /* trace lines: four times the longest command */

struct lmtp_session {
	struct lmtp lmtp;
	char name[PROTOCOL_NAME_MAX];
	struct str source_name;  /* as it greets; "": not known */
	struct staging *staging; /* NULL: none */
	size_t *places;          /* of what was sent, among the machine's deliveries */
	size_t n_sent;
	bool is_kicked; /* it ends behind the message that is being delivered */
	bool must_end;  /* the deadline is not put off any more */
};

static struct lmtp_session *lmtp_of(const struct session *s)
{
	return s->memory->state;
}

static bool is_delivering(const struct session *s)
{
	return s->memory && lmtp_of(s)->lmtp.state == LMTP_ENDING;
}

/* ---- memory ---- */

static void init(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);
	struct session_memory *m = s->memory;
	/* the name by which the world knows this mail server */
	const struct offer *o = s->host->ops->offer(s->host, SERVICE_SMTP);
	struct str greeting = o ? o->shown.greeting : STR_LIT("");
	struct lmtp_offer offer = { .name = protocol_greeted_name(greeting, f->name),
		.size_max = s->host->settings->limits.message_bytes };

	f->source_name = greeting.len ? offer.name : STR_LIT("");
	m->from_client.limit = READ_MAX + READ_SIZE;
	m->to_client.limit = WRITE_MAX;
	lmtp_init(&f->lmtp, &offer, &m->to_client);
}

static void forget_message(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);

	staging_drop(f->staging);
	f->staging = NULL;
	f->places = NULL;
	f->n_sent = 0;
}

static void end(struct session *s)
{
	forget_message(s);
	lmtp_fini(&lmtp_of(s)->lmtp);
}

/* ---- whose a recipient is ---- */

static struct recipient_names names_of(const struct session *s)
{
	return (struct recipient_names){ .registry = s->host->registry,
		.settings = s->host->settings,
		.source_name = lmtp_of(s)->source_name };
}

/* As long as the source is there, whom it serves, or may serve, is not refused for good:
   what is not known here is no proof that there is no such user. */
static enum lmtp_route unless_retired(
	struct session *s, enum lmtp_route now, enum lmtp_route retired)
{
	return s->host->ops->is_retired(s->host) ? retired : now;
}

static enum lmtp_route route_of_account(
	struct session *s, const struct account_route *account)
{
	switch (account->route) {
	case ROUTE_LOCAL:
		return !account->is_elsewhere &&
		                       s->host->ops->reach_mailstore(s->host) < 0
		               ? LMTP_ROUTE_LATER
		               : LMTP_ROUTE_LOCAL;
	case ROUTE_BUSY:
		return LMTP_ROUTE_BUSY;
	case ROUTE_SOURCE:
	case ROUTE_COUNT:
		break;
	}
	return unless_retired(s, LMTP_ROUTE_SOURCE, LMTP_ROUTE_UNKNOWN);
}

static enum lmtp_route route_of(struct session *s, const struct recipient_names *names,
	const struct recipient *to)
{
	switch (to->is) {
	case RECIPIENT_KNOWN:
		return route_of_account(s, &to->account);
	case RECIPIENT_UNKNOWN:
		return recipient_is_ours(names, to->address.domain)
		               ? unless_retired(s, LMTP_ROUTE_NOT_YET, LMTP_ROUTE_UNKNOWN)
		               : LMTP_ROUTE_ELSEWHERE;
	case RECIPIENT_UNREADABLE:
	case RECIPIENT_ANYBODY:
		break;
	}
	return LMTP_ROUTE_UNREADABLE;
}

static void route(struct session *s)
{
	struct lmtp *p = &lmtp_of(s)->lmtp;
	struct recipient_names names = names_of(s);
	struct str address = p->recipient->address;
	enum lmtp_route is = LMTP_ROUTE_LATER;
	struct recipient to = { .is = RECIPIENT_UNKNOWN };
	struct error err = { 0 };
	struct arena arena;
	char id[SESSION_ID_MAX];

	arena_init(&arena);
	if (recipient_find(&names, address, &arena, &to, &err) < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"", err.text);
	else
		is = route_of(s, &names, &to);
	arena_fini(&arena);
	if (to.is == RECIPIENT_KNOWN)
		log_info(session_id(s, id), "rcpt", "to=<%.*s> account=%s route=%s",
			STR_ARG(address), to.account.name, route_name(to.account.route));
	else
		log_info(session_id(s, id), "rcpt", "to=<%.*s> account=-",
			STR_ARG(address));
	lmtp_routed(p, is, str_from(to.account.name));
}

/* ---- the message ---- */

static void staged(struct session *s, struct str refusal);

static void begin_message(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);

	f->staging = staging_new(s, staged);
	lmtp_begun(&f->lmtp, f->staging ? NULL : STAGING_AWAY);
}

static void keep_bytes(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);

	if (staging_write(f->staging, f->lmtp.bytes) < 0)
		lmtp_write_failed(&f->lmtp, STAGING_FULL);
}

/* Those that can have it now; the others are answered. NULL: none, or no memory. */
static const struct smtp_recipient *choose(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);
	struct smtp_recipient_list list = { .last = &list.first };
	size_t nth = 0;

	f->n_sent = 0;
	f->places =
		arena_alloc(&f->lmtp.arena, f->lmtp.deliveries.n * sizeof(*f->places));
	for (const struct smtp_recipient *r = f->lmtp.deliveries.first; r && f->places;
		r = r->next, nth++) {
		const char *refusal = staging_why_not(s, r->account);
		struct smtp_recipient *copy =
			refusal ? NULL : arena_alloc(&f->lmtp.arena, sizeof(*copy));

		if (refusal)
			lmtp_answer(&f->lmtp, nth, str_from(refusal));
		if (!copy)
			continue; /* "try again later" is what it hears */
		*copy = (struct smtp_recipient){ .address = r->address,
			.account = r->account };
		*list.last = copy;
		list.last = &copy->next;
		f->places[f->n_sent++] = nth;
	}
	return list.first;
}

static int write_header(struct session *s, struct buf *header)
{
	const struct lmtp_session *f = lmtp_of(s);
	const struct lmtp *p = &f->lmtp;
	char id[MESSAGE_ID_MAX], client[ADDRESS_TEXT_MAX] = "";
	time_t now = time(NULL);
	struct tm local = { 0 };
	struct smtp_trace trace = { .sender = p->sender,
		.helo = str_from(p->helo),
		.by = p->offer.name,
		.id = str_from(message_id(s, f->staging, id)),
		.lmtp = true,
		.at = now };

	if (s->peer.any.sa_family != AF_UNIX)
		endpoint_address_text(&s->peer, client);
	trace.client = str_from(client);
	(void)localtime_r(&now, &local);
	trace.zone = (int16_t)(local.tm_gmtoff / 60);
	if (p->n_accepted == 1) /* else it would tell of blind copies */
		trace.recipient = p->deliveries.first->address;
	return smtp_trace(&trace, header);
}

static int send_message(struct session *s, const struct smtp_recipient *first)
{
	struct lmtp_session *f = lmtp_of(s);
	const struct recipient_names names = names_of(s);
	char client[ADDRESS_TEXT_MAX];
	struct staging_mail mail = { .sender = f->lmtp.sender,
		.params = STR_LIT("BODY=8BITMIME"),
		.helo = f->lmtp.offer.name,
		.recipients = first,
		.names = &names,
		.at_once = true };
	struct buf header;
	int r;

	buf_init(&header, HEADER_MAX);
	r = write_header(s, &header);
	endpoint_text(&s->peer, client);
	mail.client = str_from(client);
	mail.header = buf_view(&header);
	if (r == 0)
		r = staging_send(f->staging, &mail);
	buf_fini(&header);
	return r;
}

static void end_message(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);
	const struct smtp_recipient *first = choose(s);
	char id[SESSION_ID_MAX];
	int r = first ? send_message(s, first) : 0;

	if (first && r == 0)
		return; /* staged() */
	if (r < 0)
		log_error(session_id(s, id), "staging", "error=\"%s\"", strerror(-r));
	for (size_t i = 0; i < f->n_sent; i++)
		lmtp_answer(&f->lmtp, f->places[i],
			r == -ENOSPC ? STR_LIT(STAGING_FULL) : STR_LIT(STAGING_AWAY));
	lmtp_done(&f->lmtp);
	forget_message(s);
}

/* Behind STAGE, and once more behind DELIVER for those whose folder had to be named. */
static void staged(struct session *s, struct str refusal)
{
	struct lmtp_session *f = lmtp_of(s);

	(void)refusal; /* of the first one; each has its own */
	if (staging_deliver(f->staging))
		return;
	session_enter(s);
	for (size_t i = 0; i < f->n_sent; i++)
		lmtp_answer(&f->lmtp, f->places[i], staging_refusal(f->staging, i));
	lmtp_done(&f->lmtp);
	forget_message(s);
	session_again(s);
	session_leave(s);
}

/* ---- the machine's turn ---- */

static enum lmtp_action step(struct session *s)
{
	struct session_memory *m = s->memory;
	struct str input = STR("");
	enum lmtp_action action;
	size_t used;

	if (!session_is_congested(s))
		input = buf_view(&m->from_client);
	action = lmtp_next(&lmtp_of(s)->lmtp, input, &used);
	/* views into it stay good until bytes are appended */
	buf_consume(&m->from_client, used);
	return action;
}

/* false: the machine stops here. */
static bool act(struct session *s, enum lmtp_action action)
{
	switch (action) {
	case LMTP_NEED_MORE:
		return false;
	case LMTP_AGAIN:
		break;
	case LMTP_ROUTE:
		route(s);
		break;
	case LMTP_BEGIN:
		begin_message(s);
		break;
	case LMTP_BYTES:
		keep_bytes(s);
		break;
	case LMTP_END:
		end_message(s);
		break;
	case LMTP_FORGET:
		forget_message(s);
		break;
	case LMTP_CLOSE:
		session_finish(s, "over");
		break;
	}
	return session_is_handled(s);
}

static void say_bye(struct session *s, enum close_reason why)
{
	if (s->memory)
		forget_message(s);
	session_say_bye(s, why);
	quiesce_check(s->host);
}

/* What was complete goes on; what was not is undone. */
static void look_after_end(struct session *s)
{
	struct lmtp_session *f = lmtp_of(s);

	if (is_delivering(s))
		return;
	f->must_end = false;
	if (s->client_dead)
		session_close(s, "client left");
	else if (s->client_ended && !session_is_congested(s))
		session_finish(s, "client left");
	else if (f->is_kicked)
		say_bye(s, CLOSE_KICKED);
	else
		quiesce_check(s->host);
}

static void run(struct session *s)
{
	while (session_is_handled(s) && act(s, step(s)))
		;
	if (session_is_handled(s))
		look_after_end(s);
	if (session_is_handled(s) && !lmtp_of(s)->must_end)
		session_set_deadline(s, IDLE_MS);
}

static void client_lost(struct session *s)
{
	if (!is_delivering(s))
		session_close(s, "client left");
}

static struct session_events wants(const struct session *s)
{
	bool reads =
		buf_len(&s->memory->from_client) < READ_MAX && !session_is_congested(s);

	return (struct session_events){ reads ? UV_READABLE : UV_DISCONNECT, 0 };
}

/* ---- beginning and end ---- */

static void begin(struct session *s)
{
	session_is_known(s); /* who may connect was decided by the admin */
	session_set_route(s, ROUTE_LOCAL);
	if (session_memory(s))
		run(s);
}

static void timeout(struct session *s)
{
	say_bye(s, lmtp_of(s)->must_end ? CLOSE_MOVED : CLOSE_TIMEOUT);
}

static void end_soon(struct session *s)
{
	if (!lmtp_of(s)->must_end)
		session_set_deadline(s, ANSWER_MS);
	lmtp_of(s)->must_end = true;
}

static void kick(struct session *s)
{
	if (!is_delivering(s)) {
		say_bye(s, CLOSE_KICKED);
		return;
	}
	end_soon(s);
	lmtp_of(s)->is_kicked = true;
}

static bool is_ending(const struct session *s, struct str account)
{
	return is_delivering(s) && staging_is_for(lmtp_of(s)->staging, account);
}

/* Recipients that were accepted are looked at again before they get anything. */
static enum quiesce quiesce(struct session *s, struct str account, bool force)
{
	(void)force;
	if (!is_ending(s, account))
		return QUIESCE_NOTHING;
	end_soon(s);
	return QUIESCE_ENDING;
}

static bool is_idle(const struct session *s)
{
	return !s->memory || lmtp_is_idle(&lmtp_of(s)->lmtp);
}

static struct str words(const void *protocol, enum close_reason reason)
{
	static const struct str texts[CLOSE_REASON_COUNT] = {
		[CLOSE_TIMEOUT] = STR("421 4.4.2 Too slow; closing\r\n"),
		[CLOSE_TOO_MUCH] = STR("421 4.7.0 Too much\r\n"),
		[CLOSE_CROWDED] = STR("421 4.7.0 Too many connections\r\n"),
		[CLOSE_UNAVAILABLE] = STR("421 4.3.0 Not available; please try again "
					  "later\r\n"),
		[CLOSE_MOVED] = STR("421 4.2.1 A mailbox is being moved; please try "
				    "again in a moment\r\n"),
		[CLOSE_KICKED] = STR("421 4.3.2 Closed by the administrator; please try "
				     "again\r\n"),
	};

	(void)protocol;
	return texts[reason];
}

static const char *state_name(const struct session *s)
{
	return s->memory ? lmtp_state_name(lmtp_of(s)->lmtp.state) : "connected";
}

const struct handler lmtp_handler = {
	.state_size = sizeof(struct lmtp_session),
	.read_size = READ_SIZE,
	.begin = begin,
	.init = init,
	.end = end,
	.is_idle = is_idle,
	.wants = wants,
	.client_ready = run,
	.client_lost = client_lost,
	.timeout = timeout,
	.kick = kick,
	.quiesce = quiesce,
	.is_ending = is_ending,
	.words = words,
	.state_name = state_name,
};
