/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_FOLDER_H
#define TRANSFER_MAILDIR_FOLDER_H
/*
 * One mailbox of a Maildir++: its directory, Dovecot's lists in it, its messages as IMAP
 * would show them.
 *
 * Dovecot's list of UIDs is read once: what has no UID in it gets one behind its UIDNEXT
 * and keeps it as long as we look. Without a list that proves the UIDs (it is missing,
 * broken or torn) the whole mailbox gets UIDs of ours and no UIDVALIDITY.
 */
#include "base/arena.h"
#include "transfer/read/maildir_files.h"
#include "transfer/read/maildir_lists.h"
#include "transfer/read/source.h"

#include <time.h>

struct maildir_message {
	struct str path; /* below the top, "cur/…" */
	struct str base;
	struct mail is;
	bool is_exact;
	const char *why; /* it cannot be read, in a sentence that names it; NULL */
	/* as it was when its size was counted */
	uint64_t file_size;
	int64_t inode;
	struct timespec changed;
};

struct maildir_listing {
	struct arena arena;
	struct maildir_message *at; /* owned; by UID after maildir_folder_list() */
	size_t count, cap;
};

struct maildir_given { /* a UID of ours */
	struct str base;
	uint32_t uid;
};

/* Tells what the admin should know of a mailbox: kind is "uids" or "keyword". */
typedef int maildir_tell_fn(
	void *context, const char *kind, struct str mailbox, struct str text);

struct maildir_folder {
	struct str name, directory; /* "INBOX" and ".", "Sent" and ".Sent"; the owner's */
	bool is_read;               /* its lists are */
	struct buf uidlist_text, keywords_text;
	struct maildir_uidlist uidlist; /* uidvalidity 0: nothing is proven */
	uint32_t next;                  /* the next UID of ours; 0: none is left */
	struct str words[MAILDIR_LETTERS];
	struct maildir_given *given; /* owned; by base */
	size_t n_given, cap_given;
	struct arena arena; /* what lives as long as this */
	struct maildir_listing listing;
};

void maildir_folder_init(struct maildir_folder *f, struct str name, struct str directory);
void maildir_folder_fini(struct maildir_folder *f);

struct maildir_reader {
	const struct maildir_files *files; /* the caller's */
	char *piece;                       /* MAILDIR_PIECE bytes, the caller's */
	size_t *list_room; /* bytes that lists of all mailboxes may yet have; likewise */
	maildir_tell_fn *tell;
	int (*tick)(void *context); /* now and then; non-zero ends, and is returned */
	void *context;
};
#define MAILDIR_PIECE 131072

/* Reads it anew. -EMFILE and its likes: the sentence says what cannot be done. */
int maildir_folder_list(
	struct maildir_folder *f, const struct maildir_reader *r, struct error *err);
const struct maildir_message *maildir_folder_find(
	const struct maildir_folder *f, uint32_t uid);
/* Words that FLAGS shows. ptr NULL: no memory. */
struct str maildir_folder_words(const struct maildir_folder *f, struct arena *arena);

/* Opens a message, as it was listed: -ESTALE when it is another one by now. Returns the
   descriptor. */
int maildir_message_open(const struct maildir_message *m, const struct maildir_reader *r,
	struct error *err);
/* Its bytes as IMAP gives them: in files line ends may be bare LFs. put: NULL to count
   alone. Anything but 0 of put() ends, and is returned; -ESTALE with the sentence: they
   cannot be read. */
int maildir_message_bytes(const struct maildir_message *m, int fd,
	const struct maildir_reader *r, int (*put)(void *context, struct str bytes),
	void *context, uint64_t *ret_len, struct error *err);

#endif
