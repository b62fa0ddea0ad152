/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a login at the source teaches a worker that can open no password: by a vault that
   answers, answers late, says what is not so, or is away. The test is the vault. */
#include "interceptor/worker/keeper.h"

#include "interceptor/worker/worker_fixture.h"

#include <unistd.h>

/* ---- what is kept ---- */

struct kept {
	unsigned n;
	int64_t row; /* that opens as `account` and `password` */
	const char *account, *password;
};

static int look_at(void *context, const struct password *p)
{
	struct kept *k = context;

	k->n++;
	if (worker_test_opens(p->sealed, k->account, k->password))
		k->row = p->id;
	return 0;
}

/* How many the account has; *ret_row (NULL: of no interest): the one that holds it. */
static unsigned passwords_of(struct worker_test *b, const char *account,
	const char *password, int64_t *ret_row)
{
	struct kept k = { .account = account, .password = password };
	struct account_route route;
	struct test *t = b->t;

	NO_ERROR(registry_route(t->r, str_from(account), &route, &t->err));
	NO_ERROR(registry_each_password(t->r, route.id, look_at, &k, &t->err));
	if (ret_row)
		*ret_row = k.row;
	return k.n;
}

static struct proven_login login_of(const char *name, const char *password)
{
	return (struct proven_login){ .name = str_from(name),
		.password = str_from(password),
		.service = STR_LIT("imap") };
}

/* As the worker does it; the account, and whether there was news. */
static bool log_in_here(struct worker_test *b, const char *name, const char *password,
	int64_t *ret_account)
{
	const struct proven_login login = login_of(name, password);
	struct account_route route;
	struct test *t = b->t;
	bool is_news, due;

	NO_ERROR(keeper_look(b->w, &login, &route, &is_news, &t->err));
	if (is_news)
		NO_ERROR(keeper_learn(b->w, &login, &route, &due, &t->err));
	if (ret_account)
		*ret_account = route.id;
	return is_news;
}

/* Another worker's memory, or this one's after the master started anew. */
static void forget_passwords(struct worker_test *b)
{
	memset(b->limits.passwords->places, 0, sizeof(b->limits.passwords->places));
}

static bool knows(struct worker_test *b, int64_t account, const char *password)
{
	return keeper_knows(b->w, account, str_from(password));
}

static bool is_asked(int vault, struct message *ret)
{
	return worker_test_hears(vault, ret, NULL);
}

/* ---- the first login ---- */

static void test_first(void **state)
{
	const struct proven_login login = login_of("ada", "secret");
	struct worker_test *b = *state;
	struct account_route route;
	struct test *t = b->t;
	struct message m;
	int64_t row;
	bool due;
	int vault;

	/* nothing can be sealed: nothing is learnt, neither that there is an account */
	assert_int_equal(keeper_learn(b->w, &login, &route, &due, &t->err), -ENOTCONN);
	assert_int_equal(registry_route(t->r, login.name, &route, &t->err), -ENOENT);

	vault = worker_test_vault_begins(b);
	NO_ERROR(keeper_learn(b->w, &login, &route, &due, &t->err));
	assert_true(due);
	assert_false(is_asked(vault, &m)); /* there is nothing that it could be */
	assert_int_equal(passwords_of(b, "ada", "secret", &row), 1);
	assert_true(row > 0);
	assert_true(knows(b, route.id, "secret"));
	assert_false(knows(b, route.id, "secret "));
	assert_false(knows(b, route.id + 1, "secret"));

	/* again: no news, no question, and what closed the first is forgotten by then */
	keeper_forget_key(&b->w->vault);
	assert_false(log_in_here(b, "ada", "secret", NULL));
	assert_false(is_asked(vault, &m));

	/* a proof that shows no password asks for none */
	NO_ERROR(keeper_learn(b->w,
		&(struct proven_login){ .name = STR("bob"),
			.why = STR("CRAM-MD5"),
			.service = STR("imap") },
		&route, &due, &t->err));
	assert_false(due);
	assert_false(is_asked(vault, &m));
	(void)close(vault);
}

/* ---- the answer ---- */

#define ROW_OF_ADA UINT64_MAX /* stands for the row of "secret" */
#define ROW_OF_BOB (UINT64_MAX - 1)
#define THE_QUESTION "?" /* stands for its number */

static const struct answer_row {
	const char *name, *password, *session;
	uint64_t number;
	unsigned kept; /* passwords of ada afterwards */
	bool is_known;
} answer_rows[] = {
	{ "it is that one", "secret", THE_QUESTION, ROW_OF_ADA, 1, true },
	{ "it is none: kept", "other", THE_QUESTION, 0, 2, true },
	{ "it is one that has gone: kept", "other", THE_QUESTION, 999, 2, true },
	{ "it is another account's: kept", "other", THE_QUESTION, ROW_OF_BOB, 2, true },
	{ "a question that was not asked", "other", "77", 0, 1, false },
	{ "a question without a number", "other", "", 0, 1, false },
	{ "a number and more", "other", "0x", 0, 1, false },
	{ "a session's name", "other", "4d2-0", 0, 1, false },
};

