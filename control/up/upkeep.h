/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_UPKEEP_H
#define CONTROL_UP_UPKEEP_H
/* What the part that looks after the disk (DUTY_STATE) does now and then: copies of the
   registry, folders in the trash, owners of mail folders, a rename that was interrupted.
   All of it may fail: the log says so, and it is tried again. */
#include "control/terminal/control.h"
#include "event/child.h"

#include <time.h>

struct registry;

/* Zero: begins with the first tick. */
struct upkeep {
	uint64_t copy_at;   /* the next copy of the registry */
	uint64_t owners_at; /* the next look at the mail folders' owners */
	uint64_t rename_at; /* the next look for a rename that was interrupted */
	struct timespec folders_seen;
	struct child rename; /* which finishes it */
};

void upkeep_tick(struct upkeep *u, struct control *c, struct registry *r,
	struct loop *loop, uint64_t now);

#endif
