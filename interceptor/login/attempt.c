/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client has said of itself: whose mailbox it wants, and who has proved it. */
#include "interceptor/login/login.h"

/* "alice*master": the master's password opens alice's mailbox (Dovecot, Cyrus), where the
   source has such names. */
static void split_master(const struct session *s, struct attempt *a)
{
	const char *separator = s->host->settings->master_separator;
	size_t at =
		separator && *separator ? str_index(a->user, *separator) : a->user.len;

	if (at == 0 || at == a->user.len || a->prover.len)
		return;
	a->account = str_take(a->user, at);
	a->prover = str_skip(a->user, at + 1);
	a->why_not = LOGIN_BY_MASTER;
}

void login_take_attempt(struct session *s)
{
	struct login *l = login_of(s);
	const struct wire_login *w = login_wire(s);

	l->attempt = (struct attempt){ .user = w->user,
		.account = w->user,
		.prover = w->master.len ? w->master : STR_LIT(""),
		.password = w->password,
		.proof = w->proof,
		.why_not = w->master.len ? LOGIN_BY_MASTER : STR_LIT(""),
		.tag = w->tag.len ? w->tag : STR_LIT("") };
	l->elsewhere = (struct wire_login){ .kind = LOGIN_NONE };
	split_master(s, &l->attempt);
	if (!l->attempt.why_not.len && !w->password.ptr)
		l->attempt.why_not = w->mechanism;
}