static void ask_and_answer(struct worker_test *b, const struct answer_row *row)
{
	int vault = worker_test_vault_begins(b);
	struct message asked, m = { .type = MESSAGE_COMPARED, .number = row->number };
	int64_t ada, of_ada = 0, of_bob = 0, found;
	char number[32];

	(void)log_in_here(b, "ada", "secret", &ada);
	(void)log_in_here(b, "bob", row->password, NULL);
	(void)passwords_of(b, "ada", "secret", &of_ada);
	(void)passwords_of(b, "bob", row->password, &of_bob);
	forget_passwords(b);

	assert_false(log_in_here(b, "ada", row->password, NULL));
	assert_true(is_asked(vault, &asked));
	assert_int_equal(asked.type, MESSAGE_COMPARE);
	assert_int_equal(asked.number, ada);
	assert_true(worker_test_opens(asked.payload, "ada", row->password));
	assert_false(knows(b, ada, row->password)); /* nobody waits, nothing is known */
	(void)snprintf(number, sizeof(number), "%.*s", STR_ARG(asked.session));

	m.session = str_from(strcmp(row->session, THE_QUESTION) ? row->session : number);
	if (row->number == ROW_OF_ADA)
		m.number = (uint64_t)of_ada;
	else if (row->number == ROW_OF_BOB)
		m.number = (uint64_t)of_bob;
	worker_test_tell(b, vault, &m);
	worker_test_tell(b, vault, &m); /* the second time it is stale */
	if (passwords_of(b, "ada", row->password, &found) != row->kept ||
		knows(b, ada, row->password) != row->is_known)
		fail_msg("%s: %u kept, known: %d", row->name,
			passwords_of(b, "ada", row->password, NULL),
			knows(b, ada, row->password));
	if (row->is_known) { /* and it is known rightly: no question, and the right row */
		assert_true(found > 0);
		assert_int_equal(known_passwords_row(b->limits.passwords, ada,
					 known_passwords_print(b->limits.passwords, ada,
						 str_from(row->password))),
			found);
		assert_false(log_in_here(b, "ada", row->password, NULL));
		assert_false(is_asked(vault, &asked));
	}
	(void)close(vault);
}

static void test_answers(void **state)
{
	for (size_t i = 0; i < ROWS(answer_rows); i++) {
		ask_and_answer(*state, &answer_rows[i]);
		worker_test_teardown(state);
		worker_test_setup(state);
	}
}

/* A password that is new after a transfer has failed is worth a try at once. */
static void test_due(void **state)
{
	static const enum account_event events[] = { EVENT_COPY, EVENT_FAIL };
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b), transfer;
	struct message m, answer = { .type = MESSAGE_COMPARED };
	struct test *t = b->t;
	char number[32];
	int64_t ada;

	(void)log_in_here(b, "ada", "secret", &ada);
	for (size_t i = 0; i < ROWS(events); i++)
		NO_ERROR(registry_transition(t->r, ada, events[i], STR_LIT("test"),
			STR_LIT("it refused the password"), &t->err));
	(void)log_in_here(b, "ada", "other", NULL);
	assert_true(is_asked(vault, &m));
	(void)snprintf(number, sizeof(number), "%.*s", STR_ARG(m.session));
	answer.session = str_from(number);

	worker_test_listen(b, TRANSFER_SOCKET);
	worker_test_tell(b, vault, &answer);
	transfer = worker_test_accept(b);
	assert_true(transfer >= 0);
	assert_true(worker_test_hears(transfer, &m, NULL));
	assert_int_equal(m.type, MESSAGE_ACCOUNT_DUE);
	assert_true(str_eq(m.account, STR_LIT("ada")));
	(void)close(transfer);
	(void)close(vault);
}

/* ---- it ends, and is slow ---- */

static void test_lost(void **state)
{
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b);
	struct message m, stale = { .type = MESSAGE_COMPARED };
	char number[32];
	int64_t ada;

	(void)log_in_here(b, "ada", "secret", &ada);
	forget_passwords(b);
	assert_false(log_in_here(b, "ada", "other", NULL));
	assert_true(is_asked(vault, &m));
	(void)snprintf(number, sizeof(number), "%.*s", STR_ARG(m.session));
	(void)close(vault);
	worker_test_turns(b);
	assert_true(LIST_EMPTY(&b->w->vault.comparisons));

	/* while it is away a login goes on, and teaches nothing */
	assert_false(log_in_here(b, "ada", "other", NULL));
	assert_int_equal(passwords_of(b, "ada", "secret", NULL), 1);
	assert_true(LIST_EMPTY(&b->w->vault.comparisons));

	/* the next one is asked anew, and an old answer is not one to that */
	vault = worker_test_vault_begins(b);
	assert_false(log_in_here(b, "ada", "third", NULL));
	assert_true(is_asked(vault, &m));
	assert_false(str_eq(m.session, str_from(number)));
	stale.session = str_from(number);
	worker_test_tell(b, vault, &stale);
	assert_int_equal(passwords_of(b, "ada", "other", NULL), 1);
	assert_false(knows(b, ada, "other"));
	assert_false(knows(b, ada, "third"));
	(void)close(vault);
}

/* A vault that answers nothing is asked only so often; nothing else grows. */
static void test_many(void **state)
{
	enum { MOST = 1024 };
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b);
	struct message m;
	unsigned n = 0;

	(void)log_in_here(b, "ada", "secret", NULL);
	forget_passwords(b);
	for (unsigned i = 0; i < MOST + 3; i++) {
		assert_false(log_in_here(b, "ada", "other", NULL));
		worker_test_turns(b);
		while (is_asked(vault, &m))
			n++;
	}
	assert_int_equal(n, MOST);
	(void)close(vault);
	worker_test_turns(b);
	assert_true(LIST_EMPTY(&b->w->vault.comparisons));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, worker_test_setup, worker_test_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_first),
		ROW(test_answers),
		ROW(test_due),
		ROW(test_lost),
		ROW(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
