/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/adopt.h"

#include "control/accounts/folders.h"
#include "control/running/vault.h"
#include "control/terminal/output.h"
#include "registry/rename.h"
#include "registry/rescue.h"
#include "source/destination.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A name that is given back when all accounts have their own. */
struct other_name {
	int64_t account;
	struct str name, key, whose;
};

struct adopting {
	struct control *control;
	struct registry *registry;
	struct vault_call vault; /* fd -1: not asked yet */
	struct arena arena;
	struct other_name *names;
	size_t n_names, cap_names;
	uint64_t count, without_password, unproven, disputed;
	char example[256]; /* of those that are left */
};

/* ── what is proven ────────────────────────────────────────────────────────────────── */

/* A vault that cannot be asked confirms nothing; it has said why. */
static bool is_confirmed(struct adopting *a, struct str name, struct str text)
{
	const struct message m = {
		.type = MESSAGE_CONFIRM, .account = name, .text = text
	};
	struct control *c = a->control;
	uint64_t yes = 0;
	int code = a->vault.fd < 0 ? vault_call_open(c, &a->vault) : 0;

	if (code == 0)
		code = vault_call_number(c, &a->vault, &m, &yes);
	if (code < 0) {
		output_clean(str_from(c->err.text), stderr);
		(void)fputc('\n', stderr);
	}
	c->err = (struct error){ 0 };
	return code == 0 && yes;
}

enum proof { PROVEN, NOT_SAID, UNPROVEN };

/* UNPROVEN: that it lives here cannot be taken for granted. What it says else is not
   believed. */
static enum proof prove(struct adopting *a, struct str name,
	const struct store_identity *is, struct residence *ret)
{
	*ret = (struct residence){
		.home = STR(""), .login = name, .source_name = STR("")
	};
	if (!is->residence.len)
		return NOT_SAID;
	if (residence_read(is->residence, &a->arena, ret) < 0)
		return UNPROVEN;
	if (is_confirmed(a, name, is->residence))
		return PROVEN;
	ret->login = name;
	ret->source_name = STR_LIT("");
	ret->n_names = 0;
	return ret->home.len ? UNPROVEN : NOT_SAID;
}

static bool is_believed(const struct control *c, const struct residence *is)
{
	return c->yes && (!is->home.len || destination_is_home(&c->settings, is->home));
}

/* ── one account ───────────────────────────────────────────────────────────────────── */

/* What a registry from before it was renamed calls it; else its name. */
static struct str known_name(
	struct adopting *a, struct str name, const struct residence *is)
{
	struct account_route route;
	char path[PATH_MAX];

	for (size_t i = 0; i < is->n_names; i++)
		if (registry_route(a->registry, is->names[i], &route, NULL) == 0 &&
			settings_mail_path(&a->control->settings, str_from(route.name),
				path, sizeof(path)) == 0 &&
			access(path, F_OK) < 0)
			return is->names[i];
	return name;
}

/* Passwords are bound to the name that the registry has: the vault binds them anew. */
static int call_by_its_name(struct adopting *a, int64_t id, struct str name)
{
	struct arena arena;
	struct account account;
	int code;

	arena_init(&arena);
	code = registry_find_id(a->registry, id, &arena, &account, &a->control->err);
	if (code == 0 && !str_eq(account.name, name))
		code = vault_rename(a->control, id, account.name, name, STR_LIT(""));
	arena_fini(&arena);
	return code;
}

static int no_memory(struct adopting *a)
{
	return error_set(&a->control->err, -ENOMEM, "no memory");
}

static int keep_name(struct adopting *a, int64_t id, struct str whose, struct str name)
{
	char key[REGISTRY_NAME_MAX];
	ssize_t len = registry_name_key(a->registry, name, key);
	struct other_name *one;

	if (a->n_names == a->cap_names) {
		size_t cap = a->cap_names ? a->cap_names * 2 : 256;

		one = reallocarray(a->names, cap, sizeof(*one));
		if (!one)
			return no_memory(a);
		a->names = one;
		a->cap_names = cap;
	}
	one = &a->names[a->n_names++];
	*one = (struct other_name){ .account = id,
		.name = arena_str(&a->arena, name),
		.key = arena_str(&a->arena, len < 0 ? name : str_of(key, (size_t)len)),
		.whose = arena_str(&a->arena, whose) };
	return one->name.ptr && one->key.ptr && one->whose.ptr ? 0 : no_memory(a);
}

static int keep_names(
	struct adopting *a, int64_t id, struct str whose, const struct residence *is)
{
	int code = keep_name(a, id, whose, is->login);

	for (size_t i = 0; i < is->n_names && code == 0; i++)
		code = keep_name(a, id, whose, is->names[i]);
	return code;
}

static void tell_names(const struct store_identity *is)
{
	(void)fputs("; that it was called ", stdout);
	for (size_t i = 0; i < is->n_former; i++) {
		(void)fputs(i ? ", " : "", stdout);
		output_clean(is->former[i], stdout);
	}
	(void)fputs(", too, is not proven", stdout);
}

