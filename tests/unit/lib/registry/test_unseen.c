/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What passes unseen, where users log in from, and whom the one holds because of the
   other. */
#include "registry_fixture.h"

#include "base/clock.h"
#include "registry/unseen.h"

#define HOUR_MS UINT64_C(3600000)

static int64_t log_in_from(struct test *t, const char *login, const char *client)
{
	struct proven_login p = { .name = str_from(login),
		.password = STR_LIT("p"),
		.service = STR_LIT("imap"),
		.client = str_from(client) };
	struct account_route route;
	bool due;

	NO_ERROR(registry_learn(t->r, &p, &open_keeper, &route, &due, &t->err));
	return route.id;
}

static void see(struct test *t, unsigned worker, const char *client, const char *service,
	uint64_t ago_ms, uint64_t count, uint64_t open)
{
	uint64_t at = clock_wall_ms() - ago_ms;
	struct unseen u = { .client = str_from(client),
		.service = str_from(service),
		.why = STR_LIT("no key for mail.example.com"),
		.first_at = at,
		.last_at = at,
		.count = count,
		.open = open };

	NO_ERROR(registry_write_unseen(t->r, worker, &u, 1, &t->err));
}

/* Each row is a registry of its own: alice logs in from 192.0.2.1 and 2001:db8:1:2::. */
static const struct held_row {
	const char *name, *client, *service;
	uint64_t ago_ms, count, open;
	int held;
} held_rows[] = {
	{ "open from there", "192.0.2.1", "imaps", 0, 1, 1, 1 },
	{ "by POP3", "192.0.2.1", "pop3s", 0, 1, 1, 1 },
	{ "behind STARTTLS", "192.0.2.1", "imap", 0, 1, 1, 1 },
	{ "its IPv6 network", "2001:db8:1:2::/64", "imaps", 0, 1, 1, 1 },
	{ "an old one that is open", "192.0.2.1", "imaps", 5 * HOUR_MS, 1, 1, 1 },
	{ "from elsewhere", "192.0.2.2", "imaps", 0, 1, 1, 0 },
	{ "nobody reads mail by it", "192.0.2.1", "smtps", 0, 1, 1, 0 },
	{ "it is over", "192.0.2.1", "imaps", 0, 1, 0, 0 },
	{ "it comes again and again", "192.0.2.1", "imaps", 1000, 2, 0, 1 },
	{ "past us", "direct clients", "imap", 0, 12, 12, 1 },
	{ "past us, to send", "direct clients", "smtp", 0, 12, 12, 0 },
	{ "past us, over", "direct clients", "imap", 1000, 12, 0, 0 },
	{ "not any more", "192.0.2.1", "imaps", 2 * HOUR_MS, 2, 0, 0 },
};

static int is_held(struct test *t, int64_t id, struct unseen *ret)
{
	return registry_is_held(t->r, id, HOUR_MS, &t->arena, ret, &t->err);
}

static void test_held(void **state)
{
	for (size_t i = 0; i < ROWS(held_rows); i++) {
		const struct held_row *row = &held_rows[i];
		struct test *t = *state;
		struct unseen by;
		int64_t alice = log_in_from(t, "alice", "192.0.2.1");

		(void)log_in_from(t, "alice", "2001:db8:1:2::/64");
		see(t, 0, row->client, row->service, row->ago_ms, row->count, row->open);
		if (is_held(t, alice, &by) != row->held)
			fail_msg("%s: %d, expected %d", row->name, !row->held, row->held);
		if (row->held)
			assert_true(str_eq(by.service, str_from(row->service)) &&
				    str_eq(by.client, str_from(row->client)));
		fixture_teardown(state);
		fixture_setup(state);
	}
}

static void test_others_are_not_held(void **state)
{
	struct test *t = *state;
	struct unseen by;
	int64_t alice = log_in_from(t, "alice", "192.0.2.1");
	int64_t bob = log_in_from(t, "bob", "192.0.2.2");

	see(t, 0, "192.0.2.1", "imaps", 0, 1, 1);
	assert_int_equal(is_held(t, alice, &by), 1);
	assert_int_equal(is_held(t, bob, &by), 0);
	/* the admin says so, and takes it back */
	NO_ERROR(registry_allow_unseen(t->r, alice, true, &t->err));
	assert_int_equal(is_held(t, alice, &by), 0);
	NO_ERROR(registry_allow_unseen(t->r, alice, false, &t->err));
	assert_int_equal(is_held(t, alice, &by), 1);
}

