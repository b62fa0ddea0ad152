/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UIDLS_H
#define TRANSFER_UIDLS_H
/*
 * The unique-ids and the order of the source's POP3 maildrop, put on the messages of
 * INBOX that are here already: a client that leaves mail on the server then downloads
 * nothing again.
 *
 * It is a POP3 login like any other (LIST, UIDL, TOP n 0, QUIT; never RETR or DELE). Some
 * servers clear \Recent when it logs in (Dovecot). A user who was not seen using POP3 may
 * still use it, by TLS or once a week. So for these users it logs in only while nothing
 * in INBOX is \Recent, as just after a log-off; uidls = "require" does it for everybody.
 * The maildrop has one session at a time: it is done when its owner has left.
 */
#include "transfer/account/job/job.h"

/* Reads and matches; the outcome goes to j->uidls. While nobody is served, what is known
   already is not read again (uidls_derived.h). Also 0:
     - it is not wanted, the reader brings them, or the destination gives its own
     - the source has no POP3
     - not all could be proven, as when the maildrop stays locked. With uidls = "require"
       that is -errno with the reason. */
int uidls_read(struct job *j);
/* The same before the switch is announced: of a large maildrop it takes longer than mail
   can be held for. What matches nothing may be mail that came meanwhile, */
int uidls_read_early(struct job *j);
/* and this says whether it has to be read once more because of that. */
bool uidls_may_be_late(const struct job *j);
/* At the switch, after a pass: the outcome, whether they are read here, came with the
   messages or are new at the destination. */
int uidls_prove(struct job *j);
/* Before nobody is served: where the source greets slowly, hears the greeting of the next
   login. */
void uidls_prepare(struct job *j);

#endif
