/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry on a real file: capture, names, state, journal, two handles at once. */
#include "registry_fixture.h"

#include "base/clock.h"
#include "registry/passwords.h"
#include "registry/retire.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void step(struct test *t, int64_t id, enum account_event event, const char *detail)
{
	NO_ERROR(registry_transition(
		t->r, id, event, STR_LIT("test"), str_from(detail), &t->err));
}

static void test_files(void **state)
{
	struct test *t = *state;
	struct stat about;

	capture(t, "alice", "secret");
	assert_int_equal(stat(t->path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
}

static void test_capture(void **state)
{
	struct test *t = *state;
	struct account a;
	struct str password;
	int64_t which;
	int64_t id = capture(t, "Alice", "secret");

	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(str_eq(a.name, STR_LIT("alice")));
	assert_true(str_eq(a.login, STR_LIT("Alice")));
	assert_int_equal(a.route, ROUTE_SOURCE);
	assert_int_equal(a.stage, STAGE_IDLE);
	assert_int_equal(a.pin, PIN_AUTO);
	assert_int_equal(a.uids_kept, -1);
	assert_true(a.capturable && a.has_password && !a.passwords);
	assert_true(a.first_login_at > 0 && a.first_login_at == a.last_login_at);

	assert_int_equal(capture(t, " alice", "secret"), id);
	assert_int_equal(capture(t, "alice", "other"), id);
	NO_ERROR(first_password(t, id, &password, &which));
	assert_true(str_eq(password, STR_LIT("other")));
}

static int learn_name(struct test *t, struct str name)
{
	struct proven_login p = { .name = name, .password = STR_LIT("p") };
	struct account_route route;
	bool due;

	return registry_learn(t->r, &p, &open_keeper, &route, &due, &t->err);
}

static void test_odd_logins(void **state)
{
	static const struct {
		const char *name;
		struct str login;
		int code;
	} rows[] = {
		{ "empty", STR(""), -EINVAL },
		{ "blank", STR(" \t"), -EINVAL },
		{ "NUL", STR("a\0b"), -EINVAL },
		{ "8 bit", STR("m\xfcller"), 0 },
		{ "quote", STR("o'brien\" OR 1=1 --"), 0 },
		{ "path", STR("../../etc/passwd"), 0 },
		{ "only a domain", STR("@example.com"), 0 },
	};
	struct test *t = *state;
	char long_login[REGISTRY_NAME_MAX + 1];

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct account_route route;
		int code = learn_name(t, rows[i].login);

		if (code != rows[i].code)
			fail_msg("%s: %d", rows[i].name, code);
		code = registry_route(t->r, rows[i].login, &route, &t->err);
		if (code != (rows[i].code ? -ENOENT : 0))
			fail_msg("%s: route %d", rows[i].name, code);
	}
	memset(long_login, 'x', sizeof(long_login));
	assert_int_equal(learn_name(t, str_of(long_login, sizeof(long_login))), -EINVAL);
	assert_int_equal(learn_name(t, str_of(long_login, REGISTRY_NAME_MAX)), 0);
}

/* What a login does not know it is not told, but where a stranger goes. */
static void test_stranger(void **state)
{
	struct test *t = *state;
	struct account_route route;

	memset(&route, 0xff, sizeof(route));
	assert_int_equal(
		registry_route(t->r, STR_LIT("nobody"), &route, &t->err), -ENOENT);
	assert_int_equal(route.id, 0);
	assert_int_equal(route.route, ROUTE_SOURCE);
	assert_false(route.retired || route.has_password);
	assert_string_equal(route.name, "");
	NO_ERROR(registry_retire(t->r, &t->err));
	assert_int_equal(
		registry_route(t->r, STR_LIT("nobody"), &route, &t->err), -ENOENT);
	assert_true(route.retired);
}

/* Which logins make an account due, from which state. */
static void test_due(void **state)
{
	static const struct {
		const char *name;
		int steps; /* of the journey that precedes it */
		enum pin pin;
		const char *password, *why;
		bool due;
	} rows[] = {
		{ "idle", 0, PIN_AUTO, "secret", "", true },
		{ "idle, another password", 0, PIN_AUTO, "new", "", true },
		{ "no password", 0, PIN_AUTO, NULL, "CRAM-MD5", false },
		{ "pinned to the source", 0, PIN_SOURCE, "secret", "", false },
		{ "pinned to us", 0, PIN_LOCAL, "secret", "", true },
		{ "due", 1, PIN_AUTO, "new", "", false },
		{ "copying", 2, PIN_AUTO, "secret", "", false },
		{ "failed", 3, PIN_AUTO, "secret", "", false },
		{ "failed, another password", 3, PIN_AUTO, "new", "", true },
		{ "failed, pinned", 3, PIN_SOURCE, "new", "", false },
	};
	static const enum account_event steps[] = { EVENT_DUE, EVENT_COPY, EVENT_FAIL };
	struct test *t = *state;

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct account_route route;
		char login[16];
		int64_t id;

		(void)snprintf(login, sizeof(login), "u%zu", i);
		id = capture(t, login, "secret");
		for (int n = 0; n < rows[i].steps; n++)
			step(t, id, steps[n], "x");
		NO_ERROR(registry_set_pin(t->r, id, rows[i].pin, &t->err));
		if (log_in(t, login, rows[i].password, rows[i].why, &route) !=
			rows[i].due)
			fail_msg("%s", rows[i].name);
		assert_int_equal(route.id, id);
		assert_string_equal(route.name, login);
		if (rows[i].due)
			assert_int_equal(route.stage, STAGE_DUE);
	}
}

