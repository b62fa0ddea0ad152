/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_CARRIES_H
#define REGISTRY_CARRIES_H
/* What came of `route USER source`: what was carried back to the source, and what could
   not be kept; or what would be (a dry run). JSON of the transfer's. */
#include "registry/registry.h"

struct carry_record {
	uint64_t at;       /* wall milliseconds; 0: none */
	struct str result; /* "" */
};

/* The last one; all zero, when there was none. */
int registry_carry(struct registry *r, int64_t account, bool dry, struct arena *arena,
	struct carry_record *ret, struct error *err);
int registry_set_carry(struct registry *r, int64_t account, bool dry,
	const struct carry_record *record, struct error *err);

#endif
