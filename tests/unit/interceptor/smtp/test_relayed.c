/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a worker remembers of recipients that the source was asked about: the last second,
   for a switch, and sums, for the report. */
#include "interceptor/smtp/recently_relayed.h"
#include "interceptor/smtp/recipient_counts.h"

#include "lib/registry/registry_fixture.h"
#include "registry/alias.h"

#define NOW 1000000

static bool has(const struct recently_relayed *all, struct test *t, const char *account,
	uint64_t now)
{
	return recently_relayed_has(all, t->r, str_from(account), now);
}

/* By whatever address, for a moment. */
static void test_recently_relayed(void **state)
{
	struct test *t = *state;
	struct recently_relayed *all = calloc(1, sizeof(*all));

	assert_non_null(all);
	(void)capture(t, "alice", "secret");
	(void)capture(t, "bob", "secret");
	NO_ERROR(registry_add_alias(
		t->r, STR_LIT("info"), STR_LIT("example.com"), STR_LIT("bob"), &t->err));
	assert_false(has(all, t, "alice", NOW));
	recently_relayed_note(all, STR_LIT("alice"), STR_LIT("example.com"), NOW);
	recently_relayed_note(all, STR_LIT("nobody"), STR_LIT("example.com"), NOW);
	recently_relayed_note(all, STR_LIT(""), STR_LIT(""), NOW);
	assert_true(has(all, t, "alice", NOW + RELAYED_SETTLE_MS - 1));
	assert_false(has(all, t, "alice", NOW + RELAYED_SETTLE_MS));
	assert_false(has(all, t, "bob", NOW));
	recently_relayed_note(all, STR_LIT("info"), STR_LIT("example.com"), NOW + 500);
	assert_true(has(all, t, "bob", NOW + RELAYED_SETTLE_MS));
	assert_false(has(all, t, "alice", NOW + RELAYED_SETTLE_MS));
	free(all);
}

/* An account may have become known since, and old ones make room. */
static void test_learnt_since(void **state)
{
	struct test *t = *state;
	struct recently_relayed *all = calloc(1, sizeof(*all));

	assert_non_null(all);
	recently_relayed_note(all, STR_LIT("carol"), STR_LIT("example.com"), NOW);
	assert_false(has(all, t, "carol", NOW));
	(void)capture(t, "carol", "secret");
	assert_true(has(all, t, "carol", NOW));
	for (size_t i = 0; i < RELAYED_HELD; i++)
		recently_relayed_note(
			all, STR_LIT("nobody"), STR_LIT("example.com"), NOW);
	assert_false(has(all, t, "carol", NOW));
	free(all);
}

static void test_long_addresses(void **state)
{
	struct test *t = *state;
	struct recently_relayed *all = calloc(1, sizeof(*all));
	char local[RELAYED_LOCAL_MAX + 1];

	assert_non_null(all);
	memset(local, 'a', sizeof(local));
	recently_relayed_note(
		all, str_of(local, sizeof(local)), STR_LIT("example.com"), NOW);
	assert_int_equal(all->next, 0);
	recently_relayed_note(
		all, str_of(local, RELAYED_LOCAL_MAX), STR_LIT("example.com"), NOW);
	assert_int_equal(all->next, 1);
	assert_false(has(all, t, "alice", NOW));
	free(all);
}

struct sums {
	uint64_t accepted, refused;
	size_t rows;
};

static int add_row(void *context, const struct recipients_row *row)
{
	struct sums *sums = context;

	sums->rows++;
	if (str_eq(row->address, STR_LIT(RECIPIENTS_REFUSED)))
		sums->refused += row->count;
	else
		sums->accepted += row->count;
	return 0;
}

static struct sums sums_of(struct test *t)
{
	struct sums sums = { 0 };

	NO_ERROR(registry_each_recipients(t->r, 0, add_row, &sums, &t->err));
	return sums;
}

static bool count(struct recipient_counts *all, const char *local, bool accepted)
{
	return recipient_counts_add(all, str_from(local), STR_LIT("example.com"),
		STR_LIT("192.0.2.1"), accepted, NOW);
}

static void test_counts(void **state)
{
	struct test *t = *state;
	struct recipient_counts *all = calloc(1, sizeof(*all));
	struct sums sums;

	assert_non_null(all);
	recipient_counts_init(all);
	for (int i = 0; i < 5; i++)
		assert_true(count(all, "alice", true));
	assert_true(count(all, "guess", false));
	assert_int_equal(all->n, 2);
	assert_int_equal(all->since_ms, NOW);
	NO_ERROR(recipient_counts_hand_over(all, t->r, &t->err));
	assert_int_equal(all->n, 0);
	NO_ERROR(recipient_counts_hand_over(all, t->r, &t->err));
	sums = sums_of(t);
	assert_int_equal(sums.accepted, 5);
	assert_int_equal(sums.refused, 1);
	assert_int_equal(sums.rows, 2);
	arena_fini(&all->arena);
	free(all);
}

/* Then they are handed over, and counting goes on. */
static void test_too_many(void **state)
{
	struct test *t = *state;
	struct recipient_counts *all = calloc(1, sizeof(*all));
	char local[32];

	assert_non_null(all);
	recipient_counts_init(all);
	for (int i = 0; i < RECIPIENT_COUNTS_HELD; i++) {
		(void)snprintf(local, sizeof(local), "user%d", i);
		assert_true(count(all, local, true));
	}
	assert_false(count(all, "one-more", true));
	assert_true(count(all, "user7", true));
	NO_ERROR(recipient_counts_hand_over(all, t->r, &t->err));
	assert_true(count(all, "one-more", true));
	assert_int_equal(sums_of(t).accepted, RECIPIENT_COUNTS_HELD + 1);
	arena_fini(&all->arena);
	free(all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_recently_relayed),
		TEST(test_learnt_since),
		TEST(test_long_addresses),
		TEST(test_counts),
		TEST(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
