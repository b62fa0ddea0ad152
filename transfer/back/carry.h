/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CARRY_H
#define TRANSFER_CARRY_H
/*
 * Brings what is here to another server, one pass at a time: back to the source what
 * is new since the switch; on to the destination a copy, before the switch, and after it
 * what came late (enum carry_way).
 *
 *   folders ─► renames ─► new folders ─► subscriptions ─► STATUS of all
 *     per folder that may differ: rows of both ─► pairs ─► APPEND, else EXPUNGE, else
 * STORE
 *
 * A pass looks at everything anew and does what differs; one that has nothing left to do
 * has proven that each message here is at the source. So whoever is interrupted anywhere
 * begins once more. What makes two messages a pair (mailstore/store/source_side.h):
 *
 *   1. the same UID below the base of the switch; UIDVALIDITY, date and size are equal
 *   2. a counterpart that is noted: carried before, or swept from there
 *   3. where an APPEND may have been done whose answer was not seen, the source made the
 *      folder anew, or a UID of (1) is not there: the same bytes, as multisets, those of
 *      the same date first
 *
 * A message here without a pair is appended, whatever the reason; one that may be there
 * by (3), when two looks have not found it. Before the first APPEND of a folder all of
 * them are noted durably as planned, with their digests: that is what makes (3) possible.
 * Only what was removed here since the switch is removed there, and only flags that were
 * changed here are changed there: what the source did by itself meanwhile stays. No
 * folder is deleted there.
 *
 * On the way on there is no base: all counterparts are noted, all messages that have one
 * there are made like those here, and each is read there once and its bytes compared.
 * What else is in a mailbox there is left alone. What came late is only added: a message
 * that its user has removed there, or a folder, does not come back.
 *
 * On the way home the destination is only read (carry_home.c), and the store follows it:
 * but what is not there is taken for removed only where its folder is beyond doubt the
 * one that had it. What goes back to the source from there is the store's, by the
 * first of these ways.
 */
#include "mailstore/store/source_side.h"
#include "transfer/back/writer.h"
#include "transfer/copy/folders.h"
#include "transfer/copy/listing.h"
#include "transfer/copy/namespaces.h"

enum carry_way {
	CARRY_BACK, /* to the source */
	CARRY_ON,   /* a copy to the destination, which nobody uses yet */
	CARRY_LATE, /* what came since the switch, to the destination */
	CARRY_HOME, /* what is new at the destination, into the store */
};

#define CARRY_NAMES_MAX 100 /* that are named; all are counted */
#define CARRY_PASSES_MAX 12 /* that rename nothing: six do in practice */

struct carry_names {
	struct str at[CARRY_NAMES_MAX];
	size_t n; /* may be more than are named */
};

struct carry_sums { /* done; in a dry run: to be done */
	uint64_t folders, renamed, subscriptions;
	uint64_t messages, bytes;
	uint64_t put_back; /* of the messages: were there at the switch, and are gone */
	uint64_t flags;    /* messages whose flags are others */
	uint64_t expunged;
};

struct carry_losses {          /* what cannot be kept, as the last pass found it */
	uint64_t uids;         /* messages with another UID there */
	uint64_t uidls;        /* of them, in INBOX */
	uint64_t dates, sizes; /* that the source has changed */
	uint64_t future_dates; /* of the way on: some take none of tomorrow */
	uint64_t flags;        /* messages whose flags it did not take */
	uint64_t expunges;     /* removed here, and still there */
	/* of the way home: not there, and not known to be removed */
	uint64_t not_shown;
	struct carry_names keywords;     /* that it does not take */
	struct carry_names folders;      /* removed here, and still there */
	struct carry_names unsubscribed; /* subscriptions that it did not take */
};

struct carry_proof { /* of the way on, by the last pass: what is there as it is here */
	uint64_t messages, bytes; /* their bytes were read there and are the same */
	uint64_t others;          /* messages there that are none of these */
	uint64_t out_of_order;    /* have a UID below that of one before them */
};

struct carry_box; /* a mailbox here */

struct carry {
	struct store *store;  /* the caller's */
	struct source source; /* the caller's; connected */
	struct writer writer; /* the caller's; connected. ops NULL: a dry run */
	enum carry_way way;
	/* there, as at the source: no prefix of its own */
	bool keeps_names;
	int (*tick)(void *context); /* several times a second; non-zero ends the pass */
	void *context;

	struct carry_sums sums;
	struct carry_losses lost;
	struct carry_proof proof;

	/* ---- while it runs ---- */
	struct arena names; /* as long as this lives */
	struct arena arena; /* of a pass */
	uint64_t since;     /* the modseq of the switch */
	struct folders folders;
	char prefix[NAMESPACE_PREFIX_MAX]; /* of names there */
	size_t prefix_len;
	struct str namespaces;
	struct carry_box *boxes;
	size_t n_boxes, cap_boxes;
	int64_t *tried; /* boxes whose flags or expunges were tried: odd is flags */
	size_t n_tried;
	bool has_tried_subscriptions;
	bool again;                /* this pass has changed the source */
	struct listing listing;    /* of the folder that is compared */
	struct str words;          /* that it shows in FLAGS */
	struct carry_match *match; /* what fetched bodies are compared with; NULL */
	struct carry_home *home;   /* where they are to stay; NULL */
	uint32_t missing;          /* on the way home: was listed, and did not come */
	bool shows_nothing;        /* the destination, in any folder */
	char refused[160];         /* why the source did not list or give something */
	struct error *err;
};

void carry_init(struct carry *c, struct store *store, const struct source *source,
	const struct writer *writer);
void carry_fini(struct carry *c);

/* 1: it has changed the source, and has to look again. 0: everything is there. -ENODATA:
   what was here at the switch is not known (an older version noted it). In a dry run the
   first one is the last. */
int carry_pass(struct carry *c, struct error *err);
/* Until everything is there. */
int carry_all(struct carry *c, struct error *err);

#endif
