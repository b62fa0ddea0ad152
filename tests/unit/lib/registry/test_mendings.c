/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry_fixture.h"

#include "registry/here.h"
#include "registry/mendings.h"

/* The last one counts, of each account; it goes with the account. */
static void test_mendings(void **state)
{
	static const struct mending before = { 7, 3, STR("{\"lost\":3}") },
				    after = { 9, 0, STR("{\"lost\":0}") };
	struct test *t = *state;
	struct mending is;
	int64_t alice = capture(t, "alice", "secret"), zoe = 0;

	NO_ERROR(registry_add_here(t->r, STR_LIT("zoe"), &zoe, &t->err));
	NO_ERROR(registry_mending(t->r, zoe, &t->arena, &is, &t->err));
	assert_true(!is.at && !is.left && !is.result.len);
	NO_ERROR(registry_set_mending(t->r, zoe, &before, &t->err));
	NO_ERROR(registry_set_mending(t->r, alice, &before, &t->err));
	NO_ERROR(registry_set_mending(t->r, zoe, &after, &t->err));
	NO_ERROR(registry_mending(t->r, zoe, &t->arena, &is, &t->err));
	assert_true(is.at == 9 && is.left == 0 && str_eq(is.result, after.result));
	NO_ERROR(registry_remove_here(t->r, zoe, &t->err));
	NO_ERROR(registry_mending(t->r, zoe, &t->arena, &is, &t->err));
	assert_true(!is.at);
	NO_ERROR(registry_mending(t->r, alice, &t->arena, &is, &t->err));
	assert_true(is.at == 7 && is.left == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_mendings, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
