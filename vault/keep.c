/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passwords that are lent, proven and turned into verifiers. */
#include "vault/vault.h"

#include "registry/masters.h"

#include <errno.h>

/* "alice" of "Alice@example.com", cut where the domain begins. */
static struct str local_part(struct str name)
{
	name = str_trim(name);
	return str_take(name, str_index(name, '@'));
}

static bool has_domain(struct str name)
{
	return str_index(name, '@') < name.len;
}

/* The account's name is how its first login was spelt. */
bool keep_names_account(struct str login, struct str name)
{
	if (has_domain(str_trim(login)) && has_domain(name))
		return str_ieq(str_trim(login), name);
	return str_ieq(local_part(login), local_part(name));
}

/* Whether the source would take that login for this account: one that was renamed here is
   still called there as it was. */
static bool is_its_login(const struct vault *v, const struct password *p)
{
	struct str name = p->account_name;

	if (p->source_name.len &&
		source_name_unbind(&v->keys, p->account_name, p->source_name, &name) < 0)
		return false;
	return keep_names_account(p->login, name);
}

struct lending {
	struct vault *vault;
	struct arena *arena;
	struct loan *loans;
	size_t *n;
	struct error *err;
};

static bool is_lent(const struct lending *l, int64_t id)
{
	for (size_t i = 0; i < *l->n; i++)
		if (l->loans[i].id == id)
			return true;
	return false;
}

static int lend_one(void *context, const struct password *p)
{
	struct lending *l = context;
	struct loan *loan = &l->loans[*l->n];
	bool proven;
	int r;

	if (!p->sealed.len || *l->n == LOANS_MAX || is_lent(l, p->id) ||
		!is_its_login(l->vault, p))
		return 0;
	*loan = (struct loan){ .account = p->account,
		.id = p->id,
		.name = arena_str(l->arena, p->account_name),
		.login = arena_str(l->arena, p->login) };
	buf_init(&loan->verifier, 0);
	r = seal_open(&l->vault->keys, p->account_name, p->sealed, l->arena,
		&loan->password, &proven);
	if (r < 0)
		return error_set(l->err, r,
			"the sealed password of \"%.*s\" does not open",
			STR_ARG(p->account_name));
	if (!loan->name.ptr || !loan->login.ptr)
		return error_set(l->err, -ENOMEM, "no memory");
	(*l->n)++;
	return 0;
}

int keep_lend(struct vault *v, int64_t account, struct arena *arena,
	struct loan loans[static LOANS_MAX], size_t *n, struct error *err)
{
	struct lending l = {
		.vault = v, .arena = arena, .loans = loans, .n = n, .err = err
	};

	return registry_each_password(v->registry, account, lend_one, &l, err);
}

static int prove_as(
	struct vault *v, const struct loan *loan, struct str name, struct error *err)
{
	struct buf sealed, bound;
	int r;

	buf_init(&sealed, 0);
	buf_init(&bound, 0);
	r = seal(v->keys.sealing, name, loan->password, &sealed);
	if (r == 0)
		r = verifier_bind(&v->keys, name, buf_view(&loan->verifier), &bound);
	if (r < 0)
		error_set(err, r, "cannot seal a password");
	else
		r = registry_prove(v->registry, loan->account, loan->id, buf_view(&bound),
			buf_view(&sealed), err);
	buf_fini(&sealed);
	buf_fini(&bound);
	return r;
}

/* It may have another name since the password was lent; only this process gives one. */
int keep_proven(struct vault *v, const struct loan *loan, struct error *err)
{
	struct account a;
	struct arena arena;
	int r;

	arena_init(&arena);
	r = registry_find_id(v->registry, loan->account, &arena, &a, err);
	if (r == 0)
		r = prove_as(v, loan, a.name, err);
	arena_fini(&arena);
	return r;
}

/* ---- brought by the admin ---- */

struct import {
	struct vault *vault;
	struct arena arena;
};

