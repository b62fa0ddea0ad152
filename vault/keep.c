/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passwords that are lent, proven and turned into verifiers. */
#include "vault/vault.h"

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
static bool names_account(struct str login, struct str name)
{
	if (has_domain(str_trim(login)) && has_domain(name))
		return str_ieq(str_trim(login), name);
	return str_ieq(local_part(login), local_part(name));
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
		!names_account(p->login, p->account_name))
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

int keep_proven(struct vault *v, const struct loan *loan, struct error *err)
{
	struct buf sealed, bound;
	int r;

	buf_init(&sealed, 0);
	buf_init(&bound, 0);
	r = seal(v->keys.sealing, loan->name, loan->password, &sealed);
	if (r == 0)
		r = verifier_bind(
			&v->keys, loan->name, buf_view(&loan->verifier), &bound);
	if (r < 0)
		error_set(err, r, "cannot seal a password");
	else
		r = registry_prove(v->registry, loan->account, loan->id, buf_view(&bound),
			buf_view(&sealed), err);
	buf_fini(&sealed);
	buf_fini(&bound);
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
