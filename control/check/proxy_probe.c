/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/proxy_probe.h"

#include "control/check/outsider.h"
#include "control/check/talk.h"
#include "nft-rules/tun.h"

#include "base/address.h"
#include "source/leg.h"
#include "source/proxy.h"
#include "source/tls.h"
#include "wire/line.h"

#include <errno.h>

#define PATIENCE_MS 20000 /* a reverse look-up of an address that is nobody's */
#define LINE_MOST 8192
#define CLIENT_PORT 49152

struct words {
	const char *greeting; /* of its last line */
	const char *question, *answer;
};

static const struct words *words_of(enum service_id service)
{
	static const struct words smtp = { "220 ", "NOOP\r\n", "250" };
	static const struct words imap = { "* OK", "mf NOOP\r\n", "mf OK" };
	static const struct words pop3 = { "+OK", "QUIT\r\n", "+OK" };

	if (leg_is_smtp(service))
		return &smtp;
	return service == SERVICE_IMAP || service == SERVICE_IMAPS ? &imap : &pop3;
}

int proxy_probe_begin(const struct settings *s, enum service_id service,
	const struct sockaddr_storage *to, struct stream *plain)
{
	struct sockaddr_storage client = { 0 };

	if (!address_read(to->ss_family == AF_INET6 ? tun_foreign.address6
						    : tun_foreign.address4,
		    &client))
		return -EINVAL;
	address_set_port(&client, CLIENT_PORT);
	return source_proxy_begin(s, service, &client, to, plain);
}

/* ---- in the child ---- */

struct question {
	struct settings settings; /* nothing in it is freed here */
	enum service_id service;
	struct source_tls tls;
};

/* Until the next line: a view until more is read. */
static int hear(struct talk *t, size_t *used, struct str *ret)
{
	buf_consume(&t->in, *used);
	for (;;) {
		int r;

		switch (line_next(buf_view(&t->in), LINE_MOST, ret, used)) {
		case LINE_COMPLETE:
			return 0;
		case LINE_TOO_LONG:
			return -EPROTO;
		case LINE_NEED_MORE:
			break;
		}
		r = talk_read(t, LINE_MOST);
		if (r < 0)
			return r;
	}
}

static int lost(struct error *err, int code, const char *what)
{
	if (code == -ECONNRESET || code == -EPIPE)
		return error_set(err, code, "it hangs up");
	return error_errno(err, code, "%s", what);
}

static int converse(struct talk *t, const struct words *w, struct error *err)
{
	struct str line = STR_LIT("");
	size_t used = 0;
	int r = hear(t, &used, &line);

	/* SMTP may have several lines, "220-" */
	while (r == 0 && line.len > 3 && line.ptr[3] == '-' && w->greeting[3] == ' ')
		r = hear(t, &used, &line);
	if (r < 0)
		return lost(err, r, "it sends no greeting");
	if (!str_starts(line, str_from(w->greeting)))
		return error_set(err, -EPROTO, "it greets with \"%.*s\"",
			STR_ARG(str_take(str_trim(line), 120)));
	r = talk_say(t, str_from(w->question));
	if (r == 0)
		r = hear(t, &used, &line);
	if (r < 0)
		return lost(err, r, "it does not answer");
	if (!str_starts(line, str_from(w->answer)))
		return error_set(err, -EPROTO,
			"it has taken the header for a command (\"%.*s\")",
			STR_ARG(str_take(str_trim(line), 120)));
	return 0;
}

static int talk_to(struct question *q, const struct sockaddr_storage *to, struct talk *t,
	struct error *err)
{
	int r = proxy_probe_begin(&q->settings, q->service, to, t->stream);

	if (r == 0)
		r = talk_connected(t);
	if (r < 0)
		return lost(err, r, "cannot connect");
	r = source_tls_wrap(&q->tls, &q->settings, NULL, q->service, &t->stream, err);
	if (r == 0 && (r = talk_connected(t)) < 0)
		return lost(err, r, "no TLS");
	return r < 0 ? r : converse(t, words_of(q->service), err);
}

static int ask_address(struct question *q, struct sockaddr_storage *to, struct error *err)
{
	struct talk t;
	int r = talk_dial(
		&t, &q->settings, q->service, to, PATIENCE_MS, (size_t)2 * LINE_MOST);

	if (r < 0)
		return error_errno(err, r, "cannot connect");
	r = talk_to(q, to, &t, err);
	talk_end(&t);
	return r;
}

static int ask(void *context, struct error *err)
{
	struct question *q = context;
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];
	size_t n = settings_upstreams(&q->settings, all);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = ask_address(q, &all[i], err);
	return r;
}

int proxy_probe(const struct settings *s, enum service_id service, struct error *err)
{
	static const struct outsider asker = { .ask = ask };
	struct question q = { .settings = *s, .service = service };

	/* whoever it is: nothing is told to it but that */
	q.settings.services[service].source_verify = SOURCE_VERIFY_NONE;
	return outsider_ask(s, &asker, &q, NULL, 0, err);
}
