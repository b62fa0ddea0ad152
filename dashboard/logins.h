/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_LOGINS_H
#define DASHBOARD_LOGINS_H
/*
 * Who may look. One token opens a session, which a cookie carries; a form that changes
 * something carries the session's own secret besides, which no other site can read.
 *
 * The token itself is not kept, but a keyed hash: hashes are compared in constant time,
 * whatever the length of what was given.
 */
#include "base/str.h"

#define SESSIONS_MAX 16               /* browsers at a time; the oldest makes room */
#define SESSION_MS UINT64_C(43200000) /* 12 hours */
#define LOGIN_PAUSE_MS 1000           /* after a wrong token nobody logs in for so long */
#define SECRET_TEXT 33                /* 128 bits in hexadecimal, with its NUL */
#define COOKIE_NAME "mailferry"

struct session {
	char id[SECRET_TEXT], form[SECRET_TEXT];
	uint64_t until; /* monotonic; 0: none */
};

struct logins {
	uint8_t key[32], token[32];
	uint64_t paused_until;
	struct session all[SESSIONS_MAX];
};

enum login_result { LOGIN_RIGHT, LOGIN_WRONG, LOGIN_PAUSED };

/* 0 or -EIO: there is no randomness. */
int logins_init(struct logins *l, struct str token);
enum login_result login_try(
	struct logins *l, struct str token, uint64_t now, struct session **ret);
/* By the header Cookie. NULL: none is open. */
struct session *login_by_cookie(struct logins *l, struct str cookie, uint64_t now);
/* Authorization: Bearer TOKEN, for scripts that only read. Wrong ones pause it, too. */
enum login_result login_by_header(
	struct logins *l, struct str authorization, uint64_t now);
/* Why nobody is let in; of LOGIN_RIGHT "". */
const char *login_why(enum login_result result);
bool session_sent_form(const struct session *s, struct str secret);
void session_end(struct session *s);

#endif
