/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CARRY_PARTS_H
#define TRANSFER_CARRY_PARTS_H
/* Between carry.c (folders, the pass), carry_names.c, carry_source.c (what the other side
   says), carry_folder.c (one folder's messages), carry_append.c, carry_flags.c,
   carry_match.c (messages that are known by their bytes alone), carry_proof.c,
   carry_losses.c, and carry_home.c (the other way). */
#include "transfer/back/carry.h"

struct carry_box {
	int64_t id;
	struct str name;
	struct str name_there;
	char separator;
	unsigned attributes;
	uint32_t uidvalidity, uidnext, messages;
	uint64_t modseq;

	bool has_base;
	struct store_base base;
	const struct folder *there; /* NULL: the other side does not list it */
	struct source_status looks; /* uidvalidity 0: not known */
};

#define KEPT_FLAGS                                                                       \
	(unsigned)(MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED | MAIL_DRAFT)
#define CARRY_ALONE LISTING_NONE /* no pair */

struct carry_row { /* a message here */
	uint32_t uid;
	unsigned flags;
	struct str keywords;
	int64_t date;
	int16_t zone;
	uint64_t size, modseq;
	size_t pair;                 /* of the listing */
	bool is_noted;               /* the pair is a counterpart */
	bool was_there;              /* at the switch, under its UID */
	bool is_planned;             /* it may have been appended */
	bool is_taken;               /* it was, under a UID that was not said */
	bool is_proven;              /* its bytes there are those here */
	bool has_gone;               /* it was there, and is not under its UID */
	bool is_unsure;              /* has_gone: its UID may not mean it any more */
	size_t other;                /* of the listing: has its UID and another date */
	const unsigned char *digest; /* NULL: not known */
};

struct carry_note { /* a counterpart of the folder */
	int64_t mailbox;
	uint32_t uid, other_uid;
	const unsigned char *digest; /* NULL: none */
	bool is_proven;
	bool is_foreign; /* of another UIDVALIDITY; on the way home alone */
};

struct carry_match { /* one folder, while it is compared */
	const struct carry_box *box;
	bool is_same; /* UIDs below the base mean the same on both sides */
	struct carry_row *rows;
	size_t n_rows, cap_rows;
	struct carry_note *notes;
	size_t n_notes, cap_notes;
	struct store_removed *removed; /* here, since the switch; by UID */
	size_t n_removed, cap_removed;
	bool *used;       /* of the listing: it has a pair, or is to be expunged */
	uint32_t *doomed; /* to be expunged there */
	size_t n_doomed, cap_doomed;

	/* bodies of the source that come */
	struct body_digest digests[SOURCE_CONNECTIONS_MAX];
	struct wanted *wanted;
	unsigned char (*found)[BODY_DIGEST_SIZE]; /* of each wanted one that came */
	size_t n_wanted, first_free;
};

int carry_no_memory(struct carry *c);
int carry_run(struct carry *c);
int carry_refused(struct carry *c, int code, struct str name);
void carry_name(struct carry *c, struct carry_names *names, struct str name);

int carry_read_source(struct carry *c);
static inline enum store_side carry_side(const struct carry *c)
{
	return c->way == CARRY_BACK ? SIDE_SOURCE : SIDE_DESTINATION;
}
/* Else it is only told what would be done. */
static inline bool carry_may_change(const struct carry *c)
{
	return c->writer.ops || c->way == CARRY_HOME;
}
int carry_add_box(struct carry *c, const struct carry_box *b); /* -ENOMEM */
static inline bool carry_may_hold_mail(const struct carry_box *b)
{
	return !(b->attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT));
}
/* 1: it holds what was never there. */
int carry_has_late(struct carry *c, const struct carry_box *b);
bool carry_is_subscribed_there(const struct carry *c, struct str name);

/* What they are called there, and which of those are there. -EREMOTEIO: two would have
   one name. */
