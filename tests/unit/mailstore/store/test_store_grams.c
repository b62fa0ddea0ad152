/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text index against a model: 1,500 messages of random lists come, are copied and go,
 * and whatever the rows look like just then, each question is answered as the lists say:
 * no message is excluded that has what is asked for, and of those in the index all are
 * that lack it.
 */
#include "fixture.h"
#include "mailstore/store/grams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 1500
#define VERSION 7

struct model_message {
	uint32_t uid;
	uint64_t email;
	bool is_there, is_long; /* too long for the index */
	char list[64 * 3];
	size_t len;
};

struct model {
	struct fixture *f;
	int64_t inbox;
	unsigned seed;
	size_t count;
	struct model_message of[MESSAGES];
};

static unsigned random_below(struct model *m, unsigned n)
{
	m->seed = m->seed * 1103515245 + 12345;
	return (m->seed >> 8) % n;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 3);
}

/* Few letters, so that some are in most messages, and all counts of a row come up. */
static void make_list(struct model *m, struct model_message *one)
{
	static const char letters[] = "aaaaaaabbbbccd\0\377";
	unsigned n = random_below(m, 60);
	size_t len = 0;

	for (unsigned i = 0; i < n * 3; i++)
		one->list[i] = letters[random_below(m, sizeof(letters) - 1)];
	qsort(one->list, n, 3, compare);
	for (unsigned i = 0; i < n; i++)
		if (!len || memcmp(one->list + len - 3, one->list + i * 3, 3) != 0) {
			memmove(one->list + len, one->list + i * 3, 3);
			len += 3;
		}
	one->len = len;
}

static void add(struct model *m, size_t n)
{
	struct error err = { 0 };

	OK(store_begin(m->f->store, &err));
	for (; n && m->count < MESSAGES; n--) {
		struct model_message *one = &m->of[m->count++];

		one->uid = add_inline(m->f->store, m->inbox, 0, STR_LIT("x"));
		one->is_there = true;
		one->is_long = random_below(m, 50) == 0;
		make_list(m, one);
	}
	OK(store_commit(m->f->store, &err));
}

static void remove_one(struct model *m, size_t i)
{
	struct error err = { 0 };

	if (!m->of[i].is_there)
		return;
	OK(store_begin(m->f->store, &err));
	OK(store_expunge(m->f->store, m->inbox, m->of[i].uid, &err));
	OK(store_commit(m->f->store, &err));
	m->of[i].is_there = false;
}

struct reading {
	struct model *model;
	unsigned left;
};

static int keep(void *context, const struct store_unread *u)
{
	struct reading *r = context;
	struct model *m = r->model;
	struct model_message *one = &m->of[u->uid - 1];

	assert_int_equal(one->uid, u->uid);
	assert_true(one->is_there);
	if (!r->left--)
		return 1;
	one->email = u->email;
	return one->is_long ? 0
	                    : store_keep_grams(m->f->store, u->email,
				      str_of(one->list, one->len), NULL);
}

/* So many messages; true: that was all. */
static bool read_some(struct model *m, unsigned n, bool commits)
{
	struct error err = { 0 };
	struct reading r = { .model = m, .left = n };
	int code;

	OK(store_begin_derived(m->f->store, &err));
	do
		code = store_tidy_grams(m->f->store, VERSION, &err);
	while (code == 1);
	OK(code);
	code = store_each_ungrammed(m->f->store, VERSION, n + 1, keep, &r, &err);
	assert_return_code(code, 0);
	if (commits)
		OK(store_commit(m->f->store, &err));
	else
		store_rollback(m->f->store);
	return code == 1;
}

static bool has(const struct model_message *one, const char *gram)
{
	for (size_t i = 0; i < one->len; i += 3)
		if (memcmp(one->list + i, gram, 3) == 0)
			return true;
	return false;
}

static bool has_all(const struct model_message *one, struct str list)
{
	for (; list.len; list = str_skip(list, 3))
		if (!has(one, list.ptr))
			return false;
	return true;
}

