/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is intercepted, as the admin said it. */
#include "registry/admission.h"
#include "registry_fixture.h"

static int join(void *context, const struct admission *a)
{
	return buf_printf(context, "%.*s %.*s %.*s;", STR_ARG(a->prefix),
		STR_ARG(a->service.len ? a->service : STR_LIT("all")),
		STR_ARG(a->verdict));
}

static void holds(struct test *t, const char *want)
{
	struct buf all;

	buf_init(&all, 0);
	NO_ERROR(registry_each_admission(t->r, join, &all, &t->err));
	if (!str_eq(buf_view(&all), str_from(want)))
		fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(buf_view(&all)), want);
	buf_fini(&all);
}

static int admit(
	struct test *t, const char *prefix, const char *service, const char *verdict)
{
	return registry_admit(
		t->r, str_from(prefix), str_from(service), str_from(verdict), &t->err);
}

static uint64_t stamp(struct test *t)
{
	uint64_t at = 0;

	NO_ERROR(registry_admissions_stamp(t->r, &at, &t->err));
	return at;
}

static void test_admissions(void **state)
{
	struct test *t = *state;
	uint64_t before = stamp(t);

	holds(t, "");
	assert_int_equal(
		registry_forget_admission(t->r, STR_LIT("::/0"), STR_LIT(""), &t->err),
		-ENOENT);
	assert_int_equal(stamp(t), before);
	NO_ERROR(admit(t, "::/0", "", "direct"));
	holds(t, "::/0 all direct;");
	assert_int_not_equal(stamp(t), before);
	before = stamp(t);
	NO_ERROR(admit(t, "::/0", "", "drop"));
	holds(t, "::/0 all drop;");
	assert_int_not_equal(stamp(t), before);
	NO_ERROR(admit(t, "::/0", "imap", "divert"));
	before = stamp(t);
	NO_ERROR(registry_forget_admission(t->r, STR_LIT("::/0"), STR_LIT(""), &t->err));
	holds(t, "::/0 imap divert;");
	assert_int_not_equal(stamp(t), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_admissions, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
