/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_FOLD_H
#define WIRE_MIME_FOLD_H
/* Finding text without regard to case (RFC 3501, 6.4.4): Unicode's full case folding of
   the compatibility decomposition, so that "STRASSE" finds "Straße" and "fi" the
   ligature. */
#include "base/buf.h"
#include "base/str.h"

int mime_fold(struct str utf8, struct buf *out);
/* i;unicode-casemap (RFC 5051), what SORT compares by: titlecase, decomposed. */
int mime_casemap(struct str utf8, struct buf *out);

/* Looks for one needle in text that comes in pieces (cut where no character is). */
struct mime_finder {
	struct str needle; /* folded; the caller's */
	struct buf window;
	bool found;
};

void mime_finder_init(struct mime_finder *f, struct str folded_needle);
void mime_finder_fini(struct mime_finder *f);
int mime_finder_add(struct mime_finder *f, struct str utf8);
/* What comes next is not joined to what was (another header field, another part). */
void mime_finder_break(struct mime_finder *f);

#endif
