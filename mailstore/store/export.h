/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_EXPORT_H
#define MAILSTORE_STORE_EXPORT_H
/*
 * An account as Maildir++, as Dovecot keeps it: a Dovecot that opens it shows the same
 * UIDs, flags, dates and POP3 unique-ids.
 *
 *   cur, new, tmp            INBOX; .Sent, .Archive.2019: the others
 *     dovecot-uidlist        UIDVALIDITY, UIDNEXT, a UID (P, O: POP3's) for each file
 *     dovecot-keywords       a letter of file names for each of 26 keywords
 *   subscriptions
 *
 * What such files cannot say is told: messages whose bodies are lost ("lost"), keywords
 * beyond 26 in a mailbox ("keyword"), names that only Dovecot's listescape plugin shows
 * as they were ("name"), messages that the source's POP3 did not show ("hidden").
 *
 * Who makes files of it is the target: a new folder (export_directory.h), or one that has
 * most of it already (transfer/maildir/target.h).
 */
#include "mailstore/store/inspect.h"

struct store_exported {
	uint64_t mailboxes, messages, bytes; /* of bodies that were wanted */
	uint64_t lost, notes;                /* of all: what was told */
	char separator;                      /* of names, as clients know them */
};

struct export_message {
	const char *base;  /* its file: "1580551872.M7P1.mailferry,S=4711" */
	const char *flags; /* letters behind ":2," */
	bool is_new;       /* in new/, without them; else in cur/ */
	uint64_t len;
	int64_t date; /* of the file */
};

#define EXPORT_GUID "6d666578" /* begins the mailbox GUIDs in our uidlists */

enum export_file {
	EXPORT_UIDLIST,       /* of the mailbox, after its messages */
	EXPORT_KEYWORDS,      /* before them */
	EXPORT_SUBSCRIPTIONS, /* of the account */
	EXPORT_FILES
};
/* "dovecot-uidlist" */
const char *export_file_name(enum export_file f);

/* 0 or -errno with the sentence; anything but 0 ends the export. */
struct export_target_ops {
	/* What comes now is of that mailbox: "." (INBOX), ".Archive.2019". */
	int (*folder)(void *self, const char *name, struct error *err);
	/* By UID. 1: its body is wanted, and comes next. */
	int (*message)(void *self, const struct export_message *m, struct error *err);
	int (*body)(void *self, const struct export_message *m, struct str bytes,
		struct error *err);
	int (*file)(void *self, enum export_file f, struct str bytes, struct error *err);
	/* That was all: it is on the disk when this returns. */
	int (*finish)(void *self, struct error *err);
};

struct export_target {
	const struct export_target_ops *ops;
	void *self;
};

/* As the account is at one moment, while its process goes on. */
int store_export(const char *folder, const struct export_target *to,
	store_finding_fn *each, void *context, struct store_exported *ret,
	struct error *err);

#endif
