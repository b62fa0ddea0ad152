/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_WAIT_H
#define EVENT_WAIT_H
/*
 * Waiting for one descriptor, with a limit: for commands and for processes that do one
 * thing at a time. A process with an event loop never waits like this.
 */

struct patience {
	unsigned ms;
	/* Called about five times a second while nothing happens; a value other than 0
	   ends the wait and is returned. NULL: none. */
	int (*tick)(void *context);
	void *context;
};

/* Until fd can do one of the events (POLLIN, POLLOUT). 0, what tick returned, -ETIMEDOUT
   or -errno. */
int wait_for(int fd, short events, const struct patience *p);

/* Just the time. 0 or what tick returned. */
int wait_pause(const struct patience *p);

#endif
