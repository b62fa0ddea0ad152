/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_KNOCK_H
#define CONTROL_KNOCK_H
/* Which of the source's ports can be connected to from this host, all at once. */
#include "control/control.h"

struct knocks {
	bool asked[SERVICE_COUNT];
	int code[SERVICE_COUNT]; /* 0: it answers; -ETIMEDOUT, -ECONNREFUSED … */
};

/* asked says which; waits 2 s at the most. */
void knock(const struct settings *s, struct knocks *k);

#endif
