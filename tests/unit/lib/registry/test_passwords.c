/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A first login; several passwords of one account: seen, proven, refused, set here. */
#include "registry_fixture.h"

#include "registry/passwords.h"

static int put(void *context, const struct password *p)
{
	struct buf *to = context;

	return buf_printf(to, "%s%s:%.*s ",
		p->origin == PASSWORD_LOCAL ? "local"
		: p->refused_at             ? "refused"
		: p->proven_at              ? "proven"
					    : "candidate",
		p->sealed.len ? "+sealed" : "", STR_ARG(p->verifier));
}

/* What to try first comes first. */
static void assert_passwords(struct test *t, int64_t id, const char *expected)
{
	struct buf all;
	bool same;

	buf_init(&all, 0);
	NO_ERROR(registry_each_password(t->r, id, put, &all, &t->err));
	same = str_eq(buf_view(&all), str_from(expected));
	if (!same)
		print_error("%.*s\n", STR_ARG(buf_view(&all)));
	buf_fini(&all);
	assert_true(same);
}

static void transition(struct test *t, int64_t id, enum account_event event)
{
	NO_ERROR(registry_transition(
		t->r, id, event, STR_LIT("test"), STR_LIT(""), &t->err));
}

static void go_back(struct test *t, int64_t id)
{
	transition(t, id, EVENT_LEAVE);
	transition(t, id, EVENT_RETURN);
}

static int64_t first(struct test *t, int64_t id, const char *expected)
{
	struct str password;
	int64_t which = 0;

	NO_ERROR(first_password(t, id, &password, &which));
	assert_true(str_eq(password, str_from(expected)));
	return which;
}

static void several(void **state)
{
	struct test *t = *state;
	struct account a;
	struct password p;
	int64_t id = capture(t, "alice", "one");

	assert_int_equal(capture(t, "Alice@example.com", "two"), id);
	assert_int_equal(capture(t, "alice", "one"), id); /* known already */
	assert_passwords(t, id, "candidate+sealed: candidate+sealed: ");

	NO_ERROR(registry_find_password(
		t->r, first(t, id, "two"), &t->arena, &p, &t->err));
	assert_true(p.account == id && str_eq(p.account_name, STR_LIT("alice")));
	assert_true(str_eq(p.login, STR_LIT("Alice@example.com")));
	prove(t, id, "v2");
	NO_ERROR(registry_prove(
		t->r, id, first(t, id, "two") - 1, STR_LIT("v1"), STR_LIT(""), &t->err));
	assert_passwords(t, id, "proven+sealed:v2 proven+sealed:v1 ");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(a.passwords == 2 && a.candidates == 0);
	assert_true(str_eq(a.login, STR_LIT("alice"))); /* of the one proven last */

	assert_true(knows_password(t, id, STR_LIT("one"), true));
	assert_false(knows_password(t, id, STR_LIT("three"), false));
	(void)capture(t, "alice", "three");
	assert_true(knows_password(t, id, STR_LIT("three"), false));
	assert_false(knows_password(t, id, STR_LIT("three"), true));
}

static void another_form_of_the_same(void **state)
{
	struct test *t = *state;
	int64_t id = capture(t, "alice", "one"), which = first(t, id, "one");
	struct password p;

	NO_ERROR(registry_prove(
		t->r, id, which, STR_LIT("v"), STR_LIT("\2form"), &t->err));
	NO_ERROR(registry_find_password(t->r, which, &t->arena, &p, &t->err));
	assert_true(str_eq(p.sealed, STR_LIT("\2form")));
	NO_ERROR(registry_replace_verifier(
		t->r, which, STR_LIT("v"), STR_LIT("bound"), &t->err));
	assert_passwords(t, id, "proven+sealed:bound ");
	assert_int_equal(registry_replace_verifier(
				 t->r, which, STR_LIT("v"), STR_LIT("late"), &t->err),
		-ESTALE);
}

static void each_attempt_proves_anew(void **state)
{
	struct test *t = *state;
	int64_t id = capture(t, "alice", "one");

	prove(t, id, "v");
	transition(t, id, EVENT_DUE);
	assert_passwords(t, id, "proven+sealed:v ");
	transition(t, id, EVENT_COPY);
	assert_passwords(t, id, "candidate+sealed: ");
}

