/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_POP3_LISTING_H
#define TRANSFER_POP3_LISTING_H
/*
 * The POP3 reader's list of INBOX: what the maildrop shows, set against what
 * has of it already, so that each message keeps its UID.
 */
#include "transfer/read/pop3_connection.h"
#include "transfer/read/pop3_drop.h"
#include "transfer/read/source.h"

/* What the destination has of INBOX: rows with their unique-ids. */
struct known_inbox {
	/* *ret: its UIDVALIDITY and UIDNEXT; false and 0, 1 when there is none yet. */
	int (*find)(void *context, bool *ret_exists, struct source_status *ret,
		struct error *err);
	/* By UID. Strings live until the callback returns. */
	int (*each)(void *context, int (*each)(void *each_context, const struct mail *m),
		void *each_context, struct error *err);
	void *context;
};

struct pop3_listing {
	struct known_inbox known; /* the caller's */
	bool may_lack_uidls;
	bool is_named_by_us; /* the source has no UIDL */
	struct pop3_drop drop;
};

void pop3_listing_init(
	struct pop3_listing *l, const struct known_inbox *known, bool may_lack_uidls);
void pop3_listing_fini(struct pop3_listing *l);

/* LIST and UIDL of this session. -ENOTSUP: it has no UIDL (nor, where that would do,
   TOP). */
int pop3_listing_read(
	struct pop3_listing *l, struct pop3_connection *pop3, struct error *err);
/* Gives each message its UID and tells opened() and row(): what is here as it
   is, the others with what LIST says. */
int pop3_listing_tell(struct pop3_listing *l, size_t folder,
	const struct source_events *events, struct error *err);
/* -EREMOTEIO: what would be shown here by POP3 is not what was listed. */
int pop3_listing_prove(const struct pop3_listing *l, struct error *err);

#endif
