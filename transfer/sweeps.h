/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SWEEPS_H
#define TRANSFER_SWEEPS_H
/*
 * Looks at the old mailboxes of accounts that live here, now and then, with the places
 * that moves leave. Each is planned before it begins: one that crashes waits like the
 * others.
 */
#include "registry/registry.h"
#include "transfer/mover.h"

#include <sys/queue.h>

struct sweeps {
	struct movers *movers;
	struct registry *registry;
	struct loop *loop;
	LIST_HEAD(, sweeper) running;
	unsigned n;
	uint64_t look_at; /* monotonic */
};

void sweeps_init(
	struct sweeps *s, struct movers *m, struct registry *r, struct loop *loop);
/* Begins what is due, on at most so many places. */
void sweeps_step(struct sweeps *s, unsigned places, uint64_t now);
/* Each process ends by itself. */
void sweeps_end(struct sweeps *s);

#endif