/* The source takes another password of who lives here: nothing here changes. */
static void test_lives_here(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct str text;
	int64_t which;
	int64_t id = capture(t, "alice", "secret");

	arrive(t, id);
	prove(t, id, "scrypt$x");
	assert_false(log_in(t, "alice", "anything", "", &route));
	assert_int_equal(route.route, ROUTE_LOCAL);
	assert_true(str_eq(verifiers_of(t, id), STR_LIT("scrypt$x")));
	NO_ERROR(first_password(t, id, &text, &which));
	assert_true(str_eq(text, STR_LIT("secret")));
}

static void test_login_here(void **state)
{
	struct test *t = *state;
	struct account a;
	char command[256];
	uint64_t first;
	int64_t id = capture(t, "alice", "secret");

	arrive(t, id);
	registry_remember_looks(t->r);
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	first = a.last_login_at;
	NO_ERROR(registry_note_login(t->r, id, STR_LIT("192.0.2.1"), &t->err));
	NO_ERROR(registry_note_login(
		t->r, id, STR_LIT("192.0.2.1"), &t->err)); /* within the minute */
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.last_login_at, first);
	(void)snprintf(command, sizeof(command),
		"sqlite3 %s 'UPDATE account SET last_login_at = 5'", t->path);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own words */
	NO_ERROR(registry_note_login(t->r, id, STR_LIT("192.0.2.1"), &t->err));
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(a.last_login_at >= first);
}

static void test_services(void **state)
{
	struct test *t = *state;
	int64_t id = capture(t, "alice", "secret");
	bool uses;

	NO_ERROR(registry_uses_service(t->r, id, STR_LIT("imap"), &uses, &t->err));
	assert_true(uses);
	NO_ERROR(registry_uses_service(t->r, id, STR_LIT("pop3"), &uses, &t->err));
	assert_false(uses);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool one_domain, two_domains;
	} rows[] = {
		{ "alice", true, true },
		{ " ALICE ", true, true },
		{ "alice@example.com", true, true },
		{ "Alice@EXAMPLE.COM", true, true },
		{ "alice@example.net", false, false },
		{ "bob", false, false },
		{ "alice@", false, false },
		{ "", false, false },
	};
	struct test *t = *state;
	int64_t id;

	set_domains(t, 1);
	id = capture(t, "alice@example.com", "secret");
	for (int two = 0; two < 2; two++) {
		set_domains(t, two ? 2 : 1);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct account_route route = { 0 };
			int code = registry_route(
				t->r, str_from(rows[i].name), &route, &t->err);
			bool want = two ? rows[i].two_domains : rows[i].one_domain;

			if (code != (want ? 0 : -ENOENT) || (want && route.id != id))
				fail_msg("\"%s\" with %d domains: %d", rows[i].name,
					two + 1, code);
		}
	}
	assert_int_not_equal(capture(t, "alice@example.net", "x"), id);
	assert_int_equal(capture(t, "alice@example.com", "secret"), id);
}

