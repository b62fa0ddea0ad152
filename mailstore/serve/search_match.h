/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SEARCH_MATCH_H
#define MAILSTORE_SERVE_SEARCH_MATCH_H
/* Whether a message is what a SEARCH looks for. */
#include "mailstore/serve/text_index.h"
#include "mailstore/serve/view.h"
#include "mailstore/store/rows.h"
#include "wire/imap/search.h"
#include "wire/mime/charset.h"

struct search_match {
	const struct imap_search_key *program; /* sets resolved, texts folded */
	int64_t now;                           /* what OLDER and YOUNGER count from */
	struct store_rows *rows; /* begun by who asks of many; NULL: one is asked of */
	struct text_hints hints; /* of who asks of many */
	/* With hints: rows are without kept headers, and those that need them are asked
	   of here. */
	struct store_rows *kept;
};

/* What of kept headers the program asks of (enum store_kept). */
unsigned search_wants(const struct imap_search_key *program);

/* *ret_bytes: how much of bodies was looked at; 1: none, but more than the view knows. A
   message that is not there any more is not found. 0 or -errno. */
int search_match(const struct search_match *w, const struct view *v, uint32_t index,
	bool *ret_found, size_t *ret_bytes, struct error *err);

/* utf8 in the form that texts are compared in. */
int search_fold(const struct buf *utf8, struct arena *arena, struct str *ret);

#endif
