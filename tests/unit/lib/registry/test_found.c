/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry_fixture.h"

#include "registry/found.h"
#include "registry/here.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The last look counts, of each account; it goes with the account. */
static void test_found(void **state)
{
	static const struct found_record before = { 7, STR("gone"),
		STR("{\"unasked\":3}") },
					 after = { 9, STR(""), STR("{}") };
	struct test *t = *state;
	struct found_record is;
	int64_t alice = capture(t, "alice", "secret"), zoe = 0;

	NO_ERROR(registry_add_here(t->r, STR_LIT("zoe"), &zoe, &t->err));
	NO_ERROR(registry_found(t->r, zoe, &t->arena, &is, &t->err));
	assert_true(!is.at && !is.error.len && !is.state.len);
	NO_ERROR(registry_set_found(t->r, zoe, &before, &t->err));
	NO_ERROR(registry_set_found(t->r, alice, &before, &t->err));
	NO_ERROR(registry_set_found(t->r, zoe, &after, &t->err));
	NO_ERROR(registry_found(t->r, zoe, &t->arena, &is, &t->err));
	assert_true(is.at == 9 && !is.error.len && str_eq(is.state, after.state));
	NO_ERROR(registry_remove_here(t->r, zoe, &t->err));
	NO_ERROR(registry_found(t->r, zoe, &t->arena, &is, &t->err));
	assert_true(!is.at);
	NO_ERROR(registry_found(t->r, alice, &t->arena, &is, &t->err));
	assert_true(is.at == 7 && str_eq(is.error, before.error));
}

/* What is too much is not kept, and what was there stays. */
static void test_bounded(void **state)
{
	struct test *t = *state;
	struct found_record record = { .at = 7, .error = STR(""), .state = STR("{}") },
			    is;
	char *much = malloc(FOUND_STATE_MAX + 1);
	int64_t alice = capture(t, "alice", "secret");

	assert_non_null(much);
	memset(much, 'x', FOUND_STATE_MAX + 1);
	NO_ERROR(registry_set_found(t->r, alice, &record, &t->err));
	record = (struct found_record){
		.at = 8, .error = STR(""), .state = str_of(much, FOUND_STATE_MAX + 1)
	};
	assert_int_equal(registry_set_found(t->r, alice, &record, &t->err), -EMSGSIZE);
	NO_ERROR(registry_found(t->r, alice, &t->arena, &is, &t->err));
	assert_true(is.at == 7 && is.state.len == 2);
	record.state.len = FOUND_STATE_MAX;
	NO_ERROR(registry_set_found(t->r, alice, &record, &t->err));
	NO_ERROR(registry_found(t->r, alice, &t->arena, &is, &t->err));
	assert_true(is.at == 8 && is.state.len == FOUND_STATE_MAX);
	free(much);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_found, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_bounded, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
