/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SORT_STORED_H
#define MAILSTORE_SERVE_SORT_STORED_H
/*
 * What SORT and THREAD have read of a large mailbox, in the store (store/image.h): a
 * process that has just started reads no header of it again. Only of mailboxes that are
 * sorted: it is written when the process has nothing to do, and nobody waits for it.
 */
#include "mailstore/serve/service.h"

/* Of the mailbox that its sort_cache was begun with: what is there and not in the cache,
   once. Where nothing fits, the cache is as it was. */
void sort_stored_load(struct serve *serve, bool with_texts, bool with_ids);
/* Puts there what the cache has, if it has read enough since. In a transaction of its
   own. */
int sort_stored_keep(struct serve *serve, struct error *err);

#endif
