/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_CARRY_VIEW_H
#define CONTROL_VIEWS_CARRY_VIEW_H
/* What `route USER source` has carried back, or would carry (--dry-run), and what cannot
   be kept: for people and as JSON. */
#include "control/terminal/output.h"
#include "registry/registry.h"

/* {at, result, reason, messages, bytes, put_back, flags, expunged, folders, renamed,
   subscriptions, not_kept: {uids, uidls, dates, sizes, flags, expunges,
   not_shown, keywords, folders, subscriptions}}; null: there was none since then (wall
   milliseconds). */
int carry_view_json(struct registry *r, int64_t account, bool dry, uint64_t since,
	json_t **ret, struct error *err);
void carry_view_print(const json_t *carried, FILE *to);

#endif
