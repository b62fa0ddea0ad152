/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_METRICS_DOOR_H
#define CONTROL_WATCH_METRICS_DOOR_H
/*
 * Where a Prometheus gets its metrics: run_dir/metrics.sock, and what the option
 * `metrics` says.
 *
 * `mailferry up` accepts, and reads no byte of it: each connection is one process
 * `mailferry metrics http`, which gathers its page, gives up every right and file, and
 * only then reads (cmd_metrics.c). A few at once; others wait in the backlog.
 */
#include "event/child.h"
#include "settings/settings.h"

#define METRICS_SOCKET "metrics.sock"
#define METRICS_PLACES 2
#define METRICS_ANSWERS_MAX 4 /* at once: each asks our programs and the kernel */

struct metrics_door;

struct metrics_answer {
	struct metrics_door *door;
	struct child child;
};

struct metrics_place {
	struct metrics_door *door;
	struct watch *watch; /* owns fd */
	int fd;
};

struct metrics_door {
	struct loop *loop;
	const char *config; /* the caller's */
	struct metrics_place places[METRICS_PLACES];
	size_t n_places;
	struct metrics_answer answers[METRICS_ANSWERS_MAX];
};

/* What cannot be opened is said in the log: nobody's mail waits for it. */
void metrics_door_open(struct metrics_door *d, struct loop *loop,
	const struct settings *s, const char *config);
/* Those that are being answered go on. May be called twice. */
void metrics_door_close(struct metrics_door *d);

#endif
