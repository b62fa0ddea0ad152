/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: STARTTLS (RFC 3207), which ends here or is the source's. */
#include "wire/smtp/proxy_parts.h"

enum smtp_tls proxy_tls(const struct smtp_proxy *p)
{
	return p->client.secure ? SMTP_TLS_NONE : p->offer->tls;
}

/* Why it cannot be now; NULL: it can. */
static const char *no_tls(const struct smtp_proxy *p)
{
	/* nothing of it could be forgotten at the source */
	if (p->client.authenticated || proxy_has_sender(&p->transaction))
		return "503 5.5.1 STARTTLS comes before login and mail";
	if (proxy_tls(p) == SMTP_TLS_PASS && !proxy_has_source(p))
		return "454 4.7.0 TLS is not available now";
	return NULL;
}

enum smtp_proxy_action proxy_starttls(struct smtp_proxy *p, struct str line)
{
	const char *refusal = no_tls(p);

	if (refusal) {
		proxy_answer(p, refusal);
		return SMTP_PROXY_AGAIN;
	}
	if (proxy_tls(p) == SMTP_TLS_PASS) {
		proxy_tell_source(p, line);
		p->state = SMTP_PROXY_TLS_REPLY;
		return SMTP_PROXY_AGAIN;
	}
	proxy_say_line(p, "220 2.0.0 Ready to start TLS");
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	p->state = SMTP_PROXY_TLS_HELLO;
	return SMTP_PROXY_START_TLS;
}

void smtp_proxy_tls_begun(struct smtp_proxy *p)
{
	if (p->state != SMTP_PROXY_TLS_HELLO)
		return;
	p->client = (struct smtp_client){ .secure = true, .must_greet = true };
	p->n_errors = 0;
	p->state = SMTP_PROXY_COMMAND;
}

void smtp_proxy_source_renewed(struct smtp_proxy *p)
{
	p->pipeline.n_hidden = 1;
	p->pipeline.awaits_reset = false;
	p->pipeline.is_offered = p->source_was_told = false;
	p->last_reply = SMTP_LAST_REPLY_GOOD;
	p->source_state = SMTP_PEER_PRESENT;
}

void smtp_proxy_tls_passes(struct smtp_proxy *p)
{
	if (p->state != SMTP_PROXY_TLS_HELLO)
		return;
	if (!proxy_has_source(p) || p->offer->source_is_secure) {
		proxy_close(p);
		return;
	}
	p->client.tls_promised = true;
	proxy_tell_source(p, STR_LIT("STARTTLS"));
	p->state = SMTP_PROXY_TLS_REPLY;
}

enum smtp_proxy_action proxy_tls_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	bool goes = reply->code == 220;

	if (!p->client.tls_promised)
		proxy_say(p, reply->bytes);
	else if (!goes)
		proxy_close(p); /* it waits for TLS, and can be told nothing in clear */
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	p->state = goes ? SMTP_PROXY_BLIND : SMTP_PROXY_COMMAND;
	return goes ? SMTP_PROXY_UPGRADE : SMTP_PROXY_AGAIN;
}

void proxy_tls_lost(struct smtp_proxy *p)
{
	if (p->client.tls_promised) {
		proxy_close(p);
		return;
	}
	proxy_answer(p, "454 4.7.0 The mail server was lost");
	p->state = SMTP_PROXY_COMMAND;
}
