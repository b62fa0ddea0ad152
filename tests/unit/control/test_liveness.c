/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which program hangs: by what its socket in run_dir does. */
#include "control/running/liveness.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "event/timer.h"
#include "messages/message.h"
#include "settings/settings.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 4000 /* asked each second */

/* What the vault's socket does within one second. */
enum does { ABSENT, LISTENS, ANSWERS, SAYS_NONSENSE, HANGS_UP };

static const struct row {
	const char *name;
	enum does does[8];
	int hangs_at; /* in seconds; -1: never */
} rows[] = {
	{ "answers",
		{ ANSWERS, ANSWERS, ANSWERS, ANSWERS, ANSWERS, ANSWERS, ANSWERS,
			ANSWERS },
		-1 },
	{ "is not there", { 0 }, -1 },
	{ "accepts nobody: the kernel alone answers",
		{ LISTENS, LISTENS, LISTENS, LISTENS, LISTENS, LISTENS, LISTENS,
			LISTENS },
		4 },
	{ "stops answering",
		{ ANSWERS, ANSWERS, LISTENS, LISTENS, LISTENS, LISTENS, LISTENS,
			LISTENS },
		6 },
	{ "is slow, and answers all the same",
		{ LISTENS, LISTENS, LISTENS, ANSWERS, LISTENS, LISTENS, LISTENS,
			ANSWERS },
		-1 },
	{ "does not know the question",
		{ HANGS_UP, HANGS_UP, HANGS_UP, HANGS_UP, HANGS_UP, HANGS_UP, HANGS_UP,
			HANGS_UP },
		-1 },
	{ "says something else",
		{ SAYS_NONSENSE, SAYS_NONSENSE, SAYS_NONSENSE, SAYS_NONSENSE,
			SAYS_NONSENSE, SAYS_NONSENSE, SAYS_NONSENSE, SAYS_NONSENSE },
		-1 },
	{ "ends, and the next one answers",
		{ LISTENS, LISTENS, LISTENS, ABSENT, ABSENT, ANSWERS, ANSWERS, ANSWERS },
		-1 },
};

struct world {
	struct loop loop;
	struct generations programs;
	char folder[64], path[PATH_MAX];
	int listener, client;
};

static void open_world(struct world *w)
{
	*w = (struct world){ .listener = -1, .client = -1 };
	assert_int_equal(loop_init(&w->loop, false), 0);
	(void)strcpy(w->folder, "/tmp/mailferry-live-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void)snprintf(w->path, sizeof(w->path), "%s/" VAULT_SOCKET, w->folder);
}

static void end_program(struct world *w)
{
	fd_closep(&w->client);
	fd_closep(&w->listener);
	(void)unlink(w->path);
}

static void close_world(struct world *w)
{
	end_program(w);
	assert_int_equal(rmdir(w->folder), 0);
	(void)loop_fini(&w->loop);
}

/* All that waits, answered by that. */
static void answer(struct world *w, enum message_type type)
{
	const struct message m = { .type = type };
	char in[IPC_MESSAGE_MAX], out[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	ssize_t len = message_encode(&m, out, sizeof(out));

	assert_true(len > 0);
	if (w->client < 0)
		w->client = ipc_accept(w->listener);
	while (w->client >= 0 && ipc_receive(w->client, in, sizeof(in), fds, &n_fds) > 0)
		(void)ipc_send(w->client, str_of(out, (size_t)len), NULL, 0);
}

static void act(struct world *w, enum does what)
{
	struct error err;

	if (what == ABSENT) {
		end_program(w);
		return;
	}
	if (w->listener < 0)
		w->listener = ipc_listen(w->path, 0600, &err);
	assert_true(w->listener >= 0);
	if (what == ANSWERS || what == SAYS_NONSENSE)
		answer(w, what == ANSWERS ? MESSAGE_PONG : MESSAGE_DONE);
	if (what != HANGS_UP)
		return;
	w->client = ipc_accept(w->listener);
	fd_closep(&w->client);
}

static void on_time(void *context)
{
	*(bool *)context = true;
}

/* What has come is read. */
static void turn(struct world *w)
{
	struct timer *timer;
	bool is_over = false;

	assert_int_equal(timer_new(&w->loop, on_time, &is_over, &timer), 0);
	timer_start(timer, 1);
	while (!is_over)
		loop_turn(&w->loop);
	timer_free(timer);
}

static void run(const struct row *row)
{
	struct world w;
	struct liveness l;
	int hangs_at = -1;

	open_world(&w);
	if (row->does[0] != ABSENT)
		act(&w, LISTENS);
	liveness_init(&l, &w.loop, &w.programs, ~0u, w.folder, LIMIT);
	for (int second = 0; second < 8; second++) {
		enum up_program hung = liveness_tick(&l, 1000 + (uint64_t)second * 1000);

		assert_true(hung == UP_PROGRAM_COUNT || hung == UP_VAULT);
		if (hung == UP_VAULT && hangs_at < 0)
			hangs_at = second;
		act(&w, row->does[second]);
		turn(&w);
	}
	if (hangs_at != row->hangs_at)
		fail_msg("%s: %d", row->name, hangs_at);
	liveness_fini(&l);
	close_world(&w);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(&rows[i]);
}

/* Without systemd's watchdog nobody is watched: a debugger may hold a program. */
static void test_none(void **state)
{
	struct world w;
	struct liveness l;

	(void)state;
	open_world(&w);
	act(&w, LISTENS);
	liveness_init(&l, &w.loop, &w.programs, ~0u, w.folder, 0);
	for (uint64_t now = 1; now < 1000000; now += 1000)
		assert_int_equal(liveness_tick(&l, now), UP_PROGRAM_COUNT);
	assert_int_equal(ipc_accept(w.listener), -EAGAIN);
	liveness_fini(&l);
	close_world(&w);
}

/* A retired mailstore ends with its last connection; nothing is asked of it any more. */
static void test_followed(void **state)
{
	struct world w;
	struct liveness l;
	char in[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX], next;
	size_t n_fds = 0;

	(void)state;
	open_world(&w);
	generations_current(&w.programs, UP_VAULT)->child.pid = 1;
	act(&w, LISTENS);
	liveness_init(&l, &w.loop, &w.programs, ~0u, w.folder, LIMIT);
	assert_int_equal(liveness_tick(&l, 1000), UP_PROGRAM_COUNT);
	w.client = ipc_accept(w.listener);
	assert_true(w.client >= 0);
	assert_true(ipc_receive(w.client, in, sizeof(in), fds, &n_fds) > 0);
	generations_current(&w.programs, UP_VAULT)->child.pid = 2;
	/* the old one owes an answer since long ago: that is not the new one's fault */
	assert_int_equal(liveness_tick(&l, 1000 + LIMIT), UP_PROGRAM_COUNT);
	assert_int_equal(ipc_receive(w.client, in, sizeof(in), fds, &n_fds), 0);
	next = ipc_accept(w.listener);
	assert_true(ipc_receive(next, in, sizeof(in), fds, &n_fds) > 0);
	fd_closep(&next);
	liveness_fini(&l);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
