/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_CRASH_STORE_WORK_H
#define TEST_CRASH_STORE_WORK_H
/*
 * What the crash test does to a store: batches, each one transaction with its checkpoint,
 * that use every way of writing: pieces gathered and not, inline, copies, expunges, an
 * aborted body, a full pack, a pack that dies, messages staged in one transaction and
 * delivered by the next or by the next opener, flags of many changed at once. A second
 * run goes on where the checkpoint says. Each message that was not staged bears the hash
 * of its body as a keyword.
 */
#include "base/buf.h"
#include "mailstore/store/store.h"

#define WORK_BATCHES 9

struct work {
	const char *folder;
	unsigned batches;             /* how far to go */
	volatile unsigned *committed; /* raised after each commit; shared memory */
};

void work_run(void *work); /* struct work */

/* Batches done according to the checkpoint; the whole content as text. */
unsigned work_done(struct store *s);
void work_dump(struct store *s, struct buf *ret_text);

#endif
