/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_INTERNAL_H
#define MAILSTORE_STORE_INTERNAL_H
/*
 * What the files of the store share: the handle, and the rows of mailboxes that the open
 * transaction has changed (box.c). Inside mailstore/store only.
 */
#include "mailstore/store/compared.h"
#include "mailstore/store/pack.h"
#include "mailstore/store/places.h"
#include "mailstore/store/sql.h"
#include "mailstore/store/store.h"

#include <sys/stat.h>

/* Counters of one mailbox while a transaction is open: adding 500 messages updates its
   row once. */
struct box {
	int64_t id;
	uint32_t uidvalidity, uidnext;
	uint64_t highestmodseq;
	uint32_t messages, unseen, recent, deleted;
	uint64_t bytes;
	bool unsaved; /* differs from its row */
	bool changed; /* watchers want to know after the commit */
	struct box *next;
};

/* A walk over the watchers; store_unwatch() moves those that are about to step on it. */
struct watch_walk {
	struct store_watch *next;
	struct watch_walk *outer;
};

/* presence.c */
struct presence {
	uint64_t number; /* that `lock` holds */
	void *page;      /* where it holds it; never read or written by a line of ours */
	uint64_t written_at; /* the last time by a write, which changes its times */
	bool is_written;     /* the file has had its block; else the disk was full */
	struct stat folder, lock, index;
	bool is_known; /* all of these */
	enum store_presence is;
};

struct store {
	char *folder;
	int lock;
	struct presence presence;
	struct database *db;
	bool in_transaction;
	uint64_t modseq, committed_modseq;
	uint64_t settled; /* at open */
	struct packs packs;
	uint64_t reserve;         /* of the disk; bodies leave it free */
	bool grams_are_damaged;   /* the text index: the next tidying empties it */
	int64_t doubted_image;    /* of a mailbox; 0: none (image.c) */
	struct compared compared; /* bodies whose checksum was right (body.c) */
	struct places places;

	/* of the open transaction */
	struct box *boxes;
	bool list_changed;       /* mailboxes or subscriptions */
	struct pack_set dead;    /* packs without a row: unlinked after the commit */
	struct pack_set waiting; /* without a row, but somebody still writes there */

	struct pack_set
		candidates; /* packs that rows were taken from: looked at by commits */
	bool forget_dead;   /* rows of dead_pack whose files are gone */
	struct store_watch *watches;
	struct watch_walk *walks;
};

/* 0 inside a transaction, else -EINVAL (a bug of the caller) or what broke it. */
int store_writing(struct store *s, struct error *err);

/* ── presence.c ────────────────────────────────────────────────────────────────────── */

/* With the lock taken. -EUCLEAN: files of it were replaced under somebody. */
int presence_begin(struct store *s, struct error *err);
int presence_of_index(struct store *s, struct error *err);
/* A commit: a copy that was made before it is another one. */
void presence_next(struct store *s);
void presence_end(struct store *s); /* with the lock still held */

/* ── box.c ─────────────────────────────────────────────────────────────────────────── */

/* Only inside a transaction; valid until its end. -ENOENT: no such mailbox. */
int box_get(struct store *s, int64_t id, struct box **ret, struct error *err);
void box_forget(struct store *s, int64_t id);
/* A new modseq for a change in it: *ret_modseq may be NULL. */
void box_change(struct store *s, struct box *b, uint64_t *ret_modseq);
/* Counts one message of these flags and size in (+1) or out (-1). */
void box_count(struct box *b, int sign, unsigned flags, uint64_t size);
void box_raise_uidnext(struct box *b, uint32_t uidnext);
/* Writes what differs: before rows of `mailbox` are read. */
int boxes_save(struct store *s, struct error *err);
void boxes_free(struct box *first);
int store_save_modseq(struct store *s, struct error *err);

/* ── range.c ───────────────────────────────────────────────────────────────────────── */

/* The mailbox's messages go: nothing is to be changed any more. */
int range_forget(struct store *s, int64_t mailbox, struct error *err);

/* ── names.c ───────────────────────────────────────────────────────────────────────── */

/* What the rows of all mailboxes say: boxes_save() first, where there are boxes. */
int usage_read(struct database *db, uint64_t *ret_bytes, uint64_t *ret_messages,
	struct error *err);

/* ── compact.c, share.c ────────────────────────────────────────────────────────────── */

/* Rows that point to one place point to the other, which is on the disk or will be. */
int store_move_place(struct store *s, const struct body_place *from,
	const struct body_place *to, struct error *err);
/* Of bodies in packs with the same bytes one is left, whatever number of messages has it;
   some in a transaction. Only those with a checksum. */
struct store_compacted;
int store_share(struct store *s, const char *folder, struct store_compacted *count,
	struct error *err);

/* ── mailbox.c, message.c, body.c ──────────────────────────────────────────────────── */

bool store_is_inbox(struct str name);
/* What names are compared by: INBOX in capitals, everything else as it is. */
struct str store_name_key(struct str name);
/* Makes a row's place of it: a body into the index, or a pack that the commit is to sync.
 *place is then what the row says. */
int store_take_place(struct store *s, struct body_place *place, struct error *err);
/* -ENOSPC: a body of that length would touch the reserve. */
int store_has_room(struct store *s, uint64_t len, struct error *err);
/* CRC-32 of what came so far and these bytes; 0 begins. */
uint32_t store_checksum(uint32_t so_far, struct str bytes);
/* A row that pointed there is going: the commit looks whether the pack is needed. */
int store_lose_pack(struct store *s, uint32_t pack, struct error *err);
/* A message whose place is taken already. */
int store_add_taken(struct store *s, int64_t mailbox, const struct store_message *m,
	const struct body_place *place, uint32_t *ret_uid, struct error *err);
/* All messages of a mailbox, and its expunged UIDs. */
int store_drop_messages(struct store *s, int64_t mailbox, struct error *err);
/* Finds out which packs died in this transaction; unlinks them after it. */
int store_collect_packs(struct store *s, struct error *err);
void store_unlink_packs(struct store *s);
/* At open: the append position, and what a crash left to unlink. */
int store_open_packs(struct store *s, struct error *err);

#endif
