/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_POP3_LISTING_H
#define TRANSFER_POP3_LISTING_H
/*
 * The POP3 reader's list of INBOX: what the maildrop shows, set against what the store
 * has of it already, so that each message keeps its UID.
 */
#include "mailstore/store/store.h"
#include "transfer/pop3_drop.h"
#include "transfer/pop3_talk.h"
#include "transfer/source.h"

struct pop3_listing {
	struct store *store; /* the caller's */
	bool may_lack_uidls;
	bool is_named_by_us; /* the source has no UIDL */
	struct pop3_drop drop;
};

void pop3_listing_init(struct pop3_listing *l, struct store *store, bool may_lack_uidls);
void pop3_listing_fini(struct pop3_listing *l);

/* LIST and UIDL of this session. -ENOTSUP: it has no UIDL (nor, where that would do,
   TOP). */
int pop3_listing_read(struct pop3_listing *l, struct pop3_talk *talk, struct error *err);
/* Gives each message its UID and tells opened() and row(): what is here as the store has
   it, the others with what LIST says. */
int pop3_listing_tell(struct pop3_listing *l, size_t folder,
	const struct source_events *events, struct error *err);
/* -EREMOTEIO: what the store would show by POP3 is not what was listed. */
int pop3_listing_prove(const struct pop3_listing *l, struct error *err);

#endif
