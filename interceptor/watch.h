/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WATCH_H
#define INTERCEPTOR_WATCH_H
/*
 * A socket in the loop. It owns the descriptor, and it outlives nobody: watch_free() may
 * be called inside its own callback, which is never called again afterwards.
 */
#include <uv.h>

struct watch;
/* events: UV_READABLE | ...; error: 0 or -errno (the socket is broken, read it out). */
typedef void watch_fn(void *context, int events, int error);

struct watch {
	uv_poll_t poll; /* first: libuv gives it back when it is closed */
	int fd;
	int events; /* what is asked for now */
	watch_fn *ready;
	void *context;
};

/* Takes fd on success. 0 or -errno. */
int watch_new(
	uv_loop_t *loop, int fd, watch_fn *ready, void *context, struct watch **ret);
/* What to be called for; 0: nothing. Costs nothing when it is so already. */
void watch_want(struct watch *w, int events);
void watch_free(struct watch *w); /* closes; NULL is fine */
int watch_take(struct watch *w);  /* frees, and gives the descriptor back */

#endif
