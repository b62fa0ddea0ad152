/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_URL_H
#define WIRE_IMAP_URL_H
/* The URLs of CATENATE (RFC 4469): a message, or a part of one, on this server (RFC 5092,
   without a scheme and a host): "/Drafts;UIDVALIDITY=5/;UID=20/;SECTION=1.2". */
#include "base/arena.h"
#include "base/str.h"

struct imap_url {
	struct str
		mailbox; /* its bytes, "%" undone; ptr NULL: the one that is selected */
	uint32_t uidvalidity; /* 0: not said */
	uint32_t uid;
	struct str section; /* "1.2.MIME"; "": all of it */
	bool partial;
	uint32_t offset, length; /* length 0: to the end */
};

/* false: it is none of these. */
bool imap_url(struct str text, struct arena *arena, struct imap_url *ret);

#endif
