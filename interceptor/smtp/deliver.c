/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message for those who live here: gathered, filtered, given to the mailstore. */
#include "base/log.h"
#include "interceptor/smtp/smtp.h"
#include "wire/smtp/loop.h"
#include "wire/smtp/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEADER_MAX 16384 /* trace lines: four times the longest command */

/* NULL: they do. */
static const char *all_live_here(struct session *s, const struct smtp_recipient *first)
{
	const char *why = NULL;

	for (const struct smtp_recipient *r = first; r && !why; r = r->next)
		why = staging_why_not(s, r->account);
	return why;
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
	if (is_over && !refusal.len)
		smtp_report_add(s);
	done(s, refusal);
	if (is_over)
		smtp_abort(s); /* all is delivered: this gives the memory back */
	session_again(s);
	session_leave(s);
}

void smtp_stage_begin(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	const char *refusal = all_live_here(s, f->proxy.transaction.local.first);

	if (!refusal) {
		f->staging = staging_new(s, answered);
		refusal = f->staging ? NULL : STAGING_AWAY;
	}
	if (!f->proxy.transaction.remote.n)
		session_set_route(s, ROUTE_LOCAL);
	done(s, str_from(refusal));
}

void smtp_stage_bytes(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (f->staging && staging_write(f->staging, f->proxy.bytes) < 0)
		done(s, STR_LIT(STAGING_FULL));
}

static int write_header(
	struct session *s, struct str sender, bool is_relayed, struct buf *header)
{
	const struct smtp_session *f = smtp_of(s);
	const struct smtp_proxy *m = &f->proxy;
	char id[MESSAGE_ID_MAX], client[INET6_ADDRSTRLEN];
	time_t now = time(NULL);
	struct tm local = { 0 };
	struct smtp_trace trace = { .sender = sender,
		.helo = str_from(m->client.helo),
		.client = smtp_client_address(s, client),
		.by = f->offer.name,
		.id = str_from(message_id(s, f->staging, id)),
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
	if (write_header(s, smtp_of(s)->proxy.transaction.sender, true, &header) < 0 ||
		buf_append(&s->memory->to_source, buf_view(&header)) < 0)
		session_close(s, "no memory");
	buf_fini(&header);
}

static int send_staging(struct session *s, struct str sender,
	const struct smtp_recipient *first, struct buf *header)
{
	struct smtp_session *f = smtp_of(s);
	const struct recipient_names names = smtp_names(s);
	char client[ADDRESS_TEXT_MAX];
	struct staging_mail mail = { .sender = sender,
		.params = f->proxy.transaction.mail_params,
		.helo = f->offer.name,
		.names = &names,
		.recipients = first,
		.is_shared =
			first->next || f->proxy.message.destination != SMTP_TO_LOCAL };
	int r = write_header(s, sender, false, header);

	if (r < 0)
		return r;
	mail.at_once = !mail.is_shared;
	endpoint_text(&s->peer, client);
	mail.client = str_from(client);
	mail.header = buf_view(header);
	return staging_send(f->staging, &mail);
}

/* As Postfix says it. */
static const char *loops(struct session *s, const struct smtp_recipient *first)
{
	struct str message;
	enum smtp_loop loop;

	if (content_view(staging_content(smtp_of(s)->staging), &message) < 0)
		return STAGING_FULL;
	loop = smtp_loop_find(message, first);
	if (loop == SMTP_LOOP_HOPS)
		return "554 5.4.6 Too many hops";
	return loop == SMTP_LOOP_DELIVERED
	               ? "554 5.4.6 Mail forwarding loop: it was delivered here before"
	               : NULL;
}

static void deliver(
	struct session *s, struct str sender, const struct smtp_recipient *first)
{
	const char *refusal = all_live_here(s, first);
	char id[SESSION_ID_MAX];
	struct buf header;
	int r = 0;

