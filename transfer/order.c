/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/order.h"

#include "registry/masters.h"

#define CLASS_SHIFT 60u
#define LAST ((UINT64_C(1) << CLASS_SHIFT) - 1)

enum class { CLASS_BUSY, CLASS_CATCHING_UP, CLASS_OTHERS, CLASS_COPIED };

static enum class class_of(const struct account *a) {
	if (a->route == ROUTE_BUSY) return CLASS_BUSY;
	if (a->stage == STAGE_FAILED && account_needs_master(a)) return CLASS_COPIED;
	if (a->stage != STAGE_CATCHING_UP) return CLASS_OTHERS;
	return a->has_untried_password ? CLASS_CATCHING_UP : CLASS_COPIED;
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
	enum class class = class_of(a);

	return (uint64_t) class << CLASS_SHIFT |
	       (class == CLASS_OTHERS ? place(order, a) : 0);
}
