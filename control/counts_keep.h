/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_COUNTS_KEEP_H
#define CONTROL_COUNTS_KEEP_H
/* Counters that go on where they were when the rules were away: their values are kept in
   the registry, and new rules begin with them. */
#include "nft-rules/rules.h"
#include "registry/registry.h"

/* What the kernel has now. Without rules in it what is kept stays. */
int counts_save(struct registry *r, struct error *err);

/* rules_install(), with what is kept. registry NULL: from 0. */
int counts_install(struct registry *registry, const struct ruleset *rules,
	bool *ret_changed, struct error *err);

#endif
