/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/transition.h"

static const struct transition {
	enum account_event event;
	struct account_state from, to;
} transitions[] = {
	{ EVENT_DUE, { ROUTE_SOURCE, STAGE_IDLE }, { ROUTE_SOURCE, STAGE_DUE } },
	{ EVENT_DUE, { ROUTE_SOURCE, STAGE_FAILED }, { ROUTE_SOURCE, STAGE_DUE } },

	{ EVENT_COPY, { ROUTE_SOURCE, STAGE_DUE }, { ROUTE_SOURCE, STAGE_COPYING } },
	{ EVENT_COPY, { ROUTE_SOURCE, STAGE_FAILED }, { ROUTE_SOURCE, STAGE_COPYING } },
	/* again after a crash */
	{ EVENT_COPY, { ROUTE_SOURCE, STAGE_COPYING }, { ROUTE_SOURCE, STAGE_COPYING } },
	{ EVENT_COPY, { ROUTE_SOURCE, STAGE_CATCHING_UP },
		{ ROUTE_SOURCE, STAGE_COPYING } },

	{ EVENT_CATCH_UP, { ROUTE_SOURCE, STAGE_COPYING },
		{ ROUTE_SOURCE, STAGE_CATCHING_UP } },

	{ EVENT_SWITCH, { ROUTE_SOURCE, STAGE_CATCHING_UP },
		{ ROUTE_BUSY, STAGE_SWITCHING } },
	{ EVENT_SWITCH_BACK, { ROUTE_BUSY, STAGE_SWITCHING },
		{ ROUTE_SOURCE, STAGE_CATCHING_UP } },
	{ EVENT_ARRIVE, { ROUTE_BUSY, STAGE_SWITCHING }, { ROUTE_LOCAL, STAGE_DONE } },

	{ EVENT_FAIL, { ROUTE_SOURCE, STAGE_DUE }, { ROUTE_SOURCE, STAGE_FAILED } },
	{ EVENT_FAIL, { ROUTE_SOURCE, STAGE_COPYING }, { ROUTE_SOURCE, STAGE_FAILED } },
	{ EVENT_FAIL, { ROUTE_SOURCE, STAGE_CATCHING_UP },
		{ ROUTE_SOURCE, STAGE_FAILED } },
	{ EVENT_FAIL, { ROUTE_BUSY, STAGE_SWITCHING }, { ROUTE_SOURCE, STAGE_FAILED } },

	/* the way back: its mailbox is here and whole until EVENT_RETURN, so whoever
	   finds it left behind may let it stay */
	{ EVENT_LEAVE, { ROUTE_LOCAL, STAGE_DONE }, { ROUTE_BUSY, STAGE_DONE } },
	{ EVENT_STAY, { ROUTE_BUSY, STAGE_DONE }, { ROUTE_LOCAL, STAGE_DONE } },
	{ EVENT_RETURN, { ROUTE_BUSY, STAGE_DONE }, { ROUTE_SOURCE, STAGE_IDLE } },

	{ EVENT_CANCEL, { ROUTE_SOURCE, STAGE_DUE }, { ROUTE_SOURCE, STAGE_IDLE } },
	{ EVENT_CANCEL, { ROUTE_SOURCE, STAGE_COPYING }, { ROUTE_SOURCE, STAGE_IDLE } },
	{ EVENT_CANCEL, { ROUTE_SOURCE, STAGE_CATCHING_UP },
		{ ROUTE_SOURCE, STAGE_IDLE } },
	{ EVENT_CANCEL, { ROUTE_SOURCE, STAGE_FAILED }, { ROUTE_SOURCE, STAGE_IDLE } },
	/* nobody was served here yet: the transfer's EVENT_ARRIVE is then refused */
	{ EVENT_CANCEL, { ROUTE_BUSY, STAGE_SWITCHING }, { ROUTE_SOURCE, STAGE_IDLE } },
};

bool transition_next(struct account_state now, enum account_event event,
	struct account_state *ret_next)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
		const struct transition *t = &transitions[i];

		if (t->event == event && t->from.route == now.route &&
			t->from.stage == now.stage) {
			*ret_next = t->to;
			return true;
		}
	}
	return false;
}
