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
	arena_init(&t->arena);
	*state = t;
	if (registry_make(t->path, &t->r, &t->err) < 0) {
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

/* In clear, and so that a test can read it. */
static int close_openly(
	void *context, struct str account, struct str password, struct buf *out)
{
	(void)context;
	return buf_printf(out, "%.*s has %.*s", STR_ARG(account), STR_ARG(password));
}

static bool holds(void *context, const struct password *p, struct str password)
{
	struct buf now;
	bool same;

	buf_init(&now, 0);
	same = close_openly(context, p->account_name, password, &now) == 0 &&
	       str_eq(buf_view(&now), p->sealed);
	buf_fini(&now);
	return same;
}

static bool asks_nobody(void *context)
{
	(void)context;
	return false;
}

const struct password_keeper open_keeper = {
	.holds = holds, .asks = asks_nobody, .seal = close_openly
};

struct wanted {
	struct test *t;
	struct str password; /* ptr NULL: the first */
	bool proven;
	struct str found;
	int64_t id;
};

static int look_at(void *context, const struct password *p)
{
	struct wanted *w = context;

	if (!p->sealed.len || (w->proven && !p->proven_at) ||
		(w->password.ptr && !holds(NULL, p, w->password)))
		return 0;
	w->found = arena_str(
		&w->t->arena, str_skip(p->sealed, p->account_name.len + strlen(" has ")));
	w->id = p->id;
	return 1;
}

int first_password(struct test *t, int64_t id, struct str *ret, int64_t *ret_which)
{
	struct wanted w = { .t = t };
	int n = registry_each_password(t->r, id, look_at, &w, &t->err);

	if (n <= 0)
		return n < 0 ? n : -ENODATA;
	*ret = w.found;
	*ret_which = w.id;
	return 0;
}

static int put_verifier(void *context, const struct password *p)
{
	struct buf *to = context;

	return p->verifier.len ? buf_printf(to, "%s%.*s", buf_len(to) ? "\n" : "",
					 STR_ARG(p->verifier))
	                       : 0;
}

struct str verifiers_of(struct test *t, int64_t id)
{
	struct str text;
	struct buf all;

	buf_init(&all, 0);
	NO_ERROR(registry_each_password(t->r, id, put_verifier, &all, &t->err));
	text = buf_len(&all) ? arena_str(&t->arena, buf_view(&all)) : STR_LIT("none");
	buf_fini(&all);
	return text;
}

bool knows_password(struct test *t, int64_t id, struct str password, bool proven)
{
	struct wanted w = { .t = t, .password = password, .proven = proven };

	return registry_each_password(t->r, id, look_at, &w, &t->err) == 1;
}

bool log_in(struct test *t, const char *login, const char *password, const char *why,
	struct account_route *ret)
{
	struct proven_login p = { .name = str_from(login),
		.password = { .ptr = password, .len = password ? strlen(password) : 0 },
		.why = str_from(why),
		.service = STR_LIT("imap") };
	bool due;

	NO_ERROR(registry_learn(t->r, &p, &open_keeper, ret, &due, &t->err));
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

	NO_ERROR(first_password(t, id, &password, &which));
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
