/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_PROGRESS_H
#define CONTROL_VIEWS_PROGRESS_H
/* How far an account's move is: a bar that is drawn over itself on a terminal, a line for
   each news elsewhere. */
#include "registry/registry.h"

#include <stdio.h>

struct progress_view {
	FILE *to;
	bool tty;
	enum stage stage;     /* as last shown; STAGE_COUNT: nothing yet */
	struct str waits_for; /* likewise */
	unsigned percent;
};

void progress_init(struct progress_view *p, FILE *to);
void progress_show(struct progress_view *p, const struct account *a);
void progress_end(struct progress_view *p); /* leaves the bar's line */

#endif
