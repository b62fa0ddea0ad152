/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_KEPT_H
#define MAILSTORE_SERVE_KEPT_H
/*
 * What is kept of headers (store/rows.h), so that lists, sorting and most searches read
 * no body: made once for each message, in the background, by the same functions that
 * answer without it.
 *
 *   fields      those that clients ask for, byte for byte, in their order
 *   envelope    what FETCH ENVELOPE shows
 *   structure   what FETCH BODYSTRUCTURE shows
 *
 * What would be long, or is not the same when it is read again, is not kept: then the
 * message itself is asked, as it is for one that was not read yet.
 */
#include "base/buf.h"
#include "mailstore/store/rows.h"

/* Raised whenever one of the three is made differently: all is made anew then. */
#define KEPT_VERSION 1

/* Fields of that name are kept, all of them or none of the header. */
bool kept_has_field(struct str name);

struct kept { /* what is kept of one message */
	struct buf fields, envelope, structure;
	struct store_header header; /* views into them */
};
/* 0 or -ENOMEM. kept_fini() in either case. */
int kept_make(struct str message, struct kept *ret);
void kept_fini(struct kept *k);

/* Reads messages that have not been read, oldest first, for about so long; commits.
   *ret_done: there is none left. A message that cannot be read is left out. */
int kept_build(struct store *s, unsigned ms, bool *ret_done, struct error *err);

#endif
