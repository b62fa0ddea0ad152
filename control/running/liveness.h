/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_LIVENESS_H
#define CONTROL_RUNNING_LIVENESS_H
/*
 * A watchdog for each program of `mailferry up`, with the time that systemd gives `up`
 * itself (WatchdogSec=). Each program is asked by its socket in run_dir, four times in
 * that time; one that has not answered for all of it hangs: it is killed, and started
 * again as after a crash. The others and their sessions go on.
 *
 * What does not listen yet, or not any more, is not asked: an end is told by the loop.
 * When a new program follows one (`mailferry upgrade`), the new one is asked and the
 * connection to the old one is closed: a retired mailstore ends only when its last
 * connection has.
 */
#include "control/running/generations.h"
#include "event/channel.h"

#include <sys/types.h>

struct liveness_probe {
	struct channel channel;
	pid_t pid; /* of the program that works; with another one it begins anew */
	uint64_t asked_at; /* without an answer yet; monotonic, 0: nothing is asked */
};

struct liveness {
	struct loop *loop;
	struct generations *programs;
	unsigned watched; /* bits: 1 << UP_VAULT */
	const char *run_dir;
	uint64_t limit_ms; /* 0: nobody is watched */
	uint64_t next;     /* when they are asked again */
	struct liveness_probe probes[UP_PROGRAM_COUNT];
};

void liveness_init(struct liveness *l, struct loop *loop, struct generations *programs,
	unsigned watched, const char *run_dir, uint64_t limit_ms);
/* Asks when it is time. The program that hangs, or UP_PROGRAM_COUNT: none; the next call
   says it no more. now: monotonic. */
enum up_program liveness_tick(struct liveness *l, uint64_t now);
void liveness_fini(struct liveness *l);

#endif
