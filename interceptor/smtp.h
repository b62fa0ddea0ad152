/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_H
#define INTERCEPTOR_SMTP_H
/*
 * An SMTP session: the sans-I/O machine of wire/smtp/front.h between client and source,
 * for the whole session.
 *
 *   front_smtp.c     the lane: sockets, back-pressure, the end
 *   smtp_business.c  what the machine asks for: whose a recipient is, staging, AUTH
 *   smtp_quiesce.c   transactions of an account that switches
 */
#include "interceptor/session.h"
#include "interceptor/staging.h"
#include "wire/smtp/front.h"

#define SMTP_REFUSAL_MAX 256 /* a reply line of ours */
#define SMTP_NAME_MAX 256    /* of a server */

/* An account that mail is on its way to at the source. */
struct smtp_account {
	struct smtp_account *next;
	struct str name;
};

struct smtp_session {
	struct smtp_front machine;
	struct smtp_offer offer;
	char name[SMTP_NAME_MAX];
	struct staging *staging;        /* NULL: none */
	char refusal[SMTP_REFUSAL_MAX]; /* until the machine has said it */
	bool running;                   /* smtp_run() is on the stack */
	bool must_end;    /* an account switches: the deadline is not put off any more */
	bool client_dead; /* no byte goes to him any more */
	/* of this transaction */
	struct arena arena;
	struct smtp_account *at_source;
};

static inline struct smtp_session *smtp_of(const struct session *s)
{
	return s->pre->front;
}

/* front_smtp.c */
void smtp_run(struct session *s); /* as far as it goes; the session may be gone then */
void smtp_farewell(struct session *s, enum farewell why);

/* smtp_business.c */
void smtp_route_recipient(struct session *s);
void smtp_count_recipient(struct session *s);
void smtp_stage_begin(struct session *s);
void smtp_stage_bytes(struct session *s);
void smtp_stage_end(struct session *s);
void smtp_commit(struct session *s);
void smtp_abort(struct session *s);
void smtp_authenticated(struct session *s);

/* smtp_quiesce.c */
/* The transaction is over: nothing of it is on its way to the source. */
void smtp_forget_accounts(struct session *s);
bool smtp_quiesce(struct session *s, struct str account);
bool smtp_has_business(const struct session *s, struct str account);

#endif
