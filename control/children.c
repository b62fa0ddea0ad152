/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/children.h"

#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MOST_MS 10000u
#define HEALTHY_MS 30000u   /* who ran that long has not failed at its start */
#define EXIT_NO_PROGRAM 127 /* as a shell says it */

int child_init(struct child *c, const char *name, struct error *err)
{
	*c = (struct child){ .name = name, .state = CHILD_WAITING, .pid = -1 };
	return process_sibling(name, c->path, sizeof(c->path), err);
}

uint64_t child_backoff_ms(unsigned failures)
{
	uint64_t delay = BACKOFF_FIRST_MS;

	for (; failures > 1 && delay < BACKOFF_MOST_MS; failures--)
		delay *= 2;
	return delay < BACKOFF_MOST_MS ? delay : BACKOFF_MOST_MS;
}

/* Between fork() and exec(): only what a copy of a single-threaded process may do. */
static void become(const struct child *c, const char *config, pid_t parent)
{
	char dash_c[] = "-c";
	char *const arguments[] = { (char *)(uintptr_t)c->path, dash_c,
		(char *)(uintptr_t)config, NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	if (null >= 0 && null != STDIN_FILENO) {
		(void)dup2(null, STDIN_FILENO);
		close(null);
	}
	(void)setpgid(0, 0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (process_end_with_parent(parent, NULL) == 0)
		(void)execv(c->path, arguments);
	_exit(EXIT_NO_PROGRAM);
}

int child_run(struct child *c, const char *config, uint64_t now, struct error *err)
{
	pid_t parent = getpid(), pid;

	if (c->state != CHILD_WAITING || now < c->start_at)
		return 0;
	pid = fork();
	if (pid == 0)
		become(c, config, parent);
	if (pid < 0) {
		int code = -errno;

		c->start_at = now + BACKOFF_MOST_MS;
		return error_errno(err, code, "cannot start %s", c->path);
	}
	c->pid = pid;
	c->state = CHILD_RUNNING;
	c->started_at = now;
	return 0;
}

bool child_reap(struct child *c, uint64_t now)
{
	int status;

	if (c->pid < 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	c->pid = -1;
	c->last_status = status;
	c->failures = now - c->started_at < HEALTHY_MS ? c->failures + 1 : 1;
	c->start_at = now + child_backoff_ms(c->failures);
	if (c->state == CHILD_RUNNING)
		c->state = CHILD_WAITING;
	return true;
}

void child_end_text(const struct child *c, char *text, size_t size)
{
	if (WIFSIGNALED(c->last_status))
		(void)snprintf(text, size, "signal %d (%s)", WTERMSIG(c->last_status),
			strsignal(WTERMSIG(c->last_status)));
	else
		(void)snprintf(text, size, "exit code %d", WEXITSTATUS(c->last_status));
}

void child_stop(struct child *c, int signal)
{
	if (c->pid >= 0)
		(void)kill(c->pid, signal);
	c->state = CHILD_STOPPED;
}
