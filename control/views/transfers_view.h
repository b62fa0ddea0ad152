/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_TRANSFERS_VIEW_H
#define CONTROL_VIEWS_TRANSFERS_VIEW_H
/* Accounts on their way: how far each is, how fast, and how long it may yet take. */
#include "control/terminal/control.h"
#include "control/terminal/view.h"

#define TRANSFER_SEEN_MAX                                                                \
	256 /* on their way at a time, of which the rate is remembered */

/* What was seen of one before. */
struct transfer_seen {
	int64_t account;
	uint64_t at, messages, bytes; /* monotonic ms; when they last changed */
	double messages_s, bytes_s;   /* smoothed; 0: not known yet */
};

struct transfers {
	struct control *control;
	struct transfer_seen seen[TRANSFER_SEEN_MAX];
	size_t n_seen;
};

/* Objects: name, stage, percent, messages_copied, messages_total, bytes_copied,
   bytes_per_s, eta_s (null: not known), attempts, waits_for, last_error. NULL with the
   sentence. */
json_t *transfers_gather(void *transfers, struct error *err);
struct view transfers_view(struct transfers *t);

/* Another look: the rates by what is new since. */
void transfer_seen_update(
	struct transfer_seen *s, uint64_t now_ms, uint64_t messages, uint64_t bytes);

#endif
