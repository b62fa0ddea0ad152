/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the source has said of a sender before: it is asked again only for what is new.
 *
 * A question is the client's address, whether it is inside TLS, its HELO, the sender, and
 * the recipient (none: MAIL). IPv6 counts by its first 64 bits, as block lists have it;
 * an IPv4 address counts whole, since the next one may be another customer's. */
#include "interceptor/smtp/smtp.h"

#define QUESTION_MAX (64 + SMTP_HELO_MAX + 2 * SMTP_COMMAND_MAX)
#define NETWORK_V6 8 /* bytes: a /64 */

static int add_client(const struct session *s, struct buf *out)
{
	const struct in6_addr *v6 = &s->peer.v6.sin6_addr;
	const struct in_addr *v4 = &s->peer.v4.sin_addr;

	if (s->peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6))
		return buf_append(out, str_of((const char *)v6, sizeof(*v6)));
	if (s->peer.any.sa_family == AF_INET6)
		return buf_append(out, str_of((const char *)v6, NETWORK_V6));
	return buf_append(out, str_of((const char *)v4, sizeof(*v4)));
}

/* No part of it holds a zero (smtp_line_is_unsafe()), which ends each. false: no memory.
 */
static bool make_question(
	struct session *s, struct str sender, struct str recipient, struct buf *out)
{
	const struct smtp_client *client = &smtp_of(s)->proxy.client;
	struct str end = str_of("", 1);

	buf_init(out, QUESTION_MAX);
	return buf_byte(out, (char)s->peer.any.sa_family) == 0 &&
	       buf_byte(out, (char)client->secure) == 0 &&
	       buf_byte(out, (char)client->esmtp) == 0 && add_client(s, out) == 0 &&
	       buf_append(out, str_from(client->helo)) == 0 &&
	       buf_append(out, end) == 0 && buf_append(out, sender) == 0 &&
	       buf_append(out, end) == 0 && buf_append(out, recipient) == 0;
}

static bool is_known(struct session *s, struct str sender, struct str recipient)
{
	struct buf question;
	bool known = make_question(s, sender, recipient, &question) &&
	             s->host->ops->source_agreed(s->host, buf_view(&question));

	buf_fini(&question);
	return known;
}

bool smtp_source_is_known_to_agree(struct session *s)
{
	const struct smtp_proxy *p = &smtp_of(s)->proxy;

	return smtp_proxy_may_recall(p) &&
	       is_known(s, p->transaction.sender, p->routing->address);
}

void smtp_recall_sender(struct session *s)
{
	struct smtp_proxy *p = &smtp_of(s)->proxy;

	smtp_proxy_sender_known(p, is_known(s, p->sender, STR_LIT("")));
}

static void note(struct session *s, struct str recipient)
{
	struct buf question;

	if (make_question(s, smtp_of(s)->proxy.sender, recipient, &question))
		s->host->ops->note_source_agreed(s->host, buf_view(&question));
	buf_fini(&question);
}

void smtp_remember_answer(struct session *s)
{
	const struct smtp_recipient *r = smtp_of(s)->proxy.recipient;

	if (r)
		note(s, r->address);
	note(s, STR_LIT(""));
}

void smtp_forget_sender(struct session *s)
{
	struct buf question;

	if (make_question(
		    s, smtp_of(s)->proxy.transaction.sender, STR_LIT(""), &question))
		s->host->ops->forget_source_agreed(s->host, buf_view(&question));
	buf_fini(&question);
}

/* The goodbye is a courtesy: it goes out, or not. */
void smtp_renew_source(struct session *s)
{
	struct smtp_proxy *p = &smtp_of(s)->proxy;

	if (s->source_state == SOURCE_OPEN)
		(void)stream_write(s->source, STR_LIT("QUIT\r\n"), false);
	session_drop_source(s);
	smtp_proxy_source_reopened(p);
	if (session_connect(s) < 0)
		smtp_proxy_source_lost(p);
}
