/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: one slot for each command without its answer, and who answers it. */
#include "wire/smtp/proxy_parts.h"

#include "wire/smtp/dsn.h"
#include "wire/smtp/refusal.h"

#include <string.h>

struct smtp_slot *proxy_push(struct smtp_proxy *p)
{
	struct smtp_pipeline *l = &p->pipeline;
	size_t at = (l->first + l->n++) % SMTP_SLOTS_MAX;

	l->slots[at] = (struct smtp_slot){ 0 };
	return &l->slots[at];
}

static struct smtp_slot pop(struct smtp_pipeline *l)
{
	struct smtp_slot slot = l->slots[l->first];

	l->first = (l->first + 1) % SMTP_SLOTS_MAX;
	l->n--;
	l->n_probing -= slot.kind == SMTP_SLOT_PROBE;
	return slot;
}

void proxy_answer(struct smtp_proxy *p, const char *text)
{
	struct smtp_slot *slot;

	if (p->pipeline.n == SMTP_SLOTS_MAX) {
		proxy_close(p);
		return;
	}
	slot = proxy_push(p);
	slot->kind = SMTP_SLOT_OWN;
	slot->text = text;
}

/* ---- what a positive answer changes, whoever gave it ---- */

static void helo_accepted(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	size_t len = slot->args.len < SMTP_HELO_MAX ? slot->args.len : SMTP_HELO_MAX;

	if (len)
		memcpy(p->client.helo, slot->args.ptr, len);
	p->client.helo[len] = '\0';
	p->client.esmtp = slot->verb == SMTP_EHLO;
	p->client.must_greet = false;
	if (slot->verb == SMTP_HELO)
		p->client.offered_more = p->client.offered_dsn = p->pipeline.is_offered =
			p->source_has_chunking = false;
	proxy_forget_transaction(p); /* RFC 5321, 4.1.4 */
}

void proxy_mail_accepted(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	struct smtp_path path = { 0 };

	(void)smtp_path_parse(slot->args, STR_LIT("FROM"), &path);
	p->transaction.sender = path.address;
	p->transaction.mail_params = path.params;
	p->transaction.mail_line = slot->line;
}

static void rcpt_accepted(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	struct smtp_transaction *t = &p->transaction;

	proxy_add_recipient(&t->remote, slot->recipient);
	if (proxy_relay_is_silent(p) && proxy_is_to_be_reported(p, slot->recipient))
		proxy_add_reported(t, slot->recipient);
}

/* It greets again: EHLO comes next. */
static void xclient_accepted(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	(void)slot;
	p->client = (struct smtp_client){ .offered_more = p->client.offered_more,
		.secure = p->client.secure,
		.speaks_for_another = true };
	p->pipeline.is_offered = false;
	proxy_forget_transaction(p);
}

static void rset_accepted(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	(void)slot;
	proxy_forget_transaction(p);
}

/* Of all others nothing is remembered. */
static void accepted(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	static void (*const rows[SMTP_VERB_COUNT])(
		struct smtp_proxy * p, const struct smtp_slot *slot) = {
		[SMTP_EHLO] = helo_accepted,
		[SMTP_HELO] = helo_accepted,
		[SMTP_MAIL] = proxy_mail_accepted,
		[SMTP_RCPT] = rcpt_accepted,
		[SMTP_RSET] = rset_accepted,
		[SMTP_XCLIENT] = xclient_accepted,
	};

	if (rows[slot->verb])
		rows[slot->verb](p, slot);
}

/* ---- answers of ours ---- */

static const char *const away_texts[SMTP_VERB_COUNT] = {
	[SMTP_MAIL] = "250 2.1.0 Ok",
	[SMTP_RSET] = "250 2.0.0 Ok",
	[SMTP_NOOP] = "250 2.0.0 Ok",
	[SMTP_QUIT] = "221 2.0.0 Bye",
	/* all others: NULL, and then */
};
#define AWAY_TEXT "451 4.4.1 The mail server is not available; please try again later"

static const char *const retired_texts[SMTP_VERB_COUNT] = {
	[SMTP_RCPT] = "501 5.1.3 RCPT TO:<address> is wanted",
	[SMTP_VRFY] = "252 2.5.0 Send a message, and see",
};
#define RETIRED_TEXT "502 5.5.1 This command is not available here"

