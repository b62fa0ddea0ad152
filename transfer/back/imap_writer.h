/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_WRITER_H
#define TRANSFER_IMAP_WRITER_H
/*
 * The only place that sends commands which change a source: CREATE, RENAME, SUBSCRIBE,
 * UNSUBSCRIBE, SELECT, APPEND, UID STORE, UID EXPUNGE. Never DELETE: it would remove mail
 * that came meanwhile.
 *
 * One command at a time, on a connection of its own. Where the source has LITERAL+ (RFC
 * 7888), the APPENDs of one call are sent together, and each answer counts for the
 * message whose tag it has. So after a lost connection one command, or those messages,
 * are in doubt.
 *
 * Without UIDPLUS (RFC 4315), EXPUNGE takes all that is marked \Deleted: it is only sent
 * when UID SEARCH DELETED names none but ours.
 */
#include "transfer/back/writer.h"

struct imap_writer_options {
	const struct source *imap; /* connected, or will be; it lives longer */
	unsigned patience_ms;
	int (*tick)(void *context); /* as in carry.h; NULL: none */
	void *context;
};

/* -ENOMEM. */
int imap_writer_new(
	const struct imap_writer_options *options, struct writer *ret, struct error *err);

#endif
