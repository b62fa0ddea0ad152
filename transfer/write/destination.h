/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_DESTINATION_H
#define TRANSFER_DESTINATION_H
/*
 * Where mail goes to: one account, read and changed by the copy.
 *
 * Changes take effect at once for whoever reads through this interface. They are durable
 * after commit(), and a destination may make them so earlier: a copy that is killed
 * begins where the destination stands. Bodies come in pieces, on several of the source's
 * connections side by side: body(), bytes() …, add().
 *
 * store_destination.c is the one for our own store. merge_destination.c stands before it
 * and adds to mail that is there, dry_destination.c before either and changes nothing;
 * tests have one in memory. Functions return 0 or -errno with the sentence. -ENOENT: no
 * such folder, message or note.
 */
#include "base/arena.h"
#include "transfer/read/source.h"

struct destination_folder {
	int64_t id; /* the destination's own; never 0 */
	struct mail_folder is;
	uint32_t uidvalidity, uidnext;
	/* Of find_folder(): of what is durable, and how many of them are \\Deleted. */
	uint32_t messages, deleted;
};

/* Strings live until the callback returns. Anything but 0 ends, and is returned. */
typedef int destination_folder_fn(void *context, const struct destination_folder *f);
typedef int destination_name_fn(void *context, struct str name);
typedef int destination_mail_fn(void *context, const struct mail *m);

struct destination_ops {
	const char *name; /* "store" */

	/* ---- what is there ---- */

	int (*each_folder)(void *self, destination_folder_fn *each, void *context,
		struct error *err);
	int (*each_subscription)(
		void *self, destination_name_fn *each, void *context, struct error *err);
	/* INBOX without case. The strings of *ret are empty. */
	int (*find_folder)(void *self, struct str name, struct destination_folder *ret,
		struct error *err);
	/* By UID, from..to inclusive. The callback may change and expunge what it is
	   shown; its strings live until it does so. */
	int (*each_mail)(void *self, int64_t folder, uint32_t from, uint32_t to,
		destination_mail_fn *each, void *context, struct error *err);
	/* One message's bytes, in one piece. */
	int (*read_body)(void *self, int64_t folder, uint32_t uid,
		destination_name_fn *take, void *context, struct error *err);
	/* Of the whole account: every later change lies above it. */
	uint64_t (*modseq)(void *self);
	/* What was noted by set_note(). */
	int (*note)(void *self, struct str name, struct arena *arena,
		struct str *ret_value, struct error *err);

	/* ---- changes ---- */

	/* *status: UIDVALIDITY and HIGHESTMODSEQ of the source. A UIDVALIDITY of 0 is
	   chosen by the destination. */
	int (*create_folder)(void *self, const struct mail_folder *f,
		const struct source_status *status, int64_t *ret_id, struct error *err);
	int (*update_folder)(void *self, int64_t folder, const struct mail_folder *f,
		struct error *err);
	int (*delete_folder)(void *self, int64_t folder, struct error *err);
	/* Drops all messages: the source made it anew. */
	int (*reset_folder)(
		void *self, int64_t folder, uint32_t uidvalidity, struct error *err);
	int (*raise_uidnext)(
		void *self, int64_t folder, uint32_t uidnext, struct error *err);
	/* The folder was compared, and the source's HIGHESTMODSEQ was that: later changes
	   lie above it. What is absurd changes nothing. */
	int (*base_modseq)(
		void *self, int64_t folder, uint64_t modseq, struct error *err);
	/* Words that FLAGS shows, single spaces between; those that it has stay. */
	int (*add_keywords)(
		void *self, int64_t folder, struct str words, struct error *err);
	int (*subscribe)(void *self, struct str name, bool subscribed, struct error *err);
	int (*set_flags)(
		void *self, int64_t folder, const struct mail *m, struct error *err);
	/* m's unique-id and place in the maildrop. */
	int (*set_uidl)(
		void *self, int64_t folder, const struct mail *m, struct error *err);
	int (*expunge)(void *self, int64_t folder, uint32_t uid, struct error *err);
	int (*set_note)(void *self, struct str name, struct str value, struct error *err);

	/* All that is here is the source's at this moment, and the account is in service:
	   here, or where `residence` says (registry/residence.h; "": not said).
	   NULL: nothing switches to it. */
	int (*note_switch)(void *self, struct str residence, struct error *err);

	/* ---- messages ---- */

	/* A body of so many bytes begins on this connection; one that was begun and not
	   added is given up. */
	int (*body)(void *self, unsigned connection, uint64_t len, struct error *err);
	int (*bytes)(
		void *self, unsigned connection, struct str bytes, struct error *err);
	void (*give_up)(void *self, unsigned connection);
	/* The message of that body, which is complete. */
	int (*add)(void *self, unsigned connection, int64_t folder, const struct mail *m,
		uint64_t *ret_bytes, struct error *err);

	/* ---- the end ---- */

	/* What is complete is durable. After a change that failed, what was not durable
	   is gone instead. Bodies that were begun are given up. */
	int (*commit)(void *self, struct error *err);
	/* Before the end: what free() would take time for is done now, and changes until
	   then are few. NULL: there is nothing. */
	int (*settle)(void *self, struct error *err);
	/* What is not durable yet goes. */
	void (*rollback)(void *self);
	void (*free)(void *self); /* rolls back; NULL is fine */
};

struct destination {
	const struct destination_ops *ops; /* NULL: none */
	void *self;
};

#endif
