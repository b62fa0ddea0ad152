/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/destination_probe.h"

#include "control/check/outsider.h"
#include "control/check/talk.h"
#include "source/destination.h"
#include "tls/stream_tls.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#define ANSWER_MAX 65536 /* a capability list takes some hundred bytes */
#define READ_SIZE 4096
#define SHOWN_MAX 200 /* of a line that it says instead */

struct question {
	const struct settings *settings;
	enum service_id service;
	unsigned patience_ms;
	struct source_tls tls;
	struct destination_view view;
};

static int refuses(struct str line, struct error *err)
{
	return error_set(err, -ECONNREFUSED, "it says %.*s",
		STR_ARG(str_trim(str_take(line, SHOWN_MAX))));
}

/* The next line, taken off t->in; a view until more is read. */
static int hear_line(struct talk *t, size_t *used, struct str *ret)
{
	struct str rest;
	size_t end;
	int r = 0;

	do {
		rest = str_skip(buf_view(&t->in), *used);
		end = str_index(rest, '\n');
		if (end == rest.len)
			r = talk_read(t, READ_SIZE);
	} while (end == rest.len && r == 0);
	if (r < 0)
		return r;
	*ret = str_take(rest, end + 1);
	*used += end + 1;
	return 0;
}

static int ask_imap(
	struct talk *t, size_t used, struct destination_view *ret, struct error *err)
{
	struct str line = STR_LIT("");
	int r = talk_say(t, STR_LIT("a CAPABILITY\r\n"));

	while (r == 0 && !str_istarts(line, STR_LIT("a "))) {
		r = hear_line(t, &used, &line);
		if (r == 0 && str_has_word(str_trim(line), STR_LIT("LOGINDISABLED")))
			ret->refuses_login = true;
	}
	if (r == 0 && !str_istarts(line, STR_LIT("a OK")))
		return refuses(line, err);
	return r;
}

static int converse(struct talk *t, struct question *q, struct error *err)
{
	struct str wanted = q->service == SERVICE_IMAP   ? STR_LIT("* OK")
	                    : q->service == SERVICE_POP3 ? STR_LIT("+OK")
	                                                 : STR_LIT("220");
	struct str line;
	size_t used = 0;
	SSL *ssl;
	unsigned char pin[TLS_PIN_SIZE];
	int r = hear_line(t, &used, &line);

	if (r == 0 && !str_istarts(line, wanted))
		return refuses(line, err);
	if (r < 0)
		return r;
	ssl = stream_tls_ssl(t->stream);
	q->view.is_secure = ssl != NULL;
	if (ssl && tls_peer_pin(ssl, pin))
		pin_text(pin, q->view.pin);
	return q->service == SERVICE_IMAP ? ask_imap(t, used, &q->view, err) : 0;
}

static int explain(int code, struct error *err)
{
	if (code == -EPROTONOSUPPORT)
		return error_set(err, code, "it offers no STARTTLS");
	if (code == -EPROTO)
		return error_set(err, code,
			"no TLS with it, or its certificate is not one for "
			"`destination_name` by a known authority (destination_verify)");
	return error_errno(err, code, "no answer as of a mail server");
}

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
	int r = talk_begin(&t, destination_connect(q->settings, q->service),
		q->patience_ms, ANSWER_MAX + READ_SIZE);

	if (r < 0)
		return error_errno(err, r, "cannot connect");
	r = talk_connected(&t);
	if (r < 0)
		(void)error_errno(err, r, "cannot connect");
	else
		r = destination_wrap(&q->tls, q->settings, q->service, &t.stream, err);
	if (r == 0)
		r = converse(&t, q, err);
	if (r < 0 && !err->code)
		(void)explain(r, err);
	talk_end(&t);
	source_tls_fini(&q->tls);
	return r;
}

static int probe(const struct settings *s, enum service_id service, unsigned patience_ms,
	struct destination_view *ret, struct error *err)
{
	static const struct outsider asker = { prepare, ask };
	struct question q = {
		.settings = s, .service = service, .patience_ms = patience_ms
	};
	int r = outsider_ask(s, &asker, &q, &q.view, sizeof(q.view), err);

	*ret = q.view;
	ret->pin[sizeof(ret->pin) - 1] = '\0';
	return r;
}

/* It could not be taken for the right one: which key does it show? */
static void show_key(const struct settings *s, enum service_id service,
	unsigned patience_ms, struct error *err)
{
	struct settings any = *s;
	struct destination_view v;
	struct error ignored;

	any.destination_verify = SMART_HOST_VERIFY_NONE;
	if (probe(&any, service, patience_ms, &v, &ignored) == 0 && *v.pin)
		(void)error_set(err, err->code,
			"it shows the key %s, which is not `destination_pin`; if that is "
			"its key, set destination_pin = \"%s\"",
			v.pin, v.pin);
}

int destination_probe(const struct settings *s, enum service_id service,
	unsigned patience_ms, struct destination_view *ret, struct error *err)
{
	int r = probe(s, service, patience_ms, ret, err);

	if (r < 0 && s->destination_verify == SMART_HOST_VERIFY_PIN)
		show_key(s, service, patience_ms, err);
	return r;
}
