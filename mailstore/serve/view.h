/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_VIEW_H
#define MAILSTORE_SERVE_VIEW_H
/*
 * The selected mailbox as one client knows it: which sequence number is which UID, and
 * what the client was told of it. The store is ahead of it; view_sync() tells the
 * difference when the protocol allows it.
 */
#include "base/buf.h"
#include "mailstore/serve/hibernation.h"
#include "mailstore/store/store.h"
#include "wire/imap/set.h"

struct view_message {
	uint64_t modseq;
	uint32_t uid;
	uint32_t keywords; /* a hash of them; 0: it has none */
	uint8_t flags;     /* enum message_flag without FLAG_RECENT */
	bool recent;       /* this session has it as \Recent */
	bool untold;       /* the client has to be told of its flags */
	bool quiet;        /* untold, but of its modseq alone */
	bool gone;         /* expunged, and about to be told */
	bool held;         /* others have changed its flags: untold later */
};
_Static_assert(sizeof(struct view_message) <= 32, "a mailbox has 100,000 messages");

enum view_form {                   /* bits: how changes are told */
	VIEW_UID = 1 << 0,         /* with the UID */
	VIEW_MODSEQ = 1 << 1,      /* with the modseq: CONDSTORE */
	VIEW_VANISHED = 1 << 2,    /* VANISHED for EXPUNGE: QRESYNC, UIDONLY */
	VIEW_UIDFETCH = 1 << 3,    /* UIDs for sequence numbers: UIDONLY */
	VIEW_NO_RECENT = 1 << 4,   /* IMAP4rev2 has none */
	VIEW_HOLDS_FLAGS = 1 << 5, /* what others do to them is not told for now */
};

/* Where each word of a long list begins, plus 1, by its hash; 0: free. */
struct view_words {
	uint32_t *places;
	uint32_t cap, count;
	size_t until; /* so much of the list is in it */
};

struct view {
	struct store *store;
	int64_t mailbox; /* 0: none selected */
	uint32_t uidvalidity;
	bool read_only;
	unsigned form;   /* enum view_form */
	bool dirty;      /* the store is ahead */
	bool untold;     /* of some message */
	bool held;       /* of some message */
	bool lost_words; /* some of `keywords` may be of no message any more */
	struct view_message *messages;
	uint32_t count, cap, recent;
	uint64_t base, base_from;     /* modseqs up to base_from are shown as base */
	uint64_t seen, seen_expunges; /* modseqs up to which we have looked */
	struct buf keywords;          /* words used in this mailbox, spaces between */
	struct view_words words;      /* to find one of many */
};

/* Without a message and a word yet: as of no time. */
void view_init(
	struct view *v, struct store *store, const struct mailbox *m, bool read_only);
/* Reads the mailbox; when not read_only, takes \Recent. 0 or -errno. */
int view_open(struct view *v, struct store *store, const struct mailbox *m,
	bool read_only, struct error *err);
/* As a client knows it that had it selected at the source: which messages, and that it
   was told of all flags up to that modseq. The difference waits for view_sync(). -ESTALE:
   it is another mailbox, or there are messages between those that the client knows.
   view_resume.c. */
struct view_known {
	uint32_t uidvalidity;
	struct imap_set uids; /* resolved */
	uint64_t told_until;
};
int view_resume(struct view *v, struct store *store, const struct mailbox *m,
	const struct view_known *known, bool read_only, struct error *err);
/* Fills in what is said of the mailbox; the texts live in the view and the arena. -EBUSY:
   it cannot be said so. view_hibernate.c. */
int view_hibernate(const struct view *v, struct arena *arena, struct hibernation *h);
/* The view that was so; what has changed since waits for view_sync(). -EBADMSG, -ENOENT:
   it does not fit this mailbox. */
int view_wake(struct view *v, struct store *store, const struct hibernation *h,
	struct arena *arena, struct error *err);
void view_close(struct view *v); /* may be called twice */

/* Looks what changed and writes EXPUNGE (only when allowed), EXISTS, RECENT, FETCH.
   -ENOENT: the mailbox is gone, or another one has its name. */
int view_sync(struct view *v, bool expunges, struct buf *out, struct error *err);
/* Writes FETCH for what is marked untold. When that is more than memory should hold, some
   of it stays untold, for the next time. */
int view_tell(struct view *v, struct buf *out, struct error *err);
/* "* 5 FETCH (" or "* 1205 UIDFETCH (" */
int view_put_fetch(const struct view *v, uint32_t index, struct buf *out);
/* What became of UIDs while the client was away (RFC 7162, 3.2.5.1): those of `uids`
   (resolved; NULL: all) that were expunged since that modseq, as VANISHED (EARLIER).
   Where it is not known since when, all that are not there. */
int view_put_vanished(struct view *v, uint64_t since, const struct imap_set *uids,
	struct buf *out, struct error *err);
/* "* FLAGS (…)" and "* OK [PERMANENTFLAGS …". */
int view_put_flags(struct view *v, struct buf *out);
/* A message's flags with \Recent and keywords (looked up when it has some). */
int view_put_message_flags(
	struct view *v, const struct view_message *m, struct buf *out, struct error *err);

/* After a change of our own: what the message has now. */
void view_set(struct view *v, struct view_message *m, unsigned flags, struct str keywords,
	uint64_t modseq);
/* It has all that the store has of this mailbox, but for what was expunged. */
void view_is_in_step(struct view *v);
/* Remembers new words of `keywords`; true when there were some. -ENOMEM in *ret. */
bool view_add_keywords(struct view *v, struct str keywords, int *ret);
/* The word as this mailbox spells it, or as it is. */
struct str view_spelling(struct view *v, struct str word, bool *ret_known);

/* Index of the first message with that UID or a larger one; count when there is none. */
uint32_t view_index(const struct view *v, uint32_t uid);
uint32_t view_last_uid(const struct view *v);

/* The messages of a set, in order. */
struct view_walk {
	struct imap_set set;
	bool by_uid;
	size_t range;
	uint32_t next;
};
/* false: it names a sequence number that there is not. */
bool view_walk_begin(
	const struct view *v, struct imap_set set, bool by_uid, struct view_walk *ret);
bool view_walk_next(const struct view *v, struct view_walk *w, uint32_t *ret_index);
/* The highest UID that the walk comes to before it may go back. */
uint32_t view_walk_last(const struct view *v, const struct view_walk *w);

#endif
