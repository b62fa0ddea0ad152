/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_SOURCE_H
#define TRANSFER_MAILDIR_SOURCE_H
/*
 * A Maildir++ on this host as a source: what a Dovecot that is opened on it would show.
 *
 * It is read by paths and never changed. What is not what it should be (a link, a FIFO, a
 * file that changes meanwhile, one whose name says another size) is named, and costs that
 * message or mailbox; the caller decides what becomes of the rest.
 */
#include "transfer/read/maildir_folder.h"

struct maildir_options {
	const struct maildir_files *files; /* the caller's, while the source lives */
	char separator;                    /* of mailboxes' names */
	/* What should be known of a mailbox; called while the source runs. Anything but 0
	   ends run(). */
	maildir_tell_fn *tell;
	void *context;
};

int maildir_source_new(
	const struct maildir_options *o, struct source *ret, struct error *err);

#endif
