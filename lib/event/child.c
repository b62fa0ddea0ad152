/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/child.h"

#include "base/fd.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in the child: between fork() and exec() only what a copy of a single-threaded
   process may do ---- */

/* Out of the way of what is put below them. */
static int move_up(int fd, size_t n_fds)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FD_FIRST + (int)n_fds);

	return moved < 0 ? -errno : moved;
}

static int lay_out_outputs(const struct child_plan *plan)
{
	int out = plan->outputs ? move_up(plan->outputs[0], plan->n_fds) : STDERR_FILENO;
	int err = plan->outputs ? move_up(plan->outputs[1], plan->n_fds) : STDERR_FILENO;

	if (out < 0 || err < 0)
		return out < 0 ? out : err;
	return dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0 ? -errno : 0;
}

/* report: its end of the pipe, moved up; stays open until exec(). pulse: -1, or what its
   0 is to be. */
static int lay_out_fds(const struct child_plan *plan, int *report, int pulse)
{
	int moved[CHILD_FDS_MAX], in, r;

	*report = move_up(*report, plan->n_fds);
	if (*report < 0)
		return *report;
	for (size_t i = 0; i < plan->n_fds; i++)
		if ((moved[i] = move_up(plan->fds[i], plan->n_fds)) < 0)
			return moved[i];
	in = pulse >= 0    ? move_up(pulse, plan->n_fds)
	     : plan->input ? move_up(*plan->input, plan->n_fds)
	                   : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (in < 0 || dup2(in, STDIN_FILENO) < 0)
		return -errno;
	r = lay_out_outputs(plan);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->n_fds; i++)
		if (dup2(moved[i], CHILD_FD_FIRST + (int)i) < 0)
			return -errno;
	if (close_range(
		    CHILD_FD_FIRST + (unsigned)plan->n_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int reset_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	if (signal(SIGPIPE, SIG_DFL) == SIG_ERR ||
		sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	return 0;
}

static int change_user(unsigned user)
{
	return setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0 ? -errno
	                                                                          : 0;
}

/* Returns only when it fails. */
static int become(const struct child_plan *plan, pid_t parent, int *report, int pulse)
{
	int r = lay_out_fds(plan, report, pulse);

	if (r == 0 && plan->own_group && setpgid(0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = reset_signals();
	if (r == 0 && plan->user)
		r = change_user(plan->user);
	/* after it: the kernel forgets both with a change of user */
	if (r == 0)
		r = plan->user ? process_end_with_pipe(STDIN_FILENO, NULL)
		               : process_end_with_parent(parent, NULL);
	if (r < 0)
		return r;
	/* execv(3) changes nothing of them, whatever its prototype says */
	(void)execv(plan->program ? plan->program : "/proc/self/exe",
		(char *const *)(uintptr_t)plan->arguments);
	return -errno;
}

static _Noreturn void run_child(
	const struct child_plan *plan, pid_t parent, int report, int pulse)
{
	int code = become(plan, parent, &report, pulse);

	if (report >= 0)
		(void)!write(report, &code, sizeof(code));
	_exit(EXIT_FAILURE);
}

/* ---- its end ---- */

void child_forget(struct child *c)
{
	watch_free(c->end);
	c->end = NULL;
	c->pid = 0;
	if (c->user)
		fd_closep(&c->pulse);
}

static void over(struct child *c, int status)
{
	child_forget(c);
	c->ended(c->context, status);
}

void child_look(struct child *c)
{
	int status;

	if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid)
		over(c, status);
}

static void ready(void *context, int events, int error)
{
	(void)events;
	(void)error;
	child_look(context);
}

/* ---- its start ---- */

/* 0 once it has become the program: exec() closes the pipe without a word. */
static int read_report(int pipe)
{
	int code = 0;
	ssize_t n;

	do
		n = read(pipe, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	return n == 0 ? 0 : n == (ssize_t)sizeof(code) ? code : -EIO;
}

static int watch_end(struct child *c, struct loop *loop)
{
	int fd = pidfd_open(c->pid, 0);
	int r = fd < 0 ? -errno : watch_new(loop, fd, ready, c, &c->end);

	if (r == 0)
		watch_want(c->end, UV_READABLE);
	else
		fd_closep(&fd);
	return r;
}

static int fork_and_exec(const struct child_plan *plan, int pulse, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid;
	int ends[2], r;

	if (plan->n_fds > CHILD_FDS_MAX)
		return -EINVAL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run_child(plan, parent, ends[1], pulse);
	r = pid < 0 ? -errno : 0;
	fd_closep(&ends[1]);
	if (r == 0 && (r = read_report(ends[0])) < 0)
		(void)waitpid(pid, NULL, 0);
	fd_closep(&ends[0]);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

/* Ours is closed by exec() in every other child: one pipe, one parent. */
static int start_with_pulse(struct child *c, const struct child_plan *plan)
{
	int ends[2] = { -1, -1 }, r = 0;

	if (plan->user && pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = fork_and_exec(plan, ends[0], &c->pid);
	fd_closep(&ends[0]);
	if (r < 0)
		fd_closep(&ends[1]);
	c->pulse = ends[1];
	return r;
}

int child_start(struct child *c, struct loop *loop, const struct child_plan *plan,
	child_ended_fn *ended, void *context, struct error *err)
{
	int r;

	*c = (struct child){
		.ended = ended, .context = context, .user = plan->user, .pulse = -1
	};
	r = start_with_pulse(c, plan);
	if (r == 0 && (r = watch_end(c, loop)) < 0) {
		child_signal(c, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		child_forget(c);
	}
	return r < 0 ? error_errno(err, r, "cannot start %s",
			       plan->program ? plan->program : plan->arguments[0])
	             : 0;
}

int child_adopt(struct child *c, struct loop *loop, pid_t pid, child_ended_fn *ended,
	void *context)
{
	int r;

	*c = (struct child){
		.pid = pid, .ended = ended, .context = context, .pulse = -1
	};
	r = watch_end(c, loop);
	if (r < 0)
		child_forget(c);
	return r;
}

bool child_runs(const struct child *c)
{
	return c->pid != 0;
}

struct signal_order {
	pid_t pid;
	int number;
};

static int send_signal(void *context)
{
	const struct signal_order *o = context;

	return kill(o->pid, o->number) < 0 ? -errno : 0;
}

void child_signal(struct child *c, int number)
{
	struct signal_order order = { c->pid, number };

	if (c->pid && send_signal(&order) == -EPERM && c->user)
		(void)process_run_as(c->user, send_signal, &order);
}

void child_end_text(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(text, size, "signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		(void)snprintf(text, size, "exit code %d", WEXITSTATUS(status));
}
