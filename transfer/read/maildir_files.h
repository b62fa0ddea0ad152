/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_FILES_H
#define TRANSFER_MAILDIR_FILES_H
/*
 * Files of a Maildir that is somebody else's.
 *
 *   who reads them (the account's user) ── a path ──► who opens them (the Maildir's user)
 *                                      ◄─ descriptor ─┘
 *
 * The two are different users, and neither needs what the other has. The one that opens
 * does nothing else: below the directory that it was given, through no symbolic link, and
 * only what is a file (or a directory) is opened, so that a path leads nowhere else and
 * nothing is waited for (a FIFO).
 */
#include "base/error.h"
#include "base/str.h"

#include <sys/types.h>

struct maildir_files {
	int socket; /* -1: not started */
	pid_t pid;
};

/* Starts the one that opens, with the rights of the directory's owner when we are root.
 */
int maildir_files_start(int directory, struct maildir_files *ret, struct error *err);
void maildir_files_end(struct maildir_files *f); /* {-1, 0} is fine */

enum maildir_kind { MAILDIR_FILE, MAILDIR_DIRECTORY };

/* A descriptor for reading, or -errno with the sentence: -ENOENT; -ENOTDIR: no directory
   (nor a link to one); -ELOOP: it is a symbolic link; -EBADF: no plain file. */
int maildir_files_open(const struct maildir_files *f, enum maildir_kind kind,
	struct str path, struct error *err);

#endif
