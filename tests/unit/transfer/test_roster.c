/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which account is started when: places, pauses, parking. */
#include "transfer/order.h"
#include "transfer/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void want(struct roster *r, int64_t first, int64_t last)
{
	static const char *const names[] = { "", "a", "b", "c", "d" };

	struct entry *e;

	roster_look_begin(r);
	for (int64_t id = first; id <= last; id++)
		assert_int_equal(roster_want(r, id, str_from(names[id]), 0, &e), 0);
	roster_look_end(r);
}

static struct entry *start_next(struct roster *r, unsigned most, uint64_t now)
{
	struct entry *e = roster_next(r, most, now);

	if (e)
		roster_started(r, e, (pid_t)(100 + e->id));
	return e;
}

static void places_are_limited(void **state)
{
	struct roster r = { 0 };

	(void)state;
	want(&r, 1, 4);
	assert_int_equal(start_next(&r, 2, 0)->id, 1);
	assert_int_equal(start_next(&r, 2, 0)->id, 2);
	assert_null(start_next(&r, 2, 0));
	roster_ended(&r, roster_by_pid(&r, 101), 0);
	want(&r, 2, 4);
	assert_int_equal(start_next(&r, 2, 0)->id, 3);
	assert_null(start_next(&r, 2, 0));
	roster_fini(&r);
}

static void nobody_runs_twice(void **state)
{
	struct roster r = { 0 };

	(void)state;
	want(&r, 1, 1);
	assert_non_null(start_next(&r, 4, 0));
	want(&r, 1, 1);
	assert_null(start_next(&r, 4, 0));
	/* it has changed state meanwhile, and is not forgotten while it runs */
	want(&r, 2, 2);
	assert_non_null(roster_by_pid(&r, 101));
	assert_int_equal(start_next(&r, 4, 0)->id, 2);
	roster_ended(&r, roster_by_pid(&r, 101), 0);
	want(&r, 2, 2);
	assert_null(roster_by_name(&r, STR_LIT("a")));
	roster_fini(&r);
}

static void crashes_wait_longer_and_longer(void **state)
{
	struct roster r = { 0 };
	uint64_t now = 0, last = 0;
	unsigned crashes = 0;
	bool enough = false;

	(void)state;
	want(&r, 1, 1);
	while (!enough) {
		struct entry *e = start_next(&r, 1, now);
		uint64_t pause;

		assert_non_null(e);
		enough = roster_crashed(&r, e, now);
		crashes++;
		assert_null(roster_next(&r, 1, now));
		pause = e->not_before - now;
		assert_true(pause >= last && pause <= 10000);
		last = pause;
		now = e->not_before;
	}
	assert_true(crashes > 4 && crashes < 20);
	roster_fini(&r);
}

static void parked_ones_hold_no_place(void **state)
{
	struct roster r = { 0 };
	struct entry *e;

	(void)state;
	want(&r, 1, 2);
	e = start_next(&r, 1, 0);
	roster_parked(&r, e, 5000);
	assert_int_equal(start_next(&r, 1, 0)->id, 2);
	want(&r, 1, 2);
	assert_null(roster_next(&r, 2, 9999)); /* however late */
	assert_int_equal(e->forced_at, 5000);
	roster_wake(e);
	assert_ptr_equal(roster_next(&r, 2, 0), e);
	roster_fini(&r);
}

/* An admin who asks again need not wait for the pause after a crash. */
static void waking_ends_a_pause(void **state)
{
	struct roster r = { 0 };
	struct entry *e;

	(void)state;
	want(&r, 1, 1);
	e = start_next(&r, 1, 0);
	(void)roster_crashed(&r, e, 0);
	assert_null(roster_next(&r, 1, 0));
	roster_wake(roster_by_name(&r, STR_LIT("a")));
	assert_ptr_equal(roster_next(&r, 1, 0), e);
	assert_null(roster_by_name(&r, STR_LIT("nobody")));
	roster_fini(&r);
}

/* A return does not wait for a place, outlives looks into the registry, and is over when
   its own process has ended as it should. */
