/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UIDLS_H
#define TRANSFER_UIDLS_H
/*
 * The unique-ids and the order of the source's POP3 maildrop, put on the messages of
 * INBOX that are here already: a client that leaves mail on the server then downloads
 * nothing again.
 *
 * It is a POP3 login like any other (LIST, UIDL, TOP n 0, QUIT; never RETR or DELE). Some
 * servers drop \Recent for it (Dovecot). So who was not seen to use POP3 (he may, by TLS
 * or once a week) is looked after only while nothing in his INBOX is \Recent, which is
 * nearly always so when he has just left; uidls = "require" looks after everybody. The
 * maildrop has one session at a time: it is done when its owner has left.
 */
#include "transfer/job.h"

/* Reads and matches; the outcome goes to j->uidls. 0 also when it is not wanted, there is
   no POP3 at the source, or (best-effort) not all could be proven, as when the maildrop
   stays locked. Where the configuration requires them, that is -errno with the reason. */
int uidls_read(struct job *j);

#endif
