/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/outsider.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "event/child.h"
#include "users/users.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS                                                                      \
	300000 /* each asker has an end of its own; this is for a broken one */

struct report {
	int code;
	struct error err;
};

/* ---- the child ---- */

/* Nothing of ours is open in it but where it reports to, and where a sandbox logs. */
static int close_all_but(int *pipe)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
		dup2(nothing, STDOUT_FILENO) < 0 || dup2(*pipe, STDERR_FILENO + 1) < 0)
		return -errno;
	*pipe = STDERR_FILENO + 1;
	return close_range((unsigned)*pipe + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int become_nobody(const struct settings *s, struct error *err)
{
	struct users users;
	struct sandbox sandbox = { .allows = SANDBOX_SOCKETS,
		.user = &users.of[USER_INTERCEPTOR] };
	int r = users_load(s, &users, err);

	users.of[USER_INTERCEPTOR].n_groups = 0;
	return r < 0 ? r : sandbox_enter(&sandbox, err);
}

static void put(int pipe, const void *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(pipe, (const char *)bytes + at, len - at);

		if (n < 0 && errno != EINTR)
			return; /* who asked sees that it is not all */
		at += n > 0 ? (size_t)n : 0;
	}
}

static _Noreturn void be_outsider(const struct settings *s, const struct outsider *o,
	void *context, const void *result, size_t size, int pipe)
{
	struct report report = { .code = close_all_but(&pipe) };

	if (report.code == 0 && o->prepare)
		report.code = o->prepare(context, &report.err);
	if (report.code == 0)
		report.code = become_nobody(s, &report.err);
	if (report.code == 0)
		report.code = o->ask(context, &report.err);
	put(pipe, &report, sizeof(report));
	put(pipe, result, size);
	_exit(0);
}

/* ---- who asks ---- */

static int get(int pipe, void *bytes, size_t len, uint64_t end)
{
	for (size_t at = 0; at < len;) {
		struct pollfd more = { .fd = pipe, .events = POLLIN };
		uint64_t now = clock_monotonic_ms();
		ssize_t n;

		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&more, 1, (int)(end - now)) <= 0)
			continue;
		n = read(pipe, (char *)bytes + at, len - at);
		if (n == 0 || (n < 0 && errno != EINTR))
			return -EIO;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int conclude(int code, struct report *report, pid_t pid, void *result, size_t size,
	struct error *err)
{
	char how[64];
	int status = 0;

	(void)kill(pid, SIGKILL); /* it may stay, whatever it has reported */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (code < 0) {
		child_end_text(status, how, sizeof(how));
		memset(result, 0, size);
		return error_set(
			err, -EIO, "the process that asks it has ended: %s", how);
	}
	report->err.text[sizeof(report->err.text) - 1] = '\0';
	if (report->code < 0 && report->err.code)
		return error_set(err, report->code, "%s", report->err.text);
	return report->code < 0 ? error_errno(err, report->code, "cannot ask") : 0;
}

int outsider_ask(const struct settings *s, const struct outsider *o, void *context,
	void *result, size_t size, struct error *err)
{
	uint64_t end = clock_monotonic_ms() + PATIENCE_MS;
	struct report report = { 0 };
	int ends[2], code;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "no pipe");
	pid = fork();
	if (pid == 0)
		be_outsider(s, o, context, result, size, ends[1]);
	code = pid < 0 ? -errno : 0;
	fd_closep(&ends[1]);
	if (code == 0) {
		code = get(ends[0], &report, sizeof(report), end);
		if (code == 0)
			code = get(ends[0], result, size, end);
		code = conclude(code, &report, pid, result, size, err);
	} else {
		code = error_errno(err, code, "no process to ask it");
	}
	fd_closep(&ends[0]);
	return code;
}
