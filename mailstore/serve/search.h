/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SEARCH_H
#define MAILSTORE_SERVE_SEARCH_H
/*
 * A search through the selected mailbox, as SEARCH, SORT and THREAD make it.
 *
 * Each message is asked first with what the view knows (flags, numbers), then with its
 * row, and with its body only when the answer is still open: most searches never open
 * one. What was found may then be read, one after the other (SORT, THREAD). It all works
 * in pieces, so that a search through gigabytes holds nobody up.
 */
#include "mailstore/serve/imap_session.h"
#include "mailstore/serve/search_match.h"
#include "wire/imap/search.h"
#include "wire/imap/search_options.h"

struct searching {
	struct imap_search search;
	struct imap_returns returns;
	struct search_match match;
	struct store_rows rows, kept; /* while a piece is taken */
	unsigned wants;               /* of kept headers, for read() */
	struct str verb;              /* "SEARCH", "SORT": of the plain answer */
	const char *noun;             /* of the tagged one */
	uint32_t *found, count, cap;  /* indexes of the view; owned */
	uint32_t next;                /* to be looked at, then to be read */
	bool reading;
	size_t keys_cost;   /* of one message, beside its bytes */
	uint64_t last_word; /* when the client heard of us */
	struct error err;
	/* Reads found[i]; *ret_bytes: how much of bodies. NULL: nothing is read. */
	int (*read)(struct imap *s, struct searching *w, uint32_t i, size_t *ret_bytes,
		struct error *err);
	/* Answers; it ends with imap_done(). */
	void (*finish)(struct imap *s, struct searching *w);
	void *context;
	struct str keys; /* the text of charset and keys: for UPDATE */
};

/* Sets and texts as they are compared, in the arena. false: no memory. */
bool search_prepare(struct imap *s, struct arena *arena, struct imap_search *search);
/* Starts it, or answers what is wrong with it. w in the session's arena. */
void search_begin(struct imap *s, struct searching *w);

/* search_result.c */
/* Answers with found[] in its order: "* SEARCH", "* SORT" or "* ESEARCH". */
void search_finish(struct imap *s, struct searching *w);

#endif