	if (!refusal)
		refusal = loops(s, first);
	buf_init(&header, HEADER_MAX);
	if (!refusal) {
		smtp_report_make(s, sender, first);
		r = send_staging(s, sender, first, &header);
	}
	buf_fini(&header);
	if (r < 0) {
		log_error(session_id(s, id), "staging", "error=\"%s\"", strerror(-r));
		refusal = r == -ENOSPC ? STAGING_FULL : STAGING_AWAY;
	}
	if (refusal)
		done(s, str_from(refusal));
}

/* ---- filters ---- */

static void filter_done(struct session *s, struct str refusal)
{
	struct smtp_session *f = smtp_of(s);
	const struct smtp_recipient *first = filter_recipients(f->filter);

	if (!first && !refusal.len) /* it is discarded here */
		smtp_report_make(s, filter_sender(f->filter), first);
	if (refusal.len || !first)
		done(s, refusal);
	else
		deliver(s, filter_sender(f->filter), first);
	filter_free(f->filter);
	f->filter = NULL;
}

/* The client has named that one, who was asked at RCPT. */
static bool was_asked(struct session *s, struct str account)
{
	const struct smtp_recipient *r = smtp_of(s)->proxy.transaction.local.first;

	while (r && !str_eq(r->account, account))
		r = r->next;
	return r != NULL;
}

static void added_answered(struct session *s, struct str refusal);

/* Those that filters have added; one that is refused refuses the message: its sender is
   to hear that somebody does not get it. */
static void ask_added(struct session *s, const struct smtp_recipient *r)
{
	struct smtp_session *f = smtp_of(s);
	struct account_route route;

	while (r && was_asked(s, r->account))
		r = r->next;
	f->added = r;
	if (!r)
		filter_done(s, STR_LIT(""));
	else if (registry_route(s->host->registry, r->account, &route, NULL) < 0 ||
		 !smtp_ask_for_room(s, r, route.is_elsewhere,
			 staging_content(f->staging)->len, added_answered))
		filter_done(s, STR_LIT(STAGING_AWAY));
}

static void added_answered(struct session *s, struct str refusal)
{
	session_enter(s);
	if (refusal.len)
		filter_done(s, refusal);
	smtp_forget_room(s);
	if (smtp_of(s)->filter)
		ask_added(s, smtp_of(s)->added->next);
	session_again(s);
	session_leave(s);
}

static void filtered(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	session_enter(s);
	if (filter_refusal(f->filter).len)
		filter_done(s, filter_refusal(f->filter));
	else
		ask_added(s, filter_recipients(f->filter));
	session_again(s);
	session_leave(s);
}

void smtp_stage_end(struct session *s)
{
	static const struct filter_ops ops = { filtered, smtp_account_here };
	struct smtp_session *f = smtp_of(s);
	const struct smtp_transaction *t = &f->proxy.transaction;
	const char *refusal;

	if (!s->host->settings->milters.n) {
		deliver(s, t->sender, t->local.first);
		return;
	}
	refusal = all_live_here(s, t->local.first);
	if (!refusal) {
		f->filter = filter_new(s, staging_content(f->staging), &ops);
		refusal = f->filter ? NULL : STAGING_AWAY;
	}
	if (refusal)
		done(s, str_from(refusal));
	else
		filter_start(f->filter);
}

void smtp_commit(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	struct str refusal = STR_LIT("");

	if (f->staging && staging_deliver(f->staging))
		return;
	if (f->staging)
		refusal = staging_first_refusal(f->staging);
	else
		smtp_report_make(s, f->proxy.transaction.sender, NULL);
	if (!refusal.len)
		smtp_report_add(s);
	done(s, refusal);
	smtp_abort(s); /* delivered in one step: only the memory is left */
}

void smtp_abort(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	filter_free(f->filter);
	f->filter = NULL;
	smtp_forget_room(s); /* of one that it has added */
	smtp_report_forget(s);
	staging_drop(f->staging);
	f->staging = NULL;
}