static bool holds(void *context, const struct password *p, struct str password)
{
	struct import *i = context;
	struct str clear;
	bool proven;

	return seal_open(&i->vault->keys, p->account_name, p->sealed, &i->arena, &clear,
		       &proven) == 0 &&
	       seal_same(clear, password);
}

static bool asks_nobody(void *context)
{
	(void)context;
	return false;
}

/* As a worker closes it: only the transfer's login makes a seal of it. */
static int close_box(
	void *context, struct str account, struct str password, struct buf *out)
{
	const struct import *i = context;
	struct box_closer closer;
	int r;

	box_closer_init(&closer, i->vault->keys.box_public);
	r = box_close(&closer, account, password, out);
	box_forget_key(&closer);
	return r;
}

enum import_outcome keep_outcome(
	bool was_known, bool due, const struct account_route *route)
{
	if (route->route == ROUTE_LOCAL)
		return IMPORT_LOCAL;
	if (route->pin == PIN_SOURCE)
		return IMPORT_PINNED;
	if (due)
		return was_known ? IMPORT_DUE : IMPORT_NEW;
	return IMPORT_KNOWN;
}

int keep_import(struct vault *v, struct str login, struct str password, uint64_t size,
	enum import_outcome *ret, struct error *err)
{
	struct import i = { .vault = v };
	const struct password_keeper keeper = {
		.holds = holds, .asks = asks_nobody, .seal = close_box, .context = &i
	};
	const struct proven_login proven = { .name = login,
		.password = password,
		.service = STR_LIT(""),
		.is_imported = true };
	struct account_route before, after = { 0 };
	bool is_news, due = false;
	int r;

	arena_init(&i.arena);
	r = registry_look(v->registry, &proven, &keeper, &before, &is_news, err);
	if (r == 0)
		r = registry_learn(v->registry, &proven, &keeper, &after, &due, err);
	if (r == 0 && size)
		r = registry_set_size(v->registry, after.id, size, err);
	arena_fini(&i.arena);
	if (r == 0)
		*ret = keep_outcome(before.id != 0, due, &after);
	return r;
}

int keep_local(struct vault *v, int64_t account, struct str verifier, bool only,
	struct error *err)
{
	struct account a;
	struct arena arena;
	struct buf bound;
	int r;

	arena_init(&arena);
	buf_init(&bound, 0);
	r = registry_find_id(v->registry, account, &arena, &a, err);
	if (r == 0 && (r = verifier_bind(&v->keys, a.name, verifier, &bound)) < 0)
		error_set(err, r, "cannot make a verifier");
	if (r == 0)
		r = registry_set_local_password(
			v->registry, account, buf_view(&bound), only, err);
	buf_fini(&bound);
	arena_fini(&arena);
	return r;
}

/* ---- another name ---- */

struct binding {
	struct vault *vault;
	struct box_closer closer;
};

/* A box stays one: that its account has another name proves nothing of a password. */
static int close_again(
	struct binding *b, struct str to, struct str clear, bool proven, struct buf *out)
{
	return proven ? seal(b->vault->keys.sealing, to, clear, out)
	              : box_close(&b->closer, to, clear, out);
}

static int seal_anew(struct binding *b, const struct password *p, struct str to,
	struct arena *arena, struct str *ret)
{
	struct str clear;
	struct buf out;
	bool proven;
	int r = 0;

	*ret = arena_str(arena, p->sealed);
	if (!ret->ptr)
		return -ENOMEM;
	if (!p->sealed.len || seal_open(&b->vault->keys, p->account_name, p->sealed,
				      arena, &clear, &proven) < 0)
		return 0;
	buf_init(&out, 0);
	r = close_again(b, to, clear, proven, &out);
	if (r == 0)
		*ret = arena_str(arena, buf_view(&out));
	buf_fini(&out);
	return r < 0 || ret->ptr ? r : -ENOMEM;
}

