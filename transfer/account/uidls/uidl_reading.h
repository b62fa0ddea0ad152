/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UIDL_READING_H
#define TRANSFER_UIDL_READING_H
/* The source's maildrop and INBOX as two lists (uidl_match.h), with the headers of those
   messages that a size does not tell apart. */
#include "transfer/account/job/job.h"
#include "transfer/account/uidls/uidl_match.h"
#include "transfer/read/pop3_connection.h"

struct uidl_reading {
	struct job *j;
	struct pop3_connection pop3;
	struct uidl_match match;
	size_t drop_cap, inbox_cap;
	struct arena strings; /* unique-ids */
	int64_t inbox;        /* at the destination */
	size_t *asked;        /* TOP: indices into match.drop */
	size_t n_asked;
	struct buf header;
};

void uidl_reading_init(struct uidl_reading *r, struct job *j);
/* Ends the connection, too. */
void uidl_reading_fini(struct uidl_reading *r);
/* Over the connection, which is logged in: reads both sides and matches them. */
int uidl_reading_match(struct uidl_reading *r);

#endif
