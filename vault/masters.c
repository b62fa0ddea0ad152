/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Master users of the source: brought by the admin, lent to the process of an account
   that has no password of its own yet. */
#include "vault/vault.h"

#include "registry/masters.h"

#include <errno.h>
#include <string.h>

#define BOUND_MAX (sizeof("master") + 1 + REGISTRY_NAME_MAX)

/* What its password is sealed for. No account has such a name, since none has a NUL: the
   row is worth nothing among passwords of accounts. */
static struct str bound_name(
	struct str login, bool is_suffix, char bytes[static BOUND_MAX])
{
	login = str_take(login, REGISTRY_NAME_MAX);
	memcpy(bytes, "master", sizeof("master"));
	bytes[sizeof("master")] = is_suffix ? '*' : '=';
	memcpy(bytes + sizeof("master") + 1, login.ptr, login.len);
	return str_of(bytes, sizeof("master") + 1 + login.len);
}

static int open_master(const struct vault *v, const struct master *m, struct arena *arena,
	struct str *ret)
{
	char bytes[BOUND_MAX];

	return unseal(v->keys.sealing, bound_name(m->login, m->is_suffix, bytes),
		m->sealed, arena, ret);
}

/* ---- lent ---- */

static int fill(const struct account *a, const struct master *m, struct master_loan *ret,
	struct arena *arena, struct error *err)
{
	struct buf login;
	int r;

	buf_init(&login, 0);
	r = m->is_suffix ? buf_append(&login, a->login) : 0;
	if (r == 0)
		r = buf_append(&login, m->login);
	ret->login = arena_str(arena, buf_view(&login));
	ret->user = m->is_suffix ? STR_LIT("") : arena_str(arena, a->login);
	buf_fini(&login);
	return r < 0 || !ret->login.ptr || !ret->user.ptr
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

int keep_lend_master(struct vault *v, int64_t account, struct arena *arena,
	struct master_loan *ret, struct error *err)
{
	struct account a;
	struct master m;
	int r = registry_find_id(v->registry, account, arena, &a, err);

	if (r == 0 && (a.has_untried_password || !keep_names_account(a.login, a.name)))
		return -ENOENT;
	if (r == 0)
		r = registry_account_master(v->registry, account, arena, &m, err);
	if (r < 0)
		return r;
	r = open_master(v, &m, arena, &ret->password);
	if (r < 0)
		return error_set(err, r,
			"the sealed password of the master user \"%.*s\" does not open",
			STR_ARG(m.login));
	return fill(&a, &m, ret, arena, err);
}

/* ---- brought by the admin ---- */

static int seal_master(
	struct vault *v, const struct master_order *o, int64_t *ret_id, struct error *err)
{
	struct master m = { .login = o->login, .is_suffix = o->is_suffix };
	char bytes[BOUND_MAX];
	struct buf sealed;
	int r;

	buf_init(&sealed, 0);
	r = seal(v->keys.sealing, bound_name(o->login, o->is_suffix, bytes), o->password,
		&sealed);
	m.sealed = buf_view(&sealed);
	r = r < 0 ? error_set(err, r, "cannot seal a password")
	          : registry_put_master(v->registry, &m, ret_id, err);
	buf_fini(&sealed);
	return r;
}

/* The row that has that very password, or one that has it from now on. */
static int put_master(
	struct vault *v, const struct master_order *o, int64_t *ret_id, struct error *err)
{
	struct arena arena;
	struct master m;
	struct str clear;
	bool same = false;
	int r;

	arena_init(&arena);
	r = registry_find_master(v->registry, o->login, o->is_suffix, &arena, &m, err);
	if (r == 0) {
		same = open_master(v, &m, &arena, &clear) == 0 &&
		       seal_same(clear, o->password);
		*ret_id = m.id;
	}
	arena_fini(&arena);
	if (r < 0 && r != -ENOENT)
		return r;
	return same ? 0 : seal_master(v, o, ret_id, err);
}

static int import(struct vault *v, const struct master_order *o, enum import_outcome *ret,
	struct error *err)
{
	const struct proven_login login = {
		.name = o->user, .service = STR_LIT(""), .is_imported = true
	};
	struct account_route before, after = { 0 };
	bool is_news, due = false;
	int64_t master = 0;
	int r = registry_look(v->registry, &login, NULL, &before, &is_news, err);

	if (r == 0)
		r = registry_learn(v->registry, &login, NULL, &after, &due, err);
	if (r == 0)
		r = put_master(v, o, &master, err);
	if (r == 0)
		r = registry_use_master(v->registry, after.id, master, &due, err);
	if (r == 0 && o->size)
		r = registry_set_size(v->registry, after.id, o->size, err);
	if (r == 0)
		*ret = keep_outcome(before.id != 0, due, &after);
	return r;
}

int keep_import_master(struct vault *v, const struct master_order *o,
	enum import_outcome *ret, struct error *err)
{
	int r;

	if (!o->login.len || o->login.len > REGISTRY_NAME_MAX || !o->password.len)
		return error_set(err, -EINVAL, "that is no master user");
	r = registry_begin_group(v->registry, err);
	if (r < 0)
		return r;
	r = import(v, o, ret, err);
	if (r < 0) {
		registry_drop_group(v->registry);
		return r;
	}
	return registry_end_group(v->registry, err);
}
