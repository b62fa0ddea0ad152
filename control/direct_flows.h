/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_DIRECT_FLOWS_H
#define CONTROL_DIRECT_FLOWS_H
/*
 * Connections that `mailferry admit … direct` lets past us: whose they are cannot be
 * known. While there are any by which mail is read, no account switches without the
 * admin's word (registry/unseen.h). The kernel is asked every few seconds, and the
 * registry is told for all processes.
 */
#include "nft-rules/ruleset.h"
#include "registry/registry.h"

struct direct_flows {
	struct registry *registry;
	uint64_t look_at;                  /* monotonic */
	uint64_t open[RULES_SERVICES_MAX]; /* as the registry has it, by service */
	bool any;
};

/* rules: as they are in the kernel. Errors are logged: what the registry says stays. */
void direct_flows_tick(
	struct direct_flows *d, const struct ruleset *rules, uint64_t now_ms);

#endif