static void test_uncapturable(void **state)
{
	struct test *t = *state;
	struct account_route first, route;
	struct account a;

	assert_false(log_in(t, "carol", NULL, "CRAM-MD5", &first));
	NO_ERROR(registry_find(t->r, STR_LIT("carol"), &t->arena, &a, &t->err));
	assert_false(a.capturable);
	assert_true(str_eq(a.uncapturable_why, STR_LIT("CRAM-MD5")));
	assert_int_equal(capture(t, "carol", "secret"), first.id);
	assert_false(log_in(t, "carol", NULL, "APOP", &route));
	assert_int_equal(route.id, first.id);
	NO_ERROR(registry_find_id(t->r, first.id, &t->arena, &a, &t->err));
	assert_true(a.capturable && a.has_password);
}

static int count_work(void *context, const struct account *a)
{
	(void)a;
	(*(int *)context)++;
	return 0;
}

static int work_at(struct test *t, uint64_t now)
{
	int count = 0;

	NO_ERROR(registry_each_work(t->r, now, count_work, &count, &t->err));
	return count;
}

static void test_journey(void **state)
{
	struct test *t = *state;
	struct progress progress = { 3, 100, 40, 4096 };
	const struct account_result result = { 1, -1, STR("{}") };
	struct account a;
	bool any;
	int64_t id = capture(t, "alice", "secret");

	step(t, id, EVENT_DUE, "login");
	NO_ERROR(registry_any_local(t->r, &any, &t->err));
	assert_false(any);
	step(t, id, EVENT_COPY, "");
	NO_ERROR(registry_any_local(t->r, &any, &t->err));
	assert_true(any);
	NO_ERROR(registry_set_progress(t->r, id, &progress, &t->err));
	step(t, id, EVENT_CATCH_UP, "");
	step(t, id, EVENT_SWITCH, "");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.route, ROUTE_BUSY);
	assert_true(a.busy_since > 0);
	usleep(20000);
	NO_ERROR(registry_set_result(t->r, id, &result, &t->err));
	step(t, id, EVENT_ARRIVE, "");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.route, ROUTE_LOCAL);
	assert_int_equal(a.stage, STAGE_DONE);
	assert_int_equal(a.busy_since, 0);
	assert_true(a.out_of_service_ms >= 15 && a.out_of_service_ms < 60000);
	assert_int_equal(a.attempts, 1);
	assert_int_equal(a.uids_kept, 1);
	assert_int_equal(a.messages_copied, 40);
	assert_true(str_eq(a.certificate, STR_LIT("{}")));
	NO_ERROR(registry_any_local(t->r, &any, &t->err));
	assert_true(any);
	step(t, id, EVENT_LEAVE, "");
	step(t, id, EVENT_RETURN, "");
	NO_ERROR(registry_any_local(t->r, &any, &t->err));
	assert_false(any);
}

/* On its way back it is busy, counted, and seen by who settles what was left behind. */
static void test_way_back(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct account a;
	uint64_t before;
	bool any;
	int64_t id = capture(t, "alice", "secret");

	arrive(t, id);
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	before = a.out_of_service_ms;
	assert_int_equal(work_at(t, UINT32_MAX), 0);
	step(t, id, EVENT_LEAVE, "");
	NO_ERROR(registry_route(t->r, STR_LIT("alice"), &route, &t->err));
	assert_int_equal(route.route, ROUTE_BUSY);
	assert_int_equal(work_at(t, 1), 1);
	NO_ERROR(registry_any_local(t->r, &any, &t->err));
	assert_true(any);
	assert_int_equal(registry_transition(t->r, id, EVENT_CANCEL, STR_LIT("test"),
				 STR_LIT(""), &t->err),
		-EPERM);
	NO_ERROR(registry_set_pin(t->r, id, PIN_SOURCE, &t->err));
	assert_int_equal(work_at(t, 1), 1);
	usleep(20000);
	step(t, id, EVENT_STAY, "news");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.route, ROUTE_LOCAL);
	assert_int_equal(a.busy_since, 0);
	assert_true(a.out_of_service_ms >= before + 15);
	assert_int_equal(work_at(t, UINT32_MAX), 0);
	assert_int_equal(registry_transition(t->r, id, EVENT_RETURN, STR_LIT("test"),
				 STR_LIT(""), &t->err),
		-EPERM);
}

