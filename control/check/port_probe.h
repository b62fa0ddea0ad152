/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_PORT_PROBE_H
#define CONTROL_CHECK_PORT_PROBE_H
/* Which of the source's ports can be connected to from this host, all at once. */
#include "control/terminal/control.h"

struct port_probe {
	bool asked[SERVICE_COUNT];
	int code[SERVICE_COUNT]; /* 0: it answers; -ETIMEDOUT, -ECONNREFUSED … */
};

/* asked says which; waits 2 s at the most. */
void port_probe_run(const struct settings *s, struct port_probe *k);

#endif