/* How many are excluded. */
static unsigned ask_and_compare(struct model *m, struct str list)
{
	struct error err = { 0 };
	struct store_grams *g;
	unsigned excluded = 0;

	OK(store_grams_find(m->f->store, VERSION, list, &g, &err));
	assert_non_null(g);
	for (size_t i = 0; i < m->count; i++) {
		struct model_message *one = &m->of[i];
		bool no = one->email && store_grams_exclude(g, one->email);

		if (!one->is_there)
			continue;
		excluded += no;
		if (no == has_all(one, list) || (no && one->is_long))
			assert_true(!no && (!one->email || one->is_long));
	}
	assert_false(store_grams_exclude(g, 0));
	assert_false(store_grams_exclude(g, UINT32_MAX));
	store_grams_free(g);
	return excluded;
}

static void ask_much(struct model *m)
{
	for (unsigned i = 0; i < 30; i++) {
		struct model_message some;

		make_list(m, &some);
		(void)ask_and_compare(m, str_take(str_of(some.list, some.len),
						 (size_t)(1 + random_below(m, 5)) * 3));
	}
	(void)ask_and_compare(m, STR_LIT(""));
	(void)ask_and_compare(m, STR_LIT("zzz"));
}

static void model_open(struct model *m, struct fixture *f)
{
	struct error err = { 0 };

	*m = (struct model){ .f = f, .seed = 1 };
	OK(store_begin(f->store, &err));
	m->inbox = add_mailbox(f->store, "INBOX");
	OK(store_commit(f->store, &err));
}

static uint64_t number(const struct fixture *f, const char *sql)
{
	char command[512], line[64] = "";
	FILE *p;

	(void)snprintf(
		command, sizeof(command), "sqlite3 %s/index.sqlite '%s'", f->folder, sql);
	p = popen(command, "r"); /* NOLINT(cert-env33-c): our own words */
	assert_non_null(p);
	assert_non_null(fgets(line, sizeof(line), p));
	(void)pclose(p);
	return strtoull(line, NULL, 10);
}

/* An hour later. */
static void grow_old(struct fixture *f)
{
	fixture_shell(f, "sqlite3 $d/index.sqlite 'UPDATE gram_gone SET since = 0'");
}

static void test_model(void **state)
{
	static struct model m;
	struct error err = { 0 };

	model_open(&m, *state);
	while (m.count < MESSAGES) {
		add(&m, random_below(&m, 90));
		for (unsigned i = random_below(&m, 30); i; i--)
			remove_one(&m, random_below(&m, (unsigned)m.count));
		if (random_below(&m, 3) == 0)
			grow_old(m.f);
		(void)read_some(&m, random_below(&m, 120), true);
		if (random_below(&m, 4) == 0)
			fixture_reopen(m.f);
		ask_much(&m);
		OK(store_verify(m.f->store, &err));
	}
	while (!read_some(&m, 100, true))
		;
	ask_much(&m);
	assert_in_range(number(m.f, "SELECT count(*) FROM gram_block"), 2, 8);
}

/* Who goes leaves nothing behind, and what is left of blocks is joined. */
static void test_gone(void **state)
{
	static struct model m;
	struct error err = { 0 };

	model_open(&m, *state);
	add(&m, MESSAGES);
	while (!read_some(&m, 200, true))
		;
	assert_int_equal(number(m.f, "SELECT count(*) FROM gram_block"), 5);
	remove_one(&m, 3);
	assert_true(store_grams_wait(m.f->store));
	assert_true(read_some(&m, 1, true));
	assert_int_equal(number(m.f, "SELECT count(*) FROM gram_gone"), 1);
	for (size_t i = 0; i < MESSAGES; i++)
		if (i % 16)
			remove_one(&m, i);
	assert_true(read_some(&m, 1, true));
	ask_much(&m);
	grow_old(m.f);
	assert_true(read_some(&m, 1, true));
	ask_much(&m);
	assert_false(store_grams_wait(m.f->store));
	assert_int_equal(number(m.f, "SELECT count(*) FROM gram_block"), 1);
	for (size_t i = 0; i < MESSAGES; i++)
		remove_one(&m, i);
	grow_old(m.f);
	assert_true(read_some(&m, 1, true));
	assert_int_equal(number(m.f, "SELECT (SELECT count(*) FROM gram_block)"
				     " + (SELECT count(*) FROM gram_row)"
				     " + (SELECT count(*) FROM gram_new)"
				     " + (SELECT count(*) FROM gram_gone)"),
		0);
	OK(store_verify(m.f->store, &err));
}

