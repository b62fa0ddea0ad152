/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WATCH_H
#define INTERCEPTOR_WATCH_H
/*
 * A socket in the loop. It owns the descriptor, and it outlives nobody: watch_free() may
 * be called inside its own callback, which is never called again afterwards.
 *
 * The sockets lie in an epoll set of our own; libuv's loop, with its timers and its
 * worker thread, is one more descriptor in it and runs when it has something to do
 * (libuv's documented way to be embedded). A login is mostly system calls: libuv's own
 * handle for a descriptor makes eight in its life, this two or three, since what is no
 * longer asked for is taken out of the set only when it happens, and closing takes out
 * the rest (tests/bench/relay.py).
 */
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct watch;
/* events: UV_READABLE | UV_WRITABLE | UV_DISCONNECT (the peer has ended its side);
   error: 0 or -errno (the socket is broken, read it out; nothing is watched then). */
typedef void watch_fn(void *context, int events, int error);

/* One for each loop. */
struct watches {
	uv_loop_t *loop;
	int epoll;
	bool forks; /* children may hold a descriptor too, so that close() is not enough
	             */
	bool running, stopped;
	SLIST_HEAD(, watch) gone, soon; /* to be freed; to be called before it sleeps */
};

struct watch {
	struct watches *set;
	int fd;
	int events; /* what is asked for now */
	int armed;  /* what the kernel tells us of; -1: it does not know the descriptor */
	watch_fn *ready; /* NULL: freed */
	void *context;
	bool is_soon, has_hung_up;
	int failure; /* of the kernel to watch it */
	SLIST_ENTRY(watch) next;
};

/* forks: whether the process makes children while it watches. 0 or -errno. */
int watches_init(struct watches *set, uv_loop_t *loop, bool forks);
/* Closes the descriptor: what a forked child has to do as well, whose set is the
   parent's. Each watch is its owner's to free. */
void watches_fini(struct watches *set);

/* One turn: waits for something to happen, in libuv's loop too, and lets it. */
void watches_turn(struct watches *set);
/* Turns, with before_sleep(context) ahead of each, until watches_stop(). */
void watches_run(struct watches *set, void (*before_sleep)(void *context), void *context);
void watches_stop(struct watches *set);
/* Loop time in ms. */
uint64_t watches_now(const struct watches *set);

/* Takes fd on success. 0 or -errno. */
int watch_new(
	struct watches *set, int fd, watch_fn *ready, void *context, struct watch **ret);
/* What to be called for; 0: nothing. Costs nothing when it is so already. */
void watch_want(struct watch *w, int events);
/* Calls back once with UV_WRITABLE before the loop sleeps. */
void watch_soon(struct watch *w);
void watch_free(struct watch *w); /* closes; NULL is fine */
int watch_take(struct watch *w);  /* frees, and gives the descriptor back */

#endif