int carry_names_there(struct carry *c);
/* Of any name here, for subscriptions. ptr NULL: no memory. */
struct str carry_name_there(struct carry *c, struct str name, char separator);
/* The other way round, with the separator of here. */
struct str carry_name_here(struct carry *c, struct str name, char *ret_separator);

int carry_folder(struct carry *c, const struct carry_box *box);
/* At the switch, under the same UID. */
static inline bool carry_was_there(const struct carry_match *m, uint32_t uid)
{
	return m->is_same && uid < m->box->base.uidnext;
}
/* A date or a size never changes: with another one it is another message after all. */
static inline bool carry_is_another(
	const struct listing_row *there, int64_t date, uint64_t size)
{
	return there->date != date ||
	       (there->size != size && there->size != MAIL_SIZE_UNKNOWN);
}
/* What cannot be kept, once nothing is left to be done in it. */
void carry_count_losses(struct carry *c, const struct carry_match *m);

/* Those that have no pair. */
int carry_append(struct carry *c, const struct carry_match *m);

/* Opens it for changes. 1: it was made anew a moment ago, the next pass looks at it. */
int carry_open(struct carry *c, const struct carry_match *m, struct writer_folder *f);
/* Those that the source takes; the others are named. ptr NULL: no memory. */
struct str carry_keywords(
	struct carry *c, const struct writer_folder *f, struct str words);
size_t carry_count_flags(struct carry *c, const struct carry_match *m);
int carry_flags(struct carry *c, const struct carry_match *m);

/* The message here that the note is about; NULL: gone. */
struct carry_row *carry_row_of(const struct carry_match *m, const struct carry_note *n);
int carry_doom(struct carry_match *m, uint32_t other_uid); /* -ENOMEM */

/* It may be there by its bytes, and has no pair. */
bool carry_misses(
	const struct carry *c, const struct carry_match *m, const struct carry_row *row);
bool carry_misses_any(const struct carry *c, const struct carry_match *m);
/* Pairs those that may be there by their bytes, and notes them. */
int carry_match(struct carry *c, struct carry_match *m);
/* Sets m->wanted: all there that have no pair. */
int carry_want_rest(struct carry *c, struct carry_match *m);
struct wanted *carry_wanted(const struct carry_match *m, uint32_t uid); /* NULL: no */
/* Fetches those of m->wanted, whose digests are in m->found then. 1: one has gone
   meanwhile, the next pass looks anew. */
int carry_fetch(struct carry *c, struct carry_match *m);
/* One that may be found there from now on, or is (other_uid). In a transaction. */
int carry_note_pair(struct carry *c, const struct carry_match *m,
	const struct carry_note *n, struct error *err);
/* Of what is here now. NULL: no memory, or the store does not give it; with the
   sentence. */
const unsigned char *carry_digest_here(struct carry *c, int64_t mailbox, uint32_t uid);
/* On the way on: reads there what was not proven yet. -EREMOTEIO: its bytes differ. */
int carry_prove(struct carry *c, struct carry_match *m);
/* The digest that is known, else as above. */
const unsigned char *carry_digest(
	struct carry *c, const struct carry_match *m, struct carry_row *row);
/* Of its messages as they come. */
void carry_body(struct carry_match *m, unsigned connection);
void carry_bytes(struct carry_match *m, unsigned connection, struct str bytes);
void carry_message(struct carry_match *m, unsigned connection, uint32_t uid);

/* On the way home. Folders of theirs that are not here become boxes without a number. */
int carry_home_strangers(struct carry *c);
/* Once they were looked at. 1: names here have changed, and another pass is needed. */
int carry_home_folders(struct carry *c);
int carry_home_subscriptions(struct carry *c);
/* One folder's messages, when their pairs are known. */
int carry_home_folder(struct carry *c, struct carry_match *m);
/* Of its messages as they come. */
int carry_home_body(struct carry *c, unsigned connection, uint64_t len);
int carry_home_bytes(struct carry *c, unsigned connection, struct str bytes);
int carry_home_message(struct carry *c, unsigned connection, uint32_t uid);

#endif