static void test_workers(void **state)
{
	struct test *t = *state;
	struct unseen by;
	int64_t alice = log_in_from(t, "alice", "192.0.2.1");

	see(t, 0, "192.0.2.1", "imaps", 0, 1, 1);
	see(t, 1, "192.0.2.1", "imaps", 0, 2, 2);
	assert_int_equal(is_held(t, alice, &by), 1);
	assert_int_equal(by.open, 3);
	assert_int_equal(by.count, 3);
	see(t, 0, "192.0.2.1", "imaps", 0, 0, 0); /* its one has ended */
	assert_int_equal(is_held(t, alice, &by), 1);
	assert_int_equal(by.open, 2);
	NO_ERROR(registry_unseen_over(t->r, 1, &t->err)); /* a crash */
	assert_int_equal(is_held(t, alice, &by), 1);      /* it came three times */
	assert_int_equal(by.open, 0);
	assert_int_equal(registry_is_held(t->r, alice, 0, &t->arena, &by, &t->err), 0);
	see(t, 7, "192.0.2.1", "imaps", 0, 1, 1);
	NO_ERROR(registry_unseen_all_over(t->r, &t->err));
	assert_int_equal(registry_is_held(t->r, alice, 0, &t->arena, &by, &t->err), 0);
	/* what goes past us does not end with them */
	see(t, UNSEEN_DIRECT_WORKER, UNSEEN_DIRECT, "imap", 0, 1, 1);
	NO_ERROR(registry_unseen_all_over(t->r, &t->err));
	assert_int_equal(registry_is_held(t->r, alice, 0, &t->arena, &by, &t->err), 1);
	NO_ERROR(registry_unseen_over(t->r, UNSEEN_DIRECT_WORKER, &t->err));
	assert_int_equal(registry_is_held(t->r, alice, 0, &t->arena, &by, &t->err), 0);
}

/* Between the quiesce and the arrival: alice has switched just now. */
static const struct arrival_row {
	const char *name, *client, *service;
	uint64_t ago_ms, count, open;
	bool allowed;
	int result;
} arrival_rows[] = {
	{ "nobody", "192.0.2.2", "imaps", 0, 1, 1, false, 0 },
	{ "open", "192.0.2.1", "imaps", 0, 1, 1, false, 1 },
	{ "an old one that is open", "192.0.2.1", "imaps", 2 * HOUR_MS, 1, 1, false, 1 },
	{ "it came and went", "192.0.2.1", "imaps", 0, 1, 0, false, 1 },
	{ "before the switch", "192.0.2.1", "imaps", 2 * HOUR_MS, 1, 0, false, 0 },
	{ "to send mail", "192.0.2.1", "submission", 0, 1, 1, false, 0 },
	{ "past us", "direct clients", "imap", 0, 3, 3, false, 1 },
	{ "the admin allows it", "192.0.2.1", "imaps", 0, 1, 1, true, 0 },
};

static int try_to_arrive(struct test *t, int64_t id)
{
	const struct account_arrival a = { .account = id,
		.again_ms = HOUR_MS,
		.by = STR("test"),
		.result = { 1, 0, STR("{}") } };
	struct unseen by;

	return registry_arrive(t->r, &a, &t->arena, &by, &t->err);
}

/* Route and result change together. */
static void expect_arrived(struct test *t, int64_t id, bool arrived)
{
	struct account a;

	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.route, arrived ? ROUTE_LOCAL : ROUTE_BUSY);
	assert_true(str_eq(a.certificate, arrived ? STR_LIT("{}") : STR_LIT("")));
	assert_int_equal(a.uids_kept, arrived ? 1 : -1);
}

static void test_arrival(void **state)
{
	static const enum account_event before[] = { EVENT_COPY, EVENT_CATCH_UP,
		EVENT_SWITCH };

	for (size_t i = 0; i < ROWS(arrival_rows); i++) {
		const struct arrival_row *row = &arrival_rows[i];
		struct test *t = *state;
		int64_t alice = log_in_from(t, "alice", "192.0.2.1");
		int result;

		for (size_t j = 0; j < ROWS(before); j++)
			NO_ERROR(registry_transition(t->r, alice, before[j],
				STR_LIT("test"), STR_LIT(""), &t->err));
		NO_ERROR(registry_allow_unseen(t->r, alice, row->allowed, &t->err));
		see(t, 0, row->client, row->service, row->ago_ms, row->count, row->open);
		result = try_to_arrive(t, alice);
		if (result != row->result)
			fail_msg("%s: %d: %s", row->name, result, t->err.text);
		expect_arrived(t, alice, result == 0);
		/* that it is over once it has arrived */
		if (result == 0)
			assert_int_equal(try_to_arrive(t, alice), -EPERM);
		fixture_teardown(state);
		fixture_setup(state);
	}
}

static int count_rows(void *context, const struct unseen *u)
{
	size_t *n = context;

	assert_true(str_eq(u->why, STR_LIT("no key for mail.example.com")));
	(*n)++;
	return 0;
}

