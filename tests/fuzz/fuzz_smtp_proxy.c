/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client, a source and a caller that do anything. The input is a list of events: a byte
 * that says whose turn it is, a length, that many bytes. Promised: actions come in an
 * order that makes sense, nothing is used that was not given, the final dot or last chunk
 * of a message that is staged goes to the source after it is on disk, no call writes more
 * to it than a portion, nothing of the client is read in
 * clear and nothing is said to it between STARTTLS and TLS, and a close is the end.
 */
#include "fuzz.h"

#include "wire/smtp/dsn.h"
#include "wire/smtp/proxy.h"

#include <stdlib.h>

enum stage { NONE, BEGINNING, OPEN, ENDING, DURABLE, COMMITTING };

struct play {
	struct smtp_proxy proxy;
	struct smtp_offer offer;
	struct buf client, source, to_client, to_source;
	enum stage stage;
	bool routing, tls, checking, closed, hold; /* hold: the caller answers later */
	bool let_in;        /* somebody said so: the caller, or the source */
	unsigned char mood; /* what the caller answers */
};

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void answer(struct play *p)
{
	static const enum smtp_route routes[] = { SMTP_ROUTE_LOCAL, SMTP_ROUTE_SOURCE,
		SMTP_ROUTE_LOCAL_KNOWN, SMTP_ROUTE_BUSY, SMTP_ROUTE_LATER,
		SMTP_ROUTE_REFUSED };
	bool fails = p->mood % 7 == 6;
	struct str refusal = fails ? STR_LIT("452 4.3.1 full") : STR_LIT("");

	if (p->routing) {
		p->routing = false;
		smtp_proxy_routed(
			&p->proxy, routes[p->mood++ % 6], p->proxy.routing->address);
		return;
	}
	if (p->checking) {
		p->checking = false;
		p->let_in = p->mood % SMTP_CHECK_COUNT == SMTP_CHECK_RIGHT;
		smtp_proxy_checked(
			&p->proxy, (enum smtp_check)(p->mood++ % SMTP_CHECK_COUNT));
		return;
	}
	if (p->tls) {
		p->tls = false;
		if (p->mood++ % 3)
			smtp_proxy_tls_begun(&p->proxy);
		else
			smtp_proxy_tls_passes(&p->proxy);
		return;
	}
	if (p->stage == BEGINNING)
		p->stage = fails ? NONE : OPEN;
	else if (p->stage == ENDING)
		p->stage = DURABLE;
	else if (p->stage == COMMITTING)
		p->stage = NONE;
	else if (p->stage != OPEN || !fails)
		return;
	p->mood++;
	smtp_proxy_done(&p->proxy, refusal);
}

/* Nobody gets another one's mail, whatever the source said while it was asked. */
static bool is_as_routed(const struct smtp_recipient *r)
{
	while (r && str_eq(r->account, r->address))
		r = r->next;
	return !r;
}

/* Reports are asked for by a client that was shown DSN, of what is accepted here or by a
   smart host, and nobody is sent one who has no address. */
static bool may_be_reported(const struct play *p)
{
	const struct smtp_transaction *t = &p->proxy.transaction;
	struct dsn_rcpt asked;
	size_t n = 0;

	for (const struct smtp_recipient *r = t->reported; r; r = r->next_reported, n++)
		if (!p->proxy.client.offered_dsn || !p->offer.reports || !t->sender.len ||
			!dsn_rcpt_parse(r->params, &asked) ||
			!(asked.notify & DSN_NOTIFY_SUCCESS))
			return false;
	return n == t->n_reported && n <= SMTP_REPORTED_MAX &&
	       n <= t->n_accepted + t->remote.n;
}

static void stage(struct play *p, enum smtp_proxy_action action)
{
	switch (action) {
	case SMTP_PROXY_STAGE_BEGIN:
		must(p->stage == NONE && p->proxy.transaction.local.first);
		must(is_as_routed(p->proxy.transaction.local.first));
		must(may_be_reported(p));
		p->stage = BEGINNING;
		break;
	case SMTP_PROXY_STAGE_BYTES:
		must(p->stage == OPEN && p->proxy.bytes.len > 0);
		break;
	case SMTP_PROXY_STAGE_END:
		must(p->stage == OPEN);
		p->stage = ENDING;
		break;
	case SMTP_PROXY_COMMIT:
		must(p->stage == DURABLE);
		p->stage = COMMITTING;
		break;
	case SMTP_PROXY_REPORT:
		must(p->stage == NONE && p->proxy.transaction.reported);
		must(p->proxy.relay == SMTP_RELAY_READY && may_be_reported(p));
		p->stage = COMMITTING;
		break;
	case SMTP_PROXY_ABORT:
		must(p->stage != NONE && p->stage != COMMITTING);
		p->stage = NONE;
		break;
	case SMTP_PROXY_NEED_MORE:
	case SMTP_PROXY_AGAIN:
	case SMTP_PROXY_ROUTE:
	case SMTP_PROXY_AT_SOURCE:
	case SMTP_PROXY_KNOWN_SENDER:
	case SMTP_PROXY_REMEMBER:
	case SMTP_PROXY_FORGET:
	case SMTP_PROXY_RENEW_SOURCE:
	case SMTP_PROXY_CONNECT_RELAY:
	case SMTP_PROXY_TRACE:
	case SMTP_PROXY_CHECK:
	case SMTP_PROXY_AUTHENTICATED:
	case SMTP_PROXY_LOGIN_REFUSED:
	case SMTP_PROXY_START_TLS:
	case SMTP_PROXY_UPGRADE:
	case SMTP_PROXY_DROP_SOURCE:
	case SMTP_PROXY_CLOSE:
		break;
	}
}

