/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_MENDING_VIEW_H
#define CONTROL_VIEWS_MENDING_VIEW_H
/* What `account USER --again` found and did, for people and as JSON. */
#include "control/terminal/output.h"
#include "registry/registry.h"

/* {at, lost, mended, left, other, error, source, messages: [{mailbox, uid, why}]}; null:
   there was none since then (wall milliseconds). */
int mending_view_json(struct registry *r, int64_t account, uint64_t since, json_t **ret,
	struct error *err);
void mending_view_print(const json_t *mending, FILE *to);

#endif
