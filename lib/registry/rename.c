/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/rename.h"

#include "base/clock.h"
#include "registry/alias_rows.h"
#include "registry/retire.h"

#include <errno.h>
#include <string.h>

#define SPELLINGS 3 /* the key, all of it, its address */

/* A name as it is kept: each of these rows leads to the account. */
struct spellings {
	struct name_keys keys;
	struct address_key address; /* len 0: it is no address */
	struct str all[SPELLINGS];
	size_t n;
};

static int spell(
	struct registry *r, struct str name, struct spellings *ret, struct error *err)
{
	struct str local, domain;
	int code = name_keys(r, name, &ret->keys);

	if (code < 0)
		return error_set(
			err, code, "\"%.*s\" is no name of an account", STR_ARG(name));
	ret->all[0] = ret->keys.key;
	ret->all[1] = ret->keys.whole;
	ret->n = 2;
	ret->address.len = 0;
	address_split(ret->keys.whole, &local, &domain);
	if (!name_address(r, ret->keys.key, &ret->address) &&
		(!domain.len || address_key(local, domain, &ret->address) < 0))
		return 0;
	ret->all[ret->n++] = address_key_text(&ret->address);
	return 0;
}

struct renaming {
	struct registry *r;
	const struct rename *order;
	struct error *err;
	struct arena arena;
	struct account account;
	struct spellings to, drop; /* drop.n 0: none */
	bool is_done;              /* it is called so already */
};

/* ── may it be ─────────────────────────────────────────────────────────────────────── */

static int name_owner(struct registry *r, struct str key, int64_t *ret_account,
	bool *ret_made_here, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_NAME_OWNER, SQL_VALUES(sql_text(key)), &row, err);

	*ret_account = n == 1 ? (int64_t)query_number(&row, 0) : 0;
	*ret_made_here = n == 1 && query_number(&row, 1) != 0;
	return n < 0 ? n : 0;
}

static int check_names(struct renaming *n)
{
	for (size_t i = 0; i < n->to.n; i++) {
		struct account other;
		int64_t owner;
		bool made_here;
		int code = name_owner(n->r, n->to.all[i], &owner, &made_here, n->err);

		if (code == 0 && owner && owner != n->account.id)
			code = registry_find_id(n->r, owner, &n->arena, &other, n->err);
		if (code < 0)
			return code;
		if (owner && owner != n->account.id)
			return error_set(n->err, -EEXIST,
				"%.*s is a name of the account \"%.*s\"",
				STR_ARG(n->to.all[i]), STR_ARG(other.name));
	}
	return 0;
}

/* Where mail for that address goes by an alias: nobody's but the account's. */
static int check_address(struct renaming *n)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct str text = address_key_text(&n->to.address);
	struct address_key key = n->to.address;
	struct account_route route = { 0 };
	struct alias a;
	int code = text.len ? alias_read(n->r, text, &a, &row, n->err) : 0;

	if (code <= 0)
		return code;
	if (!a.target.len)
		return error_set(n->err, -EEXIST,
			"mail for %.*s goes to \"%.*s\" by a rule; `mailferry alias "
			"remove` it first",
			STR_ARG(text), STR_ARG(a.rule));
	code = alias_follow(n->r, &key, &route, n->err);
	if (code < 0 && code != -ENOENT)
		return code;
	if (code == 0 && route.id == n->account.id)
		return 0;
	return error_set(n->err, -EEXIST,
		"%.*s is an alias of \"%.*s\"; `mailferry alias remove` it first",
		STR_ARG(text), STR_ARG(a.target));
}

/* What the source may know is not let go while it could be asked: a login would bring the
   old mailbox, as an account of its own. */
