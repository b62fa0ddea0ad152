/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/keeper.h"

#include "base/log.h"
#include "interceptor/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUESSES_MAX (CANDIDATES_MAX * 2) /* an account rarely has more */
#define COMPARISONS_MAX                                                                  \
	1024 /* under way; more logins than that teach at the next one                   \
	      */

_Static_assert(PRINT_SIZE == crypto_generichash_KEYBYTES, "a key of libsodium's");

/* Rows that may hold a password, and how it is known if they do. */
struct guesses {
	size_t n;
	struct {
		int64_t id;
		uint8_t print[PRINT_SIZE];
	} rows[GUESSES_MAX];
};

/* A question to the vault. The password is closed already. */
struct comparison {
	LIST_ENTRY(comparison) all;
	uint64_t number;
	struct guesses guesses;
	int64_t same; /* what it said */
	struct arena arena;
	struct str name, service; /* as in struct proven_login */
	struct str box;
};

/* One look of registry_learn(). */
struct look {
	struct vault_link *link;
	bool found;
	struct guesses guesses;
	char account[REGISTRY_NAME_MAX + 1];
};

int keeper_init(struct vault_link *v, struct password_prints *prints)
{
	v->prints = prints;
	return sodium_init() < 0 ? -ENOSYS : 0;
}

/* ---- what is known ---- */

static void make_print(const struct vault_link *v, struct str sealed, struct str password,
	uint8_t ret[static PRINT_SIZE])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(
		&state, v->prints->key, sizeof(v->prints->key), PRINT_SIZE);
	(void)crypto_generichash_update(
		&state, (const unsigned char *)sealed.ptr, sealed.len);
	(void)crypto_generichash_update(
		&state, (const unsigned char *)password.ptr, password.len);
	(void)crypto_generichash_final(&state, ret, PRINT_SIZE);
	sodium_memzero(&state, sizeof(state));
}

static uint8_t *place_of(struct vault_link *v, const uint8_t print[static PRINT_SIZE])
{
	return v->prints->places[((size_t)print[0] << 8 | print[1]) % PRINTS];
}

static bool is_known(struct vault_link *v, const uint8_t print[static PRINT_SIZE])
{
	return sodium_memcmp(place_of(v, print), print, PRINT_SIZE) == 0;
}

static void remember(struct vault_link *v, const uint8_t print[static PRINT_SIZE])
{
	memcpy(place_of(v, print), print, PRINT_SIZE);
}

/* ---- struct password_keeper ---- */

static bool holds(void *context, const struct password *p, struct str password)
{
	struct look *look = context;
	struct guesses *g = &look->guesses;
	uint8_t print[PRINT_SIZE];

	make_print(look->link, p->sealed, password, print);
	look->found = look->found || is_known(look->link, print);
	if (look->found || g->n == GUESSES_MAX)
		return look->found;
	g->rows[g->n].id = p->id;
	memcpy(g->rows[g->n++].print, print, PRINT_SIZE);
	(void)snprintf(
		look->account, sizeof(look->account), "%.*s", STR_ARG(p->account_name));
	return false;
}

static bool asks(void *context)
{
	const struct look *look = context;

	return !look->found && look->guesses.n;
}

static int close_box(
	void *context, struct str account, struct str password, struct buf *out)
{
	struct look *look = context;
	uint8_t print[PRINT_SIZE];
	int r;

	if (!channel_is_open(&look->link->channel))
		return -ENOTCONN;
	r = box_seal(look->link->public_key, account, password, out);
	if (r == 0) {
		make_print(look->link, buf_view(out), password, print);
		remember(look->link, print);
	}
	return r;
}

struct knowledge {
	struct vault_link *link;
	struct str password;
};

static int look_at(void *context, const struct password *p)
{
	const struct knowledge *k = context;
	uint8_t print[PRINT_SIZE];

	if (!p->sealed.len)
		return 0;
	make_print(k->link, p->sealed, k->password, print);
	return is_known(k->link, print);
}

bool keeper_knows(struct worker *w, int64_t account, struct str password)
{
	struct knowledge k = { .link = &w->vault, .password = password };

	return registry_each_password(w->host.registry, account, look_at, &k, NULL) == 1;
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

static struct comparison *comparison_new(
	struct vault_link *v, const struct look *look, const struct proven_login *login)
{
	struct comparison *c = too_many(v) ? NULL : calloc(1, sizeof(*c));
	struct buf box;

	if (!c)
		return NULL;
	LIST_INSERT_HEAD(&v->comparisons, c, all);
	arena_init(&c->arena);
	buf_init(&box, 0);
	c->number = v->next_comparison++;
	c->guesses = look->guesses;
	c->name = arena_str(&c->arena, login->name);
	c->service = arena_str(&c->arena, login->service);
	if (box_seal(v->public_key, str_from(look->account), login->password, &box) == 0)
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
	struct comparison *c =
		vault_link_is_ready(w) ? comparison_new(&w->vault, look, login) : NULL;
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

int keeper_learn(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err)
{
	struct look look = { .link = &w->vault };
	const struct password_keeper keeper = {
		.holds = holds, .asks = asks, .seal = close_box, .context = &look
	};
	int r;

	if (login->password.ptr)
		(void)vault_link_is_ready(w);
	r = registry_learn(
		w->host.registry, login, &keeper, ret_route, ret_became_due, err);
	if (r == 0 && ret_route->id && login->password.ptr && asks(&look))
		compare(w, &look, ret_route->id, login);
	return r;
}

/* ---- the answer ---- */

/* What registry_learn() would have done at once, had it been known then. */
static void learn_again(struct worker *w, struct comparison *c)
{
	const struct password_keeper keeper = {
		.holds = is_the_same, .asks = asks_no_more, .seal = take_box, .context = c
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
	for (size_t i = 0; i < c->guesses.n; i++)
		if (c->guesses.rows[i].id == c->same)
			remember(&w->vault, c->guesses.rows[i].print);
	learn_again(w, c);
	drop(c);
}

void keeper_vault_lost(struct worker *w)
{
	while (!LIST_EMPTY(&w->vault.comparisons))
		drop(LIST_FIRST(&w->vault.comparisons));
}
