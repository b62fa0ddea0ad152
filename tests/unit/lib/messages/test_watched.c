/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which child hangs: by what it says to its parent, second by second. */
#include "messages/watched.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "messages/exchange.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECONDS 12
#define LIMIT_MS 4000

/* What the child does in a second: '-' nothing, 'r' reads and answers, 's' says something
   of its own, 'e' ends. */
static const struct row {
	const char *name, *does;
	unsigned every_s;
	int hangs_at;     /* second; -1: never */
	unsigned n_asked; /* how often */
} rows[] = {
	{ "answers", "rrrrrrrrrrrr", 1, -1, 12 },
	{ "is not asked more often than that", "rrrrrrrrrrrr", 4, -1, 3 },
	{ "never answers", "------------", 1, 4, 1 },
	{ "stops to answer", "rrr---------", 1, 7, 4 },
	{ "is slow", "---r---r---r", 1, -1, 3 },
	{ "says what nobody asked", "---s---s---s", 1, -1, 3 },
	{ "ends", "rr-e--------", 1, -1, 2 }, /* the third goes with it */
};

struct parent {
	struct loop loop;
	struct channel link;
	struct watched watched;
	int child;
	unsigned n_asked;
};

static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct parent *parent = context;

	(void)c;
	(void)p;
	watched_heard(&parent->watched);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)context;
	(void)code;
	channel_close(c);
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = 4096
};

static void say(struct parent *p, enum message_type type)
{
	const struct message m = { .type = type };
	char bytes[256];
	ssize_t len = message_encode(&m, bytes, sizeof(bytes));

	assert_true(len > 0);
	assert_int_equal(ipc_send(p->child, str_of(bytes, (size_t)len), NULL, 0), 0);
}

static void take_questions(struct parent *p, bool answers)
{
	char bytes[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	ssize_t len;

	while ((len = ipc_receive(p->child, bytes, sizeof(bytes), fds, &n_fds)) > 0) {
		struct message m;

		assert_int_equal(message_decode(str_of(bytes, (size_t)len), &m), 0);
		assert_int_equal(m.type, MESSAGE_PING);
		p->n_asked++;
		if (answers)
			say(p, MESSAGE_PONG);
	}
}

static void act(struct parent *p, char what)
{
	if (what == 'r')
		take_questions(p, true);
	else if (what == 's')
		say(p, MESSAGE_IDLE);
	else if (what == 'e' && p->child >= 0)
		fd_closep(&p->child);
}

static void open_parent(struct parent *p)
{
	int pair[2];

	*p = (struct parent){ .child = -1 };
	assert_int_equal(loop_init(&p->loop, false), 0);
	assert_int_equal(ipc_pair(pair), 0);
	assert_int_equal(channel_open(&p->link, &p->loop, pair[0], &ops, p), 0);
	p->child = pair[1];
}

static void close_parent(struct parent *p)
{
	channel_close(&p->link);
	fd_closep(&p->child);
	(void)loop_fini(&p->loop);
}

static void run(const struct row *row)
{
	struct parent p;
	int hangs_at = -1;

	open_parent(&p);
	for (int second = 0; second < SECONDS; second++) {
		uint64_t now = 1000 + (uint64_t)second * 1000;

		if (watched_ask(
			    &p.watched, &p.link, now, row->every_s * 1000ull, LIMIT_MS) &&
			hangs_at < 0)
			hangs_at = second;
		act(&p, row->does[second]);
	}
	if (p.child >= 0)
		take_questions(&p, false);
	if (hangs_at != row->hangs_at || p.n_asked != row->n_asked)
		fail_msg("%s: hangs at %d, asked %u", row->name, hangs_at, p.n_asked);
	assert_int_equal(p.watched.has_spoken, strpbrk(row->does, "rs") != NULL);
	close_parent(&p);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(&rows[i]);
}

/* Who was stopped itself finds the answer of long ago first. */
static void test_held_up(void **state)
{
	struct parent p;

	(void)state;
	open_parent(&p);
	assert_false(watched_ask(&p.watched, &p.link, 1000, 0, LIMIT_MS));
	take_questions(&p, true);
	assert_false(watched_ask(&p.watched, &p.link, 1000000, 0, LIMIT_MS));
	close_parent(&p);
}

/* What does not read, and so has a full queue, is asked, too. */
static void test_full_queue(void **state)
{
	static const struct message news = { .type = MESSAGE_IDLE };
	struct parent p;

	(void)state;
	open_parent(&p);
	while (message_send(&p.link, &news, -1) == 0)
		;
	assert_false(watched_ask(&p.watched, &p.link, 1000, 0, LIMIT_MS));
	assert_true(watched_ask(&p.watched, &p.link, 1000 + LIMIT_MS, 0, LIMIT_MS));
	close_parent(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_full_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