static void test_what_is_kept(void **state)
{
	struct test *t = *state;
	struct unseen by;
	size_t n = 0;
	char client[32];
	int64_t alice = log_in_from(t, "alice", "192.0.2.1");

	see(t, 0, "192.0.2.7", "imaps", UNSEEN_KEPT_MS + HOUR_MS, 1, 0);
	see(t, 0, "192.0.2.8", "imaps", UNSEEN_KEPT_MS + HOUR_MS, 1, 1);
	see(t, 0, "192.0.2.9", "imaps", HOUR_MS, 1, 0);
	NO_ERROR(registry_forget_unseen(t->r, &t->err));
	NO_ERROR(registry_each_unseen(t->r, 0, count_rows, &n, &t->err));
	assert_int_equal(n, 2); /* what is over was forgotten, what is open not */
	n = 0;
	NO_ERROR(registry_each_unseen(
		t->r, clock_wall_ms() - HOUR_MS / 2, count_rows, &n, &t->err));
	assert_int_equal(n, 1);
	/* an account's newest addresses are kept */
	for (int i = 0; i < CLIENTS_MAX; i++) {
		(void)snprintf(client, sizeof(client), "198.51.100.%d", i);
		(void)log_in_from(t, "alice", client);
	}
	see(t, 0, "192.0.2.1", "imaps", 0, 1, 1);
	(void)log_in_from(t, "alice", "203.0.113.1");
	see(t, 0, "203.0.113.1", "pop3s", 0, 1, 1);
	assert_int_equal(is_held(t, alice, &by), 1);
	assert_true(str_eq(by.client, STR_LIT("203.0.113.1")));
}

/* One that is over, by a name of its own. */
static struct unseen by_name(const char *client, const char *why, uint64_t count)
{
	uint64_t at = clock_wall_ms();

	return (struct unseen){ .client = str_from(client),
		.service = STR_LIT("imaps"),
		.why = str_from(why),
		.first_at = at,
		.last_at = at,
		.count = count };
}

static void flood(struct test *t, bool from_one, int n)
{
	static struct unseen rows[UNSEEN_ROWS_MAX + 100];
	static char clients[UNSEEN_ROWS_MAX + 100][32], names[UNSEEN_ROWS_MAX + 100][32];

	assert_true(n <= (int)ROWS(rows));
	for (int i = 0; i < n; i++) {
		(void)snprintf(clients[i], sizeof(clients[i]), "198.51.%d.%d",
			from_one ? 0 : i / 256, from_one ? 1 : i % 256);
		(void)snprintf(names[i], sizeof(names[i]), "no key for x%d", i);
		rows[i] = by_name(clients[i], names[i], 1);
		rows[i].last_at -= (uint64_t)(n - i);
	}
	NO_ERROR(registry_write_unseen(t->r, 1, rows, (size_t)n, &t->err));
	NO_ERROR(registry_forget_unseen(t->r, &t->err));
}

static int count_any(void *context, const struct unseen *u)
{
	(void)u;
	++*(size_t *)context;
	return 0;
}

static size_t count_all(struct test *t)
{
	size_t n = 0;

	NO_ERROR(registry_each_unseen(t->r, 0, count_any, &n, &t->err));
	return n;
}

/* Alice's phone comes again and again. A stranger makes connections by as many names,
   and from as many addresses, as they like. */
static void test_flood(void **state)
{
	struct test *t = *state;
	struct unseen by, name;
	int64_t alice = log_in_from(t, "alice", "192.0.2.1");

	see(t, 0, "192.0.2.1", "imaps", 60000, 2, 0);
	assert_int_equal(is_held(t, alice, &by), 1);
	flood(t, false, UNSEEN_ROWS_MAX + 50);
	assert_int_equal(is_held(t, alice, &by), 1);
	assert_true(count_all(t) <= UNSEEN_ROWS_MAX + 2);
	flood(t, true, 500);
	/* from her own address, which may be an office's, too */
	for (int i = 0; i < UNSEEN_NAMES_MAX + 50; i++) {
		char why[32];

		(void)snprintf(why, sizeof(why), "no key for y%d", i);
		name = by_name("192.0.2.1", why, 1);
		NO_ERROR(registry_write_unseen(t->r, 0, &name, 1, &t->err));
	}
	NO_ERROR(registry_forget_unseen(t->r, &t->err));
	assert_int_equal(is_held(t, alice, &by), 1);
	assert_true(count_all(t) <= UNSEEN_ROWS_MAX + 2 + 2 * UNSEEN_NAMES_MAX);
}

static int take_reader(void *context, const struct unseen_reader *u)
{
	return buf_printf(context, "%.*s %s %s %.*s;", STR_ARG(u->account),
		route_name(u->route), stage_name(u->stage), STR_ARG(u->what.client));
}

static void test_readers(void **state)
{
	struct test *t = *state;
	struct buf all;

	buf_init(&all, 0);
	arrive(t, capture(t, "bob", "p"));
	(void)log_in_from(t, "bob", "192.0.2.1");
	(void)log_in_from(t, "alice", "192.0.2.1");
	(void)log_in_from(t, "carol", "192.0.2.3");
	see(t, 0, "192.0.2.1", "imaps", 0, 1, 1);
	see(t, 0, "192.0.2.1", "pop3s", 0, 1, 1);
	NO_ERROR(registry_each_unseen_reader(t->r, HOUR_MS, take_reader, &all, &t->err));
	if (!str_eq(buf_view(&all),
		    STR_LIT("alice source due 192.0.2.1;bob local done 192.0.2.1;")))
		fail_msg("%.*s", STR_ARG(buf_view(&all)));
	buf_fini(&all);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_held),
		ROW(test_others_are_not_held),
		ROW(test_workers),
		ROW(test_arrival),
		ROW(test_what_is_kept),
		ROW(test_flood),
		ROW(test_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
