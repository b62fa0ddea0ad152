/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_QUIET_H
#define MAILSTORE_QUIET_H
/* An account's process in which nothing happens gives memory back to the system: most
   accounts have sessions that wait, and nothing else. */
#include "event/loop.h"
#include "mailstore/serve/service.h"

#define QUIET_MS 5000 /* a client that thinks is left alone */

struct quiet {
	struct serve *serve;
	struct timer *timer;
	unsigned ms; /* QUIET_MS; a test has less time */
	bool is_own; /* this turn of the loop puts nothing off */
};

int quiet_init(struct quiet *q, struct loop *loop, struct serve *serve);
/* What happens in this turn is the process's own work, as the building of an index:
   what sessions keep is given back while it goes on, and what it used itself when it has
   ended. */
void quiet_own_turn(struct quiet *q, bool used_memory);
/* The loop is about to sleep: something has happened. */
void quiet_turn(struct quiet *q);
void quiet_fini(struct quiet *q);

#endif
