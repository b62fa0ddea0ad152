/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/relay_probe.h"

#include "control/check/outsider.h"
#include "control/check/proxy_probe.h"
#include "control/check/talk.h"
#include "nft-rules/tun.h"

#include "source/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_MS 20000 /* a reverse look-up of our address takes 5 s and more */
#define COMMAND_MAX 512   /* RFC 5321, 4.5.3.1.4 */

/* Domains of others, which exist: a server may refuse what does not. */
static const char *const foreign[] = { "example.net", "example.org", "iana.org" };
#define N_FOREIGN (sizeof(foreign) / sizeof(foreign[0]))

static void keep_words(struct relay_view *v, const struct smtp_reply *reply)
{
	(void)snprintf(v->words, sizeof(v->words), "%.*s",
		STR_ARG(str_trim(str_take(reply->bytes, sizeof(v->words) - 1))));
}

/* A refusal of relaying, and not of this sender, name or moment: a login that is wanted
   (530), Exchange's X.7.54, or what servers say in words. X.7.1 (RFC 3463, 3.8) alone is
   none: greylisting, black lists and policies about senders have it, too. Postfix by
   default defers relaying (454), so 4xx counts, but not for the failure of a login. */
static bool refuses_relaying(const struct smtp_reply *reply)
{
	unsigned class = reply->code / 100;
	struct str code;

	if (reply->code == 530)
		return true;
	if (class != 5 && class != 4)
		return false;
	if (smtp_enhanced_code(reply->text, &code) &&
		str_eq(str_skip(code, 1), STR_LIT(".7.54")))
		return true;
	return str_ihas(reply->bytes, STR_LIT("relay")) ||
	       str_ihas(reply->bytes, STR_LIT("rcpthosts")) ||
	       (class == 5 && str_ihas(reply->bytes, STR_LIT("authenticat")));
}

enum relay_answer relay_answer_to_rcpt(const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2)
		return RELAY_ACCEPTS;
	return refuses_relaying(reply) ? RELAY_REFUSES : RELAY_UNKNOWN;
}

/* One acceptance is one too many; what is not clear leaves it open. */
static int ask_recipients(struct talk *t, struct relay_view *v, enum relay_answer *ret)
{
	enum relay_answer all = RELAY_UNKNOWN;
	char line[COMMAND_MAX];
	int r = 0;

	for (size_t i = 0; i < N_FOREIGN && r == 0 && all != RELAY_ACCEPTS; i++) {
		struct smtp_reply reply;
		enum relay_answer one;

		(void)snprintf(
			line, sizeof(line), "RCPT TO:<postmaster@%s>\r\n", foreign[i]);
		r = talk_ask(t, str_from(line), &reply);
		if (r < 0)
			break;
		keep_words(v, &reply);
		one = relay_answer_to_rcpt(&reply);
		all = one == RELAY_UNKNOWN ? all : one;
	}
	*ret = all;
	return r;
}

/* As a user of the source's, whom a trusted host may send for. */
static int ask_transaction(struct talk *t, const struct settings *s, struct relay_view *v,
	enum relay_answer *ret)
{
	char line[COMMAND_MAX];
	struct smtp_reply reply;
	int r;

	(void)snprintf(
		line, sizeof(line), "MAIL FROM:<postmaster@%s>\r\n", s->domains[0]);
	r = talk_ask(t, str_from(line), &reply);
	if (r < 0)
		return r;
	keep_words(v, &reply);
	if (reply.code / 100 != 2) {
		/* another sender may be one that it relays for, unless all must log in */
		*ret = reply.code == 530 ? RELAY_REFUSES : RELAY_UNKNOWN;
		return 0;
	}
	r = ask_recipients(t, v, ret);
	return r < 0 ? r : talk_ask(t, STR_LIT("RSET\r\n"), &reply);
}

static int greet(
	struct talk *t, const char *own, struct relay_view *v, struct smtp_reply *ret)
{
	char line[COMMAND_MAX];
	int r;

	(void)snprintf(line, sizeof(line), "EHLO [%s%s]\r\n",
		strchr(own, ':') ? "IPv6:" : "", own);
	r = talk_ask(t, str_from(line), ret);
	if (r < 0)
		return r;
	keep_words(v, ret);
	return ret->code / 100 == 2 ? 0 : -EPROTO;
}

/* Again as a stranger: that the source has taken XCLIENT is seen by what it refuses. */
static int ask_stranger(
	struct talk *t, const struct settings *s, const char *own, struct relay_view *v)
{
	char line[COMMAND_MAX];
	struct smtp_reply reply;
	int r;