static int check_drop(struct renaming *n)
{
	uint64_t retired_at = 0;
	int code = n->drop.n ? registry_retired(n->r, &retired_at, n->err) : 0;

	if (code < 0 || !n->drop.n)
		return code;
	if (str_eq(n->drop.keys.key, n->to.keys.key))
		return error_set(n->err, -EINVAL,
			"\"%.*s\" is the name that the account gets",
			STR_ARG(n->order->drop));
	for (size_t i = 0; i < n->drop.n; i++) {
		int64_t owner;
		bool made_here;

		code = name_owner(n->r, n->drop.all[i], &owner, &made_here, n->err);
		if (code < 0)
			return code;
		if (owner == n->account.id && !made_here && !n->account.is_made_here &&
			!retired_at)
			return error_set(n->err, -EPERM,
				"the source may know \"%.*s\" and is not retired: it would be "
				"asked for the old mailbox again; without --drop-old the "
				"name goes on to lead here",
				STR_ARG(n->order->drop));
	}
	return 0;
}

static int check(struct renaming *n)
{
	const struct rename *o = n->order;
	struct error *err = n->err;
	int code = registry_find_id(n->r, o->account, &n->arena, &n->account, err);
	struct str name = n->account.name;

	if (code == 0)
		code = spell(n->r, o->to, &n->to, err);
	if (code == 0 && o->drop.len)
		code = spell(n->r, o->drop, &n->drop, err);
	if (code < 0)
		return code;
	n->is_done = str_eq(name, n->to.keys.key);
	if (!n->is_done && !str_eq(name, o->from))
		return error_set(err, -ESTALE, "that account is called \"%.*s\" by now",
			STR_ARG(name));
	if (n->account.route != ROUTE_LOCAL)
		return error_set(err, -EPERM,
			n->account.route == ROUTE_BUSY
				? "\"%.*s\" is on its way; try again in a moment"
				: "\"%.*s\" does not live here: its name is the source's",
			STR_ARG(name));
	if (n->account.home.len)
		return error_set(err, -EPERM,
			"\"%.*s\" lives at %.*s, and would not be known there by "
			"another name",
			STR_ARG(name), STR_ARG(n->account.home));
	code = check_names(n);
	if (code == 0)
		code = check_address(n);
	return code < 0 ? code : check_drop(n);
}

/* ── what is written ───────────────────────────────────────────────────────────────── */

struct rebound {
	int64_t id;
	struct str sealed, verifier;
	struct rebound *next;
};

struct rebinding {
	struct renaming *renaming;
	const struct name_binder *binder;
	struct rebound *first;
};

static int rebind_one(void *context, const struct password *p)
{
	struct rebinding *b = context;
	struct renaming *n = b->renaming;
	struct rebound *one = arena_alloc(&n->arena, sizeof(*one));

	if (!one)
		return -ENOMEM;
	one->id = p->id;
	one->next = b->first;
	b->first = one;
	return b->binder->password(b->binder->context, p, n->to.keys.key, &n->arena,
		&one->sealed, &one->verifier);
}

static int write_passwords(struct renaming *n, const struct name_binder *binder)
{
	struct rebinding b = { .renaming = n, .binder = binder };
	struct registry *r = n->r;
	int code = registry_each_password(r, n->account.id, rebind_one, &b, n->err);

	for (struct rebound *one = b.first; one && code == 0; one = one->next)
		code = sql_run(r->db, SQL_REBIND_PASSWORD,
			SQL_VALUES(sql_signed(one->id),
				one->sealed.len ? sql_blob(one->sealed) : sql_null(),
				one->verifier.len ? sql_text(one->verifier) : sql_null()),
			n->err);
	return code;
}

static int write_account(struct renaming *n, const struct name_binder *binder)
{
	const struct account *a = &n->account;
	struct str source_name = STR_LIT("");
	int code = 0;

	if (!a->is_made_here)
		code = binder->source_name(binder->context, a->source_name, a->name,
			n->to.keys.key, &n->arena, &source_name);
	if (code < 0)
		return error_set(n->err, code, "cannot bind the name");
	return sql_run(n->r->db, SQL_RENAME_ACCOUNT,
		SQL_VALUES(sql_signed(a->id), sql_text(n->to.keys.key),
			sql_text(source_name)),
		n->err);
}

/* row: SQL_GIVE_NAME, or SQL_INSERT_NAME for what the source may know. */
static int give_names(struct registry *r, int64_t account, const struct spellings *s,
	enum sql_id row, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < s->n && code == 0; i++)
		code = sql_run(r->db, row,
			SQL_VALUES(sql_text(s->all[i]), sql_signed(account)), err);
	return code;
}