static void a_return_is_kept_until_it_is_done(void **state)
{
	struct roster r = { 0 };
	struct entry *e;

	(void)state;
	want(&r, 1, 1);
	assert_int_equal(start_next(&r, 1, 0)->id, 1);
	assert_int_equal(roster_ask(&r, 2, STR_LIT("b"), ENTRY_RETURN), 0);
	want(&r, 1, 1);
	e = start_next(&r, 1, 0);
	assert_int_equal(e->id, 2);
	assert_int_equal(e->runs, ENTRY_RETURN);
	(void)roster_crashed(&r, e, 0);
	want(&r, 1, 1);
	assert_ptr_equal(start_next(&r, 1, e->not_before), e);
	roster_ended(&r, e, 0);
	want(&r, 1, 1);
	assert_null(roster_by_name(&r, STR_LIT("b")));
	/* asked while another process of it runs: one of its own follows */
	assert_int_equal(roster_ask(&r, 1, STR_LIT("a"), ENTRY_RETURN), 0);
	roster_ended(&r, roster_by_name(&r, STR_LIT("a")), 0);
	e = start_next(&r, 1, 1000);
	assert_int_equal(e->id, 1);
	assert_int_equal(e->runs, ENTRY_RETURN);
	roster_fini(&r);
}

/* A look at what a return would carry needs no place, is nothing that the registry wants,
   and gives way to the return itself. */
static void a_foretelling_is_done_once(void **state)
{
	struct roster r = { 0 };
	struct entry *e;

	(void)state;
	assert_int_equal(roster_ask(&r, 1, STR_LIT("a"), ENTRY_FORETELL), 0);
	want(&r, 2, 2);
	e = start_next(&r, 0, 0);
	assert_int_equal(e->id, 1);
	assert_int_equal(e->runs, ENTRY_FORETELL);
	assert_int_equal(roster_ask(&r, 1, STR_LIT("a"), ENTRY_RETURN), 0);
	roster_ended(&r, e, 0);
	assert_false(entry_is_asked(e, ENTRY_FORETELL));
	assert_true(entry_is_asked(e, ENTRY_RETURN));
	e = start_next(&r, 0, 100000);
	assert_int_equal(e->runs, ENTRY_RETURN);
	roster_ended(&r, e, 100000);
	want(&r, 2, 2);
	assert_null(roster_by_name(&r, STR_LIT("a")));
	roster_fini(&r);
}

static void lower_ranks_come_first(void **state)
{
	static const uint64_t ranks[] = { 0, 7, 3, 5, 3 };
	struct roster r = { 0 };
	struct entry *e;

	(void)state;
	roster_look_begin(&r);
	for (int64_t id = 1; id <= 4; id++)
		assert_int_equal(roster_want(&r, id, STR_LIT("x"), ranks[id], &e), 0);
	roster_look_end(&r);
	assert_int_equal(start_next(&r, 4, 0)->id, 2);
	assert_int_equal(start_next(&r, 4, 0)->id, 4);
	assert_int_equal(start_next(&r, 4, 0)->id, 3);
	/* what is asked for waits for nobody */
	assert_int_equal(roster_ask(&r, 1, STR_LIT("x"), ENTRY_AGAIN), 0);
	assert_int_equal(start_next(&r, 3, 0)->id, 1);
	roster_fini(&r);
}

static void a_copied_one_waits_until_it_is_woken(void **state)
{
	struct roster r = { 0 };
	struct entry *e;

	(void)state;
	want(&r, 1, 2);
	e = start_next(&r, 1, 0);
	roster_copied(&r, e, 5000);
	assert_true(e->state == ENTRY_PARKED && e->is_held && e->is_copied);
	assert_int_equal(start_next(&r, 1, 0)->id, 2);
	roster_ended(&r, roster_by_pid(&r, 102), 0);
	roster_wake(e);
	assert_int_equal(start_next(&r, 1, 0)->id, 1);
	roster_parked(&r, e, 0);
	assert_false(e->is_held || e->is_copied);
	roster_fini(&r);
}

