/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_READER_H
#define TRANSFER_READER_H
/*
 * By which protocol an account is read. IMAP, unless the source has none: POP3 shows
 * INBOX alone, so an account that is read by it for no good reason loses its
 * other folders.
 *
 *   services { imap { enabled = false } }   the admin says so: POP3
 *   a greeting by IMAP was ever seen        it has IMAP, and is away for a moment
 *   IMAP's port refuses, POP3's greets      it has none: POP3
 *   anything else                           IMAP, and its failure is told
 */
#include "transfer/account/job/job.h"

struct reader {
	enum service_id service;
	int (*open)(struct job *j, const struct sockaddr_storage *addresses, size_t n);
	/* Before each pass: whether it is still the right one. */
	int (*check)(struct job *j);
};

/* Sets j->reader and opens j->source. */
int reader_open(struct job *j);

#endif
