/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry_fixture.h"

#include "registry/passwords.h"

#include <ftw.h>
#include <unistd.h>

int fixture_setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	(void)snprintf(t->directory, sizeof(t->directory), "/tmp/mailferry-reg-XXXXXX");
	if (!mkdtemp(t->directory))
		return -1;
	(void)snprintf(t->path, sizeof(t->path), "%s/registry.sqlite", t->directory);
	(void)snprintf(t->key, sizeof(t->key), "%s/key", t->directory);
	arena_init(&t->arena);
	*state = t;
	if (registry_open(t->path, t->key, true, &t->r, &t->err) < 0) {
		(void)fprintf(stderr, "%s\n", t->err.text);
		return -1;
	}
	set_domains(t, 1);
	return 0;
}

static int remove_one(
	const char *path, const struct stat *about, int type, struct FTW *place)
{
	(void)about;
	(void)type;
	(void)place;
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct test *t = *state;

	registry_close(t->r);
	arena_fini(&t->arena);
	(void)nftw(t->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

void set_domains(struct test *t, size_t n)
{
	char *domains[] = { (char *)(uintptr_t) "example.com",
		(char *)(uintptr_t) "example.net" };

	NO_ERROR(registry_set_domains(t->r, domains, n));
}

bool log_in(struct test *t, const char *login, const char *password, const char *why,
	struct account_route *ret)
{
	struct proven_login p = { .name = str_from(login),
		.password = { .ptr = password, .len = password ? strlen(password) : 0 },
		.why = str_from(why),
		.service = STR_LIT("imap") };
	bool due;

	NO_ERROR(registry_learn(t->r, &p, ret, &due, &t->err));
	return due;
}

int64_t capture(struct test *t, const char *login, const char *password)
{
	struct account_route route;

	if (log_in(t, login, password, "", &route))
		NO_ERROR(registry_transition(t->r, route.id, EVENT_CANCEL,
			STR_LIT("test"), STR_LIT(""), &t->err));
	return route.id;
}

void prove(struct test *t, int64_t id, const char *verifier)
{
	struct str password;
	int64_t which = 0;

	NO_ERROR(registry_password(t->r, id, &t->arena, &password, &which, &t->err));
	NO_ERROR(registry_prove(
		t->r, id, which, str_from(verifier), STR_LIT(""), &t->err));
}

void arrive(struct test *t, int64_t id)
{
	static const enum account_event events[] = { EVENT_DUE, EVENT_COPY,
		EVENT_CATCH_UP, EVENT_SWITCH, EVENT_ARRIVE };

	for (size_t i = 0; i < ROWS(events); i++)
		NO_ERROR(registry_transition(
			t->r, id, events[i], STR_LIT("test"), STR_LIT(""), &t->err));
}
