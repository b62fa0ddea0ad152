/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_RULES_GATE_H
#define TRANSFER_RULES_GATE_H
/* Until the first account lives here the rules let everybody pass to the source where the
   interceptor is missing; the part of `mailferry up` that watches them closes them then
   (control/running/part.h). So none moves while that part does not run, and the others
   do. */
#include "registry/registry.h"
#include "settings/state_lock.h"

struct rules_gate {
	const struct state_lock_files *lock;
	bool is_shut; /* as it was at the last look */
};

void rules_gate_look(struct rules_gate *g, struct registry *r);

#endif
