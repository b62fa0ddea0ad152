/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_QUEUE_H
#define ADMISSION_QUEUE_H
/*
 * One queue of the kernel: packets come in, marks go back. All that are there at a time
 * are read and answered together: in one message when they have one verdict, else in one
 * system call.
 *
 * A queue that is full, or nobody's, lets its packets go on without a verdict
 * (NFQA_CFG_F_FAIL_OPEN, `bypass`).
 */
#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

/* The packet's first bytes; returns its new mark. */
typedef uint32_t queue_judge_fn(void *context, struct str packet, uint32_t mark);

#define QUEUE_LENGTH_MAX 8192 /* packets: a third of a second at 20,000/s */

struct queue {
	struct mnl_socket *socket; /* NULL: closed */
	uint16_t number;
	struct inbox *inbox; /* what one turn reads; owned */
	queue_judge_fn *judge;
	void *context;                   /* the judge's */
	uint64_t packets, batches, lost; /* lost: the kernel could not tell us of them */
};

/* -EBUSY: another program has it. */
int queue_open(struct queue *q, uint16_t number, queue_judge_fn *judge, void *context,
	struct error *err);
/* The same with the socket of one that listens there already, which it takes on success.
 */
int queue_open_on(struct queue *q, uint16_t number, int fd, queue_judge_fn *judge,
	void *context, struct error *err);
void queue_close(struct queue *q); /* may be called twice */
int queue_fd(const struct queue *q);

/* Reads and answers what is there. 0 or -errno: the queue is broken. */
int queue_serve(struct queue *q);

#endif
