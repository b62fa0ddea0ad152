/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs as children: what they get, how their end is told, and what does not start. */
#include "event/child.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "event/signals.h"
#include "event/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

struct bench {
	struct loop loop;
	struct timer *timer;
	struct signals signals;
	bool expired;
	unsigned ended, signalled;
	int status;
};

static void on_expired(void *context)
{
	((struct bench *)context)->expired = true;
}

static void on_ended(void *context, int status)
{
	struct bench *b = context;

	b->ended++;
	b->status = status;
}

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_int_equal(loop_init(&b->loop, false), 0);
	assert_int_equal(timer_new(&b->loop, on_expired, b, &b->timer), 0);
	timer_start(b->timer, PATIENCE_MS);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	timer_free(b->timer);
	signals_close(&b->signals);
	assert_int_equal(loop_fini(&b->loop), 0);
	free(b);
	return 0;
}

static void run_until(struct bench *b, const unsigned *count, unsigned wanted)
{
	while (*count < wanted && !b->expired)
		loop_turn(&b->loop);
	assert_int_equal(*count, wanted);
}

static int start_sh(struct bench *b, struct child *c, const char *command, const int *fds,
	size_t n_fds)
{
	const char *const arguments[] = { "sh", "-c", command, NULL };
	struct child_plan plan = {
		.program = "/bin/sh", .arguments = arguments, .fds = fds, .n_fds = n_fds
	};
	struct error err = { 0 };
	int r = child_start(c, &b->loop, &plan, on_ended, b, &err);

	if (r < 0)
		print_message("%s\n", err.text);
	return r;
}

static void test_ends(void **state)
{
	static const struct end_row {
		const char *command, *text;
	} rows[] = { { "exit 0", "exit code 0" }, { "exit 3", "exit code 3" },
		{ "kill -9 $$", "signal 9 (Killed)" } };
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct child c;
		char how[64];

		b->ended = 0;
		assert_int_equal(start_sh(b, &c, rows[i].command, NULL, 0), 0);
		assert_true(child_runs(&c));
		run_until(b, &b->ended, 1);
		assert_false(child_runs(&c));
		child_end_text(b->status, how, sizeof(how));
		assert_string_equal(how, rows[i].text);
		child_signal(&c, SIGKILL); /* nobody is there: nobody is hit */
	}
}

