/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_COUNTERS_VIEW_H
#define CONTROL_VIEWS_COUNTERS_VIEW_H
/* Counters on a screen, with what they gain each second. */
#include "control/terminal/control.h"
#include "control/terminal/view.h"
#include "nft-rules/rules.h"

struct counters {
	struct control *control;
	struct rules_count before[RULES_COUNTS_MAX];
	size_t n_before;
	uint64_t at; /* monotonic; 0: never */
};

/* Objects: name, service, route, packets, bytes, in_per_s, out_per_s. */
struct view counters_view(struct counters *counters);

#endif
