/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is answered from memory is what the registry would say now. */
#include "registry/recent.h"
#include "registry/retire.h"

#include "registry/alias.h"
#include "registry/internal.h"
#include "registry_fixture.h"

/* ---- questions and answers ---- */

static const struct recent_answer *find(
	struct test *t, struct recent *r, const char *name, struct recent_question *q)
{
	const struct str parts[] = { str_from(name), STR_LIT("imap"),
		STR_LIT("192.0.2.1") };

	return recent_find(r, t->r->db, parts, ROWS(parts), q);
}

static void keep(struct test *t, struct recent *r, const char *name, int64_t password)
{
	struct account_route route = { .id = 7, .route = ROUTE_BUSY };
	struct recent_question q;

	(void)find(t, r, name, &q);
	recent_keep(r, t->r->db, &q, &route, password);
}

static void test_an_answer_holds_until_a_commit(void **state)
{
	struct test *t = *state;
	struct recent *r = recent_new();
	struct recent_question q, other;
	const struct recent_answer *a;

	assert_non_null(r);
	assert_null(find(t, r, "alice", &q));
	keep(t, r, "alice", 3);
	keep(t, r, "bob", 4);
	a = find(t, r, "alice", &q);
	assert_non_null(a);
	assert_int_equal(a->password, 3);
	assert_int_equal(a->route.id, 7);
	assert_int_equal(a->route.route, ROUTE_BUSY);
	assert_null(find(t, r, "alicea", &q));
	assert_null(find(t, r, "", &q));
	(void)capture(t, "carol", "pw");
	assert_null(find(t, r, "alice", &q));
	/* one that was asked before a commit is not kept behind it */
	assert_null(find(t, r, "dave", &other));
	NO_ERROR(registry_set_fact(t->r, STR_LIT("x"), STR_LIT("y"), &t->err));
	recent_keep(r, t->r->db, &other, &(struct account_route){ 0 }, 1);
	assert_null(find(t, r, "dave", &q));
	keep(t, r, "alice", 5);
	assert_non_null(find(t, r, "alice", &q));
	assert_null(find(t, r, "bob", &q)); /* of before */
	free(r);
}

static void keep_news(struct test *t, struct recent *r, const char *name)
{
	struct account_route route = { .id = 9 };
	struct recent_question q;

	(void)find(t, r, name, &q);
	recent_keep_news(r, t->r->db, &q, &route);
}

/* The second name that has the same place as the first. */
static void find_neighbour(struct test *t, struct recent *r, char *name, size_t size)
{
	struct recent_question q;

	for (unsigned i = 0; i < 200000; i++) {
		(void)snprintf(name, size, "n%u", i);
		keep(t, r, name, 1);
		if (!find(t, r, "alice", &q))
			return;
	}
	fail_msg("no name has alice's place");
}

static void test_news_puts_out_nothing_else(void **state)
{
	struct test *t = *state;
	struct recent *r = recent_new();
	struct recent_question q;
	const struct recent_answer *a;
	char name[16];

	assert_non_null(r);
	keep_news(t, r, "alice");
	a = find(t, r, "alice", &q);
	assert_non_null(a);
	assert_true(a->is_news);
	assert_int_equal(a->route.id, 9);
	keep(t, r, "alice", 3);
	keep_news(t, r, "alice"); /* of another password */
	a = find(t, r, "alice", &q);
	assert_non_null(a);
	assert_false(a->is_news);
	find_neighbour(t, r, name, sizeof(name));
	keep(t, r, "alice", 3);
	keep_news(t, r, name);
	assert_null(find(t, r, name, &q));
	assert_non_null(find(t, r, "alice", &q));
	NO_ERROR(registry_set_fact(t->r, STR_LIT("x"), STR_LIT("y"), &t->err));
	keep_news(t, r, name); /* what was there is not good any more */
	assert_non_null(find(t, r, name, &q));
	keep(t, r, "alice", 3);
	assert_null(find(t, r, name, &q));
	free(r);
}

