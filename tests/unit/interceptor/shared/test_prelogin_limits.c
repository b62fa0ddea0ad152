/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may wait for a login: numbers do not count, failures do. */
#include "interceptor/shared/prelogin_limits.h"

#include "interceptor/shared/connection_limits.h"
#include "settings/settings.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1000
#define OFFICE "192.0.2.1"

static struct limits limits = {
	.connections = 1000,
	.connections_per_ip = 2000,
	.prelogin_bytes = 4096 * PRELOGIN_PLACE,
};
static struct connection_limits t;

static int begin(void **state)
{
	(void)state;
	if (connection_limits_init(&t, 2, 0) < 0)
		return -1;
	t.key = 42; /* a random one lets two networks share a bucket now and then */
	return 0;
}

static int end(void **state)
{
	(void)state;
	return close(t.fd);
}

static struct client_networks networks_of(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return client_networks(t.key, (const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return client_networks(t.key, (const struct sockaddr *)&v6);
}

static void test_networks(void **state)
{
	static const struct {
		const char *a, *b;
		bool same[NETWORK_SCOPES];
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", { true, true, true } },
		{ "192.0.2.1", "::ffff:192.0.2.1", { true, true, true } },
		{ "192.0.2.1", "192.0.2.2", { false, true, true } },
		{ "192.0.2.1", "192.0.3.1", { false, false, false } },
		{ "2001:db8::1", "2001:db8::ffff:1", { true, true, true } },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", { false, true, true } },
		{ "2001:db8:0:100::1", "2001:db8:0:200::1", { false, false, true } },
		{ "2001:db8:1::1", "2001:db8:2::1", { false, false, false } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client_networks a = networks_of(rows[i].a);
		struct client_networks b = networks_of(rows[i].b);

		for (int j = 0; j < NETWORK_SCOPES; j++) {
			assert_true(a.bucket[j] < NETWORK_BUCKETS);
			if ((a.bucket[j] == b.bucket[j]) != rows[i].same[j])
				fail_msg("%s %s scope %d", rows[i].a, rows[i].b, j);
		}
		assert_int_equal(a.site == b.site, rows[i].same[NETWORK_SITE]);
	}
}

/* How many come in before one is refused; they go again. */
static unsigned come_in(const char *address, unsigned most, enum crowd *ret)
{
	struct client_networks n = networks_of(address);
	bool known = network_is_known(&t, &n);
	unsigned i = 0;

	*ret = CROWD_NONE;
	while (i < most && *ret == CROWD_NONE) {
		prelogin_add_waiting(&t, i % 2, &n, 1);
		prelogin_add_places(&t, i % 2, known, 1);
		*ret = prelogin_crowd(&t, &limits, &n, NOW);
		i++;
	}
	for (unsigned j = 0; j < i; j++) {
		prelogin_add_waiting(&t, j % 2, &n, -1);
		prelogin_add_places(&t, j % 2, known, -1);
	}
	return *ret == CROWD_NONE ? i : i - 1;
}

static void test_numbers(void **state)
{
	static const struct {
		const char *name, *address;
		unsigned right, wrong; /* logins before, from there */
		unsigned come_in;
		enum crowd then;
	} rows[] = {
		{ "nobody knows them", OFFICE, 0, 0, 2000, CROWD_NETWORK },
		{ "a /64", "2001:db8::1", 0, 0, 2000, CROWD_NETWORK },
		{ "somebody logged in from there", OFFICE, 1, 0, 4096, CROWD_MEMORY },
		{ "a few typing errors", OFFICE, 0, 10, 2000, CROWD_NETWORK },
		{ "guesses", OFFICE, 0, 18, 1000, CROWD_NETWORK },
		{ "many guesses", OFFICE, 0, 200, 4, CROWD_NETWORK },
		{ "an office with old phones", OFFICE, 1, 100, 4096, CROWD_MEMORY },
		{ "right ones outweigh them", OFFICE, 500, 500, 4096, CROWD_MEMORY },
		{ "an account, and guesses", OFFICE, 1, 1000, 128, CROWD_NETWORK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client_networks n;
		enum crowd then;
		unsigned got;

		assert_int_equal(end(NULL) || begin(NULL), 0);
		n = networks_of(rows[i].address);
		for (unsigned j = 0; j < rows[i].wrong; j++)
			prelogin_failed(&t, 0, &n, NOW);
		for (unsigned j = 0; j < rows[i].right; j++)
			prelogin_succeeded(&t, 0, &n, NOW);
		got = come_in(rows[i].address, 10000, &then);
		if (got != rows[i].come_in || then != rows[i].then)
			fail_msg("%s: %u come in, then %d", rows[i].name, got, then);
	}
}

/* Guesses from one subscriber of a provider cost their neighbours little. */
static void test_neighbours(void **state)
{
	struct client_networks guesser = networks_of("2001:db8:0:1::1");
	enum crowd then;

	(void)state;
	for (int i = 0; i < 70; i++)
		prelogin_failed(&t, 1, &guesser, NOW);
	assert_int_equal(come_in("2001:db8:0:1::2", 10000, &then), 15);
	assert_int_equal(come_in("2001:db8:0:2::1", 10000, &then), 250); /* its /56 */
	assert_int_equal(come_in("2001:db8:0:200::1", 10000, &then), 2000);
}

/* An address whose host shares a bucket with the office's, and whose /24 does not. */
static struct client_networks shares_bucket(const struct client_networks *office)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct client_networks n;

	for (uint32_t i = 0;; i++) {
		assert_true(i < 100 * NETWORK_BUCKETS);
		v4.sin_addr.s_addr = htonl(0x0a000000 + i);
		n = client_networks(t.key, (const struct sockaddr *)&v4);
		if (n.bucket[NETWORK_HOST] == office->bucket[NETWORK_HOST] &&
			n.bucket[NETWORK_SITE] != office->bucket[NETWORK_SITE])
			return n;
	}
}

/* They are counted together, and what one has earned is not the other's. */
static void test_two_in_one_bucket(void **state)
{
	struct client_networks office = networks_of(OFFICE);
	struct client_networks other = shares_bucket(&office);

	(void)state;
	for (int i = 0; i < 70; i++)
		prelogin_failed(&t, 0, &other, NOW);
	prelogin_add_waiting(&t, 0, &other, 100);
	assert_int_equal(prelogin_crowd(&t, &limits, &office, NOW), CROWD_NETWORK);
	prelogin_succeeded(&t, 0, &office, NOW);
	assert_true(network_is_known(&t, &office));
	assert_false(network_is_known(&t, &other));
	/* another key, and they are strangers */
	t.key = 43;
	office = networks_of(OFFICE);
	assert_int_equal(prelogin_crowd(&t, &limits, &office, NOW), CROWD_NONE);
}

/* Those who could not be told apart leave room for those who are known. */
static void test_places_are_kept(void **state)
{
	struct client_networks known = networks_of(OFFICE);
	enum crowd then;

	(void)state;
	prelogin_succeeded(&t, 0, &known, NOW);
	prelogin_add_places(&t, 1, false, 3072); /* from all over the world */
	assert_int_equal(come_in("198.51.100.1", 10, &then), 0);
	assert_int_equal(then, CROWD_MEMORY);
	assert_int_equal(come_in(OFFICE, 10000, &then), 1024);
}

static void test_connections_are_kept(void **state)
{
	struct client_networks known = networks_of(OFFICE);
	struct client_networks other = networks_of("198.51.100.1");

	(void)state;
	prelogin_succeeded(&t, 0, &known, NOW);
	connection_limits_add_connection(&t, 1, 751);
	assert_int_equal(prelogin_crowd(&t, &limits, &other, NOW), CROWD_ALL);
	assert_int_equal(prelogin_crowd(&t, &limits, &known, NOW), CROWD_NONE);
	connection_limits_add_connection(&t, 0, 250);
	assert_int_equal(prelogin_crowd(&t, &limits, &known, NOW), CROWD_ALL);
}

static void test_failures_are_forgotten(void **state)
{
	struct client_networks n = networks_of(OFFICE);

	(void)state;
	for (int i = 0; i < 80; i++)
		prelogin_failed(&t, 0, &n, NOW);
	prelogin_add_waiting(&t, 0, &n, 100);
	assert_int_equal(prelogin_crowd(&t, &limits, &n, NOW), CROWD_NETWORK);
	assert_int_equal(prelogin_crowd(&t, &limits, &n, NOW + 900), CROWD_NONE);
}

/* A worker that dies takes its counts with it. */
static void test_a_worker_ends(void **state)
{
	struct client_networks n = networks_of(OFFICE);

	(void)state;
	prelogin_add_waiting(&t, 1, &n, 3000);
	assert_int_equal(prelogin_crowd(&t, &limits, &n, NOW), CROWD_NETWORK);
	connection_limits_clear_row(&t, 1);
	assert_int_equal(prelogin_crowd(&t, &limits, &n, NOW), CROWD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_networks, begin, end),
		cmocka_unit_test_setup_teardown(test_numbers, begin, end),
		cmocka_unit_test_setup_teardown(test_neighbours, begin, end),
		cmocka_unit_test_setup_teardown(test_two_in_one_bucket, begin, end),
		cmocka_unit_test_setup_teardown(test_places_are_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_connections_are_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_failures_are_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_a_worker_ends, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
