/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/signals.h"

#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ready(void *context, int events, int error)
{
	struct signals *s = context;
	struct signalfd_siginfo info;

	(void)events;
	(void)error;
	while (s->watch &&
		read(s->watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->came(s->context, (int)info.ssi_signo);
}

static int open_fd(const int *numbers, size_t n)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		if (sigaddset(&set, numbers[i]) < 0)
			return -errno;
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int signals_open(struct signals *s, struct loop *loop, const int *numbers, size_t n,
	void (*came)(void *context, int number), void *context)
{
	CLEANUP(fd_closep) int fd = open_fd(numbers, n);
	int r;

	*s = (struct signals){ .came = came, .context = context };
	if (fd < 0)
		return fd;
	r = watch_new(loop, fd, ready, s, &s->watch);
	if (r < 0)
		return r;
	(void)fd_steal(&fd);
	watch_want(s->watch, UV_READABLE);
	return 0;
}

void signals_close(struct signals *s)
{
	watch_free(s->watch);
	s->watch = NULL;
}
