/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the SMTP proxy asks for, in one function each. */
#include "base/log.h"
#include "interceptor/smtp/smtp.h"
#include "wire/smtp/address.h"
#include "wire/smtp/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEADER_MAX 16384 /* trace lines: four times the longest command */
#define MOVED_REPLY "450 4.2.1 The mailbox is being moved, try again in a moment"
#define FULL_REPLY "452 4.3.1 Insufficient system storage"
#define LATER_REPLY "451 4.3.0 The mailbox cannot be reached now, try again later"

/* ---- whose a recipient is ---- */

/* Without the mailstore only the mail for its users must wait, not that for all others in
   the same message. */
static enum smtp_route to_route(struct session *s, const struct account_route *route)
{
	switch (route->route) {
	case ROUTE_LOCAL:
		if (s->host->ops->reach_mailstore(s->host) < 0)
			return SMTP_ROUTE_LATER;
		return smtp_source_is_known_to_agree(s) ? SMTP_ROUTE_LOCAL_KNOWN
		                                        : SMTP_ROUTE_LOCAL;
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

static struct recipient_names names_of(const struct session *s)
{
	const struct smtp_offer *offer = &smtp_of(s)->offer;

	return (struct recipient_names){ .registry = s->host->registry,
		.settings = s->host->settings,
		/* without a greeting the name is ours */
		.source_name = offer->greeting.len ? offer->name : STR_LIT("") };
}

void smtp_route_recipient(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	struct recipient_names names = names_of(s);
	struct str address = f->proxy.recipient->address;
	enum smtp_route is = SMTP_ROUTE_LATER;
	struct recipient to;
	struct error err = { 0 };
	struct arena arena;
	char id[SESSION_ID_MAX];

	arena_init(&arena);
	if (recipient_find(&names, address, &arena, &to, &err) < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"", err.text);
	else
		is = route_of(s, &names, &to);
	arena_fini(&arena);
	if ((is == SMTP_ROUTE_LOCAL || is == SMTP_ROUTE_LOCAL_KNOWN) &&
		f->proxy.source_has_tls && !s->is_secure &&
		f->offer.tls == SMTP_TLS_NONE &&
		s->host->settings->services[s->service].tls == SERVICE_TLS_AUTO)
		s->host->notes[NOTE_CLEAR_MAIL]++;
	if (to.is == RECIPIENT_KNOWN)
		log_info(session_id(s, id), "rcpt", "to=<%.*s> account=%s route=%s",
			STR_ARG(address), to.account.name, route_name(to.account.route));
	smtp_proxy_routed(&f->proxy, is, str_from(to.account.name));
}

/* ---- what goes to the source ---- */

static struct str client_address(
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
			s->host, &to, client_address(s, client), m->code / 100 == 2);
	arena_fini(&arena);
}

/* ---- staging ---- */

/* The recipient was accepted a while ago: an account may have gone since. */
static const char *all_live_here(struct session *s)
{
	const struct smtp_proxy *m = &smtp_of(s)->proxy;
	struct account_route route;
	struct error err = { 0 };

	for (const struct smtp_recipient *r = m->transaction.local.first; r;
		r = r->next) {
		if (registry_route(s->host->registry, r->account, &route, &err) < 0)
			return LATER_REPLY;
		if (route.route != ROUTE_LOCAL)
			return MOVED_REPLY;
	}
	return NULL;
}

/* Said by the proxy in its next step. */
static void done(struct session *s, struct str refusal)
{
	struct smtp_session *f = smtp_of(s);
	int n = snprintf(f->refusal, sizeof(f->refusal), "%.*s", STR_ARG(refusal));

	smtp_proxy_done(&f->proxy, str_of(f->refusal, n < 0 ? 0 : strlen(f->refusal)));
}

static void answered(struct session *s, struct str refusal)
{
	bool is_over = smtp_of(s)->proxy.state == SMTP_PROXY_COMMITTING;

	session_enter(s);
	done(s, refusal);
	if (is_over)
		smtp_abort(s); /* all is delivered: this gives the memory back */
	session_again(s);
	session_leave(s);
}

void smtp_stage_begin(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	const char *refusal = all_live_here(s);

	if (!refusal) {
		f->staging = staging_new(s, answered);
		refusal = f->staging ? NULL : LATER_REPLY;
	}
	if (!f->proxy.transaction.remote.n)
		session_set_route(s, ROUTE_LOCAL);
	done(s, str_from(refusal));
}

void smtp_stage_bytes(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (f->staging && staging_write(f->staging, f->proxy.bytes) < 0)
		done(s, STR_LIT(FULL_REPLY));
}

static int write_header(struct session *s, bool is_relayed, struct buf *header)
{
	const struct smtp_session *f = smtp_of(s);
	const struct smtp_proxy *m = &f->proxy;
	char id[SESSION_ID_MAX], client[INET6_ADDRSTRLEN];
	time_t now = time(NULL);
	struct tm local = { 0 };
	struct smtp_trace trace = { .sender = m->transaction.sender,
		.helo = str_from(m->client.helo),
		.client = client_address(s, client),
		.by = f->offer.name,
		.id = str_from(session_id(s, id)),
		.esmtp = m->client.esmtp,
		.secure = s->is_secure,
		.authenticated = m->client.authenticated,
		.is_relayed = is_relayed,
		.at = now };

	(void)localtime_r(&now, &local);
	trace.zone = (int16_t)(local.tm_gmtoff / 60);
	if (!is_relayed && m->transaction.n_accepted + m->transaction.remote.n ==
				   1) /* else it would tell of blind copies */
		trace.recipient = m->transaction.local.first->address;
	return smtp_trace(&trace, header);
}

void smtp_trace_relayed(struct session *s)
{
	struct buf header;

	buf_init(&header, HEADER_MAX);
	if (write_header(s, true, &header) < 0 ||
		buf_append(&s->memory->to_source, buf_view(&header)) < 0)
		session_close(s, "no memory");
	buf_fini(&header);
}

static int send_staging(struct session *s, struct buf *header)
{
	struct smtp_session *f = smtp_of(s);
	const struct smtp_recipient *first = f->proxy.transaction.local.first;
	char client[ADDRESS_TEXT_MAX];
	struct staging_mail mail = { .sender = f->proxy.transaction.sender,
		.recipients = first,
		.at_once =
			!first->next && f->proxy.message.destination == SMTP_TO_LOCAL };
	int r = write_header(s, false, header);

	if (r < 0)
		return r;
	endpoint_text(&s->peer, client);
	mail.client = str_from(client);
	mail.header = buf_view(header);
	return staging_send(f->staging, &mail);
}

void smtp_stage_end(struct session *s)
{
	const char *refusal = all_live_here(s);
	char id[SESSION_ID_MAX];
	struct buf header;
	int r = 0;

	buf_init(&header, HEADER_MAX);
	if (!refusal)
		r = send_staging(s, &header);
	buf_fini(&header);
	if (r < 0) {
		log_error(session_id(s, id), "staging", "error=\"%s\"", strerror(-r));
		refusal = r == -ENOSPC ? FULL_REPLY : LATER_REPLY;
	}
	if (refusal)
		done(s, str_from(refusal));
}

void smtp_commit(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (f->staging && staging_deliver(f->staging))
		return;
	done(s, STR_LIT(""));
	smtp_abort(s); /* delivered in one step: only the memory is left */
}

void smtp_abort(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	staging_drop(f->staging);
	f->staging = NULL;
}
