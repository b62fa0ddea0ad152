/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: sparing the source questions whose answer is remembered, and a new
   session there before it has had enough of the old one. */
#include "wire/smtp/proxy_parts.h"

/* What it says is about this client. A login decides at the source, too, and XCLIENT says
   that somebody else is asking. */
static bool speaks_to_client(const struct smtp_proxy *p)
{
	return !p->offer->nobody_here && proxy_has_source(p) &&
	       p->relay == SMTP_RELAY_NONE && !p->client.authenticated &&
	       !p->client.speaks_for_another;
}

static bool policy_applies(const struct smtp_proxy *p)
{
	return p->offer->policy && speaks_to_client(p);
}

/* Nothing on its way changes the sender. */
static bool sender_is_settled(const struct smtp_pipeline *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct smtp_slot *slot = &l->slots[(l->first + i) % SMTP_SLOTS_MAX];

		if (slot->verb == SMTP_RSET ||
			(slot->verb == SMTP_MAIL && slot->kind != SMTP_SLOT_LATE_MAIL))
			return false;
	}
	return true;
}

bool smtp_proxy_may_recall(const struct smtp_proxy *p)
{
	return policy_applies(p) && proxy_has_sender(&p->transaction) &&
	       sender_is_settled(&p->pipeline);
}

bool proxy_may_remember(const struct smtp_proxy *p)
{
	return policy_applies(p) && proxy_has_sender(&p->transaction);
}

bool proxy_may_remember_sender(const struct smtp_proxy *p)
{
	return !p->offer->policy && speaks_to_client(p);
}

/* ---- MAIL that the source is not told yet ---- */

static bool fits_source(const struct smtp_proxy *p, struct str params)
{
	return !p->source_size_max || smtp_param_size(params) <= p->source_size_max;
}

bool proxy_may_hold_mail(const struct smtp_proxy *p, struct str params)
{
	return speaks_to_client(p) && !p->pipeline.n &&
	       !proxy_has_sender(&p->transaction) && fits_source(p, params);
}

bool proxy_is_untold(const struct smtp_proxy *p)
{
	return p->transaction.is_untold && sender_is_settled(&p->pipeline);
}

bool proxy_is_refused(const struct smtp_proxy *p)
{
	return p->transaction.is_refused && sender_is_settled(&p->pipeline);
}

bool proxy_tells_late(const struct smtp_proxy *p)
{
	const struct smtp_pipeline *l = &p->pipeline;

	for (size_t i = 0; i < l->n; i++)
		if (l->slots[(l->first + i) % SMTP_SLOTS_MAX].kind == SMTP_SLOT_LATE_MAIL)
			return true;
	return false;
}

bool proxy_is_in_chunks(const struct smtp_proxy *p)
{
	return p->transaction.is_in_chunks && sender_is_settled(&p->pipeline);
}

void smtp_proxy_sender_known(struct smtp_proxy *p, bool known)
{
	if (p->state != SMTP_PROXY_RECALLING)
		return;
	p->state = SMTP_PROXY_COMMAND;
	if (!known || !speaks_to_client(p)) {
		*proxy_push(p) = p->held_mail;
		proxy_tell_source(p, p->held_mail.line);
		return;
	}
	proxy_mail_accepted(p, &p->held_mail);
	p->transaction.is_untold = p->spares_source = true;
	proxy_say_line(p, "250 2.1.0 Ok");
}

void proxy_tell_held_mail(struct smtp_proxy *p)
{
	struct smtp_slot *slot;

	if (!proxy_is_untold(p) || !proxy_has_source(p))
		return;
	p->transaction.is_untold = false;
	slot = proxy_push(p);
	slot->verb = SMTP_MAIL;
	slot->kind = SMTP_SLOT_LATE_MAIL;
	proxy_tell_source(p, p->transaction.mail_line);
}

/* Of the transaction that the client is in. */
static bool is_on_its_way(const struct smtp_pipeline *l, enum smtp_slot_kind kind)
{
	for (size_t i = l->n; i > 0; i--) {
		const struct smtp_slot *slot =
			&l->slots[(l->first + i - 1) % SMTP_SLOTS_MAX];

		if (slot->verb == SMTP_RCPT && slot->kind == kind)
			return true;
		if (slot->verb == SMTP_RSET ||
			(slot->verb == SMTP_MAIL && slot->kind != SMTP_SLOT_LATE_MAIL))
			return false;
	}
	return false;
}