static void refused_ones_open_nothing(void **state)
{
	struct test *t = *state;
	struct account_route route;
	int64_t id = capture(t, "alice", "old"), old = first(t, id, "old");

	prove(t, id, "v");
	(void)capture(t, "alice", "new");
	assert_passwords(t, id, "proven+sealed:v candidate+sealed: ");
	NO_ERROR(registry_refuse(t->r, id, old, &t->err));
	assert_passwords(t, id, "candidate+sealed: refused+sealed: ");
	(void)first(t, id, "new");

	/* a move that failed is worth a try at once when the password works again */
	transition(t, id, EVENT_DUE);
	transition(t, id, EVENT_FAIL);
	assert_false(log_in(t, "alice", "new", "", &route));
	assert_true(log_in(t, "alice", "old", "", &route));
	assert_passwords(t, id, "candidate+sealed: candidate+sealed: ");

	assert_int_equal(registry_refuse(t->r, id, old + 100, &t->err), -ENOENT);
	assert_int_equal(registry_refuse(t->r, id + 100, old, &t->err), -ENOENT);
	assert_int_equal(
		registry_prove(t->r, id + 100, old, STR_LIT("v"), STR_LIT(""), &t->err),
		-ENOENT);
	transition(t, id, EVENT_CANCEL);
	arrive(t, id);
	assert_int_equal(registry_refuse(t->r, id, old, &t->err), -EPERM);
}

static void only_the_newest_are_kept(void **state)
{
	struct test *t = *state;
	struct account a;
	int64_t id = capture(t, "alice", "proven");

	prove(t, id, "v");
	for (int i = 0; i < 3 * CANDIDATES_MAX; i++) {
		char password[16];

		(void)snprintf(password, sizeof(password), "pw%d", i);
		(void)capture(t, "alice", password);
	}
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(a.passwords == 1 && a.candidates == CANDIDATES_MAX);
	assert_true(knows_password(t, id, STR_LIT("proven"), true));
	assert_true(knows_password(t, id, STR_LIT("pw23"), false));
	assert_false(knows_password(t, id, STR_LIT("pw15"), false));
}

static void local_ones(void **state)
{
	struct test *t = *state;
	struct account a;
	int64_t id = capture(t, "alice", "secret");

	assert_int_equal(
		registry_set_local_password(t->r, id, STR_LIT("new"), false, &t->err),
		-EPERM);
	assert_non_null(strstr(t->err.text, "its password is changed there"));
	arrive(t, id);
	prove(t, id, "v");
	NO_ERROR(registry_set_local_password(t->r, id, STR_LIT("a"), false, &t->err));
	NO_ERROR(registry_set_local_password(t->r, id, STR_LIT("b"), false, &t->err));
	assert_passwords(t, id, "local:b proven+sealed:v ");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(a.local_password_at > 0 && a.passwords == 2);
	NO_ERROR(registry_set_local_password(t->r, id, STR_LIT("c"), true, &t->err));
	assert_passwords(t, id, "local:c candidate+sealed: ");
	(void)first(t, id, "secret"); /* for the sweep */
	assert_false(knows_password(t, id, STR_LIT("secret"), true));

	go_back(t, id);
	assert_passwords(t, id, "candidate+sealed: ");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.local_password_at, 0);
}

/* A source that says yes to everything makes no more than that of us. */
static void new_accounts_are_limited(void **state)
{
	struct test *t = *state;
	struct registry_counts counts;
	struct account_route route;

	registry_limit_new_accounts(t->r, 3);
	for (int i = 0; i < 5; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "user%d", i);
		assert_int_equal(log_in(t, name, "pw", "", &route), i < 3);
		assert_int_equal(route.route, ROUTE_SOURCE);
		assert_true((route.id != 0) == (i < 3));
	}
	/* those that are known are learnt as ever */
	assert_false(log_in(t, "user1", "another", "", &route));
	assert_true(knows_password(t, route.id, STR_LIT("another"), false));
	NO_ERROR(registry_counts(t->r, &counts, &t->err));
	assert_int_equal(counts.accounts, 3);
	registry_limit_new_accounts(t->r, 0);
	assert_true(log_in(t, "user4", "pw", "", &route));
}

/* ---- brought by the admin ---- */

static bool import(struct test *t, const char *login, const char *password,
	struct account_route *ret)
{
	struct proven_login p = { .name = str_from(login),
		.password = str_from(password),
		.service = STR_LIT(""),
		.is_imported = true };
	bool due;

	NO_ERROR(registry_learn(t->r, &p, &open_keeper, ret, &due, &t->err));
	return due;
}

