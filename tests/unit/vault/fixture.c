/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vault/fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	char text[512];

	(void)snprintf(t->directory, sizeof(t->directory), "/tmp/mailferry-vault-XXXXXX");
	if (!mkdtemp(t->directory))
		return -1;
	(void)snprintf(text, sizeof(text),
		"source = \"192.0.2.10\"\ndomains = {\"example.com\"}\n"
		"state_dir = \"%s\"\n",
		t->directory);
	arena_init(&t->arena);
	*state = t;
	return settings_parse("test", text, &t->settings, &t->err) < 0 ||
	       vault_open(&t->settings, true, &t->v, &t->err) < 0;
}

static int remove_one(
	const char *path, const struct stat *about, int type, struct FTW *place)
{
	(void)about;
	(void)type;
	(void)place;
	return remove(path);
}

int teardown(void **state)
{
	struct test *t = *state;

	vault_close(&t->v);
	settings_fini(&t->settings);
	arena_fini(&t->arena);
	(void)nftw(t->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

void reopen(struct test *t)
{
	vault_close(&t->v);
	NO_ERROR(vault_open(&t->settings, true, &t->v, &t->err));
}

/* ── a worker's part ───────────────────────────────────────────────────────────────── */

static bool holds_not(void *context, const struct password *p, struct str password)
{
	(void)context;
	(void)p;
	(void)password;
	return false;
}

static bool asks_nobody(void *context)
{
	(void)context;
	return false;
}

int close_box(void *context, struct str account, struct str password, struct buf *out)
{
	const struct test *t = context;
	struct box_closer closer;

	box_closer_init(&closer, t->v.keys.box_public);
	return box_close(&closer, account, password, out);
}

int64_t capture(struct test *t, const char *login, const char *password)
{
	const struct password_keeper keeper = {
		.holds = holds_not, .asks = asks_nobody, .seal = close_box, .context = t
	};
	struct proven_login p = { .name = str_from(login),
		.password = str_from(password),
		.service = STR_LIT("imap") };
	struct account_route route;
	bool due;

	NO_ERROR(registry_learn(t->v.registry, &p, &keeper, &route, &due, &t->err));
	return route.id;
}

void arrive(struct test *t, int64_t id)
{
	static const enum account_event events[] = { EVENT_COPY, EVENT_CATCH_UP,
		EVENT_SWITCH, EVENT_ARRIVE };

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		NO_ERROR(registry_transition(t->v.registry, id, events[i],
			STR_LIT("test"), STR_LIT(""), &t->err));
}

/* The one to try first. */
void prove(struct test *t, int64_t id)
{
	struct loan loans[LOANS_MAX];
	size_t n = 0;

	NO_ERROR(keep_lend(&t->v, id, &t->arena, loans, &n, &t->err));
	assert_true(n > 0);
	assert_int_equal(verifier_make(loans[0].password, &loans[0].verifier), 0);
	NO_ERROR(keep_proven(&t->v, &loans[0], &t->err));
	for (size_t i = 0; i < n; i++)
		buf_fini(&loans[i].verifier);
}

int64_t move(struct test *t, const char *login, const char *password)
{
	int64_t id = capture(t, login, password);

	arrive(t, id); /* whose beginning makes candidates of all */
	prove(t, id);
	return id;
}

/* As who can write the registry does it, without asking anybody. */
void write_row(struct test *t, const char *set, int64_t id)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
		"sqlite3 %s/registry.sqlite \"PRAGMA busy_timeout = 5000;"
		" UPDATE password SET %s WHERE account = %lld\" > /dev/null",
		t->directory, set, (long long)id);
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

struct judgement asked(struct test *t, int64_t id, const char *password)
{
	struct question q = { .account = id, .password = str_from(password) };
	struct judgement j;

	judge(&t->v, &q, &t->arena, &j);
	return j;
}

void expect(struct test *t, int64_t id, const char *password, enum verdict verdict)
{
	struct judgement j = asked(t, id, password);

	assert_int_equal(j.verdict, verdict);
	assert_false(j.needs_scrypt);
}
