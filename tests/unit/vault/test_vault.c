/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What opens a mailbox, and what does not: rows that somebody else wrote, candidates that
   nobody has proven, boxes and verifiers of other accounts. */
#include "registry/here.h"
#include "vault/fixture.h"
#include "wire/challenge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ── tests ─────────────────────────────────────────────────────────────────────────── */

static void test_sealed(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret"), bob = move(t, "bob", "");

	expect(t, alice, "secret", VERDICT_RIGHT);
	expect(t, alice, "secret ", VERDICT_WRONG);
	expect(t, alice, "", VERDICT_WRONG);
	expect(t, bob, "", VERDICT_RIGHT);
	expect(t, bob, "secret", VERDICT_WRONG);
	expect(t, alice + bob, "secret", VERDICT_UNKNOWN);
	assert_true(str_eq(asked(t, alice, "secret").name, STR_LIT("alice")));
}

/* While nobody writes to the registry nothing is opened for what was right a moment ago;
   anything that is written, by whomever, is seen. */
static void test_a_moment_ago(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret"), bob = move(t, "bob", "secret");
	struct vault_keys keys = t->v.keys;

	expect(t, alice, "secret", VERDICT_RIGHT);
	memset(&t->v.keys, 0, sizeof(keys)); /* now nothing can be opened */
	expect(t, alice, "secret", VERDICT_RIGHT);
	assert_true(str_eq(asked(t, alice, "secret").name, STR_LIT("alice")));
	assert_int_not_equal(asked(t, alice, "secre").verdict, VERDICT_RIGHT);
	assert_int_not_equal(asked(t, bob, "secret").verdict, VERDICT_RIGHT);
	NO_ERROR(registry_set_fact(t->v.registry, STR_LIT("x"), STR_LIT("y"), &t->err));
	assert_int_not_equal(asked(t, alice, "secret").verdict, VERDICT_RIGHT);
	t->v.keys = keys;
	expect(t, alice, "secret", VERDICT_RIGHT);
	write_row(t, "proven_at = 0", alice); /* another process */
	assert_int_not_equal(asked(t, alice, "secret").verdict, VERDICT_RIGHT);
	expect(t, bob, "secret", VERDICT_RIGHT);
	NO_ERROR(registry_set_disabled(t->v.registry, bob, true, &t->err));
	expect(t, bob, "secret", VERDICT_WRONG);
}

/* Who is served by the source is not judged here; nor is a password right that only a
   worker says was. */
static void test_not_proven(void **state)
{
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret");

	expect(t, alice, "secret", VERDICT_UNKNOWN);
	arrive(t, alice);
	expect(t, alice, "secret", VERDICT_UNKNOWN);
	write_row(t, "proven_at = 1, verifier = 'x'", alice);
	expect(t, alice, "secret", VERDICT_UNKNOWN);
	prove(t, alice);
	expect(t, alice, "secret", VERDICT_RIGHT);
}

#define COPY(column)                                                                     \
	column " = (SELECT " column " FROM password p JOIN account a ON a.id = "         \
	       "p.account WHERE a.name = 'mallory')"

static void test_rows_of_others(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret"), mallory = move(t, "mallory", "known");

	write_row(t, COPY("sealed"), alice);
	assert_true(asked(t, alice, "secret").needs_scrypt); /* of alice's own verifier */
	assert_int_equal(
		verifier_check_any(asked(t, alice, "known").verifiers, STR_LIT("known")),
		-EACCES);
	write_row(t, COPY("verifier"), alice);
	expect(t, alice, "known", VERDICT_UNKNOWN);
	write_row(t,
		"sealed = NULL, verifier = "
		"'scrypt$2$8$1$00112233445566778899aabbccddeeff$"
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'",
		alice);
	expect(t, alice, "x", VERDICT_UNKNOWN);
	expect(t, mallory, "known", VERDICT_RIGHT);
}

/* Several passwords, each proven (app passwords), with and without their sealed form. */
static void test_several(void **state)
{
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "one");

	arrive(t, alice);
	prove(t, alice);
	expect(t, alice, "two", VERDICT_WRONG);
	NO_ERROR(registry_transition(t->v.registry, alice, EVENT_LEAVE, STR_LIT("test"),
		STR_LIT(""), &t->err));
	NO_ERROR(registry_transition(t->v.registry, alice, EVENT_RETURN, STR_LIT("test"),
		STR_LIT(""), &t->err));
	assert_int_equal(capture(t, "alice", "two"), alice);
	arrive(t, alice);
	prove(t, alice);
	expect(t, alice, "two", VERDICT_RIGHT);
	expect(t, alice, "one", VERDICT_WRONG); /* not proven in this attempt */
}

