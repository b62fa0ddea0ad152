/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_READER_H
#define TRANSFER_READER_H
/*
 * By which protocol an account is read. IMAP, unless the source has none: POP3 shows
 * INBOX alone, so whoever is read by it for no good reason loses his other folders.
 *
 *   services { imap { enabled = false } }   the admin says so: POP3
 *   a greeting by IMAP was ever seen        it has IMAP, and is away for a moment
 *   IMAP's port refuses, POP3's greets      it has none: POP3
 *   anything else                           IMAP, and its failure is told
 */
#include "transfer/job.h"

/* Opens j->source and sets j->is_pop3. */
int reader_open(struct job *j);
/* Before each login by POP3: -EREMOTEIO when IMAP answers after all. */
int reader_check(struct job *j);

#endif
