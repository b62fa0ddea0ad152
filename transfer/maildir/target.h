/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_TARGET_H
#define TRANSFER_MAILDIR_TARGET_H
/*
 * A Maildir as the target of exports (mailstore/store/export.h), by its writer
 * (writer.h). Each export makes it equal to the account: what is there already is known
 * by its name, which holds UID, size and flags; the rest is written, renamed or removed.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "event/wait.h"
#include "mailstore/store/export.h"

struct maildir_counts { /* of the last export */
	uint64_t written, bytes, renamed, removed;
	uint64_t folders; /* made or removed */
};

struct maildir_list {
	struct maildir_known *at; /* owned */
	size_t n, cap;
};

struct maildir_target {
	int socket;               /* the caller's */
	struct patience patience; /* for each answer */
	struct buf out, in;
	struct maildir_counts counts;
	bool is_ready; /* the writer has said so */

	struct arena arena;
	struct maildir_list folders; /* that we have written */
	struct arena arena_of_folder;
	struct maildir_list files; /* of the folder, by name */
};

void maildir_target_init(struct maildir_target *t, int socket);
void maildir_target_fini(struct maildir_target *t);

/* For store_export(). */
struct export_target maildir_target_begin(struct maildir_target *t);

#endif