static void act(struct play *p, enum smtp_proxy_action action)
{
	stage(p, action);
	if (action == SMTP_PROXY_ROUTE) {
		must(p->proxy.routing && !p->routing);
		(void)smtp_proxy_declared_size(&p->proxy);
		p->routing = true;
	} else if (action == SMTP_PROXY_CHECK) {
		must(p->proxy.login.user.ptr && p->proxy.login.password.ptr);
		must(!p->checking && !p->proxy.client.authenticated);
		p->checking = true;
	} else if (action == SMTP_PROXY_AUTHENTICATED) {
		must(p->proxy.login.mechanism.ptr != NULL);
		p->let_in = true;
	} else if (action == SMTP_PROXY_LOGIN_REFUSED) {
		must(p->proxy.login.mechanism.ptr && !p->proxy.client.authenticated);
	} else if (action == SMTP_PROXY_START_TLS) {
		/* what it says next is TLS, and so is what it is told */
		must(p->offer.tls == SMTP_TLS_HERE && !p->proxy.client.secure);
		must(!buf_len(&p->client) && !p->tls);
		p->tls = true;
	} else if (action == SMTP_PROXY_CONNECT_RELAY) {
		must(p->offer.relay && p->let_in && p->proxy.client.authenticated);
		buf_clear(&p->source);
		smtp_proxy_relay_begun(&p->proxy);
	} else if (action == SMTP_PROXY_KNOWN_SENDER) {
		must(!p->offer.nobody_here && !p->proxy.client.authenticated);
		smtp_proxy_sender_known(&p->proxy, p->mood++ & 1);
	} else if (action == SMTP_PROXY_REMEMBER) {
		must(p->offer.policy == (p->proxy.recipient != NULL));
		must(!p->offer.nobody_here && !p->proxy.client.authenticated);
		must(p->proxy.transaction.mail_line.ptr != NULL);
	} else if (action == SMTP_PROXY_RENEW_SOURCE) {
		must(!p->proxy.client.authenticated && !p->proxy.transaction.remote.n);
		buf_clear(&p->source);
		smtp_proxy_source_reopened(&p->proxy);
	} else if (action == SMTP_PROXY_CLOSE) {
		must(p->stage == NONE || p->stage == COMMITTING);
		p->closed = true;
	}
	if (!p->hold)
		answer(p);
}

static void turn(struct play *p)
{
	enum smtp_proxy_action action = SMTP_PROXY_AGAIN;

	while (action != SMTP_PROXY_NEED_MORE && !p->closed) {
		struct smtp_proxy_io io = { .client = buf_view(&p->client),
			.source = buf_view(&p->source) };

		action = smtp_proxy_next(&p->proxy, &io);
		must(io.client_used <= io.client.len && io.source_used <= io.source.len);
		buf_consume(&p->client, io.client_used);
		buf_consume(&p->source, io.source_used);
		must(!p->tls || (!io.client_used && !buf_len(&p->to_client)));
		must(buf_len(&p->to_source) <=
			SMTP_PROXY_PORTION + SMTP_AUTH_LINE_MAX + SMTP_REPLY_LINE_MAX);
		must(p->proxy.copy != SMTP_COPY_HELD ||
			p->proxy.state != SMTP_PROXY_FINAL_REPLY || p->stage == DURABLE);
		act(p, action);
		must(p->let_in || !p->proxy.client.authenticated);
		buf_clear(&p->to_client);
		buf_clear(&p->to_source);
	}
}

static void event(struct play *p, unsigned char whose, struct str bytes)
{
	p->hold = whose & 0x10;
	switch (whose % 8) {
	case 5:
		answer(p);
		break;
	case 6:
		smtp_proxy_source_lost(&p->proxy);
		buf_clear(&p->source);
		break;
	case 7:
		smtp_proxy_client_gone(&p->proxy);
		break;
	default:
		must(buf_append(whose & 1 ? &p->source : &p->client, bytes) == 0);
	}
	turn(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size);
	struct play p = { .offer = { .name = STR("mx"),
				  .tls = (enum smtp_tls)(size / 2 % 3),
				  .source_is_secure = size % 5 == 4,
				  .policy = size % 2,
				  .relay = size % 4 != 3     ? SMTP_RELAY_BY_NONE
		                           : size % 32 >= 16 ? SMTP_RELAY_BY_LMTP
		                                             : SMTP_RELAY_BY_SMTP,
				  .nobody_here = size % 8 >= 6,
				  .reports = size % 7 < 4,
				  .retired = size % 16 == 15,
				  .size_max = 100 } };

	buf_init(&p.client, 0);
	buf_init(&p.source, 0);
	buf_init(&p.to_client, 0);
	buf_init(&p.to_source, 0);
	smtp_proxy_init(&p.proxy, &p.offer, &p.to_client, &p.to_source);
	if (size % 3)
		smtp_proxy_source_connected(&p.proxy);
	while (input.len > 2 && !p.closed) {
		size_t len = (unsigned char)input.ptr[1];

		event(&p, (unsigned char)input.ptr[0], str_take(str_skip(input, 2), len));
		input = str_skip(input, 2 + len);
	}
	smtp_proxy_fini(&p.proxy);
	buf_fini(&p.client);
	buf_fini(&p.source);
	buf_fini(&p.to_client);
	buf_fini(&p.to_source);
	return 0;
}
