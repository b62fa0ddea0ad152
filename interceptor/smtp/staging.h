/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_STAGING_H
#define INTERCEPTOR_SMTP_STAGING_H
/*
 * A message on its way to accounts that live here: gathered while it comes, handed to the
 * mailstore as a file, delivered or forgotten when that is decided.
 *
 *   write … ─► send ─STAGE─► mailstore ─STAGED─► (told) ─┬─► deliver ─DELIVER─► (told)
 *                                                        └─► drop ─DISCARD─►
 *
 * Before that, at RCPT, the mailstore is asked whether the account has room (ROOM). A
 * message that several get is then staged whatever the quota says: there is one answer
 * behind the dot, and a full mailbox must not lose the others their copy.
 *
 * Of accounts that live at another server the message goes there, but for its dot; that
 * is sent with "deliver", and its answer is the delivery's (courier.h). What that server
 * refuses then is refused to the client: what others have got by then they may get again.
 *
 * What is staged here is on the disk and survives everybody's death: it is
 * delivered when the account is opened next. So a delivery that cannot be confirmed (the
 * mailstore is being restarted, the disk is full) is late, not lost, and counts as done.
 */
#include "interceptor/session/session.h"
#include "interceptor/smtp/content.h"
#include "interceptor/smtp/recipient.h"
#include "messages/message.h"
#include "wire/smtp/proxy.h"

#define STAGING_MOVED "450 4.2.1 The mailbox is being moved, try again in a moment"
#define STAGING_FULL "452 4.3.1 Insufficient system storage"
#define STAGING_AWAY "451 4.3.0 The mailbox cannot be reached now, try again later"

/* "4d2-1f.1a": the session's id, and a number that its worker gives no other message. */
#define MESSAGE_ID_MAX (SESSION_ID_MAX + 9)

struct host;
struct staging;

/* Of one message; strings only for the call. */
struct staging_mail {
	struct str header; /* trace lines; Delivered-To is put among them */
	struct str sender, client;
	struct str params; /* of MAIL */
	struct str helo;   /* our name, for another server */
	bool asks;         /* staging_ask_elsewhere() */
	uint64_t size;     /* as the client has said with MAIL; 0: not known */
	const struct smtp_recipient *recipients; /* one for each account */
	const struct recipient_names *names;     /* by which they were found */
	bool at_once; /* what becomes of one is nothing to the others: each is staged and
	                 delivered in one step */
	bool is_shared; /* others get it, too */
};

/* A recipient was accepted a while ago: why its account gets nothing now, since it may
   have gone; NULL: it lives here. */
const char *staging_why_not(struct session *s, struct str account);

/* done: STAGE or DELIVER was answered by all. refusal: "" or a reply for the client,
   valid for the call. NULL: no memory. */
typedef void staging_fn(struct session *s, struct str refusal);
struct staging *staging_new(struct session *s, staging_fn *done);

/* What Received, filters and our log call the message; of one that is not staged, g NULL,
   another one with each call. */
const char *message_id(
	struct session *s, const struct staging *g, char id[static MESSAGE_ID_MAX]);

/* No message yet: whether that account has room for one of that size; 0: not known.
   done() will be called, later. NULL: it cannot be asked. */
struct staging *staging_ask_for_room(
	struct session *s, struct str account, uint64_t size, staging_fn *done);

/* Likewise, whether another server takes mail for the recipients, whose accounts live
   there (courier.h). */
struct staging *staging_ask_elsewhere(
	struct session *s, const struct staging_mail *mail, staging_fn *done);

/* 0 or -errno: it cannot be sent any more. */
int staging_write(struct staging *g, struct str bytes);
/* For filters, before it is sent. */
struct content *staging_content(struct staging *g);
/* 0: done() will be called, later. Else -errno. */
int staging_send(struct staging *g, const struct staging_mail *mail);
/* The reply that the mail of the nth recipient was refused with; "": it was not. */
struct str staging_refusal(const struct staging *g, size_t nth);
/* Of the first one that was refused; "": none was. */
struct str staging_first_refusal(const struct staging *g);
/* false: there is nothing to wait for. */
bool staging_deliver(struct staging *g);
/* Whether it was sent for that account. */
bool staging_is_for(const struct staging *g, struct str account);
/* Forgets it, whatever it is waiting for; what is delivered stays so. NULL is fine. */
void staging_drop(struct staging *g);

/* For the worker: the mailstore's answers, its end, and time. */
void staging_answered(struct host *h, const struct message *m);
void staging_mailstore_lost(struct host *h);
void staging_tick(struct host *h);

#endif