static const char *away_text(const struct smtp_proxy *p, enum smtp_verb verb)
{
	const char *retired = retired_texts[verb];

	if (away_texts[verb])
		return away_texts[verb];
	if (!p->offer->retired)
		return AWAY_TEXT;
	return retired ? retired : RETIRED_TEXT;
}

static void say_name(struct smtp_proxy *p, const char *code)
{
	if (buf_printf(p->to_client, "%s %.*s ESMTP\r\n", code, STR_ARG(p->offer->name)) <
		0)
		proxy_close(p);
}

/* In the source's place. */
static void greet(struct smtp_proxy *p)
{
	if (p->offer->greeting.len)
		proxy_say(p, p->offer->greeting);
	else
		say_name(p, "220");
}

/* Without the source we take logins ourselves, where it has shown that it takes some. */
static bool takes_logins(const struct smtp_proxy *p)
{
	struct str args;

	return p->relay == SMTP_RELAY_NONE && (p->offer->relay || !p->offer->retired) &&
	       ((p->offer->relay && p->client.secure) ||
		       smtp_ehlo_has(p->offer->ehlo, STR_LIT("AUTH"), &args));
}

static unsigned auth_shown(const struct smtp_proxy *p)
{
	if (!proxy_has_source(p) || p->relay != SMTP_RELAY_NONE)
		return takes_logins(p) ? SMTP_ADD_AUTH : 0;
	/* what the source shows inside TLS may be for TLS alone */
	return p->offer->source_is_secure && proxy_tls(p) == SMTP_TLS_HERE
	               ? 0
	               : SMTP_KEEP_AUTH;
}

/* No TLS of the source without it. */
static void say_ehlo(struct smtp_proxy *p, struct str reply)
{
	unsigned keep = auth_shown(p);
	struct str args;

	if (proxy_tls(p) == SMTP_TLS_HERE)
		keep |= SMTP_KEEP_STARTTLS | SMTP_ADD_STARTTLS;
	else if (proxy_tls(p) == SMTP_TLS_PASS && proxy_has_source(p))
		keep |= SMTP_KEEP_STARTTLS;
	if (p->offer->nobody_here && proxy_has_source(p) && p->relay == SMTP_RELAY_NONE)
		keep |= SMTP_KEEP_FOLLOWED | SMTP_KEEP_DSN |
		        (p->offer->from_us ? 0U : (unsigned)SMTP_KEEP_TRUSTED);
	if (p->offer->reports)
		keep |= SMTP_KEEP_DSN;
	p->client.offered_more =
		keep & SMTP_KEEP_FOLLOWED &&
		smtp_ehlo_has_followed(reply, p->offer->reports ? SMTP_KEEP_DSN : 0);
	p->client.offered_dsn =
		p->offer->reports && smtp_ehlo_has(reply, STR_LIT("DSN"), &args);
	if (smtp_ehlo_filter(reply, keep, p->to_client) < 0)
		proxy_close(p);
}

/* In the source's place; of one that nothing is known of, what we have ourselves. */
static void say_own_ehlo(struct smtp_proxy *p)
{
	struct buf plain;

	if (p->offer->ehlo.len) {
		say_ehlo(p, p->offer->ehlo);
		return;
	}
	buf_init(&plain, SMTP_REPLY_LINE_MAX);
	if (buf_printf(&plain, "250 %.*s ESMTP\r\n", STR_ARG(p->offer->name)) < 0)
		proxy_close(p);
	else
		say_ehlo(p, buf_view(&plain));
	buf_fini(&plain);
}

/* What is wrong with it; NULL: nothing. */
static const char *mail_error(const struct smtp_proxy *p, const struct smtp_slot *slot)
{
	struct smtp_path path;

	if (slot->verb != SMTP_MAIL)
		return NULL;
	if (proxy_has_sender(&p->transaction))
		return "503 5.5.1 There is a sender already";
	if (!smtp_path_parse(slot->args, STR_LIT("FROM"), &path))
		return "501 5.5.4 MAIL FROM:<address> is wanted";
	return NULL;
}

