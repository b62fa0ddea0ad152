/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_BACKGROUND_H
#define MAILSTORE_BACKGROUND_H
/* What an account's process does for itself beside its sessions, in small pieces: reading
   new messages once, so that clients' lists and searches need not (serve/kept.h,
   serve/text_index.h); telling the user of a mailbox that is nearly full
   (serve/quota_warning.h). */
#include "event/loop.h"
#include "mailstore/quiet.h"
#include "mailstore/serve/service.h"

struct background {
	const char *account;
	struct loop *loop;
	struct serve *serve;
	struct timer *timer;
	struct store_watch watch;
	bool watches;
	bool has_changed; /* since the last look at its quota */
	bool rests;       /* the timer runs, but for nothing that is new */
	uint64_t since;   /* when the first change came that waits, of loop_now() */
	int failed;       /* what was logged last; 0: nothing */
	struct quiet quiet;
};
int background_init(struct background *b, const char *account, struct loop *loop,
	struct serve *serve);
void background_start(struct background *b); /* the store is open */
/* It has something to do, and not only what can be left for later. */
bool background_works(const struct background *b);
void background_fini(struct background *b); /* before it is closed */

#endif