/* Where a rule takes all of the domain that has no alias, the address needs one. */
static int give_address(struct renaming *n)
{
	struct address_key key = n->to.address;
	struct account_route route;
	struct str local, domain;
	int code = -ENOENT;

	address_split(address_key_text(&key), &local, &domain);
	if (!key.len || !domain_is_ours(n->r, domain))
		return 0;
	code = alias_follow(n->r, &key, &route, n->err);
	if (code != -ENOENT)
		return code;
	return alias_write(n->r,
		&(struct alias){ .address = address_key_text(&n->to.address),
			.target = n->to.keys.key,
			.rule = n->to.keys.key,
			.source = ALIAS_ADDED,
			.at = clock_wall_ms() },
		n->err);
}

static int drop_names(struct renaming *n)
{
	struct database *db = n->r->db;
	int code = 0;

	for (size_t i = 0; i < n->drop.n && code == 0; i++)
		for (size_t k = 0; k < n->drop.n && code == 0; k++)
			code = sql_run(db, SQL_DROP_OWN_ALIAS,
				SQL_VALUES(sql_text(n->drop.all[i]),
					sql_text(n->drop.all[k])),
				n->err);
	for (size_t i = 0; i < n->drop.n && code == 0; i++) {
		struct str name = n->drop.all[i];

		code = sql_run(db, SQL_RETARGET_ALIASES,
			SQL_VALUES(sql_text(name), sql_text(n->to.keys.key)), n->err);
		if (code == 0)
			code = sql_run(db, SQL_DROP_NAME,
				SQL_VALUES(sql_text(name), sql_signed(n->account.id)),
				n->err);
	}
	return code;
}

static int write_line(struct renaming *n)
{
	return journal_write(n->r, n->account.id,
		(struct journal_line){ .at = clock_wall_ms(),
			.event = STR_LIT("rename"),
			.from = n->account.name,
			.to = n->to.keys.key,
			.by = STR_LIT("admin"),
			.detail = n->drop.n ? n->order->drop : STR_LIT("") },
		n->err);
}

static int write_all(struct renaming *n, const struct name_binder *binder)
{
	int code = check(n);

	if (code == 0 && !n->is_done) {
		code = write_passwords(n, binder);
		if (code == 0)
			code = write_account(n, binder);
		if (code == 0)
			code = give_names(
				n->r, n->account.id, &n->to, SQL_GIVE_NAME, n->err);
		if (code == 0)
			code = give_address(n);
	}
	if (code == 0)
		code = drop_names(n);
	if (code == 0 && (!n->is_done || n->drop.n))
		code = write_line(n);
	return code;
}

int registry_rename(struct registry *r, const struct rename *rename,
	const struct name_binder *binder, struct error *err)
{
	struct renaming n = { .r = r, .order = rename, .err = err };
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	arena_init(&n.arena);
	code = database_finish(r->db, write_all(&n, binder), err);
	arena_fini(&n.arena);
	return code;
}

int registry_may_rename(struct registry *r, const struct rename *rename,
	char ret_name[static 256], struct error *err)
{
	struct renaming n = { .r = r, .order = rename, .err = err };
	int code;

	arena_init(&n.arena);
	code = check(&n);
	if (code == 0) {
		memcpy(ret_name, n.to.keys.key.ptr, n.to.keys.key.len);
		ret_name[n.to.keys.key.len] = '\0';
	}
	arena_fini(&n.arena);
	return code;
}

int registry_give_name(
	struct registry *r, int64_t account, struct str name, struct error *err)
{
	struct spellings s;
	int code = spell(r, name, &s, err);

	if (code == 0)
		code = database_begin(r->db, true, err);
	if (code < 0)
		return code;
	return database_finish(
		r->db, give_names(r, account, &s, SQL_INSERT_NAME, err), err);
}

int registry_each_name(struct registry *r, int64_t account, registry_name_fn *each,
	void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(
		r->db, SQL_EACH_NAME, SQL_VALUES(sql_signed(account)), &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1)
		n = each(context, query_bytes(&row, 0));
	return n;
}
