/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_SWEEPS_H
#define REGISTRY_SWEEPS_H
/* What still comes to the old mailboxes of accounts that have moved: when each is looked
   at, and what was found. */
#include "registry/registry.h"

struct sweep_record {
	uint64_t next_at;    /* the next look */
	uint64_t looked_at;  /* the last one that got through; 0: none yet */
	uint64_t last_at;    /* the last message that came over; 0: none */
	uint64_t messages;   /* that came over so far */
	uint64_t changed_at; /* somebody else changed it there; 0: never seen */
	struct str error;    /* why the last look failed; "" */
	struct str state;    /* JSON of the transfer's: its folders; "" */
};

/* no source shall lock anybody out */
#define SWEEP_REFUSED_AGAIN_MS (UINT64_C(6) * 3600 * 1000)

typedef int sweep_due_fn(void *context, int64_t id, struct str name);
/* Accounts that live here, can be looked at and are due, the longest first (the first
   time an interval after it moved, in ms), or planned so far ahead that the clock was set
   back since; none once the source is retired. */
int registry_each_sweep_due(struct registry *r, uint64_t now, uint64_t interval,
	unsigned most, sweep_due_fn *each, void *context, struct error *err);
int registry_plan_sweep(
	struct registry *r, int64_t account, uint64_t next_at, struct error *err);
/* All zero, when it was never looked at. */
int registry_sweep(struct registry *r, int64_t account, struct arena *arena,
	struct sweep_record *ret, struct error *err);
int registry_set_sweep(struct registry *r, int64_t account,
	const struct sweep_record *record, struct error *err);

/* Accounts that live here and whose old mailboxes others changed since then; the name of
   the last one is in the arena. */
int registry_changed_there(struct registry *r, uint64_t since_ms, struct arena *arena,
	uint64_t *ret_n, struct str *ret_name, struct error *err);

#endif