static void imported_ones(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct account a;

	set_domains(t, 1);
	registry_limit_new_accounts(t->r, 1); /* of logins, not of the admin's */
	assert_true(import(t, "Alice@example.com", "secret", &route));
	assert_true(import(t, "bob", "secret", &route));
	NO_ERROR(registry_find(t->r, STR_LIT("alice"), &t->arena, &a, &t->err));
	assert_int_equal(a.stage, STAGE_DUE);
	assert_true(str_eq(a.login, STR_LIT("Alice@example.com")));
	assert_int_equal(a.first_login_at, 0);
	assert_int_equal(a.last_login_at, 0);
	assert_passwords(t, a.id, "candidate+sealed: ");
	assert_false(import(t, "alice", "secret", &route)); /* it is known, and due */
	assert_passwords(t, a.id, "candidate+sealed: ");

	/* nothing is kept that the source has taken from nobody */
	NO_ERROR(registry_refuse(t->r, a.id, first(t, a.id, "secret"), &t->err));
	assert_passwords(t, a.id, "");
	transition(t, a.id, EVENT_FAIL);
	assert_true(import(t, "alice", "right", &route));

	/* once it was proven, it is as any other */
	assert_false(log_in(t, "alice", "right", "", &route));
	NO_ERROR(registry_find_id(t->r, a.id, &t->arena, &a, &t->err));
	assert_true(a.first_login_at > 0 && a.last_login_at > 0);
	prove(t, a.id, "v");
	NO_ERROR(registry_refuse(t->r, a.id, first(t, a.id, "right"), &t->err));
	assert_passwords(t, a.id, "refused+sealed: ");
}

static void imported_and_here(void **state)
{
	struct test *t = *state;
	struct account_route route;
	int64_t id;

	assert_true(import(t, "alice", "secret", &route));
	id = route.id;
	transition(t, id, EVENT_CANCEL);
	prove(t, id, "v");
	arrive(t, id);
	assert_false(import(t, "alice", "another", &route));
	assert_false(knows_password(t, id, STR_LIT("another"), false));
	NO_ERROR(registry_set_pin(t->r, id, PIN_SOURCE, &t->err));
	assert_int_equal(route.route, ROUTE_LOCAL);
}

static bool same_route(const struct account_route *a, const struct account_route *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && a->route == b->route &&
	       a->stage == b->stage && a->pin == b->pin &&
	       a->has_password == b->has_password && a->retired == b->retired &&
	       a->is_elsewhere == b->is_elsewhere;
}

static int put_line(void *context, const struct journal_line *line)
{
	return buf_printf(context, "%.*s %.*s %.*s>%.*s %.*s;", STR_ARG(line->account),
		STR_ARG(line->event), STR_ARG(line->from), STR_ARG(line->to),
		STR_ARG(line->detail));
}

/* What one leaves behind, all of it at once. */
static void a_first_login(void **state)
{
	static const char *const names[] = { "bob", "bob@example.com" };
	struct proven_login p = { .name = STR_LIT("Bob@Example.com"),
		.password = STR_LIT("secret"),
		.service = STR_LIT("pop3"),
		.client = STR_LIT("192.0.2.7") };
	struct test *t = *state;
	struct account_route route, again;
	struct account a;
	struct buf lines;
	bool due, uses;

	NO_ERROR(registry_learn(t->r, &p, &open_keeper, &route, &due, &t->err));
	assert_true(due && route.has_password && !route.retired && !route.is_elsewhere);
	assert_string_equal(route.name, "bob@example.com");
	assert_int_equal(route.stage, STAGE_DUE);
	for (size_t i = 0; i < ROWS(names); i++) {
		NO_ERROR(registry_route(t->r, str_from(names[i]), &again, &t->err));
		assert_true(same_route(&again, &route));
	}
	NO_ERROR(registry_find(t->r, p.name, &t->arena, &a, &t->err));
	assert_true(str_eq(a.login, p.name) && a.capturable && a.candidates == 1);
	assert_true(a.first_login_at > 0 && a.first_login_at == a.stage_at);
	NO_ERROR(registry_uses_service(t->r, a.id, p.service, &uses, &t->err));
	assert_true(uses);
	buf_init(&lines, 0);
	NO_ERROR(registry_journal(t->r, a.id, 9, put_line, &lines, &t->err));
	assert_true(str_eq(buf_view(&lines),
		STR_LIT("bob@example.com due source/idle>source/due login;")));
	buf_fini(&lines);
	NO_ERROR(registry_learn(t->r, &p, &open_keeper, &again, &due, &t->err));
	assert_false(due);
	assert_true(same_route(&again, &route));
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(a_first_login),
		ROW(several),
		ROW(another_form_of_the_same),
		ROW(each_attempt_proves_anew),
		ROW(refused_ones_open_nothing),
		ROW(only_the_newest_are_kept),
		ROW(local_ones),
		ROW(new_accounts_are_limited),
		ROW(imported_ones),
		ROW(imported_and_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
