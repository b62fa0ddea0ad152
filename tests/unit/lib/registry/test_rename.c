/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Another name for an account: who has it already, what leads to it afterwards, and what
   the source would be asked for. */
#include "registry/alias.h"
#include "registry/here.h"
#include "registry/rename.h"
#include "registry/retire.h"
#include "registry_fixture.h"

/* Binds so that a test can read it: "bound to anna". */
static int bind_password(void *context, const struct password *p, struct str to,
	struct arena *arena, struct str *ret_sealed, struct str *ret_verifier)
{
	char text[300];

	(void)context;
	(void)snprintf(text, sizeof(text), "%.*s>%.*s", STR_ARG(p->sealed), STR_ARG(to));
	*ret_sealed = p->sealed.len ? arena_str(arena, str_from(text)) : STR_LIT("");
	(void)snprintf(
		text, sizeof(text), "%.*s>%.*s", STR_ARG(p->verifier), STR_ARG(to));
	*ret_verifier = p->verifier.len ? arena_str(arena, str_from(text)) : STR_LIT("");
	return 0;
}

static int bind_source_name(void *context, struct str bound, struct str from,
	struct str to, struct arena *arena, struct str *ret)
{
	(void)context;
	*ret = arena_str(arena, bound.len ? bound : from);
	if (str_eq(*ret, to))
		*ret = STR_LIT("");
	return 0;
}

static const struct name_binder binder = { .password = bind_password,
	.source_name = bind_source_name };

static int rename_it(
	struct test *t, int64_t id, const char *from, const char *to, const char *drop)
{
	const struct rename r = { .account = id,
		.from = str_from(from),
		.to = str_from(to),
		.drop = str_from(drop) };

	return registry_rename(t->r, &r, &binder, &t->err);
}

static int64_t local(struct test *t, const char *login)
{
	int64_t id = capture(t, login, "secret");

	arrive(t, id);
	prove(t, id, "verifier");
	return id;
}

static struct account account(struct test *t, int64_t id)
{
	struct account a;

	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	return a;
}

/* The account that the login leads to, 0: none. */
static int64_t by_login(struct test *t, const char *name)
{
	struct account_route route = { 0 };

	(void)registry_route(t->r, str_from(name), &route, NULL);
	return route.id;
}

static int64_t by_address(struct test *t, const char *address)
{
	struct account_route route = { 0 };
	int code = registry_address_text(t->r, str_from(address), &route, NULL);

	return code == 0 ? route.id : 0;
}

static int imported(
	void *context, size_t line, const struct alias *a, enum alias_outcome outcome)
{
	(void)context;
	(void)line;
	(void)a;
	return outcome == ALIAS_NEW ? 0 : -EINVAL;
}

static void add_alias(struct test *t, const char *local_part, const char *user)
{
	NO_ERROR(registry_add_alias(t->r, str_from(local_part), STR_LIT("example.com"),
		str_from(user), &t->err));
}

static void test_stays(void **state)
{
	struct test *t = *state;
	static const char *const names[] = { "alice", "Alice@Example.com", "anna",
		"ANNA@example.com" };
	struct account a;
	int64_t id;

	set_domains(t, 1);
	id = local(t, "Alice");
	add_alias(t, "info", "alice");
	NO_ERROR(rename_it(t, id, "alice", "Anna@example.com", ""));
	a = account(t, id);
	assert_true(str_eq(a.name, STR_LIT("anna")));
	assert_true(str_eq(a.login, STR_LIT("Alice"))); /* the sweep's */
	assert_true(str_eq(a.source_name, STR_LIT("alice")));
	assert_true(str_eq(verifiers_of(t, id), STR_LIT("verifier>anna")));
	for (size_t i = 0; i < ROWS(names); i++)
		assert_int_equal(by_login(t, names[i]), id);
	assert_int_equal(by_address(t, "anna@example.com"), id);
	assert_int_equal(by_address(t, "alice@example.com"), id);
	assert_int_equal(by_address(t, "info@example.com"), id);
	/* whatever domains there will be */
	set_domains(t, 2);
	assert_int_equal(by_address(t, "anna@example.com"), id);
	assert_int_equal(by_address(t, "anna@example.net"), 0);
	/* said twice */
	NO_ERROR(rename_it(t, id, "alice", "anna", ""));
	assert_true(str_eq(verifiers_of(t, id), STR_LIT("verifier>anna")));
}

static void test_refused(void **state)
{
	struct test *t = *state;
	int64_t id, other, there;
	struct alias_import rules = { .text = STR("list@example.com a@x.org, b@x.org\n"),
		.format = ALIAS_FORMAT_VIRTUAL,
		.each = imported };

	set_domains(t, 1);
	id = local(t, "alice");
	other = local(t, "bob");
	there = capture(t, "carol", "secret");
	add_alias(t, "robert", "bob");
	add_alias(t, "later", "not-yet-here");
	NO_ERROR(registry_import_aliases(t->r, &rules, &t->err));
	{
		const struct {
			int64_t id;
			const char *from, *to, *drop;
			int code;
			const char *says;
		} rows[] = {
			{ id, "alice", "bob", "", -EEXIST, "account \"bob\"" },
			{ id, "alice", "BOB@example.com", "", -EEXIST,
				"account \"bob\"" },
			{ id, "alice", "robert", "", -EEXIST, "alias of \"bob\"" },
			{ id, "alice", "later", "", -EEXIST, "not-yet-here" },
			{ id, "alice", "list", "", -EEXIST, "by a rule" },
			{ id, "alice", "carol", "", -EEXIST, "account \"carol\"" },
			{ id, "alice", " ", "", -EINVAL, "no name" },
			{ id, "alicia", "anna", "", -ESTALE, "by now" },
			{ there, "carol", "anna", "", -EPERM, "does not live here" },
			{ id + 1000, "alice", "anna", "", -ENOENT, "no account" },
			/* the source would be asked for the old mailbox */
			{ id, "alice", "anna", "alice", -EPERM, "is not retired" },
			{ id, "alice", "anna", "anna", -EINVAL, "the account gets" },
		};

		for (size_t i = 0; i < ROWS(rows); i++) {
			int code = rename_it(
				t, rows[i].id, rows[i].from, rows[i].to, rows[i].drop);

			if (code != rows[i].code || !strstr(t->err.text, rows[i].says))
				fail_msg("row %zu: %d %s", i, code, t->err.text);
		}
	}
	assert_true(str_eq(account(t, id).name, STR_LIT("alice")));
	assert_true(str_eq(account(t, other).name, STR_LIT("bob")));
	/* an alias of its own becomes its name */
	add_alias(t, "ann", "alice");
	NO_ERROR(rename_it(t, id, "alice", "ann", ""));
	assert_int_equal(by_address(t, "ann@example.com"), id);
	assert_int_equal(by_address(t, "alice@example.com"), id);
}

