/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_WRITER_PARTS_H
#define TRANSFER_MAILDIR_WRITER_PARTS_H
/* The writer's parts: what it is told (writer.c), the Maildir as a whole (claim.c), one
   folder of it (folder.c). */
#include "base/error.h"
#include "mailstore/store/export.h"
#include "transfer/maildir/record.h"

#include <sodium.h>

enum maildir_part { PART_CUR, PART_NEW, PART_TMP, MAILDIR_PARTS };

struct maildir_folder {
	int fd; /* -1: none */
	int parts[MAILDIR_PARTS];
};

struct maildir_pending {
	char *name; /* that it gets; owned */
	unsigned char digest[MAILDIR_DIGEST_SIZE];
};

enum writer_doing { WRITER_NOTHING, WRITER_MESSAGE, WRITER_FILE };

struct maildir_writer {
	int socket, root; /* the caller's */
	uint64_t disk_reserve;
	struct buf in, out;
	struct maildir_folder at;
	struct maildir_pending *pending; /* in tmp/; owned */
	size_t n_pending;
	uint64_t pending_bytes;
	enum writer_doing doing;
	struct buf name; /* of the message that comes */
	enum export_file file;
	int body; /* what it is written to */
	uint64_t body_len, came;
	int64_t date;
	crypto_generichash_state digest;
	struct error err;
};

typedef int maildir_say_fn(void *context, enum maildir_record_kind kind, struct str name);

/* ---- the Maildir (claim.c) ---- */

/* It is that account's, or nobody's yet: then it is from now on. -EEXIST: there is mail
   of others in it. */
int maildir_claim(int root, const char *account, struct error *err);
/* IS_FOLDER for each that we have written. */
int maildir_each_folder(int root, maildir_say_fn *say, void *context, struct error *err);

/* ---- a folder (folder.c) ---- */

/* What an earlier writer has left half goes. */
int maildir_folder_open(
	int root, struct str name, struct maildir_folder *f, struct error *err);
void maildir_folder_close(struct maildir_folder *f); /* may be called twice */
/* HAS for each message. */
int maildir_folder_list(const struct maildir_folder *f, maildir_say_fn *say,
	void *context, struct error *err);
/* A new file in tmp/ for the message of that name. */
int maildir_folder_draft(
	const struct maildir_folder *f, struct str name, int *ret_fd, struct error *err);
int maildir_folder_publish(const struct maildir_folder *f,
	const struct maildir_pending *p, struct error *err);
int maildir_folder_rename(const struct maildir_folder *f, struct str from, struct str to,
	struct error *err);
int maildir_folder_remove(
	const struct maildir_folder *f, struct str name, struct error *err);
/* With all that we have put into it, and Dovecot's caches. */
int maildir_folder_drop(int root, struct str name, struct error *err);

/* ---- Dovecot's lists (lists.c) ---- */

int maildir_list_draft(const struct maildir_folder *f, int *ret_fd, struct error *err);
/* It takes the place of the list: under its lock, and only when it is another one. */
int maildir_list_replace(const struct maildir_folder *f, int root, enum export_file list,
	int *draft, struct error *err);
/* The lock of a writer that was killed. */
void maildir_lists_unlock(const struct maildir_folder *f, int root);

/* Each name in a directory but "." and "..". */
typedef int maildir_name_fn(void *context, const char *name);
int maildir_each_name(int directory, maildir_name_fn *each, void *context);

#endif