static int tell(
	struct adopting *a, int64_t id, const struct store_identity *is, bool is_proven)
{
	struct account account;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = registry_find_id(a->registry, id, &arena, &account, &a->control->err);
	if (code == 0) {
		bool lacks = !account.home.len && !account.passwords;

		output_clean(account.name, stdout);
		(void)fputs(" lives ", stdout);
		if (account.home.len)
			(void)fputs("at ", stdout);
		output_clean(account.home.len ? account.home : STR_LIT("here"), stdout);
		if (lacks)
			(void)fputs("; its password is lost: mailferry passwd", stdout);
		if (is->n_former && !is_proven)
			tell_names(is);
		(void)putchar('\n');
		a->count++;
		a->without_password += lacks;
	}
	arena_fini(&arena);
	return code;
}

static int leave(struct adopting *a, struct str name)
{
	if (!a->unproven++)
		(void)snprintf(a->example, sizeof(a->example), "%.*s", STR_ARG(name));
	return 0;
}

static int adopt(void *context, struct str name, const struct store_identity *identity)
{
	struct adopting *a = context;
	struct residence is;
	enum proof proof = prove(a, name, identity, &is);
	struct str known;
	int64_t id;
	int code;

	if (proof == UNPROVEN && !is_believed(a->control, &is))
		return leave(a, name);
	known = known_name(a, name, &is);
	code = registry_adopt(a->registry, known, identity->served_at,
		proof == NOT_SAID ? NULL : &is, &id, &a->control->err);
	if (code == 0 && !str_eq(known, name))
		code = call_by_its_name(a, id, name);
	if (code == 0)
		code = keep_names(a, id, name, &is);
	return code < 0 ? code : tell(a, id, identity, proof == PROVEN);
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static int compare(const void *left, const void *right)
{
	const struct other_name *a = left, *b = right;
	int order = str_cmp(a->key, b->key);

	return order ? order : (a->account > b->account) - (a->account < b->account);
}

/* Whose it is already; an account's own name is in no dispute. 0: nobody's. */
static int64_t owner_of(struct adopting *a, const struct other_name *n)
{
	struct account_route route;

	return registry_route(a->registry, n->name, &route, NULL) == 0 ? route.id : 0;
}

/* Folders can say what was true once (one of a backup; one whose process writes an older
   text back): whom the name leads to now is not to be guessed. */
static void tell_dispute(struct adopting *a, const struct other_name *first, size_t n)
{
	struct str whose = { 0 };

	(void)fputs("the name ", stdout);
	output_clean(first->name, stdout);
	(void)fputs(" is claimed by", stdout);
	for (size_t i = 0; i < n; i++) {
		if (str_eq(first[i].whose, whose))
			continue;
		whose = first[i].whose;
		(void)putchar(' ');
		output_clean(whose, stdout);
	}
	(void)fputs(" and given to none of them\n", stdout);
	a->disputed++;
}

static int give_one(struct adopting *a, const struct other_name *first, size_t n)
{
	int64_t owner = owner_of(a, first);
	bool is_disputed = first[0].account != first[n - 1].account;

	if (owner)
		return 0;
	if (!is_disputed)
		return registry_give_name(
			a->registry, first->account, first->name, &a->control->err);
	tell_dispute(a, first, n);
	return 0;
}

static int give_names(struct adopting *a)
{
	int code = 0;

	if (a->n_names)
		qsort(a->names, a->n_names, sizeof(*a->names), compare);
	for (size_t i = 0, n; i < a->n_names && code == 0; i += n) {
		for (n = 1; i + n < a->n_names &&
			    str_eq(a->names[i].key, a->names[i + n].key);
			n++)
			continue;
		code = give_one(a, &a->names[i], n);
	}
	return code;
}

static int conclude(struct adopting *a)
{
	struct control *c = a->control;

	(void)printf(
		"%" PRIu64 " account%s adopted\n", a->count, a->count == 1 ? "" : "s");
	if (a->without_password)
		(void)printf("%" PRIu64 " without a password: set one with `mailferry "
			     "passwd USER`; addresses come back by `mailferry alias`\n",
			a->without_password);
	if (a->disputed && !a->unproven)
		return error_set(&c->err, -EEXIST,
			"%" PRIu64 " name%s claimed by several accounts: see above; give "
			"each to whom it belongs (`mailferry account rename`) before its "
			"user logs in by it",
			a->disputed, a->disputed == 1 ? " is" : "s are");
	if (!a->unproven)
		return 0;
	return error_set(&c->err, -EPERM,
		"%" PRIu64 " mail folder%s (%s, …) say%s that the user lives at another "
		"server, and %s does not prove it: put the right key_file back; or, if no "
		"such key is left, `registry rebuild --yes` believes those that name "
		"`destination`",
		a->unproven, a->unproven == 1 ? "" : "s", a->example,
		a->unproven == 1 ? "s" : "", c->settings.key_file);
}

int adopt_all(struct control *c, struct registry *r)
{
	struct adopting a = { .control = c, .registry = r, .vault = { .fd = -1 } };
	int code;

	arena_init(&a.arena);
	code = folders_each_stray(c, r, adopt, &a);
	if (code == 0)
		code = give_names(&a);
	if (a.vault.fd >= 0)
		vault_call_close(&a.vault);
	if (code == 0)
		code = conclude(&a);
	free(a.names);
	arena_fini(&a.arena);
	return code;
}
