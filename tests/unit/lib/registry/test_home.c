/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where an account's mail moves to: it counts from the switch on, and does not change
   behind it. */
#include "registry_fixture.h"

#include "registry/here.h"

static void step(struct test *t, int64_t id, enum account_event event)
{
	NO_ERROR(registry_transition(
		t->r, id, event, STR_LIT("test"), STR_LIT(""), &t->err));
}

static bool is_elsewhere(struct test *t)
{
	struct account_route route;

	NO_ERROR(registry_route(t->r, STR_LIT("alice"), &route, &t->err));
	return route.is_elsewhere;
}

static int move_to(struct test *t, int64_t id, const char *home)
{
	return registry_set_home(t->r, id, str_from(home), &t->err);
}

static void test_home(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct account a;
	int64_t id = capture(t, "alice", "secret");

	assert_false(is_elsewhere(t));
	NO_ERROR(move_to(t, id, "192.0.2.30"));
	arrive(t, id);
	assert_true(is_elsewhere(t));
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(str_eq(a.home, STR_LIT("192.0.2.30")));
	log_in(t, "alice", "other", "", &route);
	assert_true(route.is_elsewhere);
	assert_int_equal(move_to(t, id, ""), -EPERM);
	NO_ERROR(registry_change_home(t->r, id, STR_LIT("192.0.2.31"), &t->err));
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(str_eq(a.home, STR_LIT("192.0.2.31")));
	step(t, id, EVENT_LEAVE);
	assert_int_equal(
		registry_change_home(t->r, id, STR_LIT("192.0.2.32"), &t->err), -EPERM);
	assert_int_equal(move_to(t, id, ""), -EPERM);
	step(t, id, EVENT_RETURN);
	NO_ERROR(move_to(t, id, ""));
	arrive(t, id);
	assert_false(is_elsewhere(t));
	assert_int_equal(
		registry_change_home(t->r, id, STR_LIT("192.0.2.32"), &t->err), -EPERM);
}

/* The folder may be marked: nothing takes the account to the source until it is not. */
static void test_arriving(void **state)
{
	static const enum account_event to_switching[] = { EVENT_DUE, EVENT_COPY,
		EVENT_CATCH_UP, EVENT_SWITCH };
	static const enum account_event back[] = { EVENT_SWITCH_BACK, EVENT_FAIL,
		EVENT_CANCEL };
	struct test *t = *state;
	int64_t id = capture(t, "alice", "secret");
	struct account a;

	assert_int_equal(registry_set_arriving(t->r, id, true, &t->err), -EPERM);
	for (size_t i = 0; i < sizeof(to_switching) / sizeof(to_switching[0]); i++)
		step(t, id, to_switching[i]);
	for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
		NO_ERROR(registry_set_arriving(t->r, id, true, &t->err));
		assert_int_equal(registry_transition(t->r, id, back[i], STR_LIT("test"),
					 STR_LIT(""), &t->err),
			-EPERM);
		NO_ERROR(registry_set_arriving(t->r, id, false, &t->err));
	}
	NO_ERROR(registry_set_arriving(t->r, id, true, &t->err));
	step(t, id, EVENT_ARRIVE);
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_false(a.is_arriving);
	assert_int_equal(registry_set_arriving(t->r, id, false, &t->err), -EPERM);
	step(t, id, EVENT_LEAVE);
	step(t, id, EVENT_RETURN);
}

/* What that server alone can do. */
static void test_not_here(void **state)
{
	struct test *t = *state;
	int64_t id = capture(t, "alice", "secret");

	NO_ERROR(move_to(t, id, "192.0.2.30"));
	arrive(t, id);
	assert_int_equal(registry_set_disabled(t->r, id, true, &t->err), -EPERM);
	assert_non_null(strstr(t->err.text, "192.0.2.30"));
}

static void check_is(struct test *t, int64_t id, enum route route, enum pin pin)
{
	struct account a;

	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.route, route);
	assert_int_equal(a.pin, pin);
}

static void pin(struct test *t, int64_t id, enum pin pin)
{
	NO_ERROR(registry_set_pin(t->r, id, pin, &t->err));
}

/* Pin and route change together, and what the admin says meanwhile is newer. */
static void test_return(void **state)
{
	struct test *t = *state;
	int64_t id = capture(t, "alice", "secret");

	arrive(t, id);
	assert_int_equal(registry_return(t->r, id, STR_LIT(""), &t->err), -EPERM);
	check_is(t, id, ROUTE_LOCAL, PIN_AUTO);
	pin(t, id, PIN_LOCAL);
	assert_int_equal(registry_transition(t->r, id, EVENT_LEAVE, STR_LIT("test"),
				 STR_LIT(""), &t->err),
		-ECANCELED);
	pin(t, id, PIN_AUTO);
	step(t, id, EVENT_LEAVE);
	pin(t, id, PIN_LOCAL);
	assert_int_equal(registry_return(t->r, id, STR_LIT(""), &t->err), -ECANCELED);
	check_is(t, id, ROUTE_BUSY, PIN_LOCAL);
	step(t, id, EVENT_STAY);
	pin(t, id, PIN_AUTO);
	step(t, id, EVENT_LEAVE);
	NO_ERROR(registry_return(t->r, id, STR_LIT(""), &t->err));
	check_is(t, id, ROUTE_SOURCE, PIN_SOURCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_home, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_arriving, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_not_here, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_return, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
