/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the SMTP proxy asks for, in one function each. */
#include "base/log.h"
#include "interceptor/session/mail_hold.h"
#include "interceptor/smtp/smtp.h"
#include "wire/smtp/address.h"

#include <arpa/inet.h>

/* ---- whose a recipient is ---- */

/* Without the mailstore only the mail for its users must wait, not that for all others in
   the same message. */
static enum smtp_route to_route(struct session *s, const struct account_route *route)
{
	switch (route->route) {
	case ROUTE_LOCAL:
		if (!route->is_elsewhere && s->host->ops->reach_mailstore(s->host) < 0)
			return SMTP_ROUTE_LATER;
		return SMTP_ROUTE_LOCAL;
	case ROUTE_BUSY:
		return SMTP_ROUTE_BUSY;
	case ROUTE_SOURCE:
	case ROUTE_COUNT:
		break;
	}
	return SMTP_ROUTE_SOURCE;
}

/* There is no source any more: an address that is nobody's now will never be anybody's.
   Elsewhere only those may send who have logged in here. */
static enum smtp_route without_source(const struct smtp_session *f,
	const struct recipient_names *names, const struct recipient *to)
{
	if (recipient_is_ours(names, to->address.domain))
		return SMTP_ROUTE_UNKNOWN;
	if (!f->proxy.client.authenticated || !f->offer.relay)
		return SMTP_ROUTE_ELSEWHERE;
	return f->proxy.relay == SMTP_RELAY_READY ? SMTP_ROUTE_SOURCE : SMTP_ROUTE_LATER;
}

/* What the source is asked for is remembered: a switch waits for it. */
static enum smtp_route route_of(struct session *s, const struct recipient_names *names,
	const struct recipient *to)
{
	enum smtp_route is = SMTP_ROUTE_SOURCE;

	if (to->is == RECIPIENT_UNREADABLE)
		return SMTP_ROUTE_UNREADABLE;
	if (to->is == RECIPIENT_KNOWN)
		is = to_route(s, &to->account);
	if (is == SMTP_ROUTE_SOURCE && smtp_of(s)->offer.retired)
		return without_source(smtp_of(s), names, to);
	if (is == SMTP_ROUTE_SOURCE && !smtp_remember_at_source(s, to))
		return SMTP_ROUTE_LATER;
	return is;
}

struct recipient_names smtp_names(const struct session *s)
{
	const struct smtp_offer *offer = &smtp_of(s)->offer;

	return (struct recipient_names){ .registry = s->host->registry,
		.settings = s->host->settings,
		/* without a greeting the name is ours */
		.source_name = offer->greeting.len ? offer->name : STR_LIT("") };
}

/* ---- whether its mailbox has room ---- */

void smtp_forget_room(struct session *s)
{
	staging_drop(smtp_of(s)->room);
	smtp_of(s)->room = NULL;
}

/* refusal: of this recipient alone. */
static void room_answered(struct session *s, struct str refusal)
{
	struct smtp_session *f = smtp_of(s);
	struct str account = str_from(f->routed.name);
	enum smtp_route is = smtp_source_is_known_to_agree(s) ? SMTP_ROUTE_LOCAL_KNOWN
	                                                      : SMTP_ROUTE_LOCAL;

	session_enter(s);
	if (refusal.len)
		smtp_proxy_routed(&f->proxy, SMTP_ROUTE_REFUSED, refusal);
	else
		smtp_proxy_routed(&f->proxy, is, account);
	smtp_forget_room(s);
	session_again(s);
	session_leave(s);
}

static struct staging *ask_elsewhere(struct session *s, const struct smtp_recipient *to,
	uint64_t size, staging_fn *answered)
{
	struct smtp_session *f = smtp_of(s);
	const struct recipient_names names = smtp_names(s);
	const struct smtp_recipient recipient = { .address = to->address,
		.account = to->account };
	const struct staging_mail mail = { .asks = true,
		.sender = f->proxy.transaction.sender,
		.params = f->proxy.transaction.mail_params,
		.helo = f->offer.name,
		.size = size,
		.recipients = &recipient,
		.names = &names };

	return staging_ask_elsewhere(s, &mail, answered);
}

bool smtp_ask_for_room(struct session *s, const struct smtp_recipient *to,
	bool is_elsewhere, uint64_t size, staging_fn *answered)
{
	smtp_of(s)->room = is_elsewhere
	                           ? ask_elsewhere(s, to, size, answered)
	                           : staging_ask_for_room(s, to->account, size, answered);
	return smtp_of(s)->room != NULL;
}

