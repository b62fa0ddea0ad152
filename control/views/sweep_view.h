/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_SWEEP_VIEW_H
#define CONTROL_VIEWS_SWEEP_VIEW_H
/* What still comes to the old mailbox of an account that lives here, for people and as
   JSON. */
#include "control/views/report.h"
#include "registry/registry.h"

/* {looked_at, next_at, last_at, messages, error, folders: [{name, messages, last_at,
   note}]}; null: it was never looked at. */
int sweep_view_json(struct registry *r, int64_t account, json_t **ret, struct error *err);
void sweep_view_print(const json_t *swept, FILE *to);

/* A folder of an account that mail still comes to at the source, or that is not
   watched. */
struct report_swept {
	struct str account, folder;
	uint64_t count, last_at;
	struct str why;
};
/* Rows of one account, into p->swept. */
int report_swept_add(
	struct registry *r, const struct account *a, struct report *p, struct error *err);

#endif