/* Each comes before the next. */
static void orders(void **state)
{
	static const struct account arrival[] = {
		{ .route = ROUTE_BUSY, .stage = STAGE_SWITCHING },
		{ .stage = STAGE_CATCHING_UP, .has_untried_password = true },
		{ .stage = STAGE_DUE, .size = 10 },
		{ .stage = STAGE_FAILED, .master = STR("m") },
	}, smallest[] = {
		{ .stage = STAGE_COPYING, .size = 1 },
		{ .stage = STAGE_DUE, .size = 2 },
		{ .stage = STAGE_DUE, .size = UINT64_MAX / 2 },
		{ .stage = STAGE_CATCHING_UP },
	}, last_used[] = {
		{ .stage = STAGE_DUE, .first_login_at = 1, .last_login_at = 900 },
		{ .stage = STAGE_FAILED, .first_login_at = 5, .last_login_at = 899 },
		{ .stage = STAGE_DUE, .last_login_at = 1000 },
		{ .stage = STAGE_CATCHING_UP },
	};
	const struct account *const all[] = { arrival, smallest, last_used };

	(void)state;
	for (int o = ORDER_ARRIVAL; o <= ORDER_LAST_USED; o++)
		for (size_t i = 1; i < 4; i++)
			if (order_rank((enum order)o, &all[o][i - 1]) >=
				order_rank((enum order)o, &all[o][i]))
				fail_msg("order %d: %zu does not come before", o, i - 1);
	assert_int_equal(order_rank(ORDER_ARRIVAL, &smallest[0]),
		order_rank(ORDER_ARRIVAL, &smallest[1]));
	assert_int_equal(order_rank(ORDER_SMALLEST, &last_used[0]),
		order_rank(ORDER_SMALLEST, &last_used[1]));
}

/* Whom the source refuses as master user: nobody is started who needs it; afterwards one
   finds out, the others do not wait for it. */
static void a_master_user_is_probed_by_one(void **state)
{
	struct roster r = { 0 };
	struct entry *e[5];

	(void)state;
	roster_look_begin(&r);
	for (int64_t id = 1; id <= 4; id++)
		assert_int_equal(roster_want(&r, id, STR_LIT("x"), 0, &e[id]), 0);
	e[1]->is_barred = e[2]->is_barred = true;
	e[1]->is_probe = e[2]->is_probe = e[3]->is_probe = true;
	roster_look_end(&r);
	assert_int_equal(start_next(&r, 9, 0)->id, 3);
	assert_int_equal(start_next(&r, 9, 0)->id, 4);
	e[1]->is_barred = e[2]->is_barred = false;
	assert_null(start_next(&r, 9, 0));
	e[3]->is_probe = false; /* it was let in */
	assert_int_equal(start_next(&r, 9, 0)->id, 1);
	assert_null(start_next(&r, 9, 0));
	roster_ended(&r, e[1], 0);
	assert_int_equal(start_next(&r, 9, 0)->id, 2);
	roster_fini(&r);
}

/* Those that stay are found, those that go are not, and the order is that of arrival. */
static void many_are_found_by_their_numbers(void **state)
{
	enum { MANY = 5000 };
	struct roster r = { 0 };
	struct entry *e;
	int64_t id = 1;

	(void)state;
	for (int look = 0; look < 3; look++) {
		roster_look_begin(&r);
		for (id = 1 + look; id <= MANY; id += 1 + look)
			assert_int_equal(roster_want(&r, id, STR_LIT("x"), 0, &e), 0);
		roster_look_end(&r);
		for (id = 1; id <= MANY; id++)
			assert_int_equal(roster_by_id(&r, id) != NULL,
				(id - 1 - look) % (1 + look) == 0 && id > look);
		assert_int_equal(r.n, MANY / (1 + look));
	}
	assert_ptr_equal(roster_by_id(&r, r.last->id), r.last);
	assert_null(r.last->next);
	for (id = 0, e = r.first; e; id++, e = e->next)
		assert_true(!e->next || e->id < e->next->id ||
			    (e->id % 2 == 0 && e->next->id % 2));
	assert_int_equal(id, r.n);
	roster_fini(&r);
	assert_null(roster_by_id(&r, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lower_ranks_come_first),
		cmocka_unit_test(a_master_user_is_probed_by_one),
		cmocka_unit_test(many_are_found_by_their_numbers),
		cmocka_unit_test(a_copied_one_waits_until_it_is_woken),
		cmocka_unit_test(orders),
		cmocka_unit_test(a_foretelling_is_done_once),
		cmocka_unit_test(places_are_limited),
		cmocka_unit_test(nobody_runs_twice),
		cmocka_unit_test(crashes_wait_longer_and_longer),
		cmocka_unit_test(parked_ones_hold_no_place),
		cmocka_unit_test(waking_ends_a_pause),
		cmocka_unit_test(a_return_is_kept_until_it_is_done),
	};

	return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
