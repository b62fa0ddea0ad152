/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H
/*
 * The event loop of a process: libuv's, with its timers and its worker thread, and the
 * descriptors that are watched.
 *
 * The descriptors are in an epoll set of our own; libuv's loop is one more descriptor in
 * it and runs when it has something to do (libuv's documented way to be embedded). A
 * login is mostly system calls: libuv's own handle for a descriptor makes eight in its
 * life, this one two or three, since what is no longer asked for is taken out of the set
 * only when it happens, and closing takes out the rest (tests/bench/relay.py).
 *
 * Timers are libuv's. The loop does not sleep with a timeout, which the kernel sets and
 * takes back in each turn, but with a kernel timer in the set that rings no later than
 * the first of them: most timers only begin anew, with each event of a session.
 */
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct watch;
struct timer;
/* events: UV_READABLE | UV_WRITABLE | UV_DISCONNECT (the peer has ended its side);
   error: 0 or -errno (the socket is broken, read what is left; nothing is watched then).
 */
typedef void watch_fn(void *context, int events, int error);

struct loop {
	uv_loop_t uv; /* for timers and work */
	int epoll;
	int alarm;         /* a timer of the kernel's, for those of libuv */
	uint64_t rings_at; /* loop time, or later; UINT64_MAX: it is to be set */
	bool forks;        /* children may hold a descriptor too: close() is not enough */
	bool running, stopped;
	SLIST_HEAD(, watch) gone; /* to be freed */
	STAILQ_HEAD(, watch) due; /* to be called before the loop sleeps */
	unsigned n_due;
	SLIST_HEAD(, timer) idle_timers; /* freed, for the next timer_new() */
	unsigned n_idle_timers;
	char *space; /* of channel.c, for a message that comes; NULL: none, or in use */
};

/* A descriptor in the loop, which the watch owns. watch_free() may be called inside its
   own callback, which is never called again afterwards. */
struct watch {
	struct loop *loop;
	int fd;
	int events; /* what is asked for now */
	int armed;  /* what the kernel tells us of; -1: it does not know the descriptor */
	int due;    /* what it is to be called with before the loop sleeps */
	watch_fn *ready; /* NULL: freed */
	void *context;
	bool has_hung_up;
	bool is_shared; /* another process has the descriptor too */
	int failure;    /* of the kernel to watch it */
	SLIST_ENTRY(watch) gone;
	STAILQ_ENTRY(watch) next_due;
};

/* forks: whether the process makes children while it watches. 0 or -errno. */
int loop_init(struct loop *loop, bool forks);
/* Every watch is free, every libuv handle closed or closing. 0, or -EBUSY: not so. */
int loop_fini(struct loop *loop);

/* One turn: waits for something to happen, in libuv's loop too, and calls for it. */
void loop_turn(struct loop *loop);
/* Turns, with before_sleep(context) ahead of each (NULL: nothing), until loop_stop(). */
void loop_run(struct loop *loop, void (*before_sleep)(void *context), void *context);
void loop_stop(struct loop *loop);
/* Loop time in ms. */
uint64_t loop_now(const struct loop *loop);

/* Takes fd on success. 0 or -errno. */
int watch_new(
	struct loop *loop, int fd, watch_fn *ready, void *context, struct watch **ret);
/* What to be called for; 0: nothing. Costs nothing when it is so already. NULL is fine.
 */
void watch_want(struct watch *w, int events);
/* Calls back once with these events in the loop's next turn, which does not sleep. */
void watch_soon(struct watch *w, int events);
void watch_free(struct watch *w); /* closes; NULL is fine */
int watch_take(struct watch *w);  /* frees, and gives the descriptor back */

#endif
