/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SWEEP_H
#define TRANSFER_SWEEP_H
/*
 * What still came to the old mailbox of an account that has moved: looked for, and handed
 * on one by one, in the order of the UIDs.
 *
 *   folders ─► status of each ─► UIDs from `next` on ─► body, hand on, next = UID + 1
 *
 * Only a folder that was proven at the switch is taken from, and only what its UIDNEXT of
 * then, with the same UIDVALIDITY, says is newer. A folder that the source has made anew
 * since, or that is new there, is named: which of its messages are here already cannot be
 * known, and twice is no better than not at all. What the source does not give stops its
 * folder there, so that nothing is passed over unseen.
 */
#include "base/arena.h"
#include "transfer/copy/sweep_changes.h"

struct sweep_folder {
	struct str name;
	uint32_t uidvalidity; /* 0: it was not there at the switch */
	uint32_t base;        /* its UIDNEXT at the switch */
	uint32_t next;        /* the first UID that was not handed on */
	uint64_t messages;    /* handed on so far, in all rounds */
	uint64_t last_at;     /* the last of them, wall milliseconds */
	char note[160];       /* why it is not swept; "" */
	/* Of a maildrop (source_tail): how many were there at the switch, and the last
	   unique-id of then or of those handed on. */
	bool is_drop;
	uint32_t base_count;
	struct str last;
	/* What others do to it (sweep_changes.h): as the last round found it. */
	struct sweep_was was;
	struct sweep_change change;

	bool is_there;  /* the source lists it */
	bool is_open;   /* and it may hold messages */
	bool expires;   /* the source empties it by itself */
	bool is_barred; /* a folder of others, without the right to read it */
	struct source_status looks;
};

struct sweep {
	struct source source;  /* the caller's */
	struct arena arena;    /* names */
	struct str namespaces; /* that the source shows; in the arena; "" */
	struct sweep_folder *at;
	size_t count, cap;
	/* One message, whose bytes are in the file. 0: it is here, durably. */
	int (*hand_on)(void *context, const struct sweep_folder *f, const struct mail *m,
		int fd, struct error *err);
	void *context;
	const char *spool_folder; /* where the nameless file may be */

	/* while it runs */
	uint32_t *uids;
	size_t n_uids, cap_uids;
	uint32_t wanted;
	uint32_t unreadable; /* the first such UID; UINT32_MAX: none */
	bool is_refused;
	int file; /* -1: none */
	uint64_t body_len, written;
	bool came;
	struct error *err;
};

void sweep_init(struct sweep *s, const struct source *source);
void sweep_fini(struct sweep *s);
/* A folder as it was at the switch, or after the last round; copies the name. The one
   that is there already, when it was added before. NULL: no memory. */
struct sweep_folder *sweep_folder(struct sweep *s, struct str name);
/* Where the messages of a maildrop begin that were not handed on. */
struct source_tail sweep_tail(const struct sweep_folder *f);
/* One round; the source is connected. 0 or -errno; what was handed on is noted in the
   folders in either case. */
int sweep_round(struct sweep *s, struct error *err);

#endif
