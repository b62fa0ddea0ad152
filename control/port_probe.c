/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/port_probe.h"

#include "control/leg_probe.h"

#include "base/clock.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define KNOCK_MS 2000 /* a person waits; a way that is slower is in trouble */

static int begin(const struct settings *s, enum service_id service, int *ret_fd)
{
	struct sockaddr_storage to = settings_upstream(s);
	bool four = to.ss_family == AF_INET;
	in_port_t port = htons(s->services[service].upstream_port);
	socklen_t len = four ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	if (four)
		((struct sockaddr_in *)&to)->sin_port = port;
	else
		((struct sockaddr_in6 *)&to)->sin6_port = port;
	*ret_fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0 || connect(*ret_fd, (struct sockaddr *)&to, len) < 0)
		return -errno;
	return 0;
}

static int outcome(int fd)
{
	int failed = 0;
	socklen_t size = sizeof(failed);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0 ? -errno
	                                                                : -failed;
}

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
				k->code[i] = outcome(fds[i].fd);
				fd_closep(&fds[i].fd);
			}
			waits = waits || fds[i].fd >= 0;
		}
	}
}

void port_probe_run(const struct settings *s, struct port_probe *k)
{
	struct pollfd fds[SERVICE_COUNT];

	for (int i = 0; i < SERVICE_COUNT; i++) {
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLOUT };
		if (!k->asked[i])
			continue;
		k->code[i] = begin(s, (enum service_id)i, &fds[i].fd);
		if (k->code[i] == -EINPROGRESS)
			k->code[i] = -ETIMEDOUT; /* until it answers */
		else
			fd_closep(&fds[i].fd);
	}
	wait_for_all(fds, k);
	for (int i = 0; i < SERVICE_COUNT; i++)
		fd_closep(&fds[i].fd);
}
