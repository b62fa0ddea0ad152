/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_TEXT_INDEX_H
#define MAILSTORE_SERVE_TEXT_INDEX_H
/*
 * The text index (store/grams.h) as searches use it: which messages need not be opened.
 *
 * It narrows and never answers: each message that may have the text is looked at by the
 * same function that looks at all of them without it. Messages that are too long, that
 * cannot be read, or that were not read yet may have every text; a needle of less than
 * three bytes may be in every message.
 */
#include "mailstore/serve/service.h"
#include "mailstore/store/grams.h"
#include "wire/imap/search.h"

/* From now on there is to be one; at first there is not. */
void text_index_allow(struct serve *serve);

/* Reads messages that have not been read, oldest first, for about so long; commits.
   *ret_done: there is nothing left to do. */
int text_index_build(struct serve *serve, unsigned ms, bool *ret_done, struct error *err);

#define TEXT_HINTS_MAX 8 /* keys of one search; a client may send thousands */

/* Of a search's keys those that the index knows something about. Zeroed: none. */
struct text_hints {
	struct {
		const struct imap_search_key *key;
		struct store_grams *grams; /* owned */
	} of[TEXT_HINTS_MAX];
	unsigned count;
};
/* Texts folded. What goes wrong costs time and no answer: then there are no hints. */
void text_hints_init(
	struct text_hints *h, struct serve *serve, const struct imap_search_key *program);
void text_hints_fini(struct text_hints *h); /* may be called twice */
/* true: a message with that email does not have what the key looks for. */
bool text_hints_exclude(
	const struct text_hints *h, const struct imap_search_key *key, uint64_t email);

#endif
