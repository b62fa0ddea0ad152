/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * STARTTLS of SMTP. Mail for a user who lives here must never pass where it is not seen,
 * so that a server without a key for `smtp` offers no STARTTLS once somebody lives here:
 * other mail servers then send in clear. Users who submit mail (587) could not send any
 * more without it: there it passes to the source, which delivers what they send.
 *
 *   START_TLS ─► the client's hello ─┬─ a name of ours: TLS ends here
 *                                    └─ another: the source has it, where that may be
 *
 * Where no key could end it here, the source is asked first, and the client's hello is
 * read only for the name.
 */
#include "base/log.h"
#include "interceptor/smtp/smtp.h"
#include "interceptor/tls/hello.h"

#include <errno.h>

static bool holds_key(struct session *s)
{
	SSL_CTX *any;

	return s->host->ops->tls_context(s->host, s, "", &any) != -ENOENT;
}

/* What passes unseen may be for anybody: the admin says so, or nobody is here. From our
   own address nothing passes: the source may believe what we say of others (XCLIENT), and
   we would not see who says it. Behind a header of the PROXY protocol it believes that of
   nobody but that client. */
static bool may_pass(const struct session *s, bool nobody_here)
{
	const struct leg *leg = &s->host->legs.of[s->service];

	if (leg->from != LEG_CLIENT && leg->introduction != INTRODUCE_PROXY)
		return false;
	return s->service != SERVICE_SMTP || nobody_here ||
	       s->host->settings->services[s->service].tls == SERVICE_TLS_PASS;
}

enum smtp_tls smtp_tls_of(struct session *s)
{
	bool may = may_pass(s, smtp_of(s)->offer.nobody_here);

	if (s->is_secure)
		return SMTP_TLS_NONE;
	switch (s->host->settings->services[s->service].tls) {
	case SERVICE_TLS_HIDE:
		break;
	case SERVICE_TLS_PASS:
		return may ? SMTP_TLS_PASS : SMTP_TLS_NONE;
	case SERVICE_TLS_AUTO:
		if (holds_key(s))
			return SMTP_TLS_HERE;
		return may ? SMTP_TLS_PASS : SMTP_TLS_NONE;
	}
	return SMTP_TLS_NONE;
}

void smtp_start_tls(struct session *s)
{
	if (buf_len(&s->memory->from_client))
		session_close(s, "bytes behind STARTTLS");
	else if (!session_flush(s))
		session_close(s, "client does not read");
}

bool smtp_is_source_secure(const struct session *s)
{
	enum source_tls_mode how = s->host->settings->services[s->service].source_tls;

	return smtp_of(s)->offer.tls != SMTP_TLS_PASS &&
	       (how == SOURCE_TLS_STARTTLS || how == SOURCE_TLS_IMPLICIT);
}

/* As the client has done. */
static void renew_source(struct session *s)
{
	struct smtp_proxy *p = &smtp_of(s)->proxy;
	const struct service_settings *service = &s->host->settings->services[s->service];

	if (service->source_tls != SOURCE_TLS_CLIENT || !p->source_has_tls ||
		s->source_state != SOURCE_OPEN)
		return;
	session_drop_source(s);
	smtp_proxy_source_renewed(p);
	if (session_connect(s) < 0)
		smtp_proxy_source_lost(p);
}

static void decide(struct session *s, const struct tls_hello *hello)
{
	struct smtp_session *f = smtp_of(s);

	if (tls_hello_accept(s, hello, NULL)) {
		s->is_upgraded = true;
		f->offer.ehlo = f->ehlo_secure;
		smtp_proxy_tls_begun(&f->proxy);
		renew_source(s);
		return;
	}
	if (may_pass(s, smtp_is_nobody_here(s))) {
		f->tls_name = arena_str(&s->memory->arena, str_from(hello->name)).ptr;
		smtp_proxy_tls_passes(&f->proxy);
	} else {
		session_close(s, "no key for that name");
	}
}

/* Both sides speak TLS with each other from here on. What the source has said in clear
   behind its 220 is as void as what the client did. The registry may learn of it later:
   no mail is read by it. */
static void go_unseen(struct session *s, const char *name)
{
	if (buf_len(&s->memory->from_source)) {
		session_close(s, "bytes behind STARTTLS");
		return;
	}
	if (!may_pass(s, smtp_is_nobody_here(s))) {
		session_close(s, "somebody lives here now");
		return;
	}
	s->is_unseen = true;
	s->ends_at_switch =
		s->host->settings->services[s->service].tls == SERVICE_TLS_AUTO;
	if (s->host->ops->pass_unseen(s->host, s, name) == -ENOMEM) {
		session_close(s, "no memory");
		return;
	}
	session_set_route(s, ROUTE_SOURCE);
	session_relay(s);
}

void smtp_read_hello(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	struct str bytes = buf_view(&s->memory->from_client);
	struct tls_hello hello = { 0 };
	enum tls_hello_result result =
		tls_hello_read(&f->hello, str_skip(bytes, f->hello_seen), &hello);

	f->hello_seen = bytes.len;
	if (f->proxy.state == SMTP_PROXY_BLIND) {
		/* what it means is the source's to say */
		if (result != TLS_HELLO_NEED_MORE || s->client_ended)
			go_unseen(s, hello.name);
	} else if (result == TLS_HELLO_DONE)
		decide(s, &hello);
	else if (result != TLS_HELLO_NEED_MORE)
		session_close(s, "no TLS behind STARTTLS");
	else if (s->client_ended)
		session_close(s, "client left");
}

/* A client that has not begun yet tells its name first. */
void smtp_upgrade(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (!f->proxy.client.tls_promised && buf_len(&s->memory->from_client))
		session_close(s, "bytes behind STARTTLS");
	else if (!may_pass(s, smtp_is_nobody_here(s)))
		session_close(s, "somebody lives here now");
	else if (f->proxy.client.tls_promised)
		go_unseen(s, f->tls_name ? f->tls_name : "");
	else if (buf_len(&s->memory->from_source))
		session_close(s, "bytes behind STARTTLS");
}
