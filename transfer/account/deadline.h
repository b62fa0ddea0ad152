/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_DEADLINE_H
#define TRANSFER_DEADLINE_H
/* When devices that never log off get BYE, so that the switch can happen. Wall-clock
   milliseconds. */
#include "registry/registry.h"
#include "settings/settings.h"

/* since: when the account was ready to switch for the first time; long ago
   where the clock was set back by more than the deadline. The earliest moment
   from `now` on that lies after the deadline and inside the window; 0: never. */
uint64_t deadline_next(const struct settings *s, uint64_t since, uint64_t now);

/* When this account was complete for the first time since it became due, by the journal;
   `now` when it says nothing. */
int deadline_since(struct registry *r, int64_t account, uint64_t now, uint64_t *ret_since,
	struct error *err);

#endif
