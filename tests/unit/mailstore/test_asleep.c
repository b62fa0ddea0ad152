/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions that sleep, as the master keeps them: told that we live, and of the end. */
#include "mailstore/process.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "mailstore/serve/hibernation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE "* OK Still here\r\n"
#define EVERY_MS 1000 /* the least that there may be */

struct test {
	struct loop loop;
	struct settings settings;
	struct processes all;
	int client;
	enum message_type answer;
	char text[64];
};

/* The peer is the test. */
static void send_to_peer(struct peer *peer, const struct message *m)
{
	struct test *t = (struct test *)peer;

	t->answer = m->type;
	(void)snprintf(t->text, sizeof(t->text), "%.*s", STR_ARG(m->text));
}

static void begin(struct test *t)
{
	static char nowhere[] = "/nowhere"; /* no account's process can be started */

	*t = (struct test){ .all = { .loop = &t->loop,
				    .settings = &t->settings,
				    .send = send_to_peer } };
	t->settings.state_dir = nowhere;
	assert_int_equal(loop_init(&t->loop, false), 0);
	assert_int_equal(processes_init(&t->all), 0);
}

static void lay_down(struct test *t, const struct message *m)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	t->client = pair[0];
	processes_asleep(&t->all, (struct peer *)t, m, pair[1]);
}

static struct message in_idle(void)
{
	return (struct message){ .type = MESSAGE_ASLEEP,
		.number = clock_monotonic_ms(),
		.number2 = EVERY_MS,
		.account = STR("ada"),
		.session = STR("1.1"),
		.service = STR("imap"),
		.text = STR(LINE),
		.payload = STR("known") };
}

/* What the client hears until there is as much; "": the end. */
static void hear(struct test *t, const char *expected)
{
	char heard[256];
	size_t len = 0;
	ssize_t n;

	while (len < strlen(expected) || !*expected) {
		n = read(t->client, heard + len, sizeof(heard) - len);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break; /* what it said was not read */
		assert_true(n > 0 || errno == EAGAIN);
		len += n > 0 ? (size_t)n : 0;
		if (n < 0)
			loop_turn(&t->loop);
	}
	assert_true(len == strlen(expected) && memcmp(heard, expected, len) == 0);
}

static void finish(struct test *t)
{
	assert_int_equal(t->all.n_asleep, 0);
	assert_null(t->all.first);
	assert_true(TAILQ_EMPTY(&t->all.waking));
	processes_fini(&t->all);
	fd_closep(&t->client);
	assert_int_equal(loop_fini(&t->loop), 0);
}

static void test_kept_alive(void **state)
{
	const struct message m = in_idle();
	struct test t;
	uint64_t began = clock_monotonic_ms();

	(void)state;
	begin(&t);
	lay_down(&t, &m);
	assert_int_equal(t.all.n_asleep, 1);
	hear(&t, LINE);
	hear(&t, LINE);
	assert_true(clock_monotonic_ms() >= began + EVERY_MS);
	processes_end(&t.all);
	hear(&t, "* BYE [UNAVAILABLE] Server shuts down.\r\n");
	hear(&t, "");
	assert_int_equal(t.answer, MESSAGE_SERVE_END);
	finish(&t);
}

