/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_SOURCE_SIDE_H
#define MAILSTORE_STORE_SOURCE_SIDE_H
/*
 * What is known of the old mailbox of an account that lives here: what it had at the
 * switch, and which of its messages are the same as ones here since then.
 *
 *   base         a mailbox here at the switch: name, UIDVALIDITY and UIDNEXT were the
 *                source's. Its UIDs below UIDNEXT mean the same message on both sides.
 *   counterpart  a message here that is at the source under another UID: it came from
 *                there later (swept.h), or was carried back (transfer/back). Planned
 *                (source_uid 0): it may be there, since an APPEND was to be sent and its
 *                answer was not seen. The digest finds it.
 *
 * Rows of what is gone here stay: its counterpart is then to be removed there.
 */
#include "mailstore/store/digest.h"
#include "mailstore/store/store.h"

struct store_base {
	int64_t mailbox; /* may be gone */
	struct str name; /* the source's */
	uint32_t uidvalidity, uidnext;
};

/* The source has taken it, and did not say under which UID: never sent again. */
#define STORE_UID_UNSAID UINT32_MAX

struct store_counterpart {
	int64_t mailbox;
	uint32_t uid;
	struct str folder; /* the source's; INBOX without case */
	uint32_t uidvalidity;
	uint32_t source_uid; /* 0: planned; or STORE_UID_UNSAID */
	struct str digest;   /* BODY_DIGEST_SIZE bytes, or none */
};

/* In a transaction, like all that changes something here. Everything here is the source's
   at this moment, and what comes from now on is news. */
int store_note_switch(struct store *s, struct error *err);
/* The modseq of that moment. -ENODATA with the sentence: it was never noted. */
int store_switch_modseq(struct store *s, uint64_t *ret_modseq, struct error *err);

/* Whether anything has changed since: names and subscriptions have no modseq. Errors as
   above. */
int store_has_news(struct store *s, bool *ret_has, struct error *err);

typedef int base_each_fn(void *context, const struct store_base *b);
/* By name. Strings live until the callback returns. */
int store_each_base(
	struct store *s, base_each_fn *each, void *context, struct error *err);
int store_each_base_subscription(
	struct store *s, name_each_fn *each, void *context, struct error *err);
/* The source's folder, which is not INBOX, has been renamed to that: its counterparts are
   there now. */
int store_rename_base(
	struct store *s, int64_t mailbox, struct str name, struct error *err);

/* What was expunged here since. */
struct store_removed {
	uint32_t uid;
	int64_t date;
	uint64_t size;
};
typedef int removed_each_fn(void *context, const struct store_removed *r);
int store_each_removed(struct store *s, int64_t mailbox, uint64_t since,
	removed_each_fn *each, void *context, struct error *err);

int store_set_counterpart(
	struct store *s, const struct store_counterpart *c, struct error *err);
typedef int counterpart_each_fn(void *context, const struct store_counterpart *c);
/* Of a folder of the source, by mailbox and UID. */
int store_each_counterpart(struct store *s, struct str folder, counterpart_each_fn *each,
	void *context, struct error *err);
/* 1: a message of the source is here, or was. One that was planned is found by its digest
   (empty: none is known), and is planned no more: in a transaction. */
int store_knows_counterpart(
	struct store *s, const struct store_counterpart *c, struct error *err);
/* 1: some are planned in that folder, so that a digest is of use. */
int store_has_planned(
	struct store *s, struct str folder, uint32_t uidvalidity, struct error *err);

/* The source has it all and is the truth again: what has a UID or a UIDVALIDITY that was
   given here goes. In a transaction. */
int store_drop_ours(struct store *s, struct error *err);

#endif