static int bind_anew(struct binding *b, const struct password *p, struct str to,
	struct arena *arena, struct str *ret)
{
	const struct vault_keys *keys = &b->vault->keys;
	struct str verifier;
	struct buf out;
	int r;

	*ret = arena_str(arena, p->verifier);
	if (!ret->ptr)
		return -ENOMEM;
	if (verifier_unbind(keys, p->account_name, p->verifier, &verifier) < 0)
		return 0;
	buf_init(&out, 0);
	r = verifier_bind(keys, to, verifier, &out);
	if (r == 0)
		*ret = arena_str(arena, buf_view(&out));
	buf_fini(&out);
	return r < 0 || ret->ptr ? r : -ENOMEM;
}

static int bind_password(void *context, const struct password *p, struct str to,
	struct arena *arena, struct str *ret_sealed, struct str *ret_verifier)
{
	int r = seal_anew(context, p, to, arena, ret_sealed);

	return r < 0 ? r : bind_anew(context, p, to, arena, ret_verifier);
}

/* One that does not open was written by somebody else: nothing is built on it. */
static int bind_source_name(void *context, struct str bound, struct str from,
	struct str to, struct arena *arena, struct str *ret)
{
	const struct binding *b = context;
	const struct vault_keys *keys = &b->vault->keys;
	struct str name = from;
	struct buf out;
	int r = bound.len ? source_name_unbind(keys, from, bound, &name) : 0;

	if (r < 0)
		return r;
	buf_init(&out, 0);
	if (!str_eq(name, to))
		r = source_name_bind(keys, to, name, &out);
	*ret = arena_str(arena, buf_view(&out));
	buf_fini(&out);
	return r < 0 || ret->ptr ? r : -ENOMEM;
}

int keep_rename(struct vault *v, const struct rename *rename, struct error *err)
{
	struct binding b = { .vault = v };
	const struct name_binder binder = {
		.password = bind_password, .source_name = bind_source_name, .context = &b
	};
	int r;

	box_closer_init(&b.closer, v->keys.box_public);
	r = registry_rename(v->registry, rename, &binder, err);
	box_forget_key(&b.closer);
	return r;
}

/* ---- where it lives ---- */

struct names {
	struct arena *arena;
	struct str at[RESIDENCE_NAMES_MAX];
	size_t n;
};

static int add_name(void *context, struct str name)
{
	struct names *n = context;

	if (n->n == RESIDENCE_NAMES_MAX)
		return 0;
	n->at[n->n] = arena_str(n->arena, name);
	return n->at[n->n++].ptr ? 0 : -ENOMEM;
}

static int write_residence(struct vault *v, const struct account *a,
	const struct names *names, struct arena *arena, struct str *ret)
{
	const struct residence is = { .home = a->home,
		.login = a->login,
		.source_name = a->source_name,
		.names = names->at,
		.n_names = names->n };
	struct buf text, bound;
	int r;

	buf_init(&text, 0);
	buf_init(&bound, 0);
	r = residence_write(&is, &text);
	if (r == 0)
		r = residence_bind(&v->keys, a->name, buf_view(&text), &bound);
	if (r == 0)
		*ret = arena_str(arena, buf_view(&bound));
	buf_fini(&text);
	buf_fini(&bound);
	return r < 0 || ret->ptr ? r : -ENOMEM;
}

int keep_residence(struct vault *v, int64_t account, struct arena *arena, struct str *ret,
	struct error *err)
{
	struct names names = { .arena = arena };
	struct account a;
	int r = registry_find_id(v->registry, account, arena, &a, err);

	if (r < 0)
		return r;
	if (a.route == ROUTE_SOURCE)
		return error_set(
			err, -EPERM, "\"%.*s\" lives at the source", STR_ARG(a.name));
	r = registry_each_name(v->registry, account, add_name, &names, err);
	if (r == 0 && (r = write_residence(v, &a, &names, arena, ret)) < 0)
		error_set(err, r, "cannot say where \"%.*s\" lives", STR_ARG(a.name));
	return r;
}
