/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/wait.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

#define SLICE_MS 200u /* between two ticks */

/* 1: ready, 0: not within a slice. */
static int look(int fd, short events, uint64_t left)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, fd < 0 ? 0 : 1, left < SLICE_MS ? (int)left : (int)SLICE_MS);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0;
}

int wait_for(int fd, short events, const struct patience *p)
{
	uint64_t now = clock_monotonic_ms(), end = now + p->ms;

	for (;;) {
		int r = look(fd, events, now < end ? end - now : 0);

		if (r)
			return r < 0 ? r : 0;
		r = p->tick ? p->tick(p->context) : 0;
		if (r)
			return r;
		now = clock_monotonic_ms();
		if (now >= end)
			return -ETIMEDOUT;
	}
}

int wait_pause(const struct patience *p)
{
	int r = wait_for(-1, 0, p);

	return r == -ETIMEDOUT ? 0 : r;
}
