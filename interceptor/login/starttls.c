/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * STARTTLS (IMAP) and STLS (POP3).
 *
 *   PRELOGIN ─┬─ we hold keys ──► HELLO ─┬─ one for that name: TLS ends here, and the
 *             │                          │  login begins anew inside it
 *             │                          └─ none ─┐
 *             └─ we hold none ────────────────────┴─► UPGRADING: the source has the
 *                                                     command; when it says OK, all
 *                                                     goes on there unseen, once the
 *                                                     client's hello has told the name
 *
 * What a client sends in clear behind the command was never meant to be inside TLS (RFC
 * 3501, 6.2.1; CVE-2011-0411): it ends the session.
 */
#include "base/log.h"
#include "interceptor/login/login.h"
#include "interceptor/tls/hello.h"

#include <errno.h>

#define HELLO_MS 60000   /* for the client to begin */
#define RECORD_MS 10000  /* for the registry to take that it passes unseen */
#define UPGRADE_MS 30000 /* for the source to answer STARTTLS */

static void ask_source(struct session *s)
{
	s->is_unseen = true;
	if (s->host->settings->services[s->service].source_tls != SOURCE_TLS_NONE)
		session_drop_source(s); /* it is inside TLS of ours */
	login_set_step(s, LOGIN_IN_UPGRADING, UPGRADE_MS);
	login_send_if_open(s);
}

static bool may_end_here(struct session *s)
{
	SSL_CTX *any;

	return s->host->settings->services[s->service].tls == SERVICE_TLS_AUTO &&
	       s->host->ops->tls_context(s->host, s, "", &any) != -ENOENT;
}

void login_starttls(struct session *s)
{
	struct login *l = login_of(s);

	if (buf_len(&s->memory->from_client)) {
		session_close(s, "bytes behind STARTTLS");
		return;
	}
	if (!may_end_here(s)) {
		ask_source(s);
		return;
	}
	if (login_protocol_of(s)->accept_tls(l->machine, &s->memory->to_client) < 0 ||
		!session_flush(s)) {
		session_close(s, "client does not read");
		return;
	}
	session_drop_source(s); /* the login begins anew, there too */
	l->is_tls_promised = true;
	login_set_step(s, LOGIN_IN_HELLO, HELLO_MS);
}

static void keep_name(struct session *s, const struct tls_hello *hello)
{
	login_of(s)->tls_name = arena_str(&s->memory->arena, str_from(hello->name));
}

static void decide(struct session *s, const struct tls_hello *hello)
{
	if (!tls_hello_accept(s, hello, login_protocol_of(s)->alpn)) {
		keep_name(s, hello);
		ask_source(s);
		return;
	}
	s->is_upgraded = true;
	if (session_is_handled(s))
		session_hand_to(
			s, (struct service_handler){ &login_handler, s->protocol });
}

/* All that the client says from now on is between it and the source. Recorded first, so
   that no account switches without its being known. */
void login_record_unseen(struct session *s)
{
	const char *name = login_of(s)->tls_name.ptr;
	int r = s->host->ops->pass_unseen(s->host, s, name ? name : "");

	if (r == -EBUSY)
		return;
	if (r < 0) {
		session_close(s, "no memory");
		return;
	}
	session_set_route(s, ROUTE_SOURCE);
	session_relay(s);
}

static void go_unseen(struct session *s)
{
	login_set_step(s, LOGIN_IN_RECORDING, RECORD_MS);
	login_record_unseen(s);
}

void login_read_hello(struct session *s)
{
	struct login *l = login_of(s);
	struct str bytes = buf_view(&s->memory->from_client);
	struct tls_hello hello = { 0 };
	enum tls_hello_result result =
		tls_hello_read(&l->hello, str_skip(bytes, l->hello_seen), &hello);

	l->hello_seen = bytes.len;
	if (l->is_source_ready && (result != TLS_HELLO_NEED_MORE || s->client_ended)) {
		keep_name(s, &hello);
		go_unseen(s); /* what it means is the source's to say */
	} else if (result == TLS_HELLO_DONE)
		decide(s, &hello);
	else if (result != TLS_HELLO_NEED_MORE)
		session_close(s, "no TLS behind STARTTLS");
	else if (s->client_ended)
		session_close(s, "client left");
}

void login_upgraded(struct session *s, bool ok)
{
	struct login *l = login_of(s);

	if (!l->is_tls_promised)
		session_say(s, buf_view(&l->answer));
	if (ok && l->is_tls_promised) {
		go_unseen(s);
		return;
	}
	if (ok) {
		l->is_source_ready = true;
		login_set_step(s, LOGIN_IN_HELLO, HELLO_MS);
		return;
	}
	if (l->is_tls_promised) {
		session_close(s, "source refuses STARTTLS");
		return;
	}
	s->is_unseen = false;
	buf_clear(&l->answer);
	login_protocol_of(s)->answered(l->machine);
	session_drop_source(s);
	login_resume(s);
}
