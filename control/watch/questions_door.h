/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_QUESTIONS_DOOR_H
#define CONTROL_WATCH_QUESTIONS_DOOR_H
/*
 * Where the dashboard and the metrics have their commands run when each part is alone:
 * run_dir/questions.sock, which root alone can connect to. Some of the commands ask the
 * kernel, and the part that speaks with browsers has no right to.
 *
 * Each connection is one process `mailferry-dashboard --worker questions`, which knows
 * the list of dashboard/questions.h and nothing else (dashboard/dashboard.h).
 */
#include "event/channel.h"
#include "event/child.h"
#include "settings/settings.h"

#include <limits.h>

#define QUESTIONS_ANSWERERS_MAX 8 /* the dashboard, and metrics_door.h's */

struct questions_door {
	struct loop *loop;
	const char *config; /* the caller's */
	char program[PATH_MAX];
	struct channel_listener listener;
	struct child answerers[QUESTIONS_ANSWERERS_MAX];
};

/* What cannot be opened is said in the log: nobody's mail waits for it. */
void questions_door_open(struct questions_door *d, struct loop *loop,
	const struct settings *s, const char *config);
/* Those that answer go on until whoever asks has gone. May be called twice. */
void questions_door_close(struct questions_door *d);

#endif
