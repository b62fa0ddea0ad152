/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_DELIVERY_H
#define MAILSTORE_SERVE_DELIVERY_H
/*
 * Mail for the account's INBOX from outside: staged on the disk first when the message
 * also has to be taken by another server, delivered at once when not. Several that wait
 * at the same time share one transaction, hence one fsync; when that fails, each is tried
 * alone, so that one that does not fit takes no other with it.
 *
 * The quota can refuse one recipient of a message as long as it is asked at RCPT: behind
 * the final dot there is one answer for all of them.
 */
#include "mailstore/serve/service.h"
#include "mailstore/serve/swept.h"

/* Files open at the same time, and what one transaction holds; with 64 an fsync is a
   small part of what they cost. */
#define DELIVERY_BATCH 64

enum delivery_what {
	DELIVERY_ROOM,    /* is there any for a message of that size? */
	DELIVERY_STAGE,   /* durable, in no mailbox; sets id */
	DELIVERY_AT_ONCE, /* into INBOX */
	DELIVERY_SWEEP,   /* what came at the source, unless it is here already */
	DELIVERY_MEND,    /* the body of a message here, if it is lost (store/mend.h) */
	DELIVERY_DELIVER, /* the staged one with that id, into INBOX or where its
	                     sub-address says; fine when it is delivered already */
	DELIVERY_DISCARD, /* likewise, if it is not */
	DELIVERY_WHAT_COUNT
};

struct delivery {
	enum delivery_what what;
	int64_t id;
	int fd; /* of a regular file with the message, read from its beginning; the
	           caller's */
	bool may_exceed;    /* the quota: others get it, too, and would lose it */
	struct str header;  /* lines to be put before it */
	struct swept swept; /* of DELIVERY_SWEEP */
	int64_t mailbox;    /* of DELIVERY_MEND: which message */
	uint32_t uid;
	struct str subaddress; /* of DELIVERY_DELIVER; "": none (subaddress.h) */

	/* what became of it */
	int code;      /* 0 or -errno */
	uint64_t size; /* of ROOM: as it is asked; 0: not known */
	struct error err;
};

/* Too large is -EFBIG, over the quota -EDQUOT or -EMSGSIZE. No transaction may be open.
 */
void deliveries_run(struct serve *serve, struct delivery **list, size_t n);

/* How the log calls it when it is done. */
const char *delivery_event(enum delivery_what what);
/* What the SMTP client is told of an error: 4xx: it may try again; 5xx: it may not. */
const char *delivery_reply(int code);

#endif