/* Now: behind the message's final dot one answer is all recipients'. */
static void ask_for_room(struct session *s, const struct account_route *route)
{
	struct smtp_session *f = smtp_of(s);
	struct smtp_recipient to = { .address = f->proxy.routing->address,
		.account = str_from(route->name) };

	f->routed = *route;
	if (!smtp_ask_for_room(s, &to, route->is_elsewhere,
		    smtp_proxy_declared_size(&f->proxy), room_answered))
		smtp_proxy_routed(&f->proxy, SMTP_ROUTE_LATER, STR_LIT(""));
}

/* Its account is about to switch. Not behind one of that account that the source was
   asked for: the switch would wait for this transaction. */
static bool must_wait(const struct session *s, const struct recipient *to)
{
	struct str account = str_from(to->account.name);

	return to->is == RECIPIENT_KNOWN && to->account.route != ROUTE_LOCAL &&
	       mail_is_held(s->host, account) && !smtp_goes_to_source(s, account);
}

static void hold(struct session *s, const struct account_route *route)
{
	struct smtp_session *f = smtp_of(s);
	char id[SESSION_ID_MAX];

	f->routed = *route;
	f->is_held = true;
	log_info(session_id(s, id), "rcpt-held", "account=%s", route->name);
}

void smtp_route_held(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (!f->is_held || f->proxy.state != SMTP_PROXY_ROUTING ||
		mail_is_held(s->host, str_from(f->routed.name)))
		return;
	smtp_route_recipient(s);
	session_again(s);
}

void smtp_route_recipient(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	struct recipient_names names = smtp_names(s);
	struct str address = f->proxy.routing->address;
	enum smtp_route is = SMTP_ROUTE_LATER;
	struct recipient to = { .is = RECIPIENT_UNKNOWN };
	struct error err = { 0 };
	struct arena arena;
	char id[SESSION_ID_MAX];

	arena_init(&arena);
	f->is_held = false;
	if (recipient_find(&names, address, &arena, &to, &err) < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"", err.text);
	else if (must_wait(s, &to))
		hold(s, &to.account);
	else
		is = route_of(s, &names, &to);
	arena_fini(&arena);
	if (f->is_held)
		return;
	if (is == SMTP_ROUTE_LOCAL && f->proxy.source_has_tls && !s->is_secure &&
		f->offer.tls == SMTP_TLS_NONE &&
		s->host->settings->services[s->service].tls == SERVICE_TLS_AUTO)
		s->host->notes[NOTE_CLEAR_MAIL]++;
	if (to.is == RECIPIENT_KNOWN)
		log_info(session_id(s, id), "rcpt", "to=<%.*s> account=%s route=%s",
			STR_ARG(address), to.account.name, route_name(to.account.route));
	if (is == SMTP_ROUTE_LOCAL)
		ask_for_room(s, &to.account);
	else
		smtp_proxy_routed(&f->proxy, is, STR_LIT(""));
}

struct str smtp_account_here(struct session *s, struct str address, struct arena *arena)
{
	struct recipient_names names = smtp_names(s);
	struct recipient to;
	struct error err = { 0 };

	if (recipient_find(&names, address, arena, &to, &err) < 0 ||
		to.is != RECIPIENT_KNOWN || to.account.route != ROUTE_LOCAL)
		return (struct str){ 0 };
	return arena_str(arena, str_from(to.account.name));
}

/* ---- what goes to the source ---- */

struct str smtp_client_address(
	const struct session *s, char text[static INET6_ADDRSTRLEN])
{
	const void *address = s->peer.any.sa_family == AF_INET6
	                              ? (const void *)&s->peer.v6.sin6_addr
	                              : (const void *)&s->peer.v4.sin_addr;

	text[0] = '\0';
	(void)inet_ntop(s->peer.any.sa_family, address, text, INET6_ADDRSTRLEN);
	return str_from(text);
}

void smtp_count_recipient(struct session *s)
{
	const struct smtp_proxy *m = &smtp_of(s)->proxy;
	char client[INET6_ADDRSTRLEN];
	struct smtp_address to;
	struct arena arena;

	arena_init(&arena);
	if (smtp_address_parse(m->recipient->address, &arena, &to))
		s->host->ops->count_recipient(
			s->host, &to, smtp_client_address(s, client), m->code / 100 == 2);
	arena_fini(&arena);
}