static void test_refused_transition(void **state)
{
	struct test *t = *state;
	struct account a;
	int64_t id = capture(t, "alice", "secret");

	assert_int_equal(registry_transition(t->r, id, EVENT_ARRIVE, STR_LIT("test"),
				 STR_LIT(""), &t->err),
		-EPERM);
	assert_non_null(strstr(t->err.text, "\"alice\" is source/idle: `arrive`"));
	assert_int_equal(registry_transition(t->r, id + 1, EVENT_DUE, STR_LIT("test"),
				 STR_LIT(""), &t->err),
		-ENOENT);
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_int_equal(a.stage, STAGE_IDLE);
	step(t, id, EVENT_DUE, ""); /* no transaction was left open */
}

static void test_failure_and_retry(void **state)
{
	struct test *t = *state;
	uint64_t now = clock_wall_ms(), first, at;
	struct account a;
	int64_t id = capture(t, "alice", "secret");

	assert_int_equal(work_at(t, now), 0);
	step(t, id, EVENT_DUE, "");
	assert_int_equal(work_at(t, now), 1);
	step(t, id, EVENT_COPY, "");
	assert_int_equal(work_at(t, now), 1);
	step(t, id, EVENT_FAIL, "the source said NO");
	NO_ERROR(registry_find_id(t->r, id, &t->arena, &a, &t->err));
	assert_true(str_eq(a.last_error, STR_LIT("the source said NO")));
	NO_ERROR(registry_next_try(t->r, &first, &t->err));
	assert_true(first >= now + 15000 && first < now + 30000);
	assert_int_equal(work_at(t, now), 0);
	assert_int_equal(work_at(t, first), 1);
	assert_int_equal(work_at(t, now - 3 * REGISTRY_RETRY_MOST_MS), 1); /* set back */
	NO_ERROR(registry_try_soon(t->r, id, 500, &t->err));
	NO_ERROR(registry_next_try(t->r, &at, &t->err));
	assert_true(at >= now + 500 && at < first);
	for (int i = 0; i < 20; i++) {
		step(t, id, EVENT_COPY, "");
		step(t, id, EVENT_FAIL, "again");
	}
	NO_ERROR(registry_try_soon(t->r, id, 500, &t->err)); /* not the first */
	NO_ERROR(registry_next_try(t->r, &at, &t->err));
	assert_true(at >= now + 3600000 && at < now + 3700000);
	NO_ERROR(registry_set_pin(t->r, id, PIN_SOURCE, &t->err));
	assert_int_equal(work_at(t, at), 0);
	NO_ERROR(registry_next_try(t->r, &at, &t->err));
	assert_int_equal(at, 0);
}

/* A crash in the switch of an account that was pinned meanwhile must not leave it busy.
 */
static void test_busy_is_work_even_when_pinned(void **state)
{
	struct test *t = *state;
	int64_t id = capture(t, "alice", "secret");

	step(t, id, EVENT_DUE, "");
	step(t, id, EVENT_COPY, "");
	step(t, id, EVENT_CATCH_UP, "");
	step(t, id, EVENT_SWITCH, "");
	NO_ERROR(registry_set_pin(t->r, id, PIN_SOURCE, &t->err));
	assert_int_equal(work_at(t, 1), 1);
	step(t, id, EVENT_CANCEL, "");
	assert_int_equal(work_at(t, UINT32_MAX), 0);
}

static int join_line(void *context, const struct journal_line *line)
{
	struct buf *all = context;

	return buf_printf(all, "%.*s %.*s %.*s>%.*s %.*s;", STR_ARG(line->account),
		STR_ARG(line->event), STR_ARG(line->from), STR_ARG(line->to),
		STR_ARG(line->detail));
}

static void test_journal(void **state)
{
	struct test *t = *state;
	struct buf all;
	int64_t id = capture(t, "alice", "secret");
	int64_t bob = capture(t, "bob", "secret");

	buf_init(&all, 0);
	step(t, id, EVENT_DUE, "login");
	step(t, bob, EVENT_DUE, "login");
	NO_ERROR(registry_set_pin(t->r, id, PIN_LOCAL, &t->err));
	NO_ERROR(registry_set_pin(t->r, id, PIN_LOCAL, &t->err)); /* no news */
	NO_ERROR(registry_journal(t->r, id, 2, join_line, &all, &t->err));
	assert_true(str_eq(
		buf_view(&all), STR_LIT("alice pin auto>local ;"
					"alice due source/idle>source/due login;")));
	buf_clear(&all);
	NO_ERROR(registry_journal(t->r, 0, 2, join_line, &all, &t->err));
	assert_true(
		str_eq(buf_view(&all), STR_LIT("alice pin auto>local ;"
					       "bob due source/idle>source/due login;")));
	buf_fini(&all);
}

