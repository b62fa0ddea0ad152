/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/smart_host_probe.h"

#include "control/smtp_talk.h"

#include "base/clock.h"
#include "base/fd.h"
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

static int converse(struct smtp_talk *t, const struct smart_host *h,
	struct smart_host_view *ret, struct error *err)
{
	struct smtp_reply reply;
	struct str args;
	int r = smtp_talk_hear(t, &reply);

	if (r == 0 && reply.code != 220)
		return refuses(&reply, err);
	if (r == 0) {
		buf_clear(&t->in);
		r = smtp_talk_say(t, h->kind == SMART_HOST_LMTP
					     ? STR_LIT("LHLO [127.0.0.1]\r\n")
					     : STR_LIT("EHLO [127.0.0.1]\r\n"));
	}
	if (r == 0)
		r = smtp_talk_hear(t, &reply);
	if (r == 0 && reply.code / 100 != 2)
		return refuses(&reply, err);
	if (r == 0) {
		ret->has_auth = smtp_ehlo_has(reply.bytes, STR_LIT("AUTH"), &args);
		ret->is_secure = smart_host_has_tls(h);
		take_pin(stream_tls_ssl(t->stream), ret);
		(void)smtp_talk_say(t, STR_LIT("QUIT\r\n"));
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

static int reach(struct smtp_talk *t, struct source_tls *tls, const struct settings *s,
	struct error *err)
{
	int r = smtp_talk_connected(t);

	if (r < 0)
		return error_errno(err, r, "cannot connect");
	return smart_host_wrap(tls, s, &t->stream, err);
}

static int probe(const struct settings *s, unsigned patience_ms,
	struct smart_host_view *ret, struct error *err)
{
	struct smtp_talk t = { .end = clock_monotonic_ms() + patience_ms };
	struct source_tls tls = { 0 };
	struct smart_host h;
	struct error why = { 0 };
	int fd = smart_host_connect(s), r = fd;

	*ret = (struct smart_host_view){ 0 };
	if (fd >= 0)
		r = stream_plain_new(NULL, fd, &t.stream);
	if (r < 0 || smart_host_parse(s->smart_host, &h) < 0) {
		fd_closep(&fd);
		return error_errno(err, r, "cannot connect");
	}
	buf_init(&t.in, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	r = reach(&t, &tls, s, &why);
	if (r == 0)
		r = converse(&t, &h, ret, &why);
	if (r < 0 && !why.code)
		(void)explain(r, &h, &why);
	if (r < 0)
		*err = why;
	buf_fini(&t.in);
	stream_free(t.stream);
	source_tls_fini(&tls);
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
