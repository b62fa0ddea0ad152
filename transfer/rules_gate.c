/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/rules_gate.h"

#include "base/log.h"

void rules_gate_look(struct rules_gate *g, struct registry *r)
{
	bool any = false, is_shut;
	struct error err;

	if (registry_any_local(r, &any, &err) < 0) {
		log_error(NULL, "look", "%s", err.text);
		return;
	}
	is_shut = !any && state_lock_other(g->lock, STATE_LOCK_UP_TRANSFER) > 0 &&
	          state_lock_other(g->lock, STATE_LOCK_UP_RULES) <= 0;
	if (is_shut && !g->is_shut)
		log_info(NULL, "waits", /* at each start, too */
			"text=\"the rules are watched by nobody (mailferry-watch); no "
			"account moves until they are\"");
	else if (g->is_shut && !is_shut)
		log_info(NULL, "goes-on", "text=\"the rules are watched\"");
	g->is_shut = is_shut;
}
