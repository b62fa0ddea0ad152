/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One page, several processes: what they take together keeps the rate. */
#include "transfer/read/pace.h"

#include "base/clock.h"
#include "settings/settings.h"
#include "transfer/read/source_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 100000u /* ms */

static const struct limits limits = {
	.source_logins = 60, .source_messages = 100, .source_kilobytes = 1000
};

/* Two that share one page. */
static void open_two(struct pace two[static 2], const struct limits *l)
{
	int fd = pace_make();

	assert_true(fd >= 0);
	assert_int_equal(pace_open(&two[0], fd, l), 0);
	assert_int_equal(pace_open(&two[1], fd, l), 0);
	close(fd);
}

static void close_two(struct pace two[static 2])
{
	pace_close(&two[0]);
	pace_close(&two[1]);
}

static void logins_take_turns(void **state)
{
	struct pace two[2];

	(void)state;
	open_two(two, &limits);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(pace_take(&two[i % 2], PACE_LOGIN, 1, NOW), i * 1000);
	/* what was not used is not saved up */
	assert_int_equal(pace_take(&two[0], PACE_LOGIN, 1, NOW + 3600000), 0);
	assert_int_equal(pace_take(&two[1], PACE_LOGIN, 1, NOW + 3600000), 1000);
	close_two(two);
}

static void reading_waits_for_what_was_read(void **state)
{
	struct pace two[2];

	(void)state;
	open_two(two, &limits);
	assert_int_equal(pace_pay(&two[0], PACE_BYTE, 512000, NOW), 500);
	assert_int_equal(pace_pay(&two[1], PACE_BYTE, 102400, NOW + 100), 500);
	/* what a question brings is taken before: both messages and bytes are due then */
	assert_int_equal(pace_take_reading(&two[0], 25, 102400, NOW + 600), 0);
	assert_int_equal(pace_take_reading(&two[1], 1, 102400, NOW + 600), 250);
	assert_int_equal(pace_take_reading(&two[1], 1, 102400, NOW + 600), 260);
	assert_int_equal(pace_part(&two[0], PACE_MESSAGE), 25);
	assert_int_equal(pace_part(&two[0], PACE_BYTE), 256147); /* whole nanoseconds */
	assert_true(pace_limits_reading(&two[0]));
	close_two(two);
}

/* However many wait: the last of them, too, when the rate has room for it. */
static void all_of_them_wait(void **state)
{
	struct limits slow = {
		.source_logins = 6, .transfers = 100, .source_connections = 1
	};
	struct pace two[2];

	(void)state;
	open_two(two, &slow);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pace_take(&two[i % 2], PACE_LOGIN, 1, NOW), i * 10000);
	close_two(two);
}

static void no_limit_is_none(void **state)
{
	struct limits none = { 0 };
	struct pace two[2], alone = { 0 };

	(void)state;
	open_two(two, &none);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pace_take(&two[0], PACE_LOGIN, 1, NOW), 0);
		assert_int_equal(pace_pay(&two[0], PACE_BYTE, 1 << 20, NOW), 0);
	}
	assert_false(pace_limits_reading(&two[0]));
	assert_true(pace_part(&two[0], PACE_BYTE) == UINT64_MAX);
	assert_int_equal(pace_take(NULL, PACE_LOGIN, 1, NOW), 0);
	assert_int_equal(pace_take(&alone, PACE_BYTE, 1 << 30, NOW), 0);
	assert_false(pace_limits_reading(&alone));
	assert_false(pace_limits_reading(NULL));
	pace_login_ended(&alone, -EAGAIN, NOW);
	close_two(two);
}

static void who_is_waited_for_does_not_wait(void **state)
{
	struct pace two[2];
	bool is_urgent = true;

	(void)state;
	open_two(two, &limits);
	two[0].is_urgent = &is_urgent;
	for (int i = 0; i < 5; i++)
		assert_int_equal(pace_take(&two[0], PACE_LOGIN, 1, NOW), 0);
	assert_int_equal(pace_pay(&two[0], PACE_BYTE, 1 << 20, NOW), 0);
	assert_false(pace_limits_reading(&two[0]));
	assert_int_equal(pace_take(&two[1], PACE_LOGIN, 1, NOW), 5000); /* but takes */
	is_urgent = false;
	assert_int_equal(pace_take(&two[0], PACE_LOGIN, 1, NOW), 6000);
	close_two(two);
}

