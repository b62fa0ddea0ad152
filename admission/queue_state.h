/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_QUEUE_STATE_H
#define ADMISSION_QUEUE_STATE_H
/*
 * Our queues as the kernel tells of them (/proc/net/netfilter/nfnetlink_queue): how many
 * packets wait, and what never came to us. With `bypass` and NFQA_CFG_F_FAIL_OPEN a
 * packet that finds its queue full, or our socket without room (an overrun), goes on
 * without a verdict, and the fail mode decides.
 */
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct queue_state {
	uint64_t waiting; /* now, in all queues */
	uint64_t longest; /* ever seen of one queue */
	uint64_t dropped; /* by the kernel */
	uint64_t offered; /* in all, since the queues were opened */
	uint64_t before;  /* of them, to the process that had them before us */
	uint64_t ports;   /* the sockets of these queues, in sum: others are new queues */
	uint32_t ids;     /* the sum of the last ids, which have 32 bits */
};

/* From the file's text, of n queues from `first` on; `longest` only grows. false: none of
   them is there, and *state is as it was. */
bool queue_state_read(
	struct str text, uint16_t first, uint16_t n, struct queue_state *state);

/* All that was offered so far, but for what waits and what we have judged, was not
   offered to us. */
void queue_state_begin(struct queue_state *state, uint64_t judged);

/* Of those offered to us, the ones that were neither judged nor are waiting. */
uint64_t queue_state_overruns(const struct queue_state *state, uint64_t judged);

#endif
