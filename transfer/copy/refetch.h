/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_REFETCH_H
#define TRANSFER_REFETCH_H
/*
 * Single messages of the source once more: each is handed on with its bytes, or it is
 * said why it cannot be had. Nothing is listed; a folder is opened, and asked for UIDs.
 *
 *   sorted ─► folder by folder, some dozens at a time ─► hand on ─► DONE
 *                  └─ the source refuses them ─► one by one ─► REFUSED
 *
 * A source without UIDs (POP3) has INBOX alone, and is listed (refetch_drop.c): a message
 * is the one that the reader gives its number (+ 1) as UID, since it knows its unique-id
 * (known_inbox); else one of those that have its size or are about where it was, if
 * hand_on() takes its bytes.
 *
 * After a lost connection refetch_run() goes on with those that are still WANTED.
 */
#include "base/arena.h"
#include "transfer/read/source.h"

enum refetch_state { REFETCH_WANTED, REFETCH_DONE, REFETCH_REFUSED, REFETCH_STATE_COUNT };

struct refetch_message {
	struct str folder; /* as the source spells it; INBOX without case */
	uint32_t uidvalidity, uid;
	size_t number; /* the caller's */
	/* Without UIDs: as the source said it; bytes that were here; the last of them is
	   1, the one before it 2 (0: not known). */
	uint64_t size, len;
	uint32_t from_end;
	enum refetch_state state;
	struct str why; /* REFUSED */
};

struct refetch {
	struct source source; /* the caller's, connected */
	struct refetch_message *at;
	size_t n;
	struct arena *arena; /* the caller's: for the reasons */
	/* One message, whose bytes are all of the file. 0: it is where it belongs;
	   -EBADMSG: it is REFUSED for the reason in err; other: that ends the run. */
	int (*hand_on)(void *context, const struct refetch_message *m, int fd,
		struct error *err);
	void *context;
	const char *spool_folder; /* where nameless files may be */

	/* while it runs */
	size_t first, end; /* asked for */
	bool is_alone;     /* each by itself: the source has refused them together */
	struct refetch_body {
		int fd;
		uint64_t len, written;
		bool came;
	} bodies[SOURCE_CONNECTIONS_MAX]; /* of each connection */
	struct wanted *wanted;
	struct refetch_row *rows; /* of a maildrop */
	size_t n_rows, cap_rows, n_wanted, cap_wanted;
	bool by_likeness; /* not by unique-id */
	struct error *err;
};

struct refetch_row {
	uint32_t uid;
	uint64_t size;
};

void refetch_init(struct refetch *r, const struct source *source);
void refetch_fini(struct refetch *r);
/* By folder and UID. */
void refetch_sort(struct refetch *r);
/* All that is WANTED, in sorted order. 0 or -errno. */
int refetch_run(struct refetch *r, struct error *err);

#endif