	(void)snprintf(line, sizeof(line), "XCLIENT NAME=[UNAVAILABLE] ADDR=%s\r\n",
		tun_foreign.address4);
	r = talk_ask(t, str_from(line), &reply);
	if (r < 0)
		return r;
	keep_words(v, &reply);
	if (reply.code != 220)
		return 0; /* unknown, and so not allowed */
	r = greet(t, own, v, &reply);
	return r < 0 ? r : ask_transaction(t, s, v, &v->xclient);
}

static int converse(
	struct talk *t, const struct settings *s, const char *own, struct relay_view *v)
{
	struct smtp_reply reply;
	struct str args;
	int r = talk_hear(t, &reply);

	if (r == 0) {
		keep_words(v, &reply);
		r = reply.code == 220 ? greet(t, own, v, &reply) : -EPROTO;
	}
	if (r < 0)
		return r;
	v->has_xclient =
		!v->by_proxy && smtp_ehlo_has(reply.bytes, STR_LIT("XCLIENT"), &args);
	r = ask_transaction(t, s, v, &v->own);
	if (r == 0 && v->has_xclient)
		r = ask_stranger(t, s, own, v);
	if (r == 0)
		(void)talk_say(t, STR_LIT("QUIT\r\n"));
	return r;
}

struct question {
	const struct settings *settings;
	enum service_id service;
	const char *own;
	struct source_tls tls;
	struct relay_view view;
};

static int talk_to(struct talk *t, struct question *q, const struct sockaddr_storage *to,
	struct relay_view *v, struct error *err)
{
	int code = proxy_probe_begin(q->settings, q->service, to, t->stream);

	if (code == 0)
		code = talk_connected(t);
	if (code == 0)
		code = source_tls_wrap(
			&q->tls, q->settings, NULL, q->service, &t->stream, err);
	return code == 0 ? converse(t, q->settings, q->own, v) : code;
}

static int ask_address(struct question *q, struct sockaddr_storage *to,
	struct relay_view *ret, struct error *err)
{
	struct talk t;
	struct error why = { 0 };
	int code;

	*ret = (struct relay_view){
		.by_proxy =
			q->settings->services[q->service].source_proxy != SOURCE_PROXY_NO
	};
	code = talk_dial(&t, q->settings, q->service, to, PATIENCE_MS,
		SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	if (code < 0)
		return error_errno(err, code, "cannot connect");
	code = talk_to(&t, q, to, ret, &why);
	talk_end(&t);
	if (code < 0 && why.code)
		return error_set(err, code, "%s", why.text);
	return code < 0 ? error_errno(err, code, "no answer as of a mail server (\"%s\")",
				  ret->words)
	                : 0;
}

static enum relay_answer worse(enum relay_answer a, enum relay_answer b)
{
	if (a == RELAY_ACCEPTS || b == RELAY_ACCEPTS)
		return RELAY_ACCEPTS;
	return a == b ? a : RELAY_UNKNOWN;
}

static int ask(void *context, struct error *err)
{
	struct question *q = context;
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];
	struct relay_view one, sum;
	size_t n = settings_upstreams(q->settings, all);
	int code = n ? 0 : -EINVAL;

	/* we have another address in each family, and networks of each are trusted */
	for (size_t i = 0; i < n && code == 0; i++) {
		code = ask_address(q, &all[i], &one, err);
		if (i == 0)
			sum = one;
		if (worse(sum.own, one.own) != sum.own)
			memcpy(sum.words, one.words, sizeof(sum.words));
		sum.own = worse(sum.own, one.own);
		sum.xclient = worse(sum.xclient, one.xclient);
		sum.has_xclient = sum.has_xclient && one.has_xclient;
	}
	if (code == 0)
		q->view = sum;
	return code;
}

int relay_probe(const struct settings *s, struct registry *r, enum service_id service,
	const char *own, struct relay_view *ret, struct error *err)
{
	static const struct outsider asker = { .ask = ask };
	struct question q = { .settings = s, .service = service, .own = own };
	/* the registry is not for the child: SQLite's are not carried over a fork() */
	int code = source_tls_prepare_service(&q.tls, s, r, service, err);

	if (code == 0)
		code = outsider_ask(s, &asker, &q, &q.view, sizeof(q.view), err);
	source_tls_fini(&q.tls);
	if (code == 0)
		*ret = q.view;
	if (code == 0)
		ret->words[sizeof(ret->words) - 1] = '\0';
	return code;
}

bool relay_allows(const struct relay_view *v, enum leg_introduction *ret)
{
	*ret = v->by_proxy                                     ? INTRODUCE_PROXY
	       : v->has_xclient && v->xclient == RELAY_REFUSES ? INTRODUCE_XCLIENT
	                                                       : INTRODUCE_NOT;
	return *ret == INTRODUCE_XCLIENT || v->own == RELAY_REFUSES;
}
