/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: a smart host takes the source's place. Its greeting, and its answer to
   our EHLO, are not the client's, which waits meanwhile. */
#include "wire/smtp/proxy_parts.h"

#include "wire/smtp/dsn.h"

void proxy_wants_relay(struct smtp_proxy *p)
{
	if (p->offer->relay && !proxy_has_source(p))
		p->relay = SMTP_RELAY_DUE;
}

bool proxy_is_lmtp(const struct smtp_proxy *p)
{
	return p->relay != SMTP_RELAY_NONE && p->offer->relay == SMTP_RELAY_BY_LMTP;
}

bool proxy_relay_is_silent(const struct smtp_proxy *p)
{
	return p->relay == SMTP_RELAY_READY && !p->relay_has_dsn;
}

/* RFC 2033, 4.1: there is neither HELO nor EHLO. */
void proxy_tell_hello(struct smtp_proxy *p, struct str args)
{
	if (buf_printf(p->to_source, "LHLO %.*s\r\n", STR_ARG(args)) < 0)
		proxy_close(p);
}

bool proxy_awaits_relay(const struct smtp_proxy *p)
{
	return p->relay != SMTP_RELAY_NONE && p->relay != SMTP_RELAY_READY;
}

void smtp_proxy_relay_begun(struct smtp_proxy *p)
{
	p->relay = SMTP_RELAY_GREETING;
	p->source_state = SMTP_PEER_PRESENT;
	p->last_reply = SMTP_LAST_REPLY_GOOD;
	p->pipeline.n_hidden = 0;
	p->source_has_auth = p->source_has_tls = p->relay_has_dsn = false;
}

static struct str params_of(struct str line)
{
	struct smtp_command c = smtp_command(line);
	struct smtp_path path = { .params = STR("") };

	(void)smtp_path_parse(
		c.args, c.verb == SMTP_MAIL ? STR_LIT("FROM") : STR_LIT("TO"), &path);
	return path.params;
}

static int put_without_dsn(struct str line, struct str params, struct buf *out)
{
	struct str name, value;
	size_t end = params.len ? (size_t)(params.ptr - line.ptr) : line.len;
	int r = buf_append(out, str_trim(str_take(line, end)));

	while (r == 0 && smtp_param_next(&params, &name, &value)) {
		size_t len = value.ptr ? name.len + 1 + value.len : name.len;

		if (dsn_is_param(name))
			continue;
		r = buf_byte(out, ' ');
		r = r < 0 ? r : buf_append(out, str_of(name.ptr, len));
	}
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

void proxy_tell_envelope(struct smtp_proxy *p, struct str line)
{
	if (!proxy_relay_is_silent(p))
		proxy_tell_source(p, line);
	else if (put_without_dsn(line, params_of(line), p->to_source) < 0)
		proxy_close(p);
}

static void tell_ehlo(struct smtp_proxy *p)
{
	p->relay = SMTP_RELAY_EHLO;
	if (buf_printf(p->to_source, "%s %.*s\r\n", proxy_is_lmtp(p) ? "LHLO" : "EHLO",
		    STR_ARG(p->offer->name)) < 0)
		proxy_close(p);
}

enum smtp_proxy_action proxy_relay_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	struct str args;

	if (p->relay == SMTP_RELAY_GREETING && reply->code == 220) {
		tell_ehlo(p);
	} else if (p->relay == SMTP_RELAY_EHLO && reply->code / 100 == 2) {
		p->relay = SMTP_RELAY_READY;
		p->pipeline.is_offered =
			smtp_ehlo_has(reply->bytes, STR_LIT("PIPELINING"), &args);
		p->relay_has_dsn = smtp_ehlo_has(reply->bytes, STR_LIT("DSN"), &args);
	} else {
		p->relay = SMTP_RELAY_NONE;
		proxy_drop_source(p);
	}
	return SMTP_PROXY_AGAIN;
}
