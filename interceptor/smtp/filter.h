/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_FILTER_H
#define INTERCEPTOR_SMTP_FILTER_H
/*
 * A message for users here before the content filters of `milter`, one after the other,
 * each with a connection of its own and with what the one before it has changed.
 *
 *   new ─► start ─► (done, at once or later) ─► refusal, sender, recipients
 *
 * What each verdict means for a delivery that has no queue:
 *   - A refusal is the client's reply for the whole message, whoever else is to have it:
 *     there is one reply.
 *   - Discard: nobody here gets it, and the client hears 250. The source has filters of
 *     its own and gets its part.
 *   - Quarantine: there is nowhere to hold it, so the client is refused: the sender hears
 *     of it, and nobody gets it.
 *   - A recipient that a filter adds must live here; another one cannot be sent to, which
 *     is logged.
 *   - A filter that cannot be reached, breaks the protocol, is silent for longer than its
 *     time-out or dies in the middle: `milter_default`. Nothing that it has changed
 *     counts.
 */
#include "interceptor/smtp/content.h"
#include "wire/smtp/proxy.h"

struct filter;
struct host;
struct session;

struct filter_ops {
	void (*done)(struct session *s);
	/* Whose that address is, in the arena; ptr NULL: of nobody who lives here. */
	struct str (*account_of)(
		struct session *s, struct str address, struct arena *arena);
};

/* For the session's transaction; content: of it, and changed. NULL: no memory. */
struct filter *filter_new(
	struct session *s, struct content *content, const struct filter_ops *ops);
/* done() is called, perhaps before it returns. */
void filter_start(struct filter *f);
/* Forgets it, whatever it is waiting for; NULL is fine. */
void filter_free(struct filter *f);

/* Behind done(): a reply without CRLF, or "" and those who get it (NULL: nobody). */
struct str filter_refusal(const struct filter *f);
struct str filter_sender(const struct filter *f);
const struct smtp_recipient *filter_recipients(const struct filter *f);

/* For the worker: time. */
void filter_tick(struct host *h);

#endif