static void test_what_is_not_kept(void **state)
{
	struct test *t = *state;
	struct recent *r = recent_new();
	struct recent_question q;
	char name[RECENT_QUESTION_MAX + 1];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	keep(t, r, name, 3);
	assert_null(find(t, r, name, &q));
	/* what a transaction sees is not what others see */
	NO_ERROR(registry_begin_group(t->r, &t->err));
	keep(t, r, "alice", 3);
	assert_null(find(t, r, "alice", &q));
	NO_ERROR(registry_end_group(t->r, &t->err));
	assert_null(find(t, r, "alice", &q));
	keep(t, NULL, "alice", 3);
	assert_null(find(t, NULL, "alice", &q));
	free(r);
}

/* ---- the registry ---- */

#define SHOWN_ROW 1 /* the first password of a new registry */

static int64_t row_of(void *context, int64_t account, struct str password)
{
	(void)context;
	return account && str_eq(password, STR_LIT("secret")) ? SHOWN_ROW : 0;
}

/* Whether there is news in it; where it lives. */
static bool look(
	struct test *t, const char *name, const char *password, struct account_route *ret)
{
	struct password_keeper keeper = open_keeper;
	const struct proven_login login = { .name = str_from(name),
		.password = str_from(password),
		.service = STR_LIT("imap") };
	bool is_news = false;

	keeper.row = row_of;
	NO_ERROR(registry_look(t->r, &login, &keeper, ret, &is_news, &t->err));
	return is_news;
}

/* Each change is seen at once, though another handle made it. */
static void test_the_registry_forgets_in_time(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct registry *other;

	registry_remember_looks(t->r);
	assert_int_equal(capture(t, "alice", "secret"), 1);
	assert_true(log_in(t, "alice", "secret", "", &route)); /* due again */
	NO_ERROR(registry_open(t->path, &other, &t->err));
	for (int i = 0; i < 3; i++) {
		assert_false(look(t, "alice", "secret", &route));
		assert_int_equal(route.pin, PIN_AUTO);
	}
	assert_true(look(t, "alice", "another", &route));
	assert_false(look(t, " ALICE@example.com", "secret", &route));
	NO_ERROR(registry_set_pin(other, route.id, PIN_LOCAL, &t->err));
	assert_false(look(t, "alice", "secret", &route));
	assert_int_equal(route.pin, PIN_LOCAL);
	for (enum account_event e = EVENT_COPY; e <= EVENT_SWITCH; e++) {
		assert_false(look(t, "alice", "secret", &route));
		assert_int_equal(route.route, ROUTE_SOURCE);
		NO_ERROR(registry_transition(
			other, route.id, e, STR_LIT("test"), STR_LIT(""), &t->err));
	}
	assert_false(look(t, "alice", "secret", &route));
	assert_int_equal(route.route, ROUTE_BUSY);
	registry_close(other);
}

/* A first login is looked at once until somebody has written it. */
static void test_news_is_remembered(void **state)
{
	struct test *t = *state;
	const struct str parts[] = { STR_LIT("alice"), STR_LIT("imap"), STR_LIT("") };
	const struct recent_answer *a;
	struct account_route route = { .id = 1 };
	struct recent_question q;

	registry_remember_looks(t->r);
	assert_null(recent_find(t->r->recent, t->r->db, parts, ROWS(parts), &q));
	for (int i = 0; i < 2; i++) {
		assert_true(look(t, "alice", "secret", &route));
		assert_int_equal(route.id, 0);
		assert_string_equal(route.name, "alice");
	}
	a = recent_find(t->r->recent, t->r->db, parts, ROWS(parts), &q);
	assert_non_null(a);
	assert_true(a->is_news);
	assert_int_equal(capture(t, "alice", "secret"), 1);
	assert_true(look(t, "alice", "secret", &route)); /* it is due */
	assert_true(look(t, "alice", "secret", &route));
	assert_int_not_equal(route.id, 0);
	assert_true(log_in(t, "alice", "secret", "", &route));
	for (int i = 0; i < 2; i++)
		assert_false(look(t, "alice", "secret", &route));
}

