/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/notify.h"

#include <systemd/sd-daemon.h>

#define TIMES 4 /* within the time that systemd waits: one may be late */

void notify_init(struct notify *n)
{
	uint64_t usec = 0;

	*n = (struct notify){ 0 };
	if (sd_watchdog_enabled(0, &usec) > 0)
		n->every_ms = usec / 1000 / TIMES;
}

void notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void notify_alive(struct notify *n, uint64_t now)
{
	if (!n->every_ms || now < n->next)
		return;
	n->next = now + n->every_ms;
	(void)sd_notify(0, "WATCHDOG=1");
}
