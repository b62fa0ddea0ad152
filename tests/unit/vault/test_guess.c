/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guessing costs; logging in does not. */
#include "vault/guess.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MINUTE 60000u

static uint64_t now;

static struct guess attempt(int64_t account, const char *client, const char *password)
{
	return (struct guess){ .account = account,
		.client = str_from(client),
		.password = str_from(password) };
}

static void wrong(struct guesses *g, int64_t account, const char *client, int times)
{
	for (int i = 0; i < times; i++) {
		char password[64];
		struct guess a;

		(void)snprintf(password, sizeof(password), "guess-%d-%s", i, client);
		a = attempt(account, client, password);
		guess_was_wrong(g, &a, now);
	}
}

static uint64_t wait_of(struct guesses *g, int64_t account, const char *client)
{
	struct guess a = attempt(account, client, "never tried");

	return guess_wait(g, &a, now);
}

static int setup(void **state)
{
	now = 1000000;
	*state = guesses_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	guesses_free(*state);
	return 0;
}

static void test_grows(void **state)
{
	struct guesses *g = *state;
	uint64_t last = 0;

	wrong(g, 1, "192.0.2.1:1000", 5);
	assert_int_equal(wait_of(g, 1, "192.0.2.1:2000"), 0);
	for (int i = 0; i < 6; i++) {
		wrong(g, 1, "192.0.2.1:1000", 5 + i + 1);
		assert_true(wait_of(g, 1, "192.0.2.1:2000") > last);
		last = wait_of(g, 1, "192.0.2.1:2000");
		now += last; /* it waited */
		assert_int_equal(wait_of(g, 1, "192.0.2.1:2000"), 0);
	}
	wrong(g, 1, "192.0.2.1:1000", 1000);
	assert_int_equal(wait_of(g, 1, "192.0.2.1:2000"), GUESS_WAIT_MAX_MS);
	now += 40 * MINUTE;
	wrong(g, 1, "192.0.2.1:1000", 1);
	assert_int_equal(wait_of(g, 1, "192.0.2.1:2000"), 0);
}

/* Whom an attack from 192.0.2.1 on account 1 concerns. */
static void test_neighbours(void **state)
{
	static const struct {
		int64_t account;
		const char *client;
		uint64_t least, most;
	} rows[] = {
		{ 1, "192.0.2.1:1", 16000, 16000 },
		{ 2, "192.0.2.1:1", 16000, 16000 }, /* the address, whoever it tries */
		{ 2, "192.0.2.9:1", 1, 1000 },      /* its neighbours wait little */
		{ 1, "198.51.100.1:1", 1, 4000 },   /* the account, from elsewhere */
		{ 2, "198.51.100.1:1", 0, 0 },
		{ 2, "[::ffff:192.0.2.1]:1", 16000, 16000 },
		{ 2, "[2001:db8::1]:1", 0, 0 },
	};
	struct guesses *g = *state;

	wrong(g, 1, "192.0.2.1:1000", 200);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t wait = wait_of(g, rows[i].account, rows[i].client);

		if (wait < rows[i].least || wait > rows[i].most)
			fail_msg("row %zu waits %llu", i, (unsigned long long)wait);
	}
}

static void test_ipv6(void **state)
{
	struct guesses *g = *state;

	wrong(g, 1, "[2001:db8:1:2::1]:1", 200);
	assert_int_equal(wait_of(g, 2, "[2001:db8:1:2:ffff::9]:1"), GUESS_WAIT_MAX_MS);
	assert_in_range(wait_of(g, 2, "[2001:db8:1:3::1]:1"), 1, 1000);    /* the /56 */
	assert_in_range(wait_of(g, 2, "[2001:db8:1:ff00::1]:1"), 1, 1000); /* the /48 */
	assert_int_equal(wait_of(g, 2, "[2001:db8:2::1]:1"), 0);
}

