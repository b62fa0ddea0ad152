/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_NOTIFY_H
#define CONTROL_RUNNING_NOTIFY_H
/* What systemd is told of `mailferry up` (sd_notify(3), watchdog), asked, and given to
   keep. Without systemd nobody is told or asked anything. */
#include <stdbool.h>
#include <stdint.h>

struct notify {
	uint64_t limit_ms; /* of the watchdog; 0: there is none */
	uint64_t next;
};

void notify_init(struct notify *n);
/* The rules are in and the programs answer. */
void notify_ready(void);
void notify_stopping(void);
bool notify_is_heard(void);    /* whether systemd has started us, and listens */
void notify_wait_longer(void); /* 10 s more, for the start */
/* The loop turns. now: monotonic, ms. */
void notify_alive(struct notify *n, uint64_t now);

/* Whether this is what systemd does with the service that this process is of: "restart",
   "stop". false also when it does not answer, or when nobody asked it for anything. */
bool notify_job_is(const char *type);
/* A copy of the descriptor is kept until the next start of the service, or its stop.
   0 or -errno. */
int notify_keep(const char *name, int fd);
void notify_wait(void); /* until systemd has heard all that it was told */
/* Those that were kept; systemd keeps them no longer. take() owns the descriptor. What
   does not come as systemd hands it over is closed. */
typedef void notify_kept_fn(void *context, const char *name, int fd);
void notify_take_kept(notify_kept_fn *take, void *context);

#endif