static void test_verifier(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret");
	struct judgement j;

	expect(t, alice, "secret", VERDICT_RIGHT);
	write_row(t, "sealed = NULL", alice);
	j = asked(t, alice, "secret");
	assert_true(j.needs_scrypt);
	assert_int_equal(verifier_check_any(j.verifiers, STR_LIT("secret")), 0);
	assert_int_equal(verifier_check_any(j.verifiers, STR_LIT("Secret")), -EACCES);
	judge_remember(&t->v, j.verifiers, STR_LIT("secret"));
	expect(t, alice, "secret", VERDICT_RIGHT);
	assert_true(asked(t, alice, "Secret").needs_scrypt);
}

/* One more, which is there as a verifier only; with `only` it is the only one. */
static void test_local_password(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret");
	struct question q = { .account = alice };
	struct challenge_proof proof = { .kind = CHALLENGE_APOP,
		.challenge = STR("<1@x>"),
		.digest = STR("00112233445566778899aabbccddeeff") };
	struct judgement j;
	struct buf made;

	q.proof = &proof;
	judge(&t->v, &q, &t->arena, &j);
	assert_int_equal(j.verdict, VERDICT_WRONG);
	buf_init(&made, 0);
	assert_int_equal(verifier_make(STR_LIT("new"), &made), 0);
	NO_ERROR(keep_local(&t->v, alice, buf_view(&made), false, &t->err));
	expect(t, alice, "secret", VERDICT_RIGHT);
	j = asked(t, alice, "new");
	assert_int_equal(verifier_check_any(j.verifiers, STR_LIT("new")), 0);
	judge(&t->v, &q, &t->arena, &j);
	assert_int_equal(j.verdict, VERDICT_NO_PASSWORD);
	NO_ERROR(keep_local(&t->v, alice, buf_view(&made), true, &t->err));
	j = asked(t, alice, "secret");
	assert_int_equal(verifier_check_any(j.verifiers, STR_LIT("secret")), -EACCES);
	buf_fini(&made);
}

/* Whoever can write the row would have another mailbox copied into this one. */
static void test_lend(void **state)
{
	static const struct {
		const char *login;
		bool is_lent;
	} rows[] = {
		{ "Alice", true },
		{ "alice@example.com", true },
		{ "mallory", false },
		{ "mallory@example.com", false },
		{ "alicea", false },
		{ "", false },
	};
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loan loans[LOANS_MAX];
		size_t n = 0;
		char set[64];

		(void)snprintf(set, sizeof(set), "login = '%s'", rows[i].login);
		write_row(t, set, alice);
		NO_ERROR(keep_lend(&t->v, alice, &t->arena, loans, &n, &t->err));
		assert_int_equal(n, rows[i].is_lent);
		assert_true(!n || str_eq(loans[0].password, STR_LIT("secret")));
		/* each once */
		NO_ERROR(keep_lend(&t->v, alice, &t->arena, loans, &n, &t->err));
		assert_int_equal(n, rows[i].is_lent);
	}
}

static void test_same(void **state)
{
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret"), bob = capture(t, "bob", "secret");
	struct buf box, other;

	buf_init(&box, 0);
	buf_init(&other, 0);
	assert_int_equal(close_box(t, STR_LIT("alice"), STR_LIT("secret"), &box), 0);
	assert_int_equal(close_box(t, STR_LIT("alice"), STR_LIT("other"), &other), 0);
	assert_int_not_equal(judge_same(&t->v, alice, buf_view(&box)), 0);
	assert_int_equal(judge_same(&t->v, alice, buf_view(&other)), 0);
	assert_int_equal(judge_same(&t->v, bob, buf_view(&box)), 0);
	assert_int_equal(judge_same(&t->v, alice, STR_LIT("")), 0);
	prove(t, alice);
	assert_int_not_equal(judge_same(&t->v, alice, buf_view(&box)), 0);
	capture(t, "alice", "other");
	assert_int_not_equal(judge_same(&t->v, alice, buf_view(&other)),
		judge_same(&t->v, alice, buf_view(&box)));
	buf_fini(&box);
	buf_fini(&other);
}

