/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_FOLD_H
#define WIRE_MIME_FOLD_H
/* Finding text without regard to case (RFC 3501, 6.4.4): Unicode's full case folding of
   the compatibility decomposition, so that "STRASSE" finds "Straße" and "fi" the
   ligature. */
#include "base/buf.h"
#include "base/str.h"

/* How many bytes at the front are ASCII. */
size_t mime_ascii_length(struct str s);
int mime_fold(struct str utf8, struct buf *out);
/* i;unicode-casemap (RFC 5051), what SORT compares by: titlecase, decomposed. */
int mime_casemap(struct str utf8, struct buf *out);

/* Gets a text in pieces, none of which ends inside a character. Embedded in the struct
   that uses the text. */
struct mime_listener {
	int (*hear)(struct mime_listener *l, struct str utf8); /* 0, or the end */
	/* What comes next is not joined to what was (another header field, another part).
	 */
	void (*pause)(struct mime_listener *l);
	bool done; /* it need not hear more */
};

/* Looks for one needle. */
struct mime_finder {
	struct mime_listener listener; /* done: it was found */
	struct str needle;             /* folded; the caller's */
	struct buf window;
};

void mime_finder_init(struct mime_finder *f, struct str folded_needle);
void mime_finder_fini(struct mime_finder *f);

#endif
