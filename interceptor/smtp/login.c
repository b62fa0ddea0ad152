/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SMTP AUTH. Somebody at the source is let in by the source, and what was shown becomes a
 * candidate, like at any other login. Somebody who lives here is let in by the vault
 * alone, and a wrong password goes nowhere. The session stays here: it may only send.
 */
#include "base/log.h"
#include "interceptor/smtp/smtp.h"

#include <errno.h>
#include <string.h>

#define WRONG "reason=wrong-password"

/* ---- whose word counts ---- */

struct names {
	struct str account, prover; /* prover: whose password it is; "": the account's */
};

/* As login/attempt.c has it for IMAP and POP3. */
static struct names names_of_login(const struct session *s)
{
	const char *separator = s->host->settings->master_separator;
	const struct smtp_login *l = &smtp_of(s)->proxy.login;
	struct names n = { l->user, l->master.len ? l->master : STR_LIT("") };
	size_t at =
		separator && *separator ? str_index(l->user, *separator) : l->user.len;

	if (at && at < l->user.len && !n.prover.len)
		n = (struct names){ str_take(l->user, at), str_skip(l->user, at + 1) };
	return n;
}

static int look_up(struct session *s, struct str name, struct account_route *ret)
{
	struct error err = { 0 };
	int r = registry_route(s->host->registry, name, ret, &err);
	char id[SESSION_ID_MAX];

	if (r == -ENOENT || r == -EINVAL) {
		*ret = (struct account_route){ .route = ROUTE_SOURCE };
		return 0;
	}
	if (r < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"", err.text);
	return r;
}

/* whose: as contrib/fail2ban reads it. */
static void log_refused(struct session *s, struct str name, const char *whose)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];

	s->host->notes[NOTE_REFUSED]++;
	session_has_failed(s);
	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "refused", "account=%.*s %s service=%s client=%s",
		STR_ARG(name.len ? name : STR_LIT("-")), whose, service_name(s->service),
		client);
}

/* ---- the vault's word ---- */

static void checked(struct session *s, enum verdict verdict, struct str ticket)
{
	struct smtp_session *f = smtp_of(s);
	enum smtp_check is = SMTP_CHECK_WRONG;

	(void)ticket; /* it opens a mailbox, and nobody here wants one */
	session_enter(s);
	f->is_checking = false;
	if (verdict == VERDICT_RIGHT)
		is = SMTP_CHECK_RIGHT;
	else if (verdict == VERDICT_UNKNOWN)
		is = SMTP_CHECK_LATER;
	if (is == SMTP_CHECK_RIGHT)
		session_is_proven(s);
	else if (is == SMTP_CHECK_WRONG)
		log_refused(s, str_from(s->account), WRONG);
	smtp_proxy_checked(&f->proxy, is);
	session_again(s);
	session_leave(s);
}

static void ask_vault(struct session *s, const struct account_route *route)
{
	struct smtp_session *f = smtp_of(s);
	struct question q = { .password = f->proxy.login.password };

	if (!session_set_account(s, str_from(route->name), route->id))
		return;
	f->is_checking = true;
	s->host->ops->verify(s->host, s, &q, checked);
}

void smtp_forget_check(struct session *s)
{
	if (smtp_of(s)->is_checking)
		s->host->ops->forget(s->host, s);
	smtp_of(s)->is_checking = false;
}

void smtp_check_login(struct session *s)
{
	struct smtp_proxy *p = &smtp_of(s)->proxy;
	struct names n = names_of_login(s);
	struct account_route route, other = { .route = ROUTE_SOURCE };
	int r = look_up(s, n.account, &route);

	smtp_of(s)->is_to_wipe = true;
	if (r == 0 && n.prover.len)
		r = look_up(s, n.prover, &other);
	if (r < 0) {
		smtp_proxy_checked(p, SMTP_CHECK_LATER);
	} else if (route.route != ROUTE_LOCAL && smtp_of(s)->offer.retired) {
		log_refused(s, n.account, WRONG);
		smtp_proxy_checked(p, SMTP_CHECK_WRONG);
	} else if (route.route == ROUTE_SOURCE && other.route == ROUTE_SOURCE) {
		smtp_proxy_checked(p, SMTP_CHECK_SOURCE);
	} else if (n.prover.len) { /* nobody opens it by another's password here */
		log_refused(s, n.account, WRONG);
		smtp_proxy_checked(p, SMTP_CHECK_WRONG);
	} else if (route.route == ROUTE_LOCAL) {
		ask_vault(s, &route);
	} else {
		smtp_proxy_checked(p, SMTP_CHECK_LATER);
	}
}

/* ---- what they send elsewhere ---- */

void smtp_connect_relay(struct session *s)
{
	char id[SESSION_ID_MAX];
	int r;

	s->connects_to = SERVER_SMART_HOST;
	r = session_connect(s);
	if (r == 0)
		smtp_proxy_relay_begun(&smtp_of(s)->proxy);
	else
		log_warning(
			session_id(s, id), "smart-host", "error=\"%s\"", strerror(-r));
}

/* ---- the source's word ---- */

static const char *why_not(
	const struct smtp_login *l, char text[static SMTP_MECHANISM_MAX])
{
	if (l->password.ptr)
		return NULL;
	(void)snprintf(text, SMTP_MECHANISM_MAX, "%.*s", STR_ARG(l->mechanism));
	return text;
}

void smtp_login_refused(struct session *s)
{
	log_refused(s, names_of_login(s).account, "by=source");
}

void smtp_authenticated(struct session *s)
{
	const struct smtp_login *l = &smtp_of(s)->proxy.login;
	struct proven_login login = { .name = l->user,
		.service = str_from(service_name(s->service)) };
	char id[SESSION_ID_MAX], mechanism[SMTP_MECHANISM_MAX];
	struct account_route route;
	const char *why;

	log_info(session_id(s, id), "auth", "mechanism=\"%.*s\" account=%.*s",
		STR_ARG(l->mechanism), STR_ARG(l->user));
	/* of a proof for another nobody is learnt, whosever mailbox the source means */
	if (!l->user.ptr || l->is_right_here || names_of_login(s).prover.len)
		return;
	why = why_not(l, mechanism);
	if (why) {
		login.why = str_from(why);
		log_info(id, "uncapturable", "account=- why=\"%s\"", why);
	} else {
		login.password = l->password;
	}
	if (s->host->ops->learn(s->host, s, &login, &route) == 0)
		(void)session_set_account(s, str_from(route.name), route.id);
}
