/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ONWARD_MAILDIR_H
#define TRANSFER_ONWARD_MAILDIR_H
/*
 * An account that moves on into a Maildir (`destination`), which another server then
 * serves: the store is written out by a process that owns such files (transfer/maildir).
 */
#include "settings/settings.h"
#include "transfer/maildir/target.h"

/* Descriptor of the account's process: the stream to the writer of its Maildir. */
#define ONWARD_WRITER_SOCKET 6

struct onward_maildir {
	struct maildir_target target;
	bool is_open;
	/* Since a session there began that may remember which ones there are: */
	bool has_other_folders;
	bool is_broken; /* the writer and we are not at the same place any more */
};

/* What is written out: the folder of that account here. */
struct onward_files {
	const struct settings *settings;
	struct str account, login;
	struct patience patience; /* for each answer of the writer */
};

/* Whether a writer is there, and the name makes a path. */
int onward_maildir_check(const struct onward_files *f, struct error *err);
/* Makes the files what the store is: on the disk, and compared. */
int onward_maildir_pass(
	struct onward_maildir *m, const struct onward_files *f, struct error *err);
void onward_maildir_close(struct onward_maildir *m);

#endif
