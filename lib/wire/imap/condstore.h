/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_CONDSTORE_H
#define WIRE_IMAP_CONDSTORE_H
/* The parameters that RFC 7162 gives to SELECT and STORE. */
#include "wire/imap/set.h"

struct imap_select_params {
	bool condstore, qresync;
	/* of QRESYNC */
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known, has_numbers;
	struct imap_set known; /* UIDs */
};

/* " (CONDSTORE)", " (QRESYNC (uidvalidity modseq known (numbers uids)))" when it is
   there. The pairs of numbers and UIDs only save bytes: they are read and passed over. */
bool imap_select_params(
	struct imap_cursor *c, struct arena *arena, struct imap_select_params *ret);

/* "(UNCHANGEDSINCE 5) " when it is there. */
bool imap_unchangedsince(struct imap_cursor *c, bool *ret_given, uint64_t *ret_modseq);

#endif
