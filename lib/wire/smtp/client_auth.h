/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_CLIENT_AUTH_H
#define WIRE_SMTP_CLIENT_AUTH_H
/*
 * Our own login at an SMTP or LMTP server (RFC 4954), by PLAIN, else by LOGIN: bytes of
 * the server in, the next line out. Only where nobody reads along: the caller has seen to
 * it that TLS has proven whose server it is, or that it is on this host.
 *
 *   GREETING ─► HELLO ─► ANSWER (PLAIN) ─────────────────────► OVER
 *                 └────► USER ─► PASSWORD ─► ANSWER (LOGIN) ─► OVER
 *
 * The greeting is kept: whoever goes on with the connection waits for one, and says EHLO
 * once more.
 */
#include "base/buf.h"

#define SMTP_CLIENT_AUTH_WORDS_MAX 200

enum smtp_client_auth_state {
	SMTP_CLIENT_AUTH_GREETING,
	SMTP_CLIENT_AUTH_HELLO,
	SMTP_CLIENT_AUTH_USER,     /* LOGIN: it asks for the user */
	SMTP_CLIENT_AUTH_PASSWORD, /* and for the password */
	SMTP_CLIENT_AUTH_ANSWER,   /* all was said */
	SMTP_CLIENT_AUTH_OVER,
	SMTP_CLIENT_AUTH_STATE_COUNT
};

enum smtp_client_auth_result {
	SMTP_CLIENT_AUTH_NEED_MORE,
	SMTP_CLIENT_AUTH_DONE,         /* we are logged in */
	SMTP_CLIENT_AUTH_REFUSED,      /* 5xx: not with this user and password */
	SMTP_CLIENT_AUTH_LATER,        /* it takes no login now, or nobody at all */
	SMTP_CLIENT_AUTH_NO_MECHANISM, /* neither PLAIN nor LOGIN */
	SMTP_CLIENT_AUTH_BROKEN        /* no SMTP, or more than it was asked for */
};

struct smtp_client_auth {
	enum smtp_client_auth_state state;
	bool is_lmtp;
	struct str name;                        /* ours, for EHLO */
	struct str user, password;              /* the caller's */
	char words[SMTP_CLIENT_AUTH_WORDS_MAX]; /* its last reply, one line */
};

void smtp_client_auth_init(struct smtp_client_auth *a, bool is_lmtp, struct str name,
	struct str user, struct str password);
const char *smtp_client_auth_state_name(enum smtp_client_auth_state s);

/* input: what is unread; *ret_used of it is to be consumed. Lines are appended to out
   (secrets: wipe it), the greeting to greeting. All but NEED_MORE is said once. */
enum smtp_client_auth_result smtp_client_auth_next(struct smtp_client_auth *a,
	struct str input, size_t *ret_used, struct buf *out, struct buf *greeting);

#endif
