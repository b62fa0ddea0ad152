/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_DIRECT_FLOWS_H
#define CONTROL_RUNNING_DIRECT_FLOWS_H
/*
 * Connections past us, whose they are cannot be known: those that `mailferry admit …
 * direct` lets there, and where the rules stay open although accounts live here (the
 * admin wrote fail = "open") those that began before the rules or while nobody listened.
 * While there are any by which mail is read, no account switches without the admin's word
 * (registry/unseen.h). The kernel is asked every second, or more rarely where that takes
 * long, and the registry is told for all processes.
 *
 * Where the rules close behind the first account the others need no such care: closed,
 * they end them.
 */
#include "nft-rules/ruleset.h"
#include "registry/registry.h"

enum past_us { PAST_ADMITTED, PAST_OPEN, PAST_COUNT };

struct direct_flows {
	struct registry *registry;
	bool stays_open;  /* fail, once accounts live here */
	uint64_t look_at; /* monotonic */
	/* as the registry has it, by service */
	uint64_t open[PAST_COUNT][RULES_SERVICES_MAX];
	bool any;
	bool has_begun; /* what one before us has written is known */
};

/* rules: as they are in the kernel. Errors are logged: what the registry says stays. */
void direct_flows_tick(
	struct direct_flows *d, const struct ruleset *rules, uint64_t now_ms);

#endif
