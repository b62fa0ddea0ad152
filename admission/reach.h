/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_REACH_H
#define ADMISSION_REACH_H
/*
 * Whether what we let through arrives: of the connections that were diverted, how many
 * did the interceptor accept? A firewall that somebody starts on this host drops the
 * rest, and every client waits for its time-out. Looked at in windows of some seconds
 * with enough new connections in them; scans that never finish a handshake are part of
 * life, nine of ten are not.
 */
#include <stdbool.h>
#include <stdint.h>

#define REACH_WINDOW_MS 3000
#define REACH_LEAST 8 /* diverted ones; a client's repeated SYNs are among them */

struct reach {
	uint64_t since_ms, diverted, accepted; /* at the window's beginning */
	uint64_t now, arrived;                 /* in the last window that counted */
	bool is_blocked;
};

/* With the totals until now. true: another window has been judged. */
bool reach_look(struct reach *r, uint64_t diverted, uint64_t accepted, uint64_t now_ms);

#endif
