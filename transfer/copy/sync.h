/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SYNC_H
#define TRANSFER_SYNC_H
/*
 * Makes a destination equal to a source, one pass at a time.
 *
 * A pass lists everything anew, compares it with what is there, applies what differs and
 * fetches what is missing. The first copy, each catch-up and the verification are the
 * same pass: one that finds no difference has verified the copy. So a resume needs no
 * notes either: what is there by (folder, UID) is done.
 *
 *   folders, subscriptions ─► per folder: rows ─► compare ─► wanted ─► bodies
 */
#include "transfer/copy/folders.h"
#include "transfer/copy/listing.h"
#include "transfer/write/destination.h"

#define SYNC_FIRST_MAX 5        /* differences that are put into words */
#define SYNC_UNREADABLE_MAX 100 /* that are named; all are counted */

struct sync_whole {
	int64_t folder;
	uint32_t uidnext;
};

struct unreadable {
	size_t folder;
	uint32_t uid; /* 0: the folder itself */
	char text[120];
};

struct sync {
	struct source source;   /* the caller's */
	struct destination to;  /* the caller's */
	struct folders folders; /* of the last pass */
	struct folders before;  /* of the one before it, while one runs */
	uint64_t session;       /* of the source, in which folders are known; 0: none */
	char *namespaces;       /* that the source shows; owned; NULL: none */
	/* It is not certain that what is here came from this mailbox. Then a pass ends
	   with -ESTALE before it changes what cannot have: a UID of another message, a
	   UIDNEXT that went down, an INBOX made anew, or sync_was_whole(). */
	bool doubts;
	struct sync_whole *whole; /* owned */
	size_t n_whole;
	struct listing listing; /* of the folder that is being listed */
	size_t listing_folder;
	uint64_t body_len[SOURCE_CONNECTIONS_MAX]; /* of those on their way */

	uint64_t differences;       /* found by the last pass */
	uint64_t arrivals;          /* of these, messages that are new */
	uint64_t keyword_changes;   /* in all passes; of messages that were here */
	char first[ERROR_TEXT_MAX]; /* some of them, "; " between */
	/* Messages and folders that the source does not give; each is one of the
	   differences. */
	uint64_t n_unreadable;
	struct unreadable unreadable[SYNC_UNREADABLE_MAX];

	int (*tick)(void *context); /* several times a second; non-zero ends the pass */
	void *context;
	struct error *err; /* of the pass that runs */
};

void sync_init(struct sync *s, const struct source *source, const struct destination *to,
	int (*tick)(void *context), void *context);
void sync_fini(struct sync *s);

/* Where it doubts: this folder of the destination had all messages below that UIDNEXT. So
   one that is missing was not there. -ENOMEM. */
int sync_was_whole(struct sync *s, int64_t folder, uint32_t uidnext);

/* Before a pass that has to be short: the source opens the folder that it begins with. */
int sync_prepare(struct sync *s, struct error *err);
/* With an error what was complete is committed (unless the destination failed). */
int sync_pass(struct sync *s, struct error *err);

struct sync_progress {
	uint64_t folders, messages_total, messages_copied, bytes_copied;
};
struct sync_progress sync_progress(const struct sync *s);
/* Every difference is a message that is new: the rest was as it is there. */
bool sync_has_only_news(const struct sync *s);
/* No difference but what the source does not give. */
bool sync_is_equal_but_unreadable(const struct sync *s);

/* ---- between sync.c, compare.c and changes.c ---- */

void sync_note(struct sync *s, const struct folder *f, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sync_note_unreadable(
	struct sync *s, const struct folder *f, uint32_t uid, struct str text);
/* The list of folders and the subscriptions. */
int compare_folders(struct sync *s);
bool sync_is_unreadable(const struct sync *s, const struct folder *f, uint32_t uid);
/* One folder with its listing: changes the rows, notes what is wanted. */
int compare_messages(struct sync *s, struct folder *f);
/* One message that is there on both sides, or only at the source. joined: no other one
   lies between it and the last one that was wanted. */
int compare_message(struct sync *s, struct folder *f, const struct mail *m,
	const struct mail *row, bool joined);
int compare_want(struct sync *s, struct folder *f, const struct mail *m, bool joined);

#endif
