/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/smart_host_probe.h"

#include "control/check/outsider.h"
#include "control/check/talk.h"

#include "base/fd.h"
#include "settings/login_file.h"
#include "source/smart_host.h"
#include "tls/stream_tls.h"
#include "wire/smtp/client_auth.h"
#include "wire/smtp/reply.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
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

static int hear_greeting(struct talk *t, struct error *err)
{
	struct smtp_reply reply;
	int r = talk_hear(t, &reply);

	if (r == 0 && reply.code != 220)
		return refuses(&reply, err);
	buf_clear(&t->in);
	return r;
}

/* Our login, its greeting before it. */
static int log_in(struct talk *t, struct smtp_client_auth *a, struct error *err)
{
	enum smtp_client_auth_result result;
	struct buf out, greeting;
	size_t used;
	int r = 0;

	buf_init(&out, 0);
	buf_init(&greeting, 0);
	do {
		result = smtp_client_auth_next(
			a, buf_view(&t->in), &used, &out, &greeting);
		buf_consume(&t->in, used);
		r = talk_say(t, buf_view(&out));
		buf_wipe(&out);
		buf_clear(&out);
		if (r == 0 && result == SMTP_CLIENT_AUTH_NEED_MORE)
			r = talk_read(t, SMTP_REPLY_LINE_MAX);
	} while (r == 0 && result == SMTP_CLIENT_AUTH_NEED_MORE);
	buf_fini(&out);
	buf_fini(&greeting);
	if (r == 0 && result == SMTP_CLIENT_AUTH_REFUSED)
		return error_set(err, -EACCES,
			"it refuses our login (%s); put the right user and password into "
			"`smart_host_credentials`",
			a->words);
	if (r == 0 && result == SMTP_CLIENT_AUTH_NO_MECHANISM)
		return error_set(err, -EPROTONOSUPPORT,
			"it offers no login by PLAIN or LOGIN, which "
			"`smart_host_credentials` needs");
	if (r == 0 && result == SMTP_CLIENT_AUTH_LATER)
		return error_set(err, -ECONNREFUSED, "it says %s", a->words);
	return r == 0 && result == SMTP_CLIENT_AUTH_BROKEN ? -EPROTO : r;
}

/* Behind the greeting. */
static int converse(struct talk *t, const struct smart_host *h,
	struct smart_host_view *ret, struct error *err)
{
	struct smtp_reply reply;
	struct str args;
	int r = talk_say(t, h->kind == SMART_HOST_LMTP ? STR_LIT("LHLO [127.0.0.1]\r\n")
						       : STR_LIT("EHLO [127.0.0.1]\r\n"));

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

struct question {
	const struct settings *settings;
	enum smart_host_way way;
	unsigned patience_ms;
	struct source_tls tls;
	int fd; /* connected, or on its way */
	struct buf file;
	struct login login;
	struct smart_host_view view;
};

static bool has_own_login(const struct question *q)
{
	return q->way == SMART_HOST_BY_ITSELF && *q->settings->smart_host_credentials;
}

static int read_login(struct question *q, struct error *err)
{
	const char *path = q->settings->smart_host_credentials;
	int fd = login_file_open(path, err), r = fd;

	buf_init(&q->file, 0);
	if (fd >= 0)
		r = login_file_read(fd, path, &q->file, &q->login, err);
	fd_closep(&fd);
	return r;
}

/* As who we are: the interceptor's socket and the file are root's. */
static int prepare(void *context, struct error *err)
{
	struct question *q = context;

	source_tls_prepare(&q->tls, q->settings);
	q->fd = q->way == SMART_HOST_AS_INTERCEPTOR ? smart_host_open(q->settings)
	                                            : smart_host_connect(q->settings);
	return has_own_login(q) ? read_login(q, err) : 0;
}

static int reach(struct talk *t, struct question *q, struct error *err)
{
	int r = talk_connected(t);

	if (r < 0)
		return error_errno(err, r, "cannot connect");
	return q->way == SMART_HOST_AS_INTERCEPTOR
	               ? smart_host_secure(&q->tls, q->settings, &t->stream, err)
	               : smart_host_wrap(&q->tls, q->settings, &t->stream, err);
}

static int greet(
	struct talk *t, const struct smart_host *h, struct question *q, struct error *err)
{
	struct smtp_client_auth a;
	int r;

	if (!has_own_login(q))
		return hear_greeting(t, err);
	smtp_client_auth_init(&a, h->kind == SMART_HOST_LMTP, STR_LIT("[127.0.0.1]"),
		q->login.user, q->login.password);
	r = log_in(t, &a, err);
	q->view.is_logged_in = r == 0;
	return r;
}

static int ask(void *context, struct error *err)
{
	struct question *q = context;
	struct talk t;
	struct smart_host h;
	int r = smart_host_parse(q->settings->smart_host, &h);

	if (r == 0)
		r = talk_begin(
			&t, q->fd, q->patience_ms, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	if (r < 0)
		return error_errno(err, r, "cannot connect");
	r = reach(&t, q, err);
	if (r == 0)
		r = greet(&t, &h, q, err);
	if (r == 0)
		r = converse(&t, &h, &q->view, err);
	if (r < 0 && !err->code)
		(void)explain(r, &h, err);
	talk_end(&t);
	source_tls_fini(&q->tls);
	return r;
}

static int probe(const struct settings *s, enum smart_host_way way, unsigned patience_ms,
	struct smart_host_view *ret, struct error *err)
{
	static const struct outsider asker = { prepare, ask };
	struct question q = {
		.settings = s, .way = way, .patience_ms = patience_ms, .fd = -1
	};
	int r = outsider_ask(s, &asker, &q, &q.view, sizeof(q.view), err);

	*ret = q.view;
	ret->pin[sizeof(ret->pin) - 1] = '\0';
	return r;
}

/* It could not be taken for the right one: which key does it show? */
static void show_key(const struct settings *s, unsigned patience_ms, struct error *err)
{
	struct settings any = *s;
	char nothing[] = "";
	struct smart_host_view v;
	struct error ignored;

	any.smart_host_verify = SMART_HOST_VERIFY_NONE;
	any.smart_host_credentials = nothing; /* it could be anybody */
	if (probe(&any, SMART_HOST_BY_ITSELF, patience_ms, &v, &ignored) == 0 && *v.pin &&
		strcasecmp(v.pin, s->smart_host_pin) != 0)
		(void)error_set(err, err->code,
			"it shows the key %s, which is not `smart_host_pin`; if that is "
			"its key, set smart_host_pin = \"%s\"",
			v.pin, v.pin);
}

int smart_host_probe(const struct settings *s, enum smart_host_way way,
	unsigned patience_ms, struct smart_host_view *ret, struct error *err)
{
	int r = probe(s, way, patience_ms, ret, err);

	if (r < 0 && s->smart_host_verify == SMART_HOST_VERIFY_PIN)
		show_key(s, patience_ms, err);
	return r;
}
