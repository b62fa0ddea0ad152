/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a worker tells the registry of connections that it cannot see, also when the
   registry is busy, or the connection is shorter than the time until it is told. */
#include "interceptor/session/unseen_flows.h"

#include "lib/registry/registry_fixture.h"

#include <arpa/inet.h>
#include <sqlite3.h>

#define WORKER 3
#define PATIENCE_MS 20

static union endpoint endpoint_of(const char *text)
{
	union endpoint e = { .v4 = { .sin_family = AF_INET } };

	if (inet_pton(AF_INET, text, &e.v4.sin_addr) == 1)
		return e;
	e = (union endpoint){ .v6 = { .sin6_family = AF_INET6 } };
	assert_int_equal(inet_pton(AF_INET6, text, &e.v6.sin6_addr), 1);
	return e;
}

static void test_client(void **state)
{
	static const struct {
		const char *address, *text;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:db8:1:2::5", "2001:db8:1:2::/64" },
		{ "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64" },
		{ "2001:db8:1:3::5", "2001:db8:1:3::/64" },
		{ "2001:db8:a:b:c:d:e:f", "2001:db8:a:b::/64" },
		{ "::1", "::/64" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const union endpoint e = endpoint_of(rows[i].address);
		char text[CLIENT_TEXT_MAX];

		client_text(&e, text);
		assert_string_equal(text, rows[i].text);
	}
}

/* ---- what is told ---- */

#define KEY "no key for a.example"

/* The connections of the rows below, by their letter. */
static const struct {
	const char *client;
	enum service_id service;
	const char *why;
} clients[] = {
	{ "192.0.2.1", SERVICE_IMAPS, KEY },                    /* a */
	{ "192.0.2.1", SERVICE_POP3S, KEY },                    /* b */
	{ "192.0.2.1", SERVICE_IMAPS, "no key for b.example" }, /* c */
	{ "2001:db8:1:2::5", SERVICE_IMAPS, KEY },              /* d */
	{ "2001:db8:1:2:f::1", SERVICE_IMAPS, KEY },            /* e: the network of d */
	{ "192.0.2.2", SERVICE_IMAPS, KEY },                    /* f */
};

/* a+ it begins, a- it ends, a? the registry knows that it is open, a! it does not yet, w
   the worker writes, l somebody locks the registry, u and
   unlocks it. */
static const struct row {
	const char *name, *steps, *registry;
	bool is_empty; /* nothing is remembered in the end */
} rows[] = {
	{ "nothing", "w", "", true },
	{ "not told yet", "a+", "", false },
	{ "open", "a+ w", "192.0.2.1 imaps " KEY " 1 1;", false },
	{ "over", "a+ w a- w", "192.0.2.1 imaps " KEY " 1 0;", true },
	{ "over before it was told", "a+ a- w", "192.0.2.1 imaps " KEY " 1 0;", true },
	{ "told once", "a+ w w w", "192.0.2.1 imaps " KEY " 1 1;", false },
	{ "three, and one of them ends", "a+ a+ a+ a- w", "192.0.2.1 imaps " KEY " 3 2;",
		false },
	{ "more come on top", "a+ w a+ a+ w a- w", "192.0.2.1 imaps " KEY " 3 2;",
		false },
	{ "one goes, one comes", "a+ w a- a+ w", "192.0.2.1 imaps " KEY " 2 1;", false },
	{ "comes again, forgotten meanwhile", "a+ a- w a+ w",
		"192.0.2.1 imaps " KEY " 2 1;", false },
	{ "services and reasons are others", "a+ b+ c+ w b- w",
		"192.0.2.1 imaps " KEY " 1 1;192.0.2.1 imaps no key for b.example 1 1;"
		"192.0.2.1 pop3s " KEY " 1 0;",
		false },
	{ "hosts of one network", "d+ e+ d- w", "2001:db8:1:2::/64 imaps " KEY " 2 1;",
		false },
	{ "may pass once it is told", "a+ a! w a? a+ a?", "192.0.2.1 imaps " KEY " 1 1;",
		false },
	{ "may pass: the registry has one as open", "a+ w a- a+ a? w a?",
		"192.0.2.1 imaps " KEY " 2 1;", false },
	{ "may not pass while it is busy", "l a+ w a! u w a?",
		"192.0.2.1 imaps " KEY " 1 1;", false },
	{ "may not pass because of another", "a+ w c+ a? c! w c?",
		"192.0.2.1 imaps " KEY " 1 1;192.0.2.1 imaps no key for b.example 1 1;",
		false },
	{ "busy: kept", "l a+ w u w", "192.0.2.1 imaps " KEY " 1 1;", false },
	{ "busy, and over meanwhile", "l a+ w a- w u w", "192.0.2.1 imaps " KEY " 1 0;",
		true },
	{ "busy when it ends", "a+ w l a- w w u w", "192.0.2.1 imaps " KEY " 1 0;",
		true },
	{ "busy, and others come", "a+ l w f+ a+ w u w",
		"192.0.2.1 imaps " KEY " 2 2;192.0.2.2 imaps " KEY " 1 1;", false },
};

/* What is open in a run; two of a letter are one flow. */
struct run {
	struct test *t;
	struct unseen_flows all;
	struct unseen_flow *flows[ROWS(clients)];
	sqlite3 *lock;
};

static void begin_one(struct run *run, size_t i)
{
	const union endpoint e = endpoint_of(clients[i].client);

	run->flows[i] =
		unseen_flows_begin(&run->all, &e, clients[i].service, clients[i].why);
	assert_non_null(run->flows[i]);
	assert_string_equal(unseen_flow_why(run->flows[i]), clients[i].why);
}

static void lock(struct run *run)
{
	assert_int_equal(sqlite3_open(run->t->path, &run->lock), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(run->lock, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
}

static void unlock(struct run *run)
{
	assert_int_equal(
		sqlite3_exec(run->lock, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(run->lock), SQLITE_OK);
	run->lock = NULL;
}

static void step(struct run *run, const char *what)
{
	struct test *t = run->t;
	size_t i = (size_t)(what[0] - 'a');

	if (what[1] == '+')
		begin_one(run, i);
	else if (what[1] == '-')
		unseen_flows_end(&run->all, run->flows[i]);
	else if (what[1] == '?' || what[1] == '!')
		assert_int_equal(unseen_flow_is_written(run->flows[i]), what[1] == '?');
	else if (what[0] == 'l')
		lock(run);
	else if (what[0] == 'u')
		unlock(run);
	else if (run->lock && !LIST_EMPTY(&run->all.changed))
		assert_int_equal(
			unseen_flows_write(&run->all, t->r, WORKER, &t->err), -EBUSY);
	else
		NO_ERROR(unseen_flows_write(&run->all, t->r, WORKER, &t->err));
}

/* The registry gives what is open first; here it is the text that orders. */
struct told {
	char lines[8][128];
	size_t n;
};

static int take(void *context, const struct unseen *u)
{
	struct told *told = context;

	assert_true(told->n < ROWS(told->lines));
	assert_true(u->first_at > 0 && u->first_at <= u->last_at);
	(void)snprintf(told->lines[told->n++], sizeof(told->lines[0]),
		"%.*s %.*s %.*s %d %d;", STR_ARG(u->client), STR_ARG(u->service),
		STR_ARG(u->why), (int)u->count, (int)u->open);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_empty(const struct unseen_flows *all)
{
	for (size_t i = 0; i < UNSEEN_BUCKETS; i++)
		if (!LIST_EMPTY(&all->buckets[i]))
			return false;
	return LIST_EMPTY(&all->changed);
}

static void check(struct run *run, const struct row *row)
{
	struct test *t = run->t;
	struct told told = { 0 };
	char text[1024] = "";

	NO_ERROR(registry_each_unseen(t->r, 0, take, &told, &t->err));
	qsort(told.lines, told.n, sizeof(told.lines[0]), by_text);
	for (size_t i = 0; i < told.n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
			told.lines[i]);
	if (strcmp(text, row->registry) != 0)
		fail_msg("%s: \"%s\"", row->name, text);
	if (is_empty(&run->all) != row->is_empty)
		fail_msg("%s: it remembers %s", row->name,
			row->is_empty ? "something" : "nothing");
}

static void test_told(void **state)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct run run = { .t = *state };

		registry_set_patience(run.t->r, PATIENCE_MS);
		unseen_flows_init(&run.all);
		for (const char *at = rows[i].steps; at; at = strchr(at, ' ')) {
			at += *at == ' ';
			step(&run, at);
		}
		check(&run, &rows[i]);
		unseen_flows_fini(&run.all); /* also of what is open */
		fixture_teardown(state);
		fixture_setup(state);
	}
}

struct counted {
	size_t rows, open;
};

static int count(void *context, const struct unseen *u)
{
	struct counted *n = context;

	n->rows++;
	n->open += u->open;
	return 0;
}

/* More than one transaction takes. */
static void test_many(void **state)
{
	enum { MANY = 1200 };
	static struct unseen_flow *flows[MANY];
	struct test *t = *state;
	struct unseen_flows all;
	struct counted n = { 0 };

	unseen_flows_init(&all);
	unseen_flows_end(&all, NULL);
	for (uint32_t i = 0; i < MANY; i++) {
		const union endpoint e = { .v4 = { .sin_family = AF_INET,
						   .sin_addr = {
							   htonl(0x0a000000 + i) } } };

		flows[i] = unseen_flows_begin(&all, &e, SERVICE_IMAPS, KEY);
		assert_non_null(flows[i]);
	}
	NO_ERROR(unseen_flows_write(&all, t->r, WORKER, &t->err));
	assert_true(LIST_EMPTY(&all.changed));
	for (size_t i = 0; i < MANY; i += 2)
		unseen_flows_end(&all, flows[i]);
	NO_ERROR(unseen_flows_write(&all, t->r, WORKER, &t->err));
	NO_ERROR(registry_each_unseen(t->r, 0, count, &n, &t->err));
	assert_int_equal(n.rows, MANY);
	assert_int_equal(n.open, MANY / 2);
	for (size_t i = 1; i < MANY; i += 2)
		unseen_flows_end(&all, flows[i]);
	NO_ERROR(unseen_flows_write(&all, t->r, WORKER, &t->err));
	assert_true(is_empty(&all));
	unseen_flows_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client),
		cmocka_unit_test_setup_teardown(
			test_told, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_many, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
