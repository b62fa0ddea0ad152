/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/keeper.h"

#include "base/log.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define COMPARISONS_MAX                                                                  \
	1024 /* under way; more logins than that teach at the next one                   \
	      */

/* A question to the vault. The password is closed already. */
struct comparison {
	LIST_ENTRY(comparison) all;
	uint64_t number;
	int64_t account;
	known_print print; /* of the password */
	int64_t same;      /* the row that the vault said */
	struct arena arena;
	struct str name, service; /* as in struct proven_login */
	struct str box;
};

/* One look of registry_learn(). */
struct look {
	struct vault_link *link;
	known_print print; /* of the password that was shown */
	bool asks;         /* a row may hold it, and it is not known which */
	char account[REGISTRY_NAME_MAX + 1];
};

int keeper_init(struct vault_link *v, struct known_passwords *known)
{
	v->known = known;
	return sodium_init() < 0 ? -ENOSYS : 0;
}

void keeper_forget_key(struct vault_link *v)
{
	box_forget_key(&v->closer);
}

/* ---- struct password_keeper ---- */

static int64_t known_row(void *context, int64_t account, struct str password)
{
	struct look *look = context;

	look->print = known_passwords_print(look->link->known, account, password);
	return known_passwords_row(look->link->known, account, look->print);
}

static bool holds(void *context, const struct password *p, struct str password)
{
	struct look *look = context;

	(void)password;
	look->asks = true;
	(void)snprintf(
		look->account, sizeof(look->account), "%.*s", STR_ARG(p->account_name));
	return false;
}

static bool asks(void *context)
{
	const struct look *look = context;

	return look->asks;
}

static int close_box(
	void *context, struct str account, struct str password, struct buf *out)
{
	struct look *look = context;

	if (!channel_is_open(&look->link->channel))
		return -ENOTCONN;
	return box_close(&look->link->closer, account, password, out);
}

static void kept(void *context, int64_t account, int64_t row, struct str password)
{
	const struct look *look = context;
	struct known_passwords *known = look->link->known;

	known_passwords_add(
		known, account, row, known_passwords_print(known, account, password));
}

bool keeper_knows(const struct worker *w, int64_t account, struct str password)
{
	const struct known_passwords *known = w->vault.known;

	return known_passwords_row(known, account,
		       known_passwords_print(known, account, password)) != 0;
}

/* ---- the same, once the vault has answered ---- */

static bool is_the_same(void *context, const struct password *p, struct str password)
{
	const struct comparison *c = context;

	(void)password;
	return p->id == c->same;
}

static bool asks_no_more(void *context)
{
	(void)context;
	return false;
}

static int take_box(
	void *context, struct str account, struct str password, struct buf *out)
{
	const struct comparison *c = context;

	(void)account;
	(void)password;
	return buf_append(out, c->box);
}

/* The account of the name may be another one since. */
static void box_is_kept(void *context, int64_t account, int64_t row, struct str password)
{
	struct comparison *c = context;

	(void)password;
	if (account == c->account)
		c->same = row;
}

/* ---- asking ---- */

static void drop(struct comparison *c)
{
	LIST_REMOVE(c, all);
	arena_fini(&c->arena);
	free(c);
}

static bool too_many(const struct vault_link *v)
{
	const struct comparison *c;
	unsigned n = 0;

	LIST_FOREACH(c, &v->comparisons, all)
	n++;
	return n >= COMPARISONS_MAX;
}

static struct comparison *comparison_new(struct vault_link *v, const struct look *look,
	int64_t account, const struct proven_login *login)
{
	struct comparison *c = too_many(v) ? NULL : calloc(1, sizeof(*c));
	struct buf box;

	if (!c)
		return NULL;
	LIST_INSERT_HEAD(&v->comparisons, c, all);
	arena_init(&c->arena);
	buf_init(&box, 0);
	c->number = v->next_comparison++;
	c->account = account;
	c->print = look->print;
	c->name = arena_str(&c->arena, login->name);
	c->service = arena_str(&c->arena, login->service);
	if (box_close(&v->closer, str_from(look->account), login->password, &box) == 0)
		c->box = arena_str(&c->arena, buf_view(&box));
	buf_fini(&box);
	if (c->name.ptr && c->service.ptr && c->box.ptr)
		return c;
	drop(c);
	return NULL;
}

