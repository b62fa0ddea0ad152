/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/smart_host_probe.h"

#include "control/outsider.h"

#include "control/talk.h"

#include "source/smart_host.h"
#include "tls/stream_tls.h"
#include "wire/smtp/reply.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

static int refuses(const struct smtp_reply *reply, struct error *err)
{
	return error_set(err, -ECONNREFUSED, "it says %.*s",
		STR_ARG(str_trim(str_take(reply->bytes, 200))));
}

static void take_pin(SSL *ssl, struct smart_host_view *ret)
{
	unsigned char pin[TLS_PIN_SIZE];

	if (ssl && tls_peer_pin(ssl, pin))
		pin_text(pin, ret->pin);
}

static int converse(struct talk *t, const struct smart_host *h,
	struct smart_host_view *ret, struct error *err)
{
	struct smtp_reply reply;
	struct str args;
	int r = talk_hear(t, &reply);

	if (r == 0 && reply.code != 220)
		return refuses(&reply, err);
	if (r == 0) {
		buf_clear(&t->in);
		r = talk_say(t, h->kind == SMART_HOST_LMTP
					? STR_LIT("LHLO [127.0.0.1]\r\n")
					: STR_LIT("EHLO [127.0.0.1]\r\n"));
	}
	if (r == 0)
		r = talk_hear(t, &reply);
	if (r == 0 && reply.code / 100 != 2)
		return refuses(&reply, err);
	if (r == 0) {
		ret->has_auth = smtp_ehlo_has(reply.bytes, STR_LIT("AUTH"), &args);
		ret->is_secure = smart_host_has_tls(h);
		take_pin(stream_tls_ssl(t->stream), ret);
		(void)talk_say(t, STR_LIT("QUIT\r\n"));
	}
	return r;
}

static int explain(int code, const struct smart_host *h, struct error *err)
{
	if (code == -EPROTONOSUPPORT)
		return error_set(err, code, "it offers no STARTTLS");
	if (code == -EPROTO && smart_host_has_tls(h))
		return error_set(err, code,
			"no TLS with it, or its certificate is not one for "
			"`smart_host_name` by a known authority (smart_host_verify)");
	return error_errno(err, code, "no answer as of a mail server");
}

static int reach(struct talk *t, struct source_tls *tls, const struct settings *s,
	struct error *err)
{
	int r = talk_connected(t);

	if (r < 0)
		return error_errno(err, r, "cannot connect");
	return smart_host_wrap(tls, s, &t->stream, err);
}

struct question {
	const struct settings *settings;
	unsigned patience_ms;
	struct source_tls tls;
	struct smart_host_view view;
};

static int prepare(void *context, struct error *err)
{
	struct question *q = context;

	(void)err;
	source_tls_prepare(&q->tls, q->settings);
	return 0;
}

static int ask(void *context, struct error *err)
{
	struct question *q = context;
	struct talk t;
	struct smart_host h;
	int r = smart_host_parse(q->settings->smart_host, &h);

	if (r == 0)
		r = talk_begin(&t, smart_host_connect(q->settings), q->patience_ms,
			SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	if (r < 0)
		return error_errno(err, r, "cannot connect");
	r = reach(&t, &q->tls, q->settings, err);
	if (r == 0)
		r = converse(&t, &h, &q->view, err);
	if (r < 0 && !err->code)
		(void)explain(r, &h, err);
	talk_end(&t);
	source_tls_fini(&q->tls);
	return r;
}

static int probe(const struct settings *s, unsigned patience_ms,
	struct smart_host_view *ret, struct error *err)
{
	static const struct outsider asker = { prepare, ask };
	struct question q = { .settings = s, .patience_ms = patience_ms };
	int r = outsider_ask(s, &asker, &q, &q.view, sizeof(q.view), err);

	*ret = q.view;
	ret->pin[sizeof(ret->pin) - 1] = '\0';
	return r;
}

/* It could not be taken for the right one: which key does it show? */
static void show_key(const struct settings *s, unsigned patience_ms, struct error *err)
{
	struct settings any = *s;
	struct smart_host_view v;
	struct error ignored;

	any.smart_host_verify = SMART_HOST_VERIFY_NONE;
	if (probe(&any, patience_ms, &v, &ignored) == 0 && *v.pin)
		(void)error_set(err, err->code,
			"it shows the key %s, which is not `smart_host_pin`; if that is "
			"its key, set smart_host_pin = \"%s\"",
			v.pin, v.pin);
}

int smart_host_probe(const struct settings *s, unsigned patience_ms,
	struct smart_host_view *ret, struct error *err)
{
	int r = probe(s, patience_ms, ret, err);

	if (r < 0 && s->smart_host_verify == SMART_HOST_VERIFY_PIN)
		show_key(s, patience_ms, err);
	return r;
}