static void test_facts_and_counts(void **state)
{
	struct test *t = *state;
	struct registry_counts counts;
	struct str value;
	int64_t id = capture(t, "alice", "secret");

	capture(t, "bob", "x");
	step(t, id, EVENT_DUE, "");
	assert_int_equal(
		registry_fact(t->r, STR_LIT("g"), &t->arena, &value, &t->err), -ENOENT);
	NO_ERROR(registry_set_fact(t->r, STR_LIT("g"), STR_LIT("1"), &t->err));
	NO_ERROR(registry_set_fact(t->r, STR_LIT("g"), STR_LIT("a\0b"), &t->err));
	NO_ERROR(registry_fact(t->r, STR_LIT("g"), &t->arena, &value, &t->err));
	assert_true(str_eq(value, STR_LIT("a\0b")));
	NO_ERROR(registry_counts(t->r, &counts, &t->err));
	assert_int_equal(counts.accounts, 2);
	assert_int_equal(counts.routes[ROUTE_SOURCE], 2);
	assert_int_equal(counts.stages[STAGE_DUE], 1);
	assert_int_equal(counts.pins[PIN_AUTO], 2);
}

/* Another process sees each change at its next look. */
static int join_names(void *context, const struct account *a)
{
	(void)buf_append(context, a->name);
	return str_eq(a->name, STR_LIT("carol")) ? 7 : 0;
}

static void test_each(void **state)
{
	static const char *const names[] = { "carol", "alice", "dave", "bob" };
	struct test *t = *state;
	struct buf all;

	for (size_t i = 0; i < ROWS(names); i++)
		(void)capture(t, names[i], "pw");
	buf_init(&all, 0);
	assert_int_equal(registry_each(t->r, join_names, &all, &t->err), 7);
	assert_true(str_eq(buf_view(&all), STR_LIT("alicebobcarol")));
	buf_fini(&all);
}

static void test_two_handles(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct registry *other;
	int64_t id = capture(t, "alice", "secret");

	NO_ERROR(registry_open(t->path, &other, &t->err));
	NO_ERROR(registry_route(other, STR_LIT("alice"), &route, &t->err));
	assert_int_equal(route.stage, STAGE_IDLE);
	step(t, id, EVENT_DUE, "");
	NO_ERROR(registry_route(other, STR_LIT("alice"), &route, &t->err));
	assert_int_equal(route.stage, STAGE_DUE);
	assert_true(route.has_password);
	assert_string_equal(route.name, "alice");
	registry_close(other);
}

static void test_opening_makes_none(void **state)
{
	struct test *t = *state;
	struct registry *none = NULL;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/none.sqlite", t->directory);
	assert_int_equal(registry_open(path, &none, &t->err), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
}

#define STARTERS 6

static void test_many_start_at_once(void **state)
{
	struct test *t = *state;
	char path[128];
	int good = 0;

	(void)snprintf(path, sizeof(path), "%s/new.sqlite", t->directory);
	for (int i = 0; i < STARTERS; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			struct registry *r;
			int code = registry_make(path, &r, &t->err);

			if (code < 0)
				(void)fprintf(stderr, "%s\n", t->err.text);
			else
				registry_close(r);
			_exit(code < 0);
		}
	}
	for (int i = 0; i < STARTERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	assert_int_equal(good, STARTERS);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_files),
		ROW(test_capture),
		ROW(test_odd_logins),
		ROW(test_names),
		ROW(test_stranger),
		ROW(test_due),
		ROW(test_lives_here),
		ROW(test_services),
		ROW(test_login_here),
		ROW(test_uncapturable),
		ROW(test_journey),
		ROW(test_way_back),
		ROW(test_refused_transition),
		ROW(test_failure_and_retry),
		ROW(test_busy_is_work_even_when_pinned),
		ROW(test_journal),
		ROW(test_facts_and_counts),
		ROW(test_each),
		ROW(test_two_handles),
		ROW(test_opening_makes_none),
		ROW(test_many_start_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