static void test_dropped(void **state)
{
	struct test *t = *state;
	int64_t id, made;

	set_domains(t, 1);
	id = local(t, "alice");
	add_alias(t, "info", "alice");
	/* names that were given here, and those of accounts that were made here */
	NO_ERROR(rename_it(t, id, "alice", "anna", ""));
	NO_ERROR(rename_it(t, id, "anna", "ann", "anna"));
	assert_int_equal(by_login(t, "anna"), 0);
	assert_int_equal(by_address(t, "anna@example.com"), 0);
	assert_int_equal(by_login(t, "alice"), id);
	NO_ERROR(registry_add_here(t->r, STR_LIT("zoe"), &made, &t->err));
	add_alias(t, "z", "zoe");
	NO_ERROR(rename_it(t, made, "zoe", "zora", "zoe"));
	assert_int_equal(by_login(t, "zoe"), 0);
	assert_int_equal(by_address(t, "z@example.com"), made);
	assert_true(str_eq(account(t, made).source_name, STR_LIT("")));
	/* the source's own, once nobody asks it any more; also later */
	assert_int_equal(rename_it(t, id, "ann", "ann", "alice"), -EPERM);
	NO_ERROR(registry_retire(t->r, &t->err));
	NO_ERROR(rename_it(t, id, "ann", "ann", "alice"));
	assert_int_equal(by_login(t, "alice"), 0);
	assert_int_equal(by_login(t, "alice@example.com"), 0);
	assert_int_equal(by_address(t, "info@example.com"), id);
	/* and is anybody's */
	NO_ERROR(registry_add_here(t->r, STR_LIT("alice"), &made, &t->err));
	assert_int_equal(by_address(t, "alice@example.com"), made);
}

/* A rule for all of a domain takes what has no alias. */
static void test_catch_all(void **state)
{
	struct test *t = *state;
	struct alias_import rules = {
		.text = STR("@example.com all@x.org\nalice@example.com alice\n"),
		.format = ALIAS_FORMAT_VIRTUAL,
		.each = imported
	};
	int64_t id;

	set_domains(t, 1);
	id = local(t, "alice");
	NO_ERROR(registry_import_aliases(t->r, &rules, &t->err));
	NO_ERROR(rename_it(t, id, "alice", "anna", ""));
	assert_int_equal(by_address(t, "anna@example.com"), id);
	assert_int_equal(by_address(t, "alice@example.com"), id);
	assert_int_equal(by_address(t, "other@example.com"), 0);
	NO_ERROR(registry_retire(t->r, &t->err));
	NO_ERROR(rename_it(t, id, "anna", "anna", "alice"));
	assert_int_equal(by_address(t, "alice@example.com"), 0);
	assert_int_equal(by_address(t, "anna@example.com"), id);
}

/* There it has the old name, which may be another's by the new one. */
static void test_way_back(void **state)
{
	struct test *t = *state;
	int64_t id = local(t, "alice");
	const struct str by = STR("admin"), why = STR("");

	NO_ERROR(rename_it(t, id, "alice", "anna", ""));
	assert_int_equal(
		registry_transition(t->r, id, EVENT_LEAVE, by, why, &t->err), -EPERM);
	assert_non_null(strstr(t->err.text, "knows it as \"alice\""));
	NO_ERROR(rename_it(t, id, "anna", "alice", ""));
	assert_true(str_eq(account(t, id).source_name, STR_LIT("")));
	NO_ERROR(registry_transition(t->r, id, EVENT_LEAVE, by, why, &t->err));
}

static int count_name(void *context, struct str name)
{
	size_t *count = context;

	(void)name;
	(*count)++;
	return 0;
}

static void test_rebuilt(void **state)
{
	struct test *t = *state;
	int64_t id = local(t, "anna"), bob = local(t, "bob");
	size_t count = 0;

	NO_ERROR(registry_give_name(t->r, id, STR_LIT("Alice"), &t->err));
	NO_ERROR(registry_give_name(t->r, id, STR_LIT("bob"), &t->err));
	assert_int_equal(by_login(t, "alice"), id);
	assert_int_equal(by_login(t, "bob"), bob);
	NO_ERROR(registry_each_name(t->r, id, count_name, &count, &t->err));
	assert_int_equal(count, 4); /* with their addresses */
	assert_int_equal(rename_it(t, id, "anna", "anna", "alice"), -EPERM);
	NO_ERROR(registry_retire(t->r, &t->err));
	NO_ERROR(rename_it(t, id, "anna", "anna", "alice"));
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_stays),
		ROW(test_refused),
		ROW(test_dropped),
		ROW(test_catch_all),
		ROW(test_way_back),
		ROW(test_rebuilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
