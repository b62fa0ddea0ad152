/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_SOURCE_SIDE_H
#define MAILSTORE_STORE_SOURCE_SIDE_H
/*
 * What is known of the old mailbox of an account that lives here: what it had at the
 * switch, and which of its messages are the same as ones here since then. And of an
 * account that moves on to another server, what its messages are there.
 *
 *   base         a mailbox here at the switch: name, UIDVALIDITY and UIDNEXT were the
 *                source's. Its UIDs below UIDNEXT mean the same message on both sides.
 *   counterpart  a message here that is at the source under another UID: it came from
 *                there later (swept.h), or was carried back (transfer/back). Planned
 *                (other_uid 0): it may be there, since an APPEND was to be sent and its
 *                answer was not seen. The digest finds it.
 *
 * Rows of what is gone here stay: its counterpart is then to be removed there.
 *
 * Counterparts at the destination are the map from UIDs of the source (those here) to
 * those there. They outlive the switch, and the mailbox: one that is made anew gives its
 * UIDs again, so its old rows get the number of no mailbox.
 */
#include "mailstore/store/digest.h"
#include "mailstore/store/store.h"

struct store_base {
	int64_t mailbox; /* may be gone */
	struct str name; /* the source's */
	uint32_t uidvalidity, uidnext;
};

/* It was taken there, and not said under which UID: never sent again. */
#define STORE_UID_UNSAID UINT32_MAX

enum store_side { SIDE_SOURCE, SIDE_DESTINATION };

struct store_counterpart {
	enum store_side side;
	int64_t mailbox;
	uint32_t uid;
	struct str folder; /* on that side; INBOX without case */
	uint32_t uidvalidity;
	uint32_t other_uid; /* 0: planned; or STORE_UID_UNSAID */
	struct str digest;  /* BODY_DIGEST_SIZE bytes, or none */
	bool is_proven;     /* these were read there */
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

/* The destination's folder has been renamed to that. In a transaction. */
int store_rename_destination(
	struct store *s, struct str from, struct str to, struct error *err);

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
/* Of a folder of that side, by mailbox and UID. */
int store_each_counterpart(struct store *s, enum store_side side, struct str folder,
	counterpart_each_fn *each, void *context, struct error *err);
/* The folders of that side that have some, as keys. */
int store_each_counterpart_folder(struct store *s, enum store_side side,
	name_each_fn *each, void *context, struct error *err);
/* What is known of the destination is of the server at this address. Of another one than
   before it may or may not be true: its counterparts become planned, to be looked for. */
int store_set_destination(struct store *s, struct str address, struct error *err);
/* That server shows what was here at the switch under the names and UIDs of here: each is
   noted as its own counterpart, but for those of which something is noted already. */
int store_note_kept_uids(struct store *s, struct error *err);
/* It shows what is here under the UIDVALIDITYs and UIDs of here, and that alone: what was
   noted under those before is of files that are there no more. */
int store_forget_files(struct store *s, struct error *err);
typedef int uid_each_fn(void *context, uint32_t uid);
/* Of a mailbox here, what came after the switch and was not taken by the destination yet:
   ascending. The callback changes nothing. */
int store_each_late(struct store *s, int64_t mailbox, uid_each_fn *each, void *context,
	struct error *err);
int store_has_late(struct store *s, bool *ret_has, struct error *err);
/* 1: a message of the source is here, or was. One that was planned is found by its digest
   (empty: none is known), and is planned no more: in a transaction. */
int store_knows_counterpart(
	struct store *s, const struct store_counterpart *c, struct error *err);
/* 1: where the source has that message of ours, as far as is known: as a counterpart, by
   the base, or as one that was moved here since and has the same date and size (which is
   likely, and proves nothing). 0: it is not known. */
struct store_origin {
	struct str folder; /* in the arena */
	uint32_t uidvalidity, uid;
};
int store_source_of(struct store *s, int64_t mailbox, uint32_t uid, struct arena *arena,
	struct store_origin *ret, struct error *err);
/* 1: one here that was there at the switch, or was moved here from such a one, has this
   date, size and digest: the source has given it another UID since. Or one that was
   removed here, and had been there, had this date and size, and a body of that length
   and checksum: it does not come once more. (Others that agree in all that have to be of
   the same second, too.) It is noted without its digest, since date and size are the
   source's: in a transaction. */
int store_find_in_base(struct store *s, const struct store_counterpart *c, int64_t date,
	uint64_t size, const struct body_place *place, struct error *err);
/* Of a message here. */
int store_body_digest(struct store *s, int64_t mailbox, uint32_t uid,
	unsigned char ret[static BODY_DIGEST_SIZE], struct error *err);

/* The source has it all and is the truth again: what has a UID or a UIDVALIDITY that was
   given here goes. In a transaction. */
int store_drop_ours(struct store *s, struct error *err);

#endif
