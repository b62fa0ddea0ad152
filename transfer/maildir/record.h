/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_RECORD_H
#define TRANSFER_MAILDIR_RECORD_H
/*
 * What the process that moves an account and the writer of its Maildir say to each other,
 * over a stream socket: a byte for the kind, four for the length (the lowest first), and
 * so many bytes. Bytes in, records out; neither end takes what the other could not mean.
 *
 *   writer                           mover (target.h)
 *     IS_FOLDER … READY ─────────►
 *                       ◄──────────  FOLDER
 *     HAS … LISTED ──────────────►
 *                       ◄──────────  RENAME, REMOVE; MESSAGE, BYTES …, END
 *                       ◄──────────  FILE, BYTES …, END;  next FOLDER …
 *                       ◄──────────  DROP …, COMMIT
 *     DONE ──────────────────────►
 *     FAILED at any time, and that was its last word
 *
 * Names are checked here, too: files are only such as we write, in cur/ or new/, and a
 * folder is "." or a name of Maildir++, so that no name leads out of the Maildir.
 */
#include "base/buf.h"

#include <stdint.h>

#define MAILDIR_RECORD_MAX 65536 /* of the bytes behind the length */
#define MAILDIR_NAME_MAX 255     /* of a file or folder, as file systems have it */
#define MAILDIR_DIGEST_SIZE 32
#define MAILDIR_WORD ".mailferry,S=" /* in all names of files that we write */

enum maildir_record_kind {
	/* to the writer */
	RECORD_FOLDER = 1, /* name: what follows is of that one; made where it is not */
	RECORD_MESSAGE,    /* name, len, date: its bytes follow */
	RECORD_FILE,       /* file (enum export_file), len: likewise */
	RECORD_BYTES,      /* bytes */
	RECORD_END,        /* bytes: their digest */
	RECORD_RENAME,     /* name, other */
	RECORD_REMOVE,     /* name */
	RECORD_DROP,       /* name: of a folder, which goes */
	RECORD_COMMIT,
	/* from it */
	RECORD_IS_FOLDER, /* name: of one that we have written */
	RECORD_READY,
	RECORD_HAS, /* name */
	RECORD_LISTED,
	RECORD_DONE,
	RECORD_FAILED, /* code (-errno), bytes: the sentence */
	RECORD_KINDS
};

struct maildir_record {
	enum maildir_record_kind kind;
	struct str name, other, bytes; /* views */
	uint64_t len;
	int64_t date;
	unsigned file;
	int code;
};

enum maildir_record_result { MAILDIR_NEED_MORE, MAILDIR_OK, MAILDIR_BAD };

/* The first one of *bytes, which is cut off. */
enum maildir_record_result maildir_record_read(
	struct str *bytes, struct maildir_record *ret);
/* -ENOMEM, or -EINVAL: what the other end would not take. */
int maildir_record_put(struct buf *out, const struct maildir_record *r);

/* "cur/1580551872.M7P1.mailferry,S=4711,Z=60:2,FSa", "new/…" without flags. */
bool maildir_file_is_ours(struct str name);
/* Where the flags begin (":2,"), or its end. */
size_t maildir_file_base(struct str name);
/* ".", ".Archive.2019" */
bool maildir_folder_is_valid(struct str name);

#endif
