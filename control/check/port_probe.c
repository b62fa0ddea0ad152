/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/port_probe.h"

#include "control/check/dial.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>

#define KNOCK_MS 2000 /* a person waits; a way that is slower is in trouble */

/* Those that are still open; poll() ignores a descriptor of -1. */
static void wait_for_all(struct pollfd *fds, struct port_probe *k)
{
	uint64_t end = clock_monotonic_ms() + KNOCK_MS, now;
	bool waits = true;

	while (waits && (now = clock_monotonic_ms()) < end) {
		if (poll(fds, SERVICE_COUNT, (int)(end - now)) < 0 && errno != EINTR)
			return;
		waits = false;
		for (int i = 0; i < SERVICE_COUNT; i++) {
			if (fds[i].fd >= 0 && fds[i].revents) {
				k->code[i] = dial_outcome(fds[i].fd);
				fd_closep(&fds[i].fd);
			}
			waits = waits || fds[i].fd >= 0;
		}
	}
}

void port_probe_run(const struct settings *s, struct port_probe *k)
{
	struct sockaddr_storage to = settings_upstream(s);
	struct pollfd fds[SERVICE_COUNT];

	for (int i = 0; i < SERVICE_COUNT; i++) {
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLOUT };
		if (!k->asked[i])
			continue;
		dial_set_port(&to, s, (enum service_id)i);
		k->code[i] = dial(&to, &fds[i].fd);
		if (k->code[i] == -EINPROGRESS)
			k->code[i] = -ETIMEDOUT; /* until it answers */
		else
			fd_closep(&fds[i].fd);
	}
	wait_for_all(fds, k);
	for (int i = 0; i < SERVICE_COUNT; i++)
		fd_closep(&fds[i].fd);
}
