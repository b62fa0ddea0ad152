/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A maildrop against what is here: rows of both, and the UIDs that come out. */
#include "transfer/read/pop3_drop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#define SIDE_MAX 6
#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Maildrop: "name:size"; here, by UID from 1 on: the same, or "" for a UID that is gone.
 */
static const struct row {
	const char *name;
	const char *drop[SIDE_MAX], *here[SIDE_MAX];
	uint32_t uids[SIDE_MAX];
} rows[] = {
	{ "empty", { NULL }, { NULL }, { 0 } },
	{ "all new", { "a:1", "b:2", "c:3" }, { NULL }, { 1, 2, 3 } },
	{ "all known", { "a:1", "b:2" }, { "a:1", "b:2" }, { 1, 2 } },
	{ "one more", { "a:1", "b:2", "c:3" }, { "a:1", "b:2" }, { 1, 2, 3 } },
	{ "one less", { "b:2" }, { "a:1", "b:2" }, { 2 } },
	{ "new ones never get a UID that was", { "a:1", "x:9" }, { "a:1", "" },
		{ 1, 3 } },
	{ "another order", { "b:2", "a:1" }, { "a:1", "b:2" }, { 2, 1 } },
	{ "a new one in the middle", { "a:1", "x:9", "b:2" }, { "a:1", "b:2" },
		{ 1, 3, 2 } },
	{ "one name twice", { "a:1", "a:1" }, { "a:1", "a:1" }, { 1, 2 } },
	{ "twice, one is here", { "a:1", "a:1" }, { "a:1" }, { 1, 2 } },
	{ "twice, told apart by size", { "a:5", "a:1" }, { "a:1", "a:5" }, { 2, 1 } },
	{ "twice, the first is gone", { "a:5" }, { "a:1", "a:5" }, { 1 } },
	{ "another size is known all the same", { "a:2" }, { "a:1" }, { 1 } },
	{ "a prefix is another name", { "ab:1", "a:1" }, { "a:1", "ab:1" }, { 2, 1 } },
};

static struct str part(const char *text, uint64_t *ret_size)
{
	struct str rest = str_from(text), name = str_split(&rest, ':');

	*ret_size = 0;
	(void)str_to_u64(rest, ret_size);
	return name;
}

static void fill(struct pop3_drop *d, const char *const *from)
{
	uint64_t size;

	for (uint32_t i = 0; i < SIDE_MAX && from[i]; i++) {
		struct str name = part(from[i], &size);

		assert_int_equal(pop3_drop_add(d, i + 1, size), 0);
		assert_int_equal(pop3_drop_name(d, i + 1, name), 0);
	}
	assert_int_equal(pop3_drop_settle(d), 0);
}

static uint32_t know(struct pop3_drop *d, const char *const *here)
{
	uint32_t uid = 1;
	uint64_t size;

	for (; uid <= SIDE_MAX && here[uid - 1]; uid++) {
		struct str name = part(here[uid - 1], &size);

		if (name.len)
			(void)pop3_drop_know(d, name, size, uid);
	}
	return uid;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct pop3_drop d;

		print_message("%s\n", rows[i].name);
		pop3_drop_init(&d);
		fill(&d, rows[i].drop);
		assert_int_equal(pop3_drop_number(&d, know(&d, rows[i].here)), 0);
		for (size_t k = 0; k < d.count; k++) {
			assert_int_equal(d.at[k].uid, rows[i].uids[k]);
			assert_ptr_equal(pop3_drop_by_uid(&d, d.at[k].uid), &d.at[k]);
		}
		assert_null(pop3_drop_by_uid(&d, 77));
		pop3_drop_fini(&d);
	}
}

static void test_broken_lists(void **state)
{
	struct pop3_drop d;

	(void)state;
	pop3_drop_init(&d);
	assert_int_equal(pop3_drop_add(&d, 1, 10), 0);
	assert_int_equal(pop3_drop_add(&d, 7, 10), 0);
	assert_int_equal(pop3_drop_name(&d, 2, STR_LIT("x")), -ENOENT);
	assert_int_equal(pop3_drop_name(&d, 7, STR_LIT("x")), 0);
	assert_int_equal(pop3_drop_name(&d, 7, STR_LIT("y")), -EEXIST);
	assert_int_equal(pop3_drop_settle(&d), -ENODATA);
	assert_int_equal(pop3_drop_name(&d, 1, STR_LIT("z")), 0);
	assert_int_equal(pop3_drop_settle(&d), 0);
	assert_int_equal(pop3_drop_number(&d, UINT32_MAX - 1), -EOVERFLOW);
	pop3_drop_fini(&d);
}

static void test_unique(void **state)
{
	static const char *const given[SIDE_MAX] = { "bb:1", "aa:1", "bb:2", "cc:1",
		"bb:3" };
	static const char *const wanted[] = { "bb", "aa", "bb.2", "cc", "bb.3" };
	struct pop3_drop d;
	uint64_t ignored;

	(void)state;
	pop3_drop_init(&d);
	fill(&d, given);
	assert_int_equal(pop3_drop_make_unique(&d), 0);
	for (size_t i = 0; i < d.count; i++) {
		struct str name = pop3_drop_name_of(&d, &d.at[i]);

		assert_true(str_eq(name, part(wanted[i], &ignored)));
		assert_ptr_equal(pop3_drop_know(&d, name, 0, (uint32_t)i + 1), &d.at[i]);
	}
	pop3_drop_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_broken_lists),
		cmocka_unit_test(test_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