/* Its MAIL may be without an answer yet. */
uint64_t smtp_proxy_declared_size(const struct smtp_proxy *p)
{
	const struct smtp_pipeline *l = &p->pipeline;
	struct smtp_path path = { .params = p->transaction.mail_params };

	for (size_t i = 0; i < l->n; i++) {
		const struct smtp_slot *slot = &l->slots[(l->first + i) % SMTP_SLOTS_MAX];

		if (slot->verb == SMTP_MAIL && slot->kind != SMTP_SLOT_LATE_MAIL)
			(void)smtp_path_parse(slot->args, STR_LIT("FROM"), &path);
	}
	return smtp_param_size(path.params);
}

/* In the source's place. */
static void answer_away(struct smtp_proxy *p, const struct smtp_slot *slot)
{
	const char *error = mail_error(p, slot);

	if (error) {
		proxy_say_line(p, error);
		return;
	}
	if (slot->verb == SMTP_GREETING) {
		greet(p);
	} else if (slot->verb == SMTP_EHLO) {
		say_own_ehlo(p);
		p->pipeline.is_offered = true; /* we are the other end */
	} else if (slot->verb == SMTP_HELO) {
		say_name(p, "250");
	} else {
		proxy_say_line(p, away_text(p, slot->verb));
	}
	if (slot->verb != SMTP_RCPT)
		accepted(p, slot);
	if (slot->verb == SMTP_QUIT)
		proxy_close(p);
}

static bool has_account(const struct smtp_recipient_list *list, struct str account)
{
	for (const struct smtp_recipient *r = list->first; r; r = r->next)
		if (str_eq(r->account, account))
			return true;
	return false;
}

static const char *accept_local(struct smtp_proxy *p, struct smtp_recipient *r)
{
	struct smtp_transaction *t = &p->transaction;
	bool is_reported = proxy_is_to_be_reported(p, r);

	if (t->n_accepted >= SMTP_RECIPIENTS_MAX ||
		(is_reported && t->n_reported >= SMTP_REPORTED_MAX))
		return "452 4.5.3 Too many recipients";
	if (p->offer->size_max && smtp_param_size(t->mail_params) > p->offer->size_max)
		return "552 5.3.4 The message is too big";
	t->n_accepted++;
	if (is_reported)
		proxy_add_reported(t, r);
	if (!has_account(&t->local, r->account))
		proxy_add_recipient(&t->local, r);
	return "250 2.1.5 Ok";
}

static bool waits_for_source(const struct smtp_proxy *p)
{
	const struct smtp_slot *slot = &p->pipeline.slots[p->pipeline.first];

	return proxy_has_source(p) &&
	       (slot->kind == SMTP_SLOT_SOURCE || slot->kind == SMTP_SLOT_PROBE ||
		       slot->kind == SMTP_SLOT_LATE_MAIL);
}

void proxy_drain(struct smtp_proxy *p)
{
	while (p->pipeline.n && !waits_for_source(p)) {
		struct smtp_slot slot = pop(&p->pipeline);

		if (slot.kind == SMTP_SLOT_LATE_MAIL)
			continue;
		if (slot.verb == SMTP_RCPT && p->transaction.is_refused)
			proxy_say(p, buf_view(&p->hidden_reply));
		else if (slot.verb == SMTP_RCPT && !proxy_has_sender(&p->transaction))
			proxy_say_line(p, "503 5.5.1 There is no sender yet");
		else if (slot.kind == SMTP_SLOT_SOURCE)
			answer_away(p, &slot);
		else if (slot.kind == SMTP_SLOT_OWN)
			proxy_say_line(p, slot.text);
		else
			proxy_say_line(p, accept_local(p, slot.recipient));
	}
}

/* ---- replies of the source ---- */

static bool is_refusal_of_client(const struct smtp_proxy *p, const struct smtp_slot *slot,
	const struct smtp_reply *reply)
{
	struct smtp_envelope envelope = { .recipient = slot->recipient->address,
		.sender = p->transaction.sender,
		.helo = str_from(p->client.helo) };

	return reply->code / 100 != 2 &&
	       smtp_refusal_of(reply, &envelope, p->offer->unknown_user) ==
	               SMTP_REFUSAL_OF_CLIENT;
}