static void compare(struct worker *w, const struct look *look, int64_t account,
	const struct proven_login *login)
{
	struct comparison *c = vault_link_is_ready(w)
	                               ? comparison_new(&w->vault, look, account, login)
	                               : NULL;
	char number[24];
	struct message m = { .type = MESSAGE_COMPARE, .number = (uint64_t)account };

	if (!c)
		return;
	(void)snprintf(number, sizeof(number), "%" PRIu64, c->number);
	m.session = str_from(number);
	m.payload = c->box;
	if (vault_link_ask(w, &m) < 0)
		drop(c);
}

static struct password_keeper keeper_of(struct look *look)
{
	return (struct password_keeper){
		.row = known_row,
		.holds = holds,
		.asks = asks,
		.seal = close_box,
		.kept = kept,
		.context = look,
	};
}

int keeper_foresee(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, struct error *err)
{
	struct look look = { .link = &w->vault };
	const struct password_keeper keeper = keeper_of(&look);
	bool is_news;

	return registry_look(w->host.registry, login, &keeper, ret_route, &is_news, err);
}

int keeper_look(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_is_news, struct error *err)
{
	struct look look = { .link = &w->vault };
	const struct password_keeper keeper = keeper_of(&look);
	int r = registry_look(
		w->host.registry, login, &keeper, ret_route, ret_is_news, err);

	if (r == 0 && !*ret_is_news && look.asks)
		compare(w, &look, ret_route->id, login);
	return r;
}

int keeper_learn(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err)
{
	struct look look = { .link = &w->vault };
	const struct password_keeper keeper = keeper_of(&look);
	int r;

	if (login->password.ptr)
		(void)vault_link_is_ready(w);
	r = registry_learn(
		w->host.registry, login, &keeper, ret_route, ret_became_due, err);
	if (r == 0 && ret_route->id && look.asks)
		compare(w, &look, ret_route->id, login);
	return r;
}

/* ---- the answer ---- */

/* What registry_learn() would have done at once, had it been known then. */
static void learn_again(struct worker *w, struct comparison *c)
{
	const struct password_keeper keeper = {
		.holds = is_the_same,
		.asks = asks_no_more,
		.seal = take_box,
		.kept = box_is_kept,
		.context = c,
	};
	/* the password itself is in the box */
	struct proven_login login = {
		.name = c->name, .service = c->service, .password = STR_LIT("")
	};
	struct account_route route;
	struct error err;
	bool due;

	if (registry_learn(w->host.registry, &login, &keeper, &route, &due, &err) < 0)
		log_error(NULL, "capture", "error=\"%s\"", err.text);
	else if (due)
		worker_poke_transfer(w, route.name);
}

static struct comparison *find(struct vault_link *v, uint64_t number)
{
	struct comparison *c;

	LIST_FOREACH(c, &v->comparisons, all)
	if (c->number == number)
		break;
	return c;
}

void keeper_answered(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	struct comparison *c = NULL;
	uint64_t number;

	(void)fd;
	if (str_to_u64(m->session, &number))
		c = find(&w->vault, number);
	if (!c)
		return;
	c->same = (int64_t)m->number;
	learn_again(w, c);
	if (c->same)
		known_passwords_add(w->vault.known, c->account, c->same, c->print);
	drop(c);
}

void keeper_vault_lost(struct worker *w)
{
	while (!LIST_EMPTY(&w->vault.comparisons))
		drop(LIST_FIRST(&w->vault.comparisons));
}
