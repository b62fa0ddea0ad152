/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_SOURCE_LEG_H
#define CONTROL_CHECK_SOURCE_LEG_H
/* From which address clients' connections go to the source (source/leg.h): tries what
   works, says what the source then sees, and refuses what would make an open relay of it.
   Changes nothing; `up` writes down what came out. */
#include "control/check/findings.h"
#include "control/terminal/control.h"
#include "source/leg.h"

/* One sentence. */
typedef void source_leg_say_fn(
	void *context, enum finding_level level, const char *sentence);

/* r: NULL where there is none yet. -EHOSTUNREACH: mail would not pass, or must not; the
   sentence was said, too. */
int source_leg_find(const struct settings *s, struct registry *r, source_leg_say_fn *say,
	void *context, struct legs *ret, struct error *err);

#endif