/* A piece that is not committed has not been; a copy has what the original has, and the
   email stays while one of them does. */
static void test_rollback_and_copies(void **state)
{
	static struct model m;
	struct error err = { 0 };
	uint32_t uid;

	model_open(&m, *state);
	add(&m, 300);
	assert_true(read_some(&m, 400, false));
	assert_int_equal(number(m.f, "SELECT grams_to FROM account"), 0);
	assert_int_equal(number(m.f, "SELECT count(*) FROM gram_new"), 0);
	while (!read_some(&m, 400, true))
		;
	OK(store_begin(m.f->store, &err));
	OK(store_copy(m.f->store, m.inbox, 1, m.inbox, &uid, &err));
	OK(store_expunge(m.f->store, m.inbox, 1, &err));
	OK(store_commit(m.f->store, &err));
	assert_false(store_grams_wait(m.f->store));
	ask_much(&m);
}

/* An older program's index is upgraded, and then read. */
static void test_upgrade(void **state)
{
	static struct model m;
	struct store_grams *g;
	struct error err = { 0 };

	model_open(&m, *state);
	add(&m, 300);
	while (!read_some(&m, 400, true))
		;
	fixture_downgrade(m.f, 7);
	OK(store_grams_find(m.f->store, VERSION, STR_LIT("zzz"), &g, &err));
	assert_null(g);
	remove_one(&m, 0);
	assert_false(store_grams_wait(m.f->store));
	while (!read_some(&m, 400, true))
		;
	assert_true(ask_and_compare(&m, STR_LIT("zzz")) > 250);
	OK(store_verify(m.f->store, &err));
}

/* Of another version, or none any more: nothing is used, and it goes. */
static void test_versions(void **state)
{
	static struct model m;
	struct store_grams *g;
	struct error err = { 0 };
	int code;

	model_open(&m, *state);
	add(&m, 600);
	while (!read_some(&m, 400, true))
		;
	OK(store_grams_find(m.f->store, VERSION + 1, STR_LIT("zzz"), &g, &err));
	assert_null(g);
	for (uint64_t version = VERSION + 1;; version = 0) {
		OK(store_begin_derived(m.f->store, &err));
		do
			code = store_tidy_grams(m.f->store, version, &err);
		while (code == 1);
		OK(code);
		OK(store_commit(m.f->store, &err));
		assert_int_equal(number(m.f, "SELECT (SELECT count(*) FROM gram_row)"
					     " + (SELECT count(*) FROM gram_new)"),
			0);
		assert_int_equal(
			number(m.f, "SELECT grams_version FROM account"), version);
		if (!version)
			break;
	}
	remove_one(&m, 0);
	assert_false(store_grams_wait(m.f->store));
	while (!read_some(&m, 400, true))
		;
	assert_true(ask_and_compare(&m, STR_LIT("zzz")) > 500);
}

/* Whatever is wrong with rows, nothing is excluded; the next tidying makes it anew. */
static void test_damage(void **state)
{
	static const char *const damages[] = {
		"UPDATE gram_block SET emails = zeroblob(9)",
		"UPDATE gram_block SET emails = zeroblob(0)",
		"UPDATE gram_block SET emails = zeroblob(4096)",
		"UPDATE gram_block SET first = first + 1",
		"UPDATE gram_row SET lists = substr(lists, 1, 1)",
		"UPDATE gram_row SET lists = substr(lists, 1, 2)",
	};
	static struct model m;
	struct store_grams *g;
	struct error err = { 0 };
	char command[256];

	model_open(&m, *state);
	add(&m, 600);
	while (!read_some(&m, 400, true))
		;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		(void)snprintf(command, sizeof(command), "sqlite3 $d/index.sqlite '%s'",
			damages[i]);
		fixture_shell(m.f, command);
		OK(store_grams_find(m.f->store, VERSION, STR_LIT("aaaaabaac"), &g, &err));
		assert_null(g);
		while (!read_some(&m, 400, true))
			;
		ask_much(&m);
		OK(store_verify(m.f->store, &err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_model, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_gone, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_rollback_and_copies, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_upgrade, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_versions, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_damage, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