bool proxy_is_only_asked(const struct smtp_proxy *p)
{
	const struct smtp_pipeline *l = &p->pipeline;
	bool is_settled = sender_is_settled(l);

	if (!proxy_has_source(p) || (is_settled && p->transaction.remote.n) ||
		is_on_its_way(l, SMTP_SLOT_SOURCE))
		return false;
	return is_on_its_way(l, SMTP_SLOT_PROBE) ||
	       (is_settled && p->transaction.n_probed);
}

void proxy_take_back(struct smtp_proxy *p)
{
	proxy_reset_source(p);
	p->transaction.n_probed = 0;
	p->transaction.is_untold = true;
	p->transaction.has_started_over = true;
}

/* Without PIPELINING the recipient has waited for this answer (push_recipient()). */
static void go_on_with_recipient(struct smtp_proxy *p)
{
	struct smtp_slot *next = &p->pipeline.slots[p->pipeline.first];

	if (p->pipeline.is_offered || !p->pipeline.n)
		return;
	if (!p->transaction.is_refused) {
		proxy_tell_envelope(p, next->recipient->line);
		return;
	}
	p->pipeline.n_probing -= next->kind == SMTP_SLOT_PROBE;
	next->kind = SMTP_SLOT_OWN;
}

/* Refused, it is refused to all recipients, whatever is remembered. */
enum smtp_proxy_action proxy_late_mail_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	p->transaction.is_refused = reply->code / 100 != 2;
	go_on_with_recipient(p);
	if (!p->transaction.is_refused)
		return SMTP_PROXY_AGAIN;
	p->last_reply = SMTP_LAST_REPLY_HIDDEN;
	buf_clear(&p->hidden_reply);
	(void)buf_append(&p->hidden_reply, reply->bytes);
	if (reply->code == 421)
		proxy_say(p, reply->bytes); /* and the end */
	return SMTP_PROXY_FORGET;
}

/* ---- RSET ---- */

void proxy_reset_source(struct smtp_proxy *p)
{
	if (p->transaction.is_untold)
		return;
	p->n_resets++;
	proxy_tell_source_hidden(p, STR_LIT("RSET"));
	p->pipeline.awaits_reset = true;
}

bool proxy_reset_is_ours(const struct smtp_proxy *p)
{
	return p->spares_source && speaks_to_client(p) && !p->pipeline.n &&
	       (p->transaction.is_untold || !proxy_has_sender(&p->transaction));
}

/* ---- a new session at the source ---- */

bool proxy_wants_renewal(const struct smtp_proxy *p)
{
	return p->n_resets >= SMTP_RESETS_MAX && speaks_to_client(p) && !p->pipeline.n &&
	       !proxy_has_sender(&p->transaction) && *p->client.helo;
}

bool proxy_may_reopen(const struct smtp_proxy *p)
{
	return p->spares_source && p->state == SMTP_PROXY_COMMAND && !p->pipeline.n &&
	       p->relay == SMTP_RELAY_NONE && p->renewal == SMTP_RENEWAL_NONE &&
	       !p->client.authenticated &&
	       (p->transaction.is_untold || !proxy_has_sender(&p->transaction));
}

void smtp_proxy_source_reopened(struct smtp_proxy *p)
{
	p->spares_source = p->source_was_told = false;
	p->renewal = SMTP_RENEWAL_GREETING;
	p->n_resets = 0;
	p->pipeline.n_hidden = 0;
	p->last_reply = SMTP_LAST_REPLY_GOOD;
	p->source_state = SMTP_PEER_PRESENT;
}

static void tell_hello(struct smtp_proxy *p)
{
	p->renewal = SMTP_RENEWAL_HELLO;
	if (buf_printf(p->to_source, "%s %s\r\n", p->client.esmtp ? "EHLO" : "HELO",
		    p->client.helo) < 0)
		proxy_close(p);
}

enum smtp_proxy_action proxy_renewal_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2) { /* by now it refuses this client */
		p->renewal = SMTP_RENEWAL_NONE;
		proxy_say(p, reply->bytes);
		proxy_close(p);
	} else if (p->renewal == SMTP_RENEWAL_GREETING) {
		tell_hello(p);
	} else {
		p->renewal = SMTP_RENEWAL_NONE;
		proxy_note_hello(p, reply);
	}
	return SMTP_PROXY_AGAIN;
}