/* ── another name ──────────────────────────────────────────────────────────────────── */

static int name_it(struct test *t, int64_t id, const char *from, const char *to)
{
	const struct rename r = {
		.account = id, .from = str_from(from), .to = str_from(to)
	};

	return keep_rename(&t->v, &r, &t->err);
}

static size_t lent(struct test *t, int64_t id)
{
	struct loan loans[LOANS_MAX];
	size_t n = 0;

	NO_ERROR(keep_lend(&t->v, id, &t->arena, loans, &n, &t->err));
	return n;
}

/* All forms of a password go along, and prove what they proved. */
static void test_rename(void **state)
{
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "app"), bob = move(t, "bob", "other");
	struct judgement j;
	struct buf made;

	capture(t, "alice", "secret");
	arrive(t, alice);
	prove(t, alice);
	buf_init(&made, 0);
	assert_int_equal(verifier_make(STR_LIT("new"), &made), 0);
	NO_ERROR(keep_local(&t->v, alice, buf_view(&made), false, &t->err));
	NO_ERROR(name_it(t, alice, "alice", "anna"));
	expect(t, alice, "secret", VERDICT_RIGHT);
	j = asked(t, alice, "new");
	assert_true(str_eq(j.name, STR_LIT("anna")));
	assert_int_equal(verifier_check_any(j.verifiers, STR_LIT("new")), 0);
	assert_int_equal(verifier_check_any(j.verifiers, STR_LIT("app")), -EACCES);
	expect(t, bob, "other", VERDICT_RIGHT);
	/* the candidate is one still, and is lent as what the source calls the user */
	assert_int_equal(lent(t, alice), 2);
	NO_ERROR(name_it(t, alice, "anna", "ann"));
	assert_int_equal(lent(t, alice), 2);
	/* a power cut behind the answer: the question comes again */
	NO_ERROR(name_it(t, alice, "anna", "ann"));
	expect(t, alice, "secret", VERDICT_RIGHT);
	reopen(t);
	expect(t, alice, "secret", VERDICT_RIGHT);
	assert_int_equal(name_it(t, alice, "alice", "anna"), -ESTALE);
	assert_int_equal(name_it(t, alice, "ann", "bob"), -EEXIST);
	NO_ERROR(name_it(t, alice, "ann", "alice"));
	expect(t, alice, "secret", VERDICT_RIGHT);
	assert_int_equal(lent(t, alice), 2);
	buf_fini(&made);
}

/* A password that was lent before, and is proven afterwards. */
static void test_rename_while_lent(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret");
	struct loan loans[LOANS_MAX];
	size_t n = 0;

	NO_ERROR(keep_lend(&t->v, alice, &t->arena, loans, &n, &t->err));
	NO_ERROR(name_it(t, alice, "alice", "anna"));
	assert_int_equal(verifier_make(loans[0].password, &loans[0].verifier), 0);
	NO_ERROR(keep_proven(&t->v, &loans[0], &t->err));
	expect(t, alice, "secret", VERDICT_RIGHT);
	write_row(t, "sealed = NULL", alice);
	assert_int_equal(verifier_check_any(
				 asked(t, alice, "secret").verifiers, STR_LIT("secret")),
		0);
	buf_fini(&loans[0].verifier);
}

static void write_source_name(struct test *t, const char *value, int64_t id)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
		"sqlite3 %s/registry.sqlite \"PRAGMA busy_timeout = 5000;"
		" UPDATE account SET source_name = %s WHERE id = %lld\" > /dev/null",
		t->directory, value, (long long)id);
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

/* What the source calls an account only the vault says: else another mailbox would come
   into this one. */
