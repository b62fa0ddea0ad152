/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/order.h"

#include "registry/masters.h"

#define GROUP_SHIFT 60u
#define LAST ((UINT64_C(1) << GROUP_SHIFT) - 1)

enum group { GROUP_BUSY, GROUP_CATCHING_UP, GROUP_OTHERS, GROUP_COPIED };

static enum group group_of(const struct account *a)
{
	if (a->route == ROUTE_BUSY)
		return GROUP_BUSY;
	if (a->stage == STAGE_FAILED && account_needs_master(a))
		return GROUP_COPIED;
	if (a->stage != STAGE_CATCHING_UP)
		return GROUP_OTHERS;
	return a->has_untried_password ? GROUP_CATCHING_UP : GROUP_COPIED;
}

static uint64_t at_most_last(uint64_t value)
{
	return value < LAST ? value : LAST;
}

/* An imported account that nobody has logged in to has the time of its import. */
static uint64_t last_used(const struct account *a)
{
	return a->first_login_at ? LAST - at_most_last(a->last_login_at) : LAST;
}

static uint64_t place(enum order order, const struct account *a)
{
	switch (order) {
	case ORDER_SMALLEST:
		return a->size ? at_most_last(a->size) : LAST;
	case ORDER_LAST_USED:
		return last_used(a);
	case ORDER_ARRIVAL:
		break;
	}
	return 0;
}

uint64_t order_rank(enum order order, const struct account *a)
{
	enum group group = group_of(a);

	return (uint64_t)group << GROUP_SHIFT |
	       (group == GROUP_OTHERS ? place(order, a) : 0);
}
