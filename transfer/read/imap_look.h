/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_LOOK_H
#define TRANSFER_IMAP_LOOK_H
/*
 * What an IMAP server shows besides mail: folders of others (LIST), quotas (RFC 2087 and
 * 9208: GETQUOTAROOT), who may do what (RFC 4314: GETACL, MYRIGHTS). Only what it
 * announces is asked, all of it in one round trip.
 */
#include "transfer/read/imap_connection.h"

/* As source_ops.look; one_by_one: not ahead of the answers. Afterwards no mailbox counts
   as open: what was said of the one that is, was not heard. */
int imap_look(struct imap_connection *imap, bool one_by_one,
	struct source_question *questions, size_t n,
	const struct source_look_events *events, struct error *err);

#endif
