/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_FLOWS_JOIN_H
#define CONTROL_WATCH_FLOWS_JOIN_H
/*
 * What the kernel knows of live flows, beside what the interceptor has told:
 *
 *   the sockets of clients   rtt_us, retransmits (to the client)
 *   connection tracking      wire_in, wire_out: bytes of whole packets, as counters have
 *                            them; and the connections that go past us: those that
 *                            `admit` lets past, and those to ports that are not diverted
 */
#include "settings/settings.h"

#include <jansson.h>

/* Adds these to flows (objects of the operator contract), and those that go past us with
   route "direct" or "unseen". Connection tracking is not asked without the right to. 0 or
   -ENOMEM. */
int flows_join(const struct settings *s, json_t *flows);

#endif
