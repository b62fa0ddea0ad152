/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H
/* What systemd is told of `mailferry up` (sd_notify(3), watchdog). Without systemd nobody
   is told anything. */
#include <stdint.h>

struct notify {
	uint64_t every_ms; /* 0: there is no watchdog */
	uint64_t next;
};

void notify_init(struct notify *n);
/* The rules are in and the programs answer. */
void notify_ready(void);
void notify_stopping(void);
/* The loop turns. now: monotonic, ms. */
void notify_alive(struct notify *n, uint64_t now);

#endif