/* Whoever logged in from there before is not shut out. */
static void test_known_users(void **state)
{
	struct guesses *g = *state;
	struct guess office = attempt(2, "192.0.2.7:1", "right");

	guess_was_right(g, &office, now);
	wrong(g, 1, "192.0.2.7:1000", 200);
	wrong(g, 2, "198.51.100.1:1000", 200);
	assert_int_equal(wait_of(g, 2, "192.0.2.7:1"), 0);
	assert_int_equal(wait_of(g, 2, "192.0.2.8:1"), 0); /* the same network */
	assert_true(wait_of(g, 3, "192.0.2.7:1") > 0);
	assert_true(wait_of(g, 2, "203.0.113.1:1") > 0);
	/* however many they are */
	for (int64_t account = 10; account < 20000; account++, now++)
		wrong(g, account, "203.0.113.9:1000", 10);
	wrong(g, 1, "192.0.2.7:1000", 200);
	assert_int_equal(wait_of(g, 2, "192.0.2.7:1"), 0);
	/* that is no licence to guess from there */
	wrong(g, 2, "192.0.2.7:1000", 20);
	assert_true(wait_of(g, 2, "192.0.2.7:1") > 0);
}

/* A thousand users behind one address, and one device of each with an old password. */
static void test_office(void **state)
{
	struct guesses *g = *state;

	for (int64_t account = 1; account <= 1000; account++) {
		struct guess right = attempt(account, "192.0.2.7:1", "right");

		assert_int_equal(guess_wait(g, &right, now), 0);
		guess_was_right(g, &right, now);
		now += 10;
	}
	for (int64_t account = 1; account <= 1000; account++) {
		struct guess old = attempt(account, "192.0.2.7:1", "old");

		for (int i = 0; i < 10; i++) {
			assert_int_equal(guess_wait(g, &old, now), 0);
			guess_was_wrong(g, &old, now);
		}
		assert_int_equal(wait_of(g, account, "192.0.2.7:1"), 0);
	}
}

/* Comparing is free for who has a password, and costs who guesses, account by account. */
static void test_comparing(void **state)
{
	struct guesses *g = *state;

	for (int i = 0; i < 11; i++) {
		assert_true(guess_may_compare(g, 1, now));
		guess_compared_in_vain(g, 1, now);
	}
	assert_false(guess_may_compare(g, 1, now));
	assert_true(guess_may_compare(g, 2, now));
	assert_int_equal(wait_of(g, 1, "192.0.2.1:1"), 0); /* logins do not pay */
	for (int i = 0; i < 20; i++)
		guess_compared_in_vain(g, 1, now);
	assert_false(guess_may_compare(g, 1, now + GUESS_WAIT_MAX_MS - 1));
	assert_true(guess_may_compare(g, 1, now + GUESS_WAIT_MAX_MS));
}

/* Names that cannot be read share one place, and harm nobody else. */
static void test_odd_clients(void **state)
{
	static const char *const rows[] = {
		"", "[", "[]:1", "x", "1.2.3:4", "[::1", "999.1.1.1:1",
		"0123456789012345678901234567890123456789012345678901234567890123456789"
	};
	struct guesses *g = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		wrong(g, 1, rows[i], 100);
	assert_int_equal(wait_of(g, 2, "192.0.2.1:1"), 0);
}

/* 100,000 of each: nothing grows, and nobody's wait is lost to chance at once. */
static void test_flood(void **state)
{
	struct guesses *g = *state;

	for (unsigned i = 0; i < 100000; i++) {
		char client[32];

		(void)snprintf(client, sizeof(client), "10.%u.%u.%u:1", i >> 16,
			i >> 8 & 255, i & 255);
		wrong(g, i, client, 1);
		now++;
	}
	wrong(g, 1, "192.0.2.1:1000", 100);
	assert_int_equal(wait_of(g, 1, "192.0.2.1:2000"), GUESS_WAIT_MAX_MS);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_grows),
		ROW(test_neighbours),
		ROW(test_ipv6),
		ROW(test_known_users),
		ROW(test_office),
		ROW(test_odd_clients),
		ROW(test_flood),
		ROW(test_comparing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
