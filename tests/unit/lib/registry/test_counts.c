/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel has counted: added up over all that happens to its numbers, by time. */
#include "registry_fixture.h"

#include "registry/counts.h"
#include "registry/internal.h"

#include <sqlite3.h>

#define NOW UINT64_C(1764115200000) /* 2025-11-26 00:00 UTC */

/* The kernel: packets are bytes / 100; both ways the same. */
struct kernel {
	struct count rows[2];
	int code;
};

static int read_kernel(
	void *context, const struct count **ret, size_t *ret_n, struct error *err)
{
	struct kernel *k = context;

	if (k->code < 0)
		return error_set(err, k->code, "no rules");
	*ret = k->rows;
	*ret_n = 2;
	return 0;
}

static void keep(struct test *t, uint64_t at, uint64_t imap, uint64_t pop3)
{
	struct kernel k = { .rows = { { STR("imap"), STR("source"), 0,
					      { imap / 100, imap, imap / 100, imap } },
				    { STR("pop3"), STR("local"), 0,
					    { pop3 / 100, pop3, pop3 / 100, pop3 } } } };

	NO_ERROR(registry_keep_counts(t->r, at, read_kernel, &k, &t->err));
}

/* "at imap source 100/99, …" of a span, or its sums */
struct text {
	struct buf buf;
};

static int add(void *context, const struct count *c)
{
	struct text *text = context;

	assert_int_equal(c->n[COUNT_BYTES_IN], c->n[COUNT_BYTES_OUT]);
	return buf_printf(&text->buf, "%s+%llu %.*s %.*s %llu/%llu",
		buf_len(&text->buf) ? ", " : "",
		(unsigned long long)(c->at ? (c->at - NOW) / 1000 : 0),
		STR_ARG(c->service), STR_ARG(c->route),
		(unsigned long long)c->n[COUNT_PACKETS_IN],
		(unsigned long long)c->n[COUNT_BYTES_IN]);
}

static void expect(struct test *t, bool sum, enum count_span span, uint64_t since,
	const char *wanted)
{
	struct text text;

	buf_init(&text.buf, 0);
	NO_ERROR((sum ? registry_sum_counts : registry_each_count)(
		t->r, span, since, add, &text, &t->err));
	assert_int_equal(buf_byte(&text.buf, '\0'), 0);
	assert_string_equal(buf_view(&text.buf).ptr, wanted);
	buf_fini(&text.buf);
}

static void test_adds_up(void **state)
{
	struct test *t = *state;

	keep(t, NOW + 5000, 1000, 0);
	keep(t, NOW + 30000, 1500, 0);
	keep(t, NOW + 31000, 1500, 0);
	keep(t, NOW + 65000, 1500, 700);
	expect(t, false, COUNT_MINUTE, 0, "+0 imap source 15/1500, +60 pop3 local 7/700");
	expect(t, false, COUNT_MINUTE, NOW + 1, "+60 pop3 local 7/700");
	expect(t, false, COUNT_HOUR, 0, "+0 imap source 15/1500, +0 pop3 local 7/700");
	expect(t, false, COUNT_DAY, 0, "+0 imap source 15/1500, +0 pop3 local 7/700");
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 15/1500, +0 pop3 local 7/700");
	expect(t, false, COUNT_KERNEL, 0, "+0 imap source 15/1500, +0 pop3 local 7/700");
}

/* By `nft reset counters`, or rules that began from 0. */
static void test_set_back(void **state)
{
	struct test *t = *state;

	keep(t, NOW, 5000, 0);
	keep(t, NOW + 60000, 300, 0);
	keep(t, NOW + 120000, 400, 0);
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 54/5400");
	expect(t, false, COUNT_KERNEL, 0, "+0 imap source 4/400");
	expect(t, true, COUNT_MINUTE, NOW + 60000, "+60 imap source 4/400");
	expect(t, true, COUNT_MINUTE, 0, "+0 imap source 54/5400");
}

static void test_no_rules(void **state)
{
	struct test *t = *state;
	struct kernel k = { .code = -ENOENT };

	keep(t, NOW, 5000, 0);
	assert_int_equal(
		registry_keep_counts(t->r, NOW + 1, read_kernel, &k, &t->err), -ENOENT);
	keep(t, NOW + 1000, 5100, 0);
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 51/5100");
}

/* What others remember of the registry stays good (recent.h). */
static void test_no_change_of_the_registry(void **state)
{
	struct test *t = *state;
	struct registry *other;
	struct database_version before, after;

	NO_ERROR(registry_open(t->path, &other, &t->err));
	keep(t, NOW, 1000, 0);
	assert_true(database_version(other->db, &before));
	keep(t, NOW + 2000, 2000, 0);
	assert_true(database_version(other->db, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	NO_ERROR(registry_set_fact(t->r, STR_LIT("a"), STR_LIT("b"), &t->err));
	assert_true(database_version(other->db, &after));
	assert_memory_not_equal(&before, &after, sizeof(before));
	registry_close(other);
}

/* A registry that has them from before: they are taken once. */
static void test_takes_what_the_registry_had(void **state)
{
	struct test *t = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			"INSERT INTO count VALUES ('total', 0, 'imap', 'source',"
			" 7, 700, 7, 700), ('kernel', 0, 'imap', 'source', 5, 500,"
			" 5, 500)",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 7/700");
	keep(t, NOW, 600, 0);
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 8/800");
	registry_close(t->r);
	t->r = NULL;
	NO_ERROR(registry_open(t->path, &t->r, &t->err));
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 8/800");
}

static void test_forgets(void **state)
{
	struct test *t = *state;
	const uint64_t day = 24 * HOUR_MS;

	keep(t, NOW, 1000, 0);
	keep(t, NOW + COUNT_MINUTES_KEPT_MS + MINUTE_MS, 2000, 0);
	expect(t, false, COUNT_MINUTE, 0, "+172860 imap source 10/1000");
	expect(t, false, COUNT_HOUR, 0,
		"+0 imap source 10/1000, +172800 imap source 10/1000");
	keep(t, NOW + 62 * day, 3000, 0);
	expect(t, false, COUNT_HOUR, 0,
		"+172800 imap source 10/1000, +5356800 imap source 10/1000");
	expect(t, false, COUNT_DAY, 0,
		"+0 imap source 10/1000, +172800 imap source 10/1000,"
		" +5356800 imap source 10/1000");
	keep(t, NOW + COUNT_DAYS_KEPT_MS + day, 4000, 0);
	expect(t, true, COUNT_DAY, 0, "+172800 imap source 30/3000");
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 40/4000");
}

static void test_which_period(void **state)
{
	(void)state;
	assert_int_equal(count_period_since(NOW, NOW + HOUR_MS), COUNT_MINUTE);
	assert_int_equal(count_period_since(NOW, NOW + 49 * HOUR_MS), COUNT_HOUR);
	assert_int_equal(count_period_since(NOW, NOW + 61 * 24 * HOUR_MS), COUNT_DAY);
	assert_int_equal(count_period_since(0, NOW), COUNT_DAY);
}

/* What has no time is counted in the total, and in no minute. */
static void test_no_time(void **state)
{
	struct test *t = *state;

	keep(t, 0, 100, 0);
	keep(t, 0, 300, 0);
	expect(t, false, COUNT_TOTAL, 0, "+0 imap source 3/300");
	expect(t, false, COUNT_MINUTE, 0, "");
	expect(t, false, COUNT_DAY, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_adds_up, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_set_back, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_no_rules, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_no_change_of_the_registry, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_takes_what_the_registry_had,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_forgets, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_no_time, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_which_period),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
