/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_VIEW_STORED_H
#define MAILSTORE_SERVE_VIEW_STORED_H
/*
 * Images of large mailboxes in the store (store/image.h), for the first SELECT of a
 * process: of 20,000 messages it takes a tenth of what their rows take.
 */
#include "mailstore/serve/view.h"

/* As view_open() with read_only. false: there is no image of the mailbox, or it does not
   fit; then the rows have to be read. */
bool view_stored_open(struct view *v, struct store *store, const struct mailbox *m);
/* Puts one there, from the rows. In a transaction. */
int view_stored_keep(struct store *store, int64_t mailbox, struct error *err);
/* One of those that are missing, or too old to be of use; *ret_done: there is none. In a
   transaction of its own. */
int view_stored_build(struct store *store, bool *ret_done, struct error *err);

#endif
