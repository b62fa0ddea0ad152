/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_ACCOUNT_VIEW_H
#define CONTROL_VIEWS_ACCOUNT_VIEW_H
/* An account as people and scripts see it. */
#include "control/terminal/output.h"
#include "registry/registry.h"

struct account_view {
	struct account account; /* strings belong to where it came from */
	struct str route, stage, pin;
	struct str destination; /* account.home, "store" for us; "": not settled yet */
	struct str held;        /* why it does not switch (unseen_view.h); "" */
	struct str waits_for;   /* account_waits_for() */
};
/* What one that is on its way waits for, unless it is at work: "the user's first login";
   "". A literal. */
struct str account_waits_for(const struct account *a);
extern const struct column account_columns[];
extern const size_t account_column_count;

void account_view(const struct account *a, struct str held, struct account_view *ret);

#endif
