/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_GRAMS_H
#define MAILSTORE_STORE_GRAMS_H
/*
 * The text index: which trigrams (three bytes that follow one another) each message has,
 * so that a search opens only messages that may have what it looks for.
 *
 *   store_keep_grams() ─► gram_new ── 256 of them ─► gram_block, gram_row (gram_lists.h)
 *   a message goes     ─► gram_gone ─────────────► leaves its block; small ones join
 *
 * Who reads the messages makes the lists, and says of which version they are: with
 * another one nothing is used, and all of it is made anew. The store knows bytes. A
 * message that is not in the index may have every text; a list belongs to the email that
 * all copies of a message have in common.
 *
 * A list: three bytes each, in byte order, without repetition.
 */
#include "mailstore/store/rows.h"

/* ── keeping ───────────────────────────────────────────────────────────────────────── */

/* One piece of what has to be done before and between: an older version goes, removed
   messages leave, full lists become a block. 1: there was something to do, and there may
   be more; 0: nothing, the index is of `version`. version 0: there is to be no index.
   In a transaction. */
int store_tidy_grams(struct store *s, uint64_t version, struct error *err);
/* Whether something is left that is not worth a piece yet: in some minutes it is. */
bool store_grams_wait(struct store *s);

/* As store_each_unread(), after store_tidy_grams() has answered 0. */
int store_each_ungrammed(struct store *s, uint64_t version, unsigned examined,
	unread_each_fn *each, void *context, struct error *err);
/* From that callback: what that message has. */
int store_keep_grams(struct store *s, uint64_t email, struct str list, struct error *err);

/* ── asking ────────────────────────────────────────────────────────────────────────── */

/* The messages in the index, and which of them have all trigrams of a list. */
struct store_grams; /* opaque */
/* *ret NULL: there is no index of that version, or it cannot be read. */
int store_grams_find(struct store *s, uint64_t version, struct str list,
	struct store_grams **ret, struct error *err);
/* true: that email is in the index, and lacks one of them. Cheap in order of the emails.
 */
bool store_grams_exclude(struct store_grams *g, uint64_t email);
void store_grams_free(struct store_grams *g); /* NULL is fine */

#endif