/* Each wakes it; where that cannot be done its client is not left waiting. */
static void test_woken(void **state)
{
	static const struct row {
		const char *name, *says;
		bool leaves, is_due;
	} rows[] = { { "a word", "DONE\r\n", false, false },
		{ "its end", "", true, false }, { "half an hour", "", false, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message m = in_idle();
		struct test t;
		size_t len = strlen(rows[i].says);

		begin(&t);
		m.number += rows[i].is_due ? 5 : 60000;
		m.number2 = rows[i].is_due ? 0 : EVERY_MS;
		lay_down(&t, &m);
		loop_turn(&t.loop); /* that it is watched is no reason to wake it */
		assert_true(t.all.n_asleep == 1 || rows[i].is_due);
		if (len) /* one that is due may be closed by now */
			assert_int_equal(write(t.client, rows[i].says, len), len);
		if (rows[i].leaves)
			(void)shutdown(t.client, SHUT_WR);
		hear(&t, "* BYE [UNAVAILABLE] The mailbox cannot be served now; the "
			 "administrator is told.\r\n");
		hear(&t, "");
		assert_int_equal(t.answer, MESSAGE_SERVE_END);
		finish(&t);
	}
}

/* As many as may wake at once take long: the next one waits, but not for good. */
static void test_in_turn(void **state)
{
	const struct message m = in_idle();
	struct test t;
	uint64_t began = clock_monotonic_ms();

	(void)state;
	begin(&t);
	t.all.n_waking = 16;
	lay_down(&t, &m);
	assert_int_equal(write(t.client, "DONE\r\n", 6), 6);
	while (TAILQ_EMPTY(&t.all.waking))
		loop_turn(&t.loop);
	assert_int_equal(t.all.n_asleep, 1);
	hear(&t, LINE "* BYE [UNAVAILABLE] The mailbox cannot be served now; the "
		      "administrator is told.\r\n");
	assert_true(clock_monotonic_ms() >= began + 1000);
	finish(&t);
}

/* One that waits for its turn is ended, or woken by somebody else, as others are. */
static void test_ends_in_turn(void **state)
{
	const struct message m = in_idle();
	struct test t;

	(void)state;
	begin(&t);
	t.all.n_waking = 16;
	lay_down(&t, &m);
	assert_int_equal(write(t.client, "DONE\r\n", 6), 6);
	while (TAILQ_EMPTY(&t.all.waking))
		loop_turn(&t.loop);
	processes_end(&t.all);
	assert_int_equal(t.answer, MESSAGE_SERVE_END);
	finish(&t);
}

static void test_makes_no_sense(void **state)
{
	static char much[100000];

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct message m = in_idle();
		struct test t;

		begin(&t);
		if (i == 0)
			m.payload = str_of(much, sizeof(much));
		else if (i == 1)
			m.client = str_of(much, HIBERNATION_MAX + 1024);
		else if (i == 2)
			m.text = str_of(much, 65);
		else if (i == 3)
			m.number2 = EVERY_MS - 1; /* it would keep us busy */
		else
			m.text = STR_LIT("");
		lay_down(&t, &m);
		assert_int_equal(t.answer, MESSAGE_SERVE_END);
		assert_string_equal(t.text, "refused");
		hear(&t, "");
		finish(&t);
	}
}

/* Its process at the mailstore before this one has not ended yet. */
static void test_process_leaves(void **state)
{
	const struct message adopt = {
		.type = MESSAGE_ADOPT, .account = STR("ada"), .number = PROCESS_LEAVING
	};
	struct message m = in_idle();
	struct test t;
	int link[2], first;

	(void)state;
	begin(&t);
	assert_int_equal(ipc_pair(link), 0);
	assert_int_equal(processes_adopt(&t.all, &adopt, link[0]), 0);
	lay_down(&t, &m);
	first = t.client;
	m.session = STR_LIT("1.2");
	lay_down(&t, &m);
	assert_int_equal(t.all.n_asleep, 2);
	fd_closep(&link[1]);
	hear(&t, LINE);
	fd_closep(&t.client);
	t.client = first;
	hear(&t, LINE);
	processes_end(&t.all);
	finish(&t);
}

/* The session lives on, and nobody hears of its end. */
static void test_peer_is_gone(void **state)
{
	const struct message m = in_idle();
	struct test t;

	(void)state;
	begin(&t);
	lay_down(&t, &m);
	processes_forget_peer(&t.all, (struct peer *)&t);
	hear(&t, LINE);
	processes_end(&t.all);
	assert_int_equal(t.answer, MESSAGE_NONE);
	finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kept_alive),
		cmocka_unit_test(test_woken), cmocka_unit_test(test_in_turn),
		cmocka_unit_test(test_ends_in_turn),
		cmocka_unit_test(test_makes_no_sense),
		cmocka_unit_test(test_process_leaves),
		cmocka_unit_test(test_peer_is_gone) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
