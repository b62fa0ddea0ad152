/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder says whose it is, and whether the account is served from it. */
#include "fixture.h"

#include <errno.h>
#include <string.h>

static struct store_identity identity_of(struct fixture *f)
{
	struct error err = { 0 };
	struct store_identity is = { 0 };

	OK(store_identity(f->store, &f->arena, &is, &err));
	return is;
}

static void a_new_one_is_nobodys(void **state)
{
	struct store_identity is = identity_of(*state);

	assert_str(is.owner, "");
	assert_true(is.service == STORE_COPYING && !is.served_at);
}

static void what_is_set_stays(void **state)
{
	struct fixture *f = *state;
	struct store_identity set = { .owner = STR_LIT("al\xffice") }, is = { 0 };
	struct error err = { 0 };

	FAILS(-EINVAL, store_set_identity(f->store, &set, &err));
	OK(store_begin(f->store, &err));
	OK(store_set_identity(f->store, &set, &err));
	OK(store_commit(f->store, &err));
	OK(store_set_service(f->store, STORE_SERVED, 4711, &err));
	fixture_reopen(f);
	/* while another process has it open */
	OK(store_peek(f->folder, &f->arena, &is, &err));
	assert_str(is.owner, "al\xffice");
	assert_true(is.service == STORE_SERVED && is.served_at == 4711);
	OK(store_set_service(f->store, STORE_SERVED, 9999, &err)); /* since when it is */
	OK(store_set_service(f->store, STORE_LEAVING, 0, &err));
	OK(store_set_service(f->store, STORE_SERVED, 9999, &err));
	assert_int_equal(identity_of(f).served_at, 4711);
	OK(store_set_service(f->store, STORE_LEFT, 0, &err));
	assert_int_equal(identity_of(f).served_at, 0);
	FAILS(-ENOENT, store_peek("/tmp/mailferry-none", &f->arena, &is, &err));
}

/* The names that led to it go along, but for those that do so no more. */
static void another_name(void **state)
{
	struct fixture *f = *state;
	struct store_identity set = { .owner = STR_LIT("alice") }, is = { 0 };
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	OK(store_set_identity(f->store, &set, &err));
	OK(store_commit(f->store, &err));
	OK(store_set_service(f->store, STORE_SERVED, 4711, &err));
	OK(store_rename(f->store, STR_LIT("anna"), STR_LIT(""), STR_LIT(""), &err));
	/* once more */
	OK(store_rename(f->store, STR_LIT("anna"), STR_LIT(""), STR_LIT(""), &err));
	OK(store_rename(f->store, STR_LIT("ann"), STR_LIT(""), STR_LIT("ann's"), &err));
	fixture_reopen(f);
	OK(store_peek(f->folder, &f->arena, &is, &err));
	assert_str(is.owner, "ann");
	assert_true(is.service == STORE_SERVED && is.served_at == 4711);
	assert_int_equal(is.n_former, 2);
	assert_str(is.former[0], "anna");
	assert_str(is.former[1], "alice");
	assert_str(is.residence, "ann's");
	OK(store_set_service(f->store, STORE_LEAVING, 0, &err));
	OK(store_set_service(f->store, STORE_SERVED, 9999, &err));
	assert_str(identity_of(f).residence, "ann's");
	OK(store_set_service(f->store, STORE_COPYING, 0, &err));
	assert_str(identity_of(f).residence, "");
	assert_int_equal(identity_of(f).served_at, 0);
	OK(store_rename(f->store, STR_LIT("alice"), STR_LIT("anna"), STR_LIT(""), &err));
	OK(store_peek(f->folder, &f->arena, &is, &err));
	assert_str(is.owner, "alice");
	assert_int_equal(is.n_former, 1);
	assert_str(is.former[0], "ann");
}

/* Killed before there was a table: nothing is lost, and nobody need be asked. */
static void what_has_just_begun_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_identity is = { 0 };
	struct error err = { 0 };

	store_close(f->store);
	f->store = NULL;
	fixture_shell(f, "rm -rf $d/* && mkdir $d/bodies && : >$d/index.sqlite");
	FAILS(-ENOENT, store_peek(f->folder, &f->arena, &is, &err));
	fixture_shell(f, ": >$d/bodies/0001.pack");
	FAILS(-EUCLEAN, store_peek(f->folder, &f->arena, &is, &err));
}

static const struct {
	const char *note;
	enum store_service service;
} olds[] = {
	{ "", STORE_COPYING },
	{ "4711", STORE_SERVED },
	{ "left", STORE_LEFT },
};

/* A folder as the version before made it. */
static void old_folders_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(olds) / sizeof(olds[0]); i++) {
		struct error err = { 0 };
		void *own = NULL;
		struct fixture *f;

		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		OK(store_begin(f->store, &err));
		OK(store_set_checkpoint(
			f->store, STR_LIT(SWITCH_MODSEQ), str_from(olds[i].note), &err));
		OK(store_commit(f->store, &err));
		fixture_downgrade(f, 2);
		assert_int_equal(identity_of(f).service, olds[i].service);
		(void)fixture_teardown(&own);
	}
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_one_is_nobodys),
		TEST(what_is_set_stays),
		TEST(another_name),
		TEST(what_has_just_begun_is_nothing),
		cmocka_unit_test(old_folders_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
