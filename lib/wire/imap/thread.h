/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_THREAD_H
#define WIRE_IMAP_THREAD_H
/*
 * THREAD (RFC 5256): messages into trees. ORDEREDSUBJECT, REFERENCES, and REFS
 * (draft-ietf-morg-inthread: REFERENCES without the joining by subject, sorted by what
 * came last).
 *
 * No recursion, and links are followed once for each message: what anybody can send makes
 * it neither deep nor slow.
 */
#include "base/buf.h"
#include "wire/imap/search_options.h"

#define IMAP_THREAD_REFERENCES_MAX 1000 /* of one message; the last ones count */

struct imap_thread_message {
	uint32_t number;       /* what the answer calls it */
	int64_t sent, arrived; /* seconds */
	struct str id;         /* "": none */
	struct str *references;
	size_t n_references;
	struct str subject; /* the base subject, folded */
	bool is_reply;
};

/* Appends "(1 2)(3 (4)(5))". messages: in mailbox order. Memory from arena. 0, -ENOMEM. */
int imap_put_threads(struct buf *out, enum imap_thread algorithm,
	const struct imap_thread_message *messages, size_t n, struct arena *arena);

#endif
