/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections that are put to sleep, and go on as if they had not been. */
#include "mailstore/serve/connection_bench.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static struct asleep {
	char known[HIBERNATION_MAX], keepalive[64];
	size_t len;
	uint64_t due, every;
	int fd;
} asleep[CLIENTS];

static int on_sleeps(void *context, const struct connection_sleep *sleep, int fd)
{
	struct asleep *a = &asleep[str_eq(sleep->session, STR_LIT("1"))];

	(void)context;
	assert_true(str_eq(sleep->service, STR_LIT("imap")));
	*a = (struct asleep){ .len = sleep->known.len,
		.due = sleep->due,
		.every = sleep->every,
		.fd = fd };
	memcpy(a->known, sleep->known.ptr, sleep->known.len);
	memcpy(a->keepalive, sleep->keepalive.ptr, sleep->keepalive.len);
	return 0;
}

static void wake(struct bench *b, size_t i, uint64_t due)
{
	const struct login login = { .session = STR("again"),
		.payload = str_of(asleep[i].known, asleep[i].len),
		.kind = LOGIN_WOKEN,
		.due = due };

	bench_start_plain(b, &login, asleep[i].fd);
}

/* One in IDLE, one that has read its mailbox. */
static void fall_asleep(struct bench *b)
{
	bench_open(b);
	b->all.sleeps = on_sleeps;
	bench_connect_plain(b, 0);
	bench_connect_plain(b, 1);
	bench_say(b, 0, "a SELECT INBOX\r\nb IDLE\r\n");
	bench_say(b, 1, "a SELECT INBOX\r\n");
	bench_hear(b, 0, "\r\n+ ");
	bench_hear(b, 1, "a OK");
	bench_turn(b);
	assert_true(connections_can_sleep(&b->all));
	assert_int_equal(connections_sleep(&b->all), 0);
	assert_int_equal(connections_count(&b->all), 0);
	assert_int_equal(b->ended, 0);
}

static bool is_about(uint64_t due, uint64_t ms)
{
	uint64_t now = clock_monotonic_ms();

	return due <= now + ms && due + 60000 > now + ms;
}

static void test_sleep(void **state)
{
	static struct bench b;
	size_t line = strlen("* OK Still here\r\n");

	(void)state;
	fall_asleep(&b);
	assert_string_equal(asleep[0].keepalive, "* OK Still here\r\n");
	assert_int_equal(asleep[0].every, CONNECTION_KEEPALIVE_MS);
	assert_true(is_about(asleep[0].due, CONNECTION_KEEPALIVE_MS));
	assert_string_equal(asleep[1].keepalive, "");
	assert_int_equal(asleep[1].every, 0);
	assert_true(is_about(asleep[1].due, CONNECTION_IDLE_MS));
	/* the first of them was kept alive twice meanwhile */
	wake(&b, 0, asleep[0].due + 2 * asleep[0].every);
	wake(&b, 1, asleep[1].due);
	bench_say(&b, 1, "b STORE 2 +FLAGS.SILENT (\\Answered)\r\nc LOGOUT\r\n");
	bench_hear(&b, 1, "c OK");
	bench_hear(&b, 0, "* 2 FETCH");
	bench_say(&b, 0, "DONE\r\nf LOGOUT\r\n");
	bench_hear(&b, 0, "b OK Idle completed.\r\n");
	for (unsigned n = 0; b.ended < 2 && n < TURNS_MAX; n++)
		bench_turn(&b);
	assert_int_equal(b.bytes_out,
		buf_len(&b.clients[0].heard) + buf_len(&b.clients[1].heard) + 2 * line);
	bench_close(&b);
}

/* Silence goes on counting: as if it had lasted for half an hour at its beginning. */
static void test_too_long_asleep(void **state)
{
	static const char past[] = "1\0"
				   "1\0"
				   "1800000\0"
				   "0\0"
				   "0\0"
				   "0\0"
				   "0";
	static struct bench b;
	struct str known;
	struct asleep *a = &asleep[1];

	(void)state;
	fall_asleep(&b);
	b.all.keepalive_ms = 10;
	wake(&b, 0, 0); /* late: at once */
	bench_hear(&b, 0, "* OK Still here\r\n");
	assert_int_equal(b.ended, 0);
	known = str_of(a->known, a->len);
	for (int i = 0; i < 7; i++)
		(void)str_split(&known, '\0');
	memmove(a->known + sizeof(past), known.ptr, known.len);
	memcpy(a->known, past, sizeof(past));
	a->len = sizeof(past) + known.len;
	wake(&b, 1, 0);
	bench_hear(&b, 1, "* BYE Idle for too long.");
	bench_close(&b);
}

static void test_not_now(void **state)
{
	static const char *const says[] = { "half a line", "a APPEND INBOX {5+}\r\nx",
		"a NOTIFY SET (selected (messagenew messageexpunge))\r\nb NOOP\r\n",
		"a SELECT INBOX\r\nb SEARCH RETURN (UPDATE) SEEN\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		static struct bench b;

		bench_open(&b);
		b.all.sleeps = on_sleeps;
		bench_connect_plain(&b, 0);
		bench_connect_plain(&b, 1);
		bench_say(&b, 0, says[i]);
		bench_hear(&b, 0, i < 2 ? "login OK" : "b OK");
		bench_hear(&b, 1, "login OK");
		for (int n = 0; n < 4; n++)
			bench_turn(&b);
		assert_false(connections_can_sleep(&b.all));
		assert_int_equal(connections_sleep(&b.all), -EBUSY);
		assert_int_equal(connections_count(&b.all), 2); /* nor the other one */
		bench_close(&b);
	}
}

/* A socket that cannot be given away, as no descriptor is left for its copy. */
static void test_no_descriptor(void **state)
{
	static struct bench b;
	struct rlimit limit, none;

	(void)state;
	bench_open(&b);
	b.all.sleeps = on_sleeps;
	bench_connect_plain(&b, 0);
	bench_connect_plain(&b, 1);
	bench_say(&b, 0, "a NOOP\r\n");
	bench_say(&b, 1, "a NOOP\r\n");
	bench_hear(&b, 0, "a OK");
	bench_hear(&b, 1, "a OK");
	for (int n = 0; n < 4; n++)
		bench_turn(&b);
	assert_true(connections_can_sleep(&b.all));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connections_sleep(&b.all), -EBUSY);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(connections_count(&b.all), 2);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_too_long_asleep), cmocka_unit_test(test_not_now),
		cmocka_unit_test(test_no_descriptor) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
