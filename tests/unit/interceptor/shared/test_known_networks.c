/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known of where accounts live after a restart: another memory, another key, the
   same registry. */
#include "interceptor/shared/known_networks.h"

#include "interceptor/shared/connection_limits.h"
#include "lib/registry/registry_fixture.h"

#include <arpa/inet.h>
#include <unistd.h>

static bool knows(const struct connection_limits *l, const char *client)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct client_networks n;

	if (inet_pton(AF_INET, client, &v4.sin_addr) == 1) {
		n = client_networks(l->key, (const struct sockaddr *)&v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, client, &v6.sin6_addr), 1);
		n = client_networks(l->key, (const struct sockaddr *)&v6);
	}
	return network_is_known(l, &n);
}

/* As after a restart. */
static void recall(struct test *t, int n, struct connection_limits *ret)
{
	assert_int_equal(connection_limits_init(ret, 1, 0), 0);
	assert_int_equal(networks_recall(ret, t->r, &t->err), n);
}

static void learn(struct test *t, const char *login, const char *client)
{
	const struct proven_login proven = { .name = str_from(login),
		.service = STR_LIT("imap"),
		.client = str_from(client) };
	struct account_route route;
	bool due;

	NO_ERROR(registry_learn(t->r, &proven, NULL, &route, &due, &t->err));
}

static void test_recall(void **state)
{
	struct test *t = *state;
	struct connection_limits l;

	recall(t, 0, &l);
	assert_false(knows(&l, "192.0.2.1"));
	assert_int_equal(close(l.fd), 0);
	learn(t, "alice", "192.0.2.1");
	learn(t, "alice", "2001:db8:1:2::/64");
	learn(t, "bob", "192.0.2.1"); /* one address, whoever comes from it */
	recall(t, 2, &l);
	assert_true(knows(&l, "192.0.2.1") && knows(&l, "192.0.2.200"));
	assert_true(knows(&l, "2001:db8:1:2::5"));
	assert_false(knows(&l, "192.0.3.1") || knows(&l, "2001:db8:2:2::5"));
	assert_int_equal(close(l.fd), 0);
}

/* The source sees no login of those who live here any more. */
static void test_local_login(void **state)
{
	struct test *t = *state;
	struct connection_limits l;
	int64_t id = capture(t, "alice", "secret");

	arrive(t, id);
	NO_ERROR(registry_note_login(t->r, id, STR_LIT("198.51.100.7"), &t->err));
	recall(t, 1, &l);
	assert_true(knows(&l, "198.51.100.9"));
	assert_int_equal(close(l.fd), 0);
	assert_int_equal(
		registry_note_login(t->r, id + 1, STR_LIT("203.0.113.1"), NULL), -ENOENT);
	recall(t, 1, &l);
	assert_false(knows(&l, "203.0.113.1"));
	assert_int_equal(close(l.fd), 0);
}

/* The newest are kept, and of a network many addresses are one. */
static void test_many(void **state)
{
	struct test *t = *state;
	struct connection_limits l;
	char client[INET_ADDRSTRLEN];

	NO_ERROR(registry_begin_group(t->r, &t->err));
	for (unsigned i = 0; i < 300; i++) {
		char login[16];

		(void)snprintf(login, sizeof(login), "user%u", i);
		(void)snprintf(client, sizeof(client), "10.%u.%u.1", i / 200, i % 200);
		learn(t, login, client);
	}
	NO_ERROR(registry_end_group(t->r, &t->err));
	recall(t, 300, &l);
	assert_true(knows(&l, "10.0.0.7") && knows(&l, "10.1.99.7"));
	assert_false(knows(&l, "10.1.100.7"));
	assert_int_equal(close(l.fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_recall, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_local_login, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_many, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
