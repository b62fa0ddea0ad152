/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/adopt.h"

#include "control/folders.h"
#include "control/output.h"
#include "control/vault.h"
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
	struct str name;
	struct other_name *next;
};

struct adopting {
	struct control *control;
	struct registry *registry;
	struct vault_call vault; /* fd -1: not asked yet */
	struct arena arena;
	struct other_name *names;
	uint64_t count, without_password, unproven;
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
	if (code < 0)
		(void)fprintf(stderr, "%s\n", c->err.text);
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

static int keep_name(struct adopting *a, int64_t id, struct str name)
{
	struct other_name *one = arena_alloc(&a->arena, sizeof(*one));

	if (!one)
		return error_set(&a->control->err, -ENOMEM, "no memory");
	*one = (struct other_name){ id, arena_str(&a->arena, name), a->names };
	a->names = one;
	return one->name.ptr ? 0 : error_set(&a->control->err, -ENOMEM, "no memory");
}

static int keep_names(struct adopting *a, int64_t id, const struct residence *is)
{
	int code = keep_name(a, id, is->login);

	for (size_t i = 0; i < is->n_names && code == 0; i++)
		code = keep_name(a, id, is->names[i]);
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
			(void)printf("at %.*s", STR_ARG(account.home));
		else
			(void)fputs("here", stdout);
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
		code = keep_names(a, id, &is);
	return code < 0 ? code : tell(a, id, identity, proof == PROVEN);
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static int give_names(struct adopting *a)
{
	int code = 0;

	for (struct other_name *n = a->names; n && code == 0; n = n->next)
		code = registry_give_name(
			a->registry, n->account, n->name, &a->control->err);
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
	arena_fini(&a.arena);
	return code;
}