static void test_no_program(void **state)
{
	struct bench *b = *state;
	const char *const arguments[] = { "x", NULL };
	struct child_plan plan = { .program = "/nonexistent/x", .arguments = arguments };
	struct child c;
	struct error err = { 0 };

	assert_int_equal(child_start(&c, &b->loop, &plan, on_ended, b, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	assert_false(child_runs(&c));
	plan.program = "/dev/null";
	assert_int_equal(child_start(&c, &b->loop, &plan, on_ended, b, &err), -EACCES);
	assert_int_equal(b->ended, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left behind */
	assert_int_equal(errno, ECHILD);
}

static void read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

/* Just its descriptors, although ours have no close-on-exec; no signal blocked or
   ignored that we block and ignore. */
static void test_what_it_has(void **state)
{
	struct bench *b = *state;
	int ends[2], leaks[40], fds[3];
	char text[4096], *mask;
	struct child c;
	sigset_t set;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (size_t i = 0; i < 40; i++)
		leaks[i] = open("/dev/zero", O_RDONLY);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	/* in an order that would step on each other */
	fds[0] = ends[1];
	fds[1] = 3;
	fds[2] = ends[1];
	assert_int_equal(start_sh(b, &c,
				 "ls -l /proc/self/fd >&5; grep -E 'Sig(Blk|Ign)' "
				 "/proc/self/status >&3",
				 fds, 3),
		0);
	fd_closep(&ends[1]);
	read_all(ends[0], text, sizeof(text));
	run_until(b, &b->ended, 1);
	assert_non_null(strstr(text, " 0 -> /dev/null"));
	assert_non_null(strstr(text, " 3 -> pipe:"));
	assert_non_null(strstr(text, " 5 -> pipe:"));
	assert_null(strstr(text, "/dev/zero"));
	/* ls opens the folder itself as the next one */
	assert_null(strstr(text, " 7 -> "));
	mask = strstr(text, "SigBlk:\t");
	assert_non_null(mask);
	assert_int_equal(strtoull(mask + 8, NULL, 16), 0);
	mask = strstr(text, "SigIgn:\t");
	assert_non_null(mask);
	assert_int_equal(strtoull(mask + 8, NULL, 16) & (1u << (SIGPIPE - 1)), 0);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	for (size_t i = 0; i < 40; i++)
		fd_closep(&leaks[i]);
	fd_closep(&ends[0]);
}

/* It dies at once, and we talk to it. */
static void test_dies_at_once(void **state)
{
	struct bench *b = *state;
	int pair[2];
	struct child c;

	assert_int_equal(ipc_pair(pair), 0);
	assert_int_equal(start_sh(b, &c, "exit 1", &pair[1], 1), 0);
	fd_closep(&pair[1]);
	run_until(b, &b->ended, 1);
	assert_int_equal(ipc_send(pair[0], STR_LIT("x"), NULL, 0), -EPIPE);
	fd_closep(&pair[0]);
}

static void test_signal_and_look(void **state)
{
	struct bench *b = *state;
	struct child c;

	assert_int_equal(start_sh(b, &c, "exec sleep 60", NULL, 0), 0);
	child_look(&c);
	assert_int_equal(b->ended, 0);
	child_signal(&c, SIGTERM);
	for (int i = 0; i < 2000 && !b->ended; i++) {
		child_look(&c);
		(void)usleep(10000);
	}
	assert_int_equal(b->ended, 1);
	child_look(&c);
	assert_int_equal(b->ended, 1);
}

/* A child ends when its parent is killed: a fork of ours starts one and is gone. */
static void test_ends_with_parent(void **state)
{
	struct bench *b = *state;
	int ends[2];
	char text[16];
	pid_t parent;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		struct child c;

		(void)start_sh(b, &c, "echo up >&3; exec sleep 60", &ends[1], 1);
		(void)pause();
	}
	fd_closep(&ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 3);
	(void)kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(read(ends[0], text, sizeof(text)), 0); /* it let go of it */
	fd_closep(&ends[0]);
}

static void on_signal(void *context, int number)
{
	struct bench *b = context;

	assert_int_equal(number, SIGUSR1);
	b->signalled++;
}

static void test_signals(void **state)
{
	static const int numbers[] = { SIGUSR1 };
	struct bench *b = *state;

	assert_int_equal(
		signals_open(&b->signals, &b->loop, numbers, 1, on_signal, b), 0);
	(void)kill(getpid(), SIGUSR1);
	run_until(b, &b->signalled, 1);
	signals_close(&b->signals);
}

static void test_timer(void **state)
{
	struct bench *b = *state;

	assert_true(timer_runs(b->timer));
	timer_stop(b->timer);
	assert_false(timer_runs(b->timer));
	timer_start(b->timer, 1);
	while (!b->expired)
		loop_turn(&b->loop);
	b->expired = false;
	timer_start_every(b->timer, 1);
	for (int i = 0; i < 3; i++) {
		while (!b->expired)
			loop_turn(&b->loop);
		b->expired = false;
	}
	timer_free(NULL);
	timer_stop(NULL);
}

/* What it reads and says is the caller's; ours are as they were. */
static void test_outputs(void **state)
{
	struct bench *b = *state;
	const char *const arguments[] = { "sh", "-c", "cat; echo err >&2", NULL };
	int in[2], out[2], err[2], outputs[2];
	const struct child_plan plan = { .program = "/bin/sh",
		.arguments = arguments,
		.input = in,
		.outputs = outputs };
	struct child c;
	struct error error = { 0 };
	char text[16];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], "out\n", 4), 4);
	close(in[1]);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	outputs[0] = out[1];
	outputs[1] = err[1];
	assert_int_equal(child_start(&c, &b->loop, &plan, on_ended, b, &error), 0);
	run_until(b, &b->ended, 1);
	assert_int_equal(b->status, 0);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	assert_int_equal(read(out[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "out\n", 4);
	assert_int_equal(read(err[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "err\n", 4);
	close(out[0]);
	close(err[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_ends), TEST(test_no_program),
		TEST(test_what_it_has), TEST(test_dies_at_once),
		TEST(test_signal_and_look), TEST(test_ends_with_parent),
		TEST(test_signals), TEST(test_timer), TEST(test_outputs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