/* The recipient lives here: only a refusal of the client or the sender counts. */
static enum smtp_proxy_action probe_reply(struct smtp_proxy *p,
	const struct smtp_slot *slot, const struct smtp_reply *reply)
{
	if (is_refusal_of_client(p, slot, reply)) {
		proxy_say(p, reply->bytes);
		return SMTP_PROXY_AGAIN;
	}
	if (!proxy_has_sender(&p->transaction)) {
		proxy_say_line(p, "503 5.5.1 There is no sender yet");
		return SMTP_PROXY_AGAIN;
	}
	if (reply->code / 100 == 2) {
		p->transaction.n_probed++;
	} else {
		p->probes_refused++;
		p->last_reply = SMTP_LAST_REPLY_HIDDEN;
		buf_clear(&p->hidden_reply);
		(void)buf_append(&p->hidden_reply, reply->bytes);
	}
	proxy_say_line(p, accept_local(p, slot->recipient));
	p->recipient = slot->recipient;
	p->sender = p->transaction.sender;
	return reply->code / 100 != 4 && proxy_may_remember(p) ? SMTP_PROXY_REMEMBER
	                                                       : SMTP_PROXY_AGAIN;
}

void proxy_note_hello(struct smtp_proxy *p, const struct smtp_reply *reply)
{
	struct str args;

	p->source_has_auth = smtp_ehlo_has(reply->bytes, STR_LIT("AUTH"), &args);
	p->source_has_tls = smtp_ehlo_has(reply->bytes, STR_LIT("STARTTLS"), &args);
	p->source_has_chunking = smtp_ehlo_has(reply->bytes, STR_LIT("CHUNKING"), &args);
	p->pipeline.is_offered =
		smtp_ehlo_has(reply->bytes, STR_LIT("PIPELINING"), &args);
	p->source_size_max = 0;
	if (smtp_ehlo_has(reply->bytes, STR_LIT("SIZE"), &args))
		(void)str_to_u64(args, &p->source_size_max);
}

static void hello_reply(struct smtp_proxy *p, const struct smtp_reply *reply)
{
	proxy_note_hello(p, reply);
	if (reply->code / 100 == 2)
		say_ehlo(p, reply->bytes);
	else
		proxy_say(p, reply->bytes);
}

/* What the caller is told of it. */
static enum smtp_proxy_action tell_of(struct smtp_proxy *p, const struct smtp_slot *slot,
	const struct smtp_reply *reply)
{
	if (slot->verb == SMTP_MAIL && reply->code / 100 == 2 &&
		proxy_may_remember_sender(p)) {
		p->recipient = NULL;
		p->sender = p->transaction.sender;
		return SMTP_PROXY_REMEMBER;
	}
	if (slot->verb != SMTP_RCPT || !slot->recipient->address.len ||
		p->relay != SMTP_RELAY_NONE)
		return SMTP_PROXY_AGAIN;
	p->recipient = slot->recipient;
	p->code = reply->code;
	return SMTP_PROXY_AT_SOURCE;
}

enum smtp_proxy_action proxy_slot_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	struct smtp_slot slot = pop(&p->pipeline);

	if (slot.kind == SMTP_SLOT_LATE_MAIL)
		return proxy_late_mail_reply(p, reply);
	if (slot.verb == SMTP_RCPT && p->transaction.is_refused) {
		proxy_say(p, buf_view(&p->hidden_reply)); /* not that MAIL is missing */
		return SMTP_PROXY_AGAIN;
	}
	if (slot.kind == SMTP_SLOT_PROBE)
		return probe_reply(p, &slot, reply);
	if (slot.must_fail && reply->code < 400) {
		proxy_say_line(p, "421 4.7.0 This command is not available here");
		proxy_close(p);
		return SMTP_PROXY_AGAIN;
	}
	if (slot.verb == SMTP_EHLO)
		hello_reply(p, reply);
	else if (slot.verb == SMTP_HELO && proxy_is_lmtp(p) && reply->code / 100 == 2)
		say_name(p, "250");
	else
		proxy_say(p, reply->bytes);
	if (reply->code / 100 == 2)
		accepted(p, &slot);
	if (slot.ends_message)
		proxy_forget_transaction(
			p); /* refused, only RSET may come (RFC 3030, 2) */
	if (slot.verb == SMTP_QUIT && reply->code / 100 == 2)
		proxy_close(p);
	else if (slot.verb == SMTP_QUIT && p->state == SMTP_PROXY_QUIT)
		p->state = SMTP_PROXY_COMMAND; /* "QUIT now": it is no QUIT to it */
	return tell_of(p, &slot, reply);
}
