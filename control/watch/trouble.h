/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_TROUBLE_H
#define CONTROL_WATCH_TROUBLE_H
/* What is wrong just now, each with its cure, as lines of "attention": the disk, the
   source, the domains, and what the running programs have seen (messages/alarms.h). */
#include "control/watch/status.h"

/* r NULL: there is none yet. */
void trouble_gather(struct control *c, struct registry *r, struct status *s);

#endif
