/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_COUNTS_KEEP_H
#define CONTROL_RUNNING_COUNTS_KEEP_H
/* Counters that go on where they were when the rules were away, and when somebody has set
   them back: what the kernel counts is added up in the registry (registry/counts.h), and
   new rules begin with what the old ones had. */
#include "nft-rules/rules.h"
#include "registry/counts.h"

/* What the kernel has now. Without rules in it what is kept stays. */
int counts_save(struct registry *r, struct error *err);

/* rules_install(), with what is kept. registry NULL: from 0. */
int counts_install(struct registry *registry, const struct ruleset *rules,
	bool *ret_changed, struct error *err);

/* All that was ever counted, up to now. registry NULL: what the kernel has. -ENOENT with
   the sentence: no rules are installed (*ret_n and *ret_counts are set all the same when
   there is a registry). */
int counts_total(struct registry *registry,
	struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err);

/* What was counted since then, up to now; from the beginning of that minute, hour or day:
   the registry keeps minutes for two days, hours for two months. */
int counts_since(struct registry *registry, uint64_t since_ms,
	struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err);

#endif
