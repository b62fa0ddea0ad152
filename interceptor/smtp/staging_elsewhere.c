/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deliveries to accounts that live at another server: one courier takes the message to
   all of them. */
#include "base/log.h"
#include "interceptor/smtp/staging_parts.h"
#include "source/destination.h"

#include <errno.h>

/* staging_settle() may be the end of the staging. */
static void begin_walk(struct staging *g)
{
	g->walked = true;
}

static void end_walk(struct staging *g)
{
	g->walked = false;
	if (!g->session && !g->waiting)
		staging_free(g);
}

static void courier_answered(void *owner, size_t nth, struct str refusal)
{
	struct staging *g = owner;
	struct pending_delivery *d = &g->deliveries[g->places[nth]];
	bool is_waited_for =
		d->state == DELIVERY_STAGING || d->state == DELIVERY_DELIVERING;

	if (refusal.len)
		staging_keep_refusal(d, refusal);
	d->state = DELIVERY_DONE;
	begin_walk(g);
	if (is_waited_for)
		staging_settle(g, d, DELIVERY_DONE);
	end_walk(g);
}

static void courier_held(void *owner)
{
	struct staging *g = owner;

	begin_walk(g);
	for (size_t i = 0; i < g->n_to; i++) {
		struct pending_delivery *d = &g->deliveries[g->places[i]];

		if (d->state == DELIVERY_STAGING)
			staging_settle(g, d, DELIVERY_STAGED);
	}
	end_walk(g);
}

/* One who lives at another server than `destination` by now gets nothing there. */
static bool is_at_home(struct staging *g, const struct pending_delivery *d)
{
	struct account account;
	struct error err = { 0 };

	if (registry_find(g->host->registry, d->account, &g->arena, &account, &err) < 0)
		log_error(g->session_id, "registry", "error=\"%s\"", err.text);
	else if (destination_is_home(g->host->settings, account.home))
		return true;
	else
		log_error(g->session_id, "destination",
			"account=%.*s error=\"it lives at %.*s, and `destination` is "
			"another server\"",
			STR_ARG(d->account), STR_ARG(account.home));
	return false;
}

/* -ESTALE: none of them lives there. */
static int list_recipients(struct staging *g, const struct staging_mail *mail)
{
	const struct smtp_recipient *r = mail->recipients;
	bool has_strays = false;

	g->to = arena_alloc(&g->arena, g->n * sizeof(*g->to));
	g->places = arena_alloc(&g->arena, g->n * sizeof(*g->places));
	if (!g->to || !g->places)
		return -ENOMEM;
	for (size_t i = 0; i < g->n; i++, r = r->next) {
		struct pending_delivery *d = &g->deliveries[i];

		if (!d->is_elsewhere)
			continue;
		if (!is_at_home(g, d)) {
			d->state = DELIVERY_DONE;
			staging_keep_refusal(d, STR_LIT(""));
			has_strays = true;
			continue;
		}
		g->to[g->n_to].address =
			recipient_at_home(mail->names, r->address, d->account, &g->arena);
		if (!g->to[g->n_to].address.ptr)
			return -ENOMEM;
		g->places[g->n_to++] = i;
	}
	return has_strays && !g->n_to ? -ESTALE : 0;
}

/* The lines of a relay, which delivers nothing: no Return-Path. */
static struct str relayed_header(struct str header)
{
	if (str_istarts(header, STR_LIT("Return-Path:")))
		(void)str_split(&header, '\n');
	return header;
}

int staging_send_elsewhere(struct staging *g, const struct staging_mail *mail)
{
	static const struct courier_ops ops = { courier_answered, courier_held };
	struct courier_mail to = {
		.mail = { .is_lmtp = g->host->settings->destination.mail.kind ==
		                     SMART_HOST_LMTP,
			.asks = mail->asks,
			.helo = mail->helo,
			.sender = mail->sender,
			.params = mail->params,
			.size = mail->size },
		.session_id = g->session_id,
		.header = relayed_header(mail->header),
		.file = mail->asks ? -1 : g->content.file,
		.at_once = mail->at_once,
	};
	int r = list_recipients(g, mail);

	if (r < 0 || !g->n_to)
		return r;
	to.mail.recipients = g->to;
	to.mail.n = g->n_to;
	g->courier = courier_send(g->host, &to, &ops, g);
	if (!g->courier)
		return -ECONNREFUSED;
	for (size_t i = 0; i < g->n_to; i++)
		g->deliveries[g->places[i]].state = DELIVERY_STAGING;
	g->waiting += g->n_to;
	return 0;
}

struct staging *staging_ask_elsewhere(
	struct session *s, const struct staging_mail *mail, staging_fn *done)
{
	struct staging *g = staging_new(s, done);
	int r = g ? staging_make_deliveries(g, mail) : -ENOMEM;

	if (r == 0)
		r = staging_send_elsewhere(g, mail);
	if (r == 0 && g->waiting)
		return g;
	staging_drop(g);
	return NULL;
}