static void a_source_that_has_too_many(void **state)
{
	static const unsigned waits[] = { 1000, 2000, 4000, 8000, 16000, 32000, 32000 };
	struct limits none = { 0 };
	struct pace two[2];
	uint64_t now = NOW;

	(void)state;
	open_two(two, &none);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		pace_login_ended(&two[0], i % 2 ? -ETIMEDOUT : -EAGAIN, now);
		assert_int_equal(pace_take(&two[1], PACE_LOGIN, 1, now), waits[i]);
		now += waits[i];
	}
	/* a wrong password says nothing of it; each one that is let in halves it */
	pace_login_ended(&two[0], -EACCES, now);
	for (int i = 0; i < 4; i++)
		pace_login_ended(&two[1], 0, now);
	pace_login_ended(&two[0], -EAGAIN, now);
	assert_int_equal(pace_take(&two[1], PACE_LOGIN, 1, now), 4000);
	close_two(two);
}

/* The source ends a session that waits for its turn, or is to send a message: what was
   taken for it is not lost to the next one, which would wait as long again. */
static void a_lost_connection_gives_its_turn_back(void **state)
{
	struct source_connection c;
	struct pace two[2];

	(void)state;
	open_two(two, &limits);
	for (int i = 0; i < 2; i++) {
		source_connection_init(&c);
		c.pace = &two[0];
		(void)pace_take(&two[1], PACE_BYTE, 1000000, clock_monotonic_ms());
		assert_false(source_connection_may_ask(&c, 1, 64000000));
		if (i)
			source_connection_asked(&c, 1, 64000000);
		source_connection_close(&c);
	}
	assert_true(pace_take_reading(&two[1], 1, 1, clock_monotonic_ms()) < 10000);
	close_two(two);
}

/* Connections share what is to be fetched: one may have taken its turn for what another
   one has asked for by now. */
static void a_turn_counts_what_is_asked_for(void **state)
{
	static const struct {
		uint64_t taken, asked; /* bytes; 0: without a turn */
		unsigned least, most;  /* ms until the next one is due */
	} rows[] = {
		{ 1, 32000000, 20000, 32000 },
		{ 32000000, 1, 0, 1000 },
		{ 0, 32000000, 20000, 32000 },
	};
	struct source_connection c;
	struct pace two[2];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned due;

		open_two(two, &limits);
		source_connection_init(&c);
		c.pace = &two[0];
		if (rows[i].taken)
			assert_true(source_connection_may_ask(&c, 1, rows[i].taken));
		source_connection_asked(&c, 1, rows[i].asked);
		due = pace_take_reading(&two[1], 1, 1, clock_monotonic_ms());
		assert_in_range(due, rows[i].least, rows[i].most);
		source_connection_close(&c);
		close_two(two);
	}
}

/* A process that a thief runs writes what it likes. */
static void a_moment_that_makes_no_sense(void **state)
{
	struct pace two[2];

	(void)state;
	open_two(two, &limits);
	two[0].page->due_us[PACE_LOGIN] = UINT64_MAX;
	two[0].page->due_us[PACE_BYTE] = UINT64_MAX;
	two[0].page->penalty_ms = UINT32_MAX;
	assert_int_equal(pace_take(&two[1], PACE_LOGIN, 1, NOW), PACE_WAIT_MAX_MS);
	assert_int_equal(pace_take(&two[1], PACE_BYTE, 1, NOW), PACE_WAIT_MAX_MS);
	pace_login_ended(&two[1], -EAGAIN, NOW);
	assert_true(two[1].page->penalty_ms <= PACE_PENALTY_MAX_MS);
	assert_int_equal(pace_take(&two[1], PACE_LOGIN, 1, NOW + PACE_WAIT_MAX_MS), 1000);
	close_two(two);
}

static void what_is_no_page(void **state)
{
	struct pace p = { 0 };
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(pace_open(&p, fd, &limits), -EINVAL);
	close(fd);
	assert_int_equal(pace_open(&p, fd, &limits), -EBADF);
	assert_null(p.page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logins_take_turns),
		cmocka_unit_test(reading_waits_for_what_was_read),
		cmocka_unit_test(all_of_them_wait),
		cmocka_unit_test(no_limit_is_none),
		cmocka_unit_test(who_is_waited_for_does_not_wait),
		cmocka_unit_test(a_lost_connection_gives_its_turn_back),
		cmocka_unit_test(a_turn_counts_what_is_asked_for),
		cmocka_unit_test(a_source_that_has_too_many),
		cmocka_unit_test(a_moment_that_makes_no_sense),
		cmocka_unit_test(what_is_no_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
