/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CARRY_PARTS_H
#define TRANSFER_CARRY_PARTS_H
/* Between carry.c (folders, the pass), carry_source.c (what the source says),
   carry_folder.c (one folder's messages), carry_flags.c, and carry_match.c (messages that
   are known by their bytes alone). */
#include "transfer/back/carry.h"

struct carry_box {
	int64_t id;
	struct str name;
	char separator;
	unsigned attributes;
	uint32_t uidvalidity, uidnext, messages;
	uint64_t modseq;

	bool has_base;
	struct store_base base;
	const struct folder *there; /* NULL: the source does not list it */
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
	const unsigned char *digest; /* NULL: not known */
};

struct carry_note { /* a counterpart of the folder */
	int64_t mailbox;
	uint32_t uid, source_uid;
	const unsigned char *digest; /* NULL: none */
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

int carry_folder(struct carry *c, const struct carry_box *box);

/* Opens it for changes. 1: it was made anew a moment ago, the next pass looks at it. */
int carry_open(struct carry *c, const struct carry_match *m, struct writer_folder *f);
/* Those that the source takes; the others are named. ptr NULL: no memory. */
struct str carry_keywords(
	struct carry *c, const struct writer_folder *f, struct str words);
size_t carry_count_flags(struct carry *c, const struct carry_match *m);
int carry_flags(struct carry *c, const struct carry_match *m);

/* The message here that the note is about; NULL: gone. */
struct carry_row *carry_row_of(const struct carry_match *m, const struct carry_note *n);
int carry_doom(struct carry_match *m, uint32_t source_uid); /* -ENOMEM */

/* Pairs those that may be there by their bytes, and notes them. */
int carry_match(struct carry *c, struct carry_match *m);
/* NULL: no memory, or the store does not give it; with the sentence. */
const unsigned char *carry_digest(
	struct carry *c, const struct carry_match *m, struct carry_row *row);
/* Of its messages as they come. */
void carry_body(struct carry_match *m, unsigned connection);
void carry_bytes(struct carry_match *m, unsigned connection, struct str bytes);
void carry_message(struct carry_match *m, unsigned connection, uint32_t uid);

#endif