static void test_source_name_of_others(void **state)
{
	static const struct {
		const char *source_name, *login;
		size_t lent;
	} rows[] = {
		{ "source_name", "alice", 1 },
		{ "source_name", "anna", 0 }, /* another user's, there */
		{ "source_name", "mallory", 0 },
		{ "''", "alice", 0 },
		{ "'mallory'", "mallory", 0 },
		{ "(SELECT source_name FROM account WHERE name = 'mary')", "mallory", 0 },
		/* a verifier of this very account */
		{ "(SELECT verifier FROM password WHERE account = 1)", "mallory", 0 },
	};
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret"), mallory = move(t, "mallory", "known");

	assert_int_equal(alice, 1);
	NO_ERROR(name_it(t, alice, "alice", "anna"));
	NO_ERROR(name_it(t, mallory, "mallory", "mary"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char set[64];

		write_source_name(t, rows[i].source_name, alice);
		(void)snprintf(set, sizeof(set), "login = '%s'", rows[i].login);
		write_row(t, set, alice);
		if (lent(t, alice) != rows[i].lent)
			fail_msg("row %zu", i);
	}
	/* one that is not ours is not built upon */
	assert_int_equal(name_it(t, alice, "anna", "ann"), -EBADMSG);
	expect(t, alice, "secret", VERDICT_RIGHT);
}

/* Rows that the version before left: sealed when the source took them, and verifiers that
   are not bound yet. */
static void test_upgrade(void **state)
{
	struct test *t = *state;
	int64_t alice = move(t, "alice", "secret");
	struct buf old;

	buf_init(&old, 0);
	write_row(t,
		"sealed = NULL, verifier = substr(verifier, instr(verifier, 'scrypt'))",
		alice);
	reopen(t);
	expect(t, alice, "secret", VERDICT_UNKNOWN); /* not one of ours */
	assert_int_equal(
		seal(t->v.keys.sealing, STR_LIT("key-check"), STR_LIT("mailferry"), &old),
		0);
	NO_ERROR(registry_set_fact(
		t->v.registry, STR_LIT("key-check"), buf_view(&old), &t->err));
	reopen(t);
	assert_true(asked(t, alice, "secret").needs_scrypt);
	/* once */
	write_row(t, "verifier = substr(verifier, instr(verifier, 'scrypt'))", alice);
	reopen(t);
	expect(t, alice, "secret", VERDICT_UNKNOWN);
	buf_fini(&old);
}

static void test_keys(void **state)
{
	struct test *t = *state;
	uint8_t key[SEAL_KEY_SIZE];
	struct vault other;

	/* nothing sealed yet: another key is fine */
	assert_int_equal(unlink(t->settings.key_file), 0);
	reopen(t);
	capture(t, "alice", "secret");
	assert_int_equal(unlink(t->settings.key_file), 0);
	assert_int_equal(vault_open(&t->settings, true, &other, &t->err), -ENOENT);
	assert_non_null(strstr(t->err.text, "restore it from your backup"));
	assert_int_equal(seal_key_load(t->settings.key_file, true, key, &t->err), 0);
	assert_int_equal(vault_open(&t->settings, true, &other, &t->err), -EBADMSG);
	assert_non_null(strstr(t->err.text, "is not the one"));
	assert_int_equal(vault_check(&t->settings, &t->err), -EBADMSG);
}

/* A mailstore that starts anew does not know which tickets were used. */
static void test_tickets(void **state)
{
	static struct ticket_window window;
	struct test *t = *state;
	const struct ticket_bearer bearer = { STR("alice"), STR("1"), STR("imap") };
	char first[TICKET_SIZE], second[TICKET_SIZE];
	struct ticket_key key;

	assert_int_equal(judge_ticket(&t->v, &bearer, 1, first), 0);
	assert_int_equal(vault_renew_tickets(&t->v), 0);
	key = t->v.ticket_key; /* what was given out before is good */
	assert_int_equal(
		ticket_use(&key, &window, str_of(first, TICKET_SIZE), 1, &bearer), 0);
	assert_int_equal(judge_ticket(&t->v, &bearer, 1, second), 0);
	assert_int_equal(vault_renew_tickets(&t->v), 0);
	key = t->v.ticket_key;
	assert_int_equal(
		ticket_use(&key, &window, str_of(second, TICKET_SIZE), 1, &bearer),
		-EACCES);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_sealed),
		ROW(test_a_moment_ago),
		ROW(test_not_proven),
		ROW(test_rows_of_others),
		ROW(test_verifier),
		ROW(test_local_password),
		ROW(test_lend),
		ROW(test_several),
		ROW(test_same),
		ROW(test_rename),
		ROW(test_rename_while_lent),
		ROW(test_source_name_of_others),
		ROW(test_upgrade),
		ROW(test_keys),
		ROW(test_tickets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
