/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which connections are past us, and what the registry is told of them when it could not
   be told at once. The test says what the kernel would. */
#include "lib/registry/registry_fixture.h"

#include "base/address.h"
#include "base/clock.h"
#include "control/running/direct_flows.h"
#include "nft-rules/conntrack.h"
#include "nft-rules/tcp_sockets.h"
#include "registry/unseen.h"

#include <ifaddrs.h>
#include <sqlite3.h>

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS UINT64_C(3600000)
#define PORT 4000

/* ---- the kernel: one address, one socket's far end, and one tracked connection ---- */

static struct sockaddr_storage own_address, far_end;
static struct linked_flow tracked; /* without a service: there is none */

/* called in the place of the real ones (--wrap) */
int __wrap_getifaddrs(struct ifaddrs **ret);
void __wrap_freeifaddrs(struct ifaddrs *all);
int __wrap_tcp_ends_each(tcp_end_fn *each, void *context, struct error *err);
int __wrap_conntrack_each(
	const struct ruleset *r, linked_flow_fn *each, void *context, struct error *err);

int __wrap_getifaddrs(struct ifaddrs **ret)
{
	static struct ifaddrs one = { .ifa_addr = (struct sockaddr *)&own_address };

	*ret = &one;
	return 0;
}

void __wrap_freeifaddrs(struct ifaddrs *all)
{
	(void)all;
}

int __wrap_tcp_ends_each(tcp_end_fn *each, void *context, struct error *err)
{
	(void)err;
	return each(context, &far_end);
}

int __wrap_conntrack_each(
	const struct ruleset *r, linked_flow_fn *each, void *context, struct error *err)
{
	struct linked_flow f = tracked;

	(void)err;
	f.service = &r->services[0];
	return tracked.service ? each(context, &f) : 0;
}

static struct sockaddr_storage end_at(const char *address, uint16_t port)
{
	struct sockaddr_storage a;

	assert_true(address_read(address, &a));
	address_set_port(&a, port);
	return a;
}

/* ---- the registry ---- */

static const struct ruleset rules = { .n_services = 1, .services[0].name = "imap" };

static void run_sql(const struct test *t, const char *text)
{
	sqlite3 *base;

	assert_int_equal(sqlite3_open(t->path, &base), SQLITE_OK);
	assert_int_equal(sqlite3_exec(base, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(base), SQLITE_OK);
}

static int add_open(void *context, const struct unseen *u)
{
	uint64_t *n = context;

	*n += u->open;
	return 0;
}

static uint64_t open_rows(struct test *t)
{
	uint64_t n = 0;

	NO_ERROR(registry_each_unseen(t->r, 0, add_open, &n, &t->err));
	return n;
}

static void leave(struct test *t, const char *service)
{
	uint64_t at = clock_wall_ms();
	const struct unseen left = { .client = STR_LIT(UNSEEN_DIRECT),
		.service = str_from(service),
		.why = STR_LIT(UNSEEN_DIRECT_OPEN),
		.first_at = at,
		.last_at = at,
		.count = 3,
		.open = 3 };

	NO_ERROR(registry_write_unseen(t->r, UNSEEN_DIRECT_WORKER, &left, 1, &t->err));
}

/* One before us has left a row, and what it told of has ended since. It is told to be
   over at the first look that the registry takes, whether others failed or not. */
static void test_left_rows(void **state)
{
	static const struct row {
		const char *name, *service;
		unsigned failures; /* looks, before one that is written */
	} rows[] = {
		{ "at once", "imap", 0 },
		{ "after failures", "imap", 2 },
		{ "of a service that is not diverted any more", "pop3", 0 },
		{ "likewise, after failures", "pop3", 2 },
	};
	struct test *t = *state;

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct direct_flows d = { .registry = t->r };
		uint64_t at = clock_monotonic_ms();

		leave(t, rows[i].service);
		run_sql(t, "CREATE TRIGGER full BEFORE INSERT ON unseen"
			   " BEGIN SELECT raise(ABORT, 'no room'); END");
		for (unsigned k = 0; k < rows[i].failures; k++, at += MINUTE_MS)
			direct_flows_tick(&d, &rules, at);
		if (open_rows(t) != 3)
			fail_msg("%s: not what was left", rows[i].name);
		run_sql(t, "DROP TRIGGER full");
		direct_flows_tick(&d, &rules, at);
		if (open_rows(t))
			fail_msg("%s: it is open", rows[i].name);
	}
}

/* The programs begin anew, and the connection of one who was admitted goes on although
   nobody is admitted any more. */
static void test_a_restart(void **state)
{
	struct test *t = *state;
	struct direct_flows d = { .registry = t->r };

	leave(t, "imap");
	tracked = (struct linked_flow){ .service = &rules.services[0],
		.client = end_at("192.0.2.77", PORT),
		.is_direct = true,
		.is_alive = true };
	NO_ERROR(registry_unseen_all_over(t->r, &t->err)); /* as the interceptor does */
	assert_int_equal(open_rows(t), 3);
	direct_flows_tick(&d, &rules, clock_monotonic_ms());
	assert_int_equal(open_rows(t), 1);
	tracked.is_alive = false;
	direct_flows_tick(&d, &rules, clock_monotonic_ms() + MINUTE_MS);
	assert_int_equal(open_rows(t), 0);
	tracked.service = NULL;
}

/* The rules stay open although accounts live here. */
static void test_whose_it_is(void **state)
{
	static const struct {
		const char *name, *client;
		uint16_t port;
		uint64_t ago_ms;
		uint64_t open;
	} rows[] = {
		{ "a client", "192.0.2.77", PORT, MINUTE_MS, 1 },
		{ "in IPv6", "2001:db8::77", PORT, MINUTE_MS, 1 },
		{ "of this host, and over", "192.0.2.1", PORT, MINUTE_MS, 0 },
		{ "a probe of ours", "198.18.77.71", PORT, MINUTE_MS, 0 },
		{ "likewise, in IPv6", "2001:2:0:4d46::2", PORT, MINUTE_MS, 0 },
		{ "whom we serve", "192.0.2.88", PORT, MINUTE_MS, 0 },
		{ "another one of theirs", "192.0.2.88", PORT + 1, MINUTE_MS, 1 },
		{ "its socket was not there yet", "192.0.2.77", PORT, 1000, 0 },
		{ "before the clock was set back", "192.0.2.77", PORT, -HOUR_MS, 1 },
	};
	struct test *t = *state;
	struct direct_flows d = { .registry = t->r, .stays_open = true };

	own_address = end_at("192.0.2.1", 0);
	far_end = end_at("192.0.2.88", PORT);
	for (size_t i = 0; i < ROWS(rows); i++) {
		tracked = (struct linked_flow){ .service = &rules.services[0],
			.client = end_at(rows[i].client, rows[i].port),
			.is_alive = true,
			.started_ms = clock_wall_ms() - rows[i].ago_ms };
		d.look_at = 0;
		direct_flows_tick(&d, &rules, clock_monotonic_ms());
		if (open_rows(t) != rows[i].open)
			fail_msg("%s: %u are open", rows[i].name, (unsigned)open_rows(t));
	}
	tracked.service = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_left_rows, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_restart, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_whose_it_is, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