/* The route of a moved user, until somebody commits. */
static void test_a_route_is_remembered(void **state)
{
	struct test *t = *state;
	struct account_route route, remembered;
	struct registry *other;

	registry_remember_looks(t->r);
	assert_int_equal(capture(t, "alice", "secret"), 1);
	assert_false(registry_remembers_route(t->r, STR_LIT("alice"), &remembered));
	NO_ERROR(registry_route(t->r, STR_LIT("alice"), &route, &t->err));
	assert_true(registry_remembers_route(t->r, STR_LIT(" Alice"), &remembered));
	assert_int_equal(remembered.id, route.id);
	assert_string_equal(remembered.name, route.name);
	assert_false(registry_remembers_route(t->r, STR_LIT("bob"), &remembered));
	assert_false(registry_remembers_route(t->r, STR_LIT(""), &remembered));
	NO_ERROR(registry_open(t->path, &other, &t->err));
	NO_ERROR(registry_set_pin(other, route.id, PIN_LOCAL, &t->err));
	assert_false(registry_remembers_route(t->r, STR_LIT("alice"), &remembered));
	registry_close(other);
}

static void leads_to(struct test *t, const char *local, enum route want)
{
	struct account_route by_name, by_address;

	for (int i = 0; i < 2; i++) { /* asked, and from memory */
		NO_ERROR(registry_route(t->r, str_from("alice"), &by_name, &t->err));
		NO_ERROR(registry_address(t->r, str_from(local), STR_LIT("example.com"),
			&by_address, &t->err));
		assert_int_equal(by_name.route, want);
		assert_int_equal(by_address.route, want);
		assert_string_equal(by_address.name, by_name.name);
		assert_int_equal(by_address.by_subaddress, strchr(local, '+') != NULL);
	}
}

/* So is each change of where mail goes. */
static void test_routes_are_forgotten_in_time(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct registry *other;

	registry_remember_looks(t->r);
	registry_set_subaddress(t->r, "+");
	assert_int_equal(capture(t, "alice", "secret"), 1);
	assert_true(log_in(t, "alice", "secret", "", &route)); /* due again */
	NO_ERROR(registry_open(t->path, &other, &t->err));
	for (enum account_event e = EVENT_COPY; e <= EVENT_SWITCH; e++) {
		leads_to(t, "alice", ROUTE_SOURCE);
		leads_to(t, "alice+x", ROUTE_SOURCE);
		NO_ERROR(registry_transition(
			other, route.id, e, STR_LIT("test"), STR_LIT(""), &t->err));
	}
	leads_to(t, "alice", ROUTE_BUSY);
	leads_to(t, "alice+x", ROUTE_BUSY);
	registry_close(other);
}

static void shows(struct test *t, bool want_local, bool want_retired)
{
	for (int i = 0; i < 2; i++) { /* asked, and from memory */
		bool any = !want_local;
		uint64_t since = 99;

		NO_ERROR(registry_any_local(t->r, &any, &t->err));
		NO_ERROR(registry_retired(t->r, &since, &t->err));
		assert_int_equal(any, want_local);
		assert_int_equal(since != 0, want_retired);
	}
}

/* And that there is somebody here at all, or no source any more. */
static void test_facts_are_forgotten_in_time(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct registry *other;

	registry_remember_looks(t->r);
	assert_int_equal(capture(t, "alice", "secret"), 1);
	assert_true(log_in(t, "alice", "secret", "", &route)); /* due again */
	NO_ERROR(registry_open(t->path, &other, &t->err));
	shows(t, false, false);
	NO_ERROR(registry_transition(
		other, route.id, EVENT_COPY, STR_LIT("test"), STR_LIT(""), &t->err));
	shows(t, true, false);
	NO_ERROR(registry_retire(other, &t->err));
	shows(t, true, true);
	registry_close(other);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_an_answer_holds_until_a_commit),
		ROW(test_news_puts_out_nothing_else),
		ROW(test_what_is_not_kept),
		ROW(test_the_registry_forgets_in_time),
		ROW(test_news_is_remembered),
		ROW(test_a_route_is_remembered),
		ROW(test_routes_are_forgotten_in_time),
		ROW(test_facts_are_forgotten_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
