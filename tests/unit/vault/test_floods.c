/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one asker, or clients of one network, take from all others: little. */
#include "vault/fixture.h"
#include "vault/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 100
#define LONG (IPC_MESSAGE_MAX - 1000)
/* of another password, and made at once */
#define CHEAP                                                                            \
	STR_LIT("scrypt$2$8$1$00112233445566778899aabbccddeeff$"                         \
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")

struct vault_process {
	struct server server;
	struct asker *asker;
	int fd; /* the asker's end */
};

static struct vault_process *begin(struct test *t, enum role role)
{
	struct vault_process *p = calloc(1, sizeof(*p));
	int pair[2];

	assert_non_null(p);
	p->server.vault = t->v;
	p->server.guesses = guesses_new();
	assert_non_null(p->server.guesses);
	assert_int_equal(uv_loop_init(&p->server.loop), 0);
	assert_int_equal(waiting_init(&p->server), 0);
	LIST_INIT(&p->server.askers);
	STAILQ_INIT(&p->server.jobs);
	assert_int_equal(ipc_pair(pair), 0);
	p->fd = pair[0];
	p->asker = asker_new(&p->server, role, pair[1]);
	assert_non_null(p->asker);
	return p;
}

static void close_handle(uv_handle_t *handle, void *argument)
{
	(void)argument;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void end(struct vault_process *p)
{
	waiting_fini(&p->server);
	while (!LIST_EMPTY(&p->server.askers))
		asker_close(LIST_FIRST(&p->server.askers));
	uv_walk(&p->server.loop, close_handle, NULL);
	assert_int_equal(uv_run(&p->server.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&p->server.loop), 0);
	guesses_free(p->server.guesses);
	close(p->fd);
	free(p);
}

/* Who lives here, and of whose password only a verifier is left. */
static int64_t move_and_erase(struct test *t, const char *name)
{
	int64_t id = move(t, name, "secret");

	NO_ERROR(keep_local(&t->v, id, CHEAP, true, &t->err));
	return id;
}

static void check(
	struct vault_process *p, int64_t account, const char *client, struct str password)
{
	const struct message m = { .type = MESSAGE_CHECK,
		.number = (uint64_t)account,
		.session = str_from(client),
		.client = str_from(client),
		.payload = password };

	assert_true(request(p->asker, &m, NULL, 0));
}

/* From so many clients, whose addresses have a number in between; how many are in the
   queue then. Nobody runs the loop meanwhile: the first is with the helper thread. */
static unsigned crowd(struct test *t, int64_t account, const char *before,
	const char *behind, unsigned n)
{
	struct vault_process *p = begin(t, ROLE_LOGIN);
	unsigned queued;

	for (unsigned i = 0; i < n; i++) {
		char client[64];

		(void)snprintf(client, sizeof(client), "%s%u%s", before, i, behind);
		check(p, account, client, STR_LIT("guess"));
	}
	queued = p->server.n_jobs;
	assert_int_equal(queued + p->server.n_waiting, n);
	end(p);
	return queued;
}

static void test_networks(void **state)
{
	static const struct {
		const char *before, *behind;
		unsigned queued; /* one more: it runs */
	} rows[] = {
		{ "192.0.2.7:", "", 2 + 1 },
		{ "192.0.2.", ":1", 8 + 1 },
		{ "[2001:db8::1]:", "", 2 + 1 },
		{ "[2001:db8::", "]:1", 2 + 1 },
		{ "[2001:db8:0:", "::1]:1", 8 + 1 },    /* the /64s of a /56 */
		{ "[2001:db8:0:", "00::1]:1", 16 + 1 }, /* the /56s of a /48 */
		{ "[2001:db8:", "::1]:1", MANY },       /* they have nothing in common */
		{ "10.0.", ".1:1", MANY },
	};
	int64_t alice = move_and_erase(*state, "alice");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			crowd(*state, alice, rows[i].before, rows[i].behind, MANY),
			rows[i].queued);
}

/* Nor does one who has many networks, and all that they leave is for users who come from
   where they have always come from. */
static void test_a_botnet(void **state)
{
	struct test *t = *state;
	int64_t alice = move_and_erase(t, "alice"), bob = move_and_erase(t, "bob");
	struct vault_process *p = begin(t, ROLE_LOGIN);
	const struct guess users = { .account = bob, .client = STR("192.0.2.7:1") };
	char said[MESSAGE_SMALL_MAX], client[64];
	struct message m;
	int fds[IPC_FDS_MAX];
	size_t n_fds;

	guess_was_right(p->server.guesses, &users, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(client, sizeof(client), "10.%u.%u.1:1", i / 256, i % 256);
		check(p, alice, client, STR_LIT("guess"));
	}
	assert_int_equal(p->server.n_jobs, JOBS_MAX - JOBS_FOR_USERS);
	/* in the user's own network, too, and at their account from elsewhere */
	check(p, alice, "192.0.2.7:2", STR_LIT("guess"));
	check(p, bob, "10.9.9.9:1", STR_LIT("guess"));
	assert_int_equal(p->server.n_jobs, JOBS_MAX - JOBS_FOR_USERS);
	check(p, bob, "192.0.2.7:3", STR_LIT("guess"));
	assert_int_equal(p->server.n_jobs, JOBS_MAX - JOBS_FOR_USERS + 1);
	/* behind the one that runs, the user's is the next */
	for (int verdicts = 0; verdicts < 2; verdicts++) {
		ssize_t n;

		while ((n = ipc_receive(p->fd, said, sizeof(said), fds, &n_fds)) ==
			-EAGAIN)
			(void)uv_run(&p->server.loop, UV_RUN_ONCE);
		assert_true(n > 0);
		assert_int_equal(message_decode(str_of(said, (size_t)n), &m), 0);
		assert_int_equal(m.type, MESSAGE_VERDICT);
		assert_true(str_eq(m.session,
			verdicts ? STR_LIT("192.0.2.7:3") : STR_LIT("10.0.0.1:1")));
	}
	end(p);
}

/* What waits is kept by the thousand: nothing long is. */
static void test_long_passwords(void **state)
{
	static char bytes[LONG];
	struct test *t = *state;
	int64_t alice = move_and_erase(t, "alice");
	struct vault_process *p = begin(t, ROLE_LOGIN);
	char said[MESSAGE_SMALL_MAX];
	struct message m;
	int fds[IPC_FDS_MAX];
	size_t n_fds;
	ssize_t n;

	memset(bytes, 'x', sizeof(bytes));
	for (unsigned i = 0; i < 4; i++) /* one runs, two are its network's share */
		check(p, alice, "192.0.2.1:1", STR_LIT("guess"));
	assert_int_equal(p->server.n_waiting, 1);
	check(p, alice, "192.0.2.1:1", str_of(bytes, sizeof(bytes)));
	assert_int_equal(p->server.n_waiting, 1);
	n = ipc_receive(p->fd, said, sizeof(said), fds, &n_fds);
	assert_true(n > 0);
	assert_int_equal(message_decode(str_of(said, (size_t)n), &m), 0);
	assert_int_equal(m.type, MESSAGE_VERDICT);
	assert_int_equal(m.number, VERDICT_UNKNOWN);
	end(p);
}

/* A transfer's process does not fill the queue with verifiers of its password. */
static void test_loans(void **state)
{
	const struct message lend = { .type = MESSAGE_LEND };
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret"), bob = move_and_erase(t, "bob");
	struct vault_process *p = begin(t, ROLE_ACCOUNT);
	struct message prepare = { .type = MESSAGE_PREPARE };

	p->asker->account = alice;
	assert_true(request(p->asker, &lend, NULL, 0));
	assert_int_equal(p->asker->n_loans, 1);
	prepare.number = (uint64_t)p->asker->loans[0].id;
	for (int i = 0; i < MANY; i++)
		assert_true(request(p->asker, &prepare, NULL, 0));
	assert_int_equal(p->server.n_jobs, ASKER_LOANS_MAX);
	p->asker->role = ROLE_LOGIN;
	check(p, bob, "192.0.2.1:1", STR_LIT("guess"));
	assert_int_equal(p->server.n_jobs, ASKER_LOANS_MAX + 1);
	end(p);
}

/* Nor does one worker take the vault's descriptors from all others. */
static void test_connections(void **state)
{
	static const struct {
		enum role role;
		bool is_counted;
	} rows[] = { { ROLE_LOGIN, true }, { ROLE_MOVE, false },
		{ ROLE_COMMAND, false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vault_process *p = begin(*state, rows[i].role);
		int theirs[MANY];

		assert_true(p->asker->pid > 0);
		for (int n = 0; n < MANY; n++) {
			struct asker *a;
			int pair[2];

			assert_int_equal(ipc_pair(pair), 0);
			theirs[n] = pair[0];
			a = asker_new(&p->server, rows[i].role, pair[1]);
			assert_non_null(a);
			assert_int_equal(server_takes(&p->server, a),
				!rows[i].is_counted || n + 2 <= CONNECTIONS_MAX);
		}
		for (int n = 0; n < MANY; n++)
			close(theirs[n]);
		end(p);
	}
}

/* Who makes no sense is not heard again. The socket of an account's process was made by
   the scheduler, which goes on for all others. */
static void test_who_is_cast_out(void **state)
{
	static const struct {
		enum role role, next;
		bool is_taken;
	} rows[] = { { ROLE_LOGIN, ROLE_LOGIN, false }, { ROLE_MOVE, ROLE_MOVE, false },
		{ ROLE_ACCOUNT, ROLE_MOVE, true }, { ROLE_COMMAND, ROLE_COMMAND, true } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vault_process *p = begin(*state, rows[i].role);
		struct asker *next;
		int pair[2];

		assert_int_equal(ipc_send(p->fd, STR_LIT("nonsense"), NULL, 0), 0);
		while (!LIST_EMPTY(&p->server.askers))
			(void)uv_run(&p->server.loop, UV_RUN_NOWAIT);
		assert_int_equal(ipc_pair(pair), 0);
		next = asker_new(&p->server, rows[i].next, pair[1]);
		assert_non_null(next);
		assert_int_equal(server_takes(&p->server, next), rows[i].is_taken);
		close(pair[0]);
		end(p);
	}
}

/* Behind a restart of the vault, and behind one address with who guesses. */
static void test_recall(void **state)
{
	static const struct {
		const char *noted, *client, *guesser;
	} rows[] = {
		{ "192.0.2.7", "192.0.2.7:1", "192.0.2.7:2" },
		{ "2001:db8::/64", "[2001:db8::7]:1", "[2001:db8::8]:2" },
	};
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret"), bob = capture(t, "bob", "secret");
	struct vault_process *p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct guess g = { .password = STR("x") };

		NO_ERROR(registry_note_login(
			t->v.registry, alice, str_from(rows[i].noted), &t->err));
		p = begin(t, ROLE_LOGIN);
		recall_clients(&p->server);
		g.client = str_from(rows[i].guesser);
		for (int64_t n = 0; n < MANY; n++) {
			g.account = 1000 + n;
			guess_was_wrong(p->server.guesses, &g, 1000);
		}
		g.client = str_from(rows[i].client);
		g.account = bob;
		assert_true(guess_wait(p->server.guesses, &g, 1000) > 0);
		g.account = alice;
		assert_int_equal(guess_wait(p->server.guesses, &g, 1000), 0);
		end(p);
	}
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { ROW(test_networks), ROW(test_a_botnet),
		ROW(test_long_passwords), ROW(test_loans), ROW(test_connections),
		ROW(test_who_is_cast_out), ROW(test_recall) };
#undef ROW

	return cmocka_run_group_tests_name("floods", tests, NULL, NULL);
}
