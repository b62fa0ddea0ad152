/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_change.h"

#include "base/process.h"
#include "control/accounts/store_folder.h"
#include "control/accounts/trash.h"
#include "control/running/vault.h"
#include "control/terminal/output.h"
#include "control/terminal/prompt.h"
#include "mailstore/store/store.h"
#include "registry/here.h"
#include "registry/retire.h"
#include "users/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

/* ── add: the mail folder ──────────────────────────────────────────────────────────── */

static const struct {
	const char *name, *use;
} mailboxes[] = {
	{ "INBOX", "" },
	{ "Drafts", "\\Drafts" },
	{ "Sent", "\\Sent" },
	{ "Junk", "\\Junk" },
	{ "Trash", "\\Trash" },
};

static int make_mailbox(struct store *s, size_t i, struct error *err)
{
	struct mailbox m = { .name = str_from(mailboxes[i].name),
		.separator = '/',
		.special_use = str_from(mailboxes[i].use),
		.uidvalidity = (uint32_t)time(NULL) };
	int64_t id;
	int code = store_create_mailbox(s, &m, &id, err);

	if (code == -EEXIST) /* an `account add` that did not come to its end */
		return 0;
	return code < 0 ? code : store_subscribe(s, m.name, true, err);
}

/* Somebody's mail is not made another's. */
static int check_free(struct store *s, struct str account, struct error *err)
{
	struct store_identity is;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_identity(s, &arena, &is, err);
	if (code == 0 && ((is.owner.len && !str_eq(is.owner, account)) ||
				 is.service != STORE_COPYING))
		code = error_set(err, -EEXIST,
			"there is mail in the folder of \"%.*s\" already; if it is this "
			"user's: mailferry registry rebuild; else move it away",
			STR_ARG(account));
	arena_fini(&arena);
	return code;
}

static int fill(struct store *s, struct str account, struct error *err)
{
	const struct store_identity is = { .owner = account, .service = STORE_COPYING };
	int code = check_free(s, account, err);

	if (code == 0)
		code = store_begin(s, err);
	if (code == 0)
		code = store_set_identity(s, &is, err);
	for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]) && code == 0; i++)
		code = make_mailbox(s, i, err);
	return code < 0 ? code : store_commit(s, err);
}

static int make_as_user(struct control *c, const struct store_folder *f)
{
	struct store *s = NULL;
	int code = store_open(f->path, true, &s, &c->err);

	if (code == 0)
		code = fill(s, f->account, &c->err);
	store_close(s);
	return code;
}

static int make_owner(struct control *c, struct store_folder *f)
{
	struct uid_pool pool = { 0 };
	struct users users;
	int code = users_load(&c->settings, &users, &c->err);

	if (code == 0)
		code = uid_pool_open(&pool, &c->settings, &users, &c->err);
	if (code == 0)
		code = folder_owner_or_make(&users, &pool, f->path, &f->uid, &c->err);
	uid_pool_close(&pool);
	return code;
}

static int make_folder(struct control *c, struct str account)
{
	char path[PATH_MAX];
	struct store_folder f = { .account = account, .path = path, .to = -1 };
	int code = settings_mail_path(&c->settings, account, path, sizeof(path));

	if (code < 0)
		return error_errno(&c->err, code, "no folder can be named \"%.*s\"",
			STR_ARG(account));
	code = make_owner(c, &f);
	return code < 0 ? code : store_folder_run(c, &f, make_as_user);
}

/* ── add ───────────────────────────────────────────────────────────────────────────── */

/* In the order in which a crash does least: a folder that nobody knows, an account
   without a password. */
static int add(struct control *c, struct registry *r, struct str password)
{
	struct str name = str_from(c->arguments[1]);
	struct account_route route;
	int64_t id;
	int code = registry_route(r, name, &route, NULL);

	if (code == 0)
		return error_set(&c->err, -EEXIST, "there is an account \"%s\" already",
			route.name);
	if (code != -ENOENT)
		return error_set(&c->err, code, "\"%s\" is no name of an account",
			c->arguments[1]);
	code = registry_name_of(r, name, route.name, &c->err);
	if (code == 0)
		code = make_folder(c, str_from(route.name));
	if (code == 0)
		code = registry_add_here(r, str_from(route.name), &id, &c->err);
	if (code == 0)
		code = vault_set_password(c, id, password);
	if (code < 0)
		return code;
	output_clean(str_from(route.name), stdout);
	(void)puts(": added; it lives here");
	if (!route.retired)
		(void)puts("a mailbox of that name at the source is not reached any more "
			   "through mailferry");
	return 0;
}

enum exit_code account_add(struct control *c)
{
	struct registry *r = NULL;
	struct buf password;
	int code = process_protect_memory(&c->err);

	buf_init(&password, PASSWORD_MAX);
	if (code == 0)
		code = control_registry(c, &r);
	if (code == 0)
		code = prompt_new_password(&password, &c->err);
	if (code == 0)
		code = add(c, r, buf_view(&password));
	buf_wipe(&password);
	buf_fini(&password);
	registry_close(r);
	if (code < 0 && !c->err.text[0]) /* the user's process has said it */
		return EXIT_FAILED;
	return code < 0 ? control_fail(c) : EXIT_DONE;
}

/* ── disable, enable ───────────────────────────────────────────────────────────────── */

static int set_disabled(
	struct control *c, struct registry *r, const struct account *a, bool disabled)
{
	const struct store_folder f = { .account = a->name, .to = -1 };
	int code = registry_set_disabled(r, a->id, disabled, &c->err);

	if (code == 0 && disabled)
		code = store_folder_release(c, &f);
	if (code < 0)
		return code;
	output_clean(a->name, stdout);
	(void)puts(disabled ? ": disabled; nobody may log in, mail for it is kept"
			    : ": enabled; its passwords open it again");
	return 0;
}

static int disable(struct control *c, struct registry *r, const struct account *a)
{
	return set_disabled(c, r, a, true);
}

static int enable(struct control *c, struct registry *r, const struct account *a)
{
	return set_disabled(c, r, a, false);
}

enum exit_code account_disable(struct control *c)
{
	return control_on_account(c, c->arguments[1], disable);
}

enum exit_code account_enable(struct control *c)
{
	return control_on_account(c, c->arguments[1], enable);
}

/* ── remove ────────────────────────────────────────────────────────────────────────── */

/* The folder first: without it the account's process serves nobody, and a command that is
   killed in between can be given once more. */
static int remove_account(struct control *c, struct registry *r, const struct account *a)
{
	const struct store_folder f = { .account = a->name, .to = -1 };
	bool kept = false;
	int code = registry_set_disabled(r, a->id, true, &c->err);

	if (code == 0)
		code = store_folder_release(c, &f);
	if (code == 0)
		code = trash_put(c, a->name, &kept);
	if (code == 0)
		code = registry_remove_here(r, a->id, &c->err);
	if (code < 0)
		return code;
	output_clean(a->name, stdout);
	if (kept)
		(void)printf(": removed; its mail is kept in %s/trash for %u days\n",
			c->settings.state_dir, c->settings.trash_days);
	else
		(void)puts(": removed; there was no mail of it");
	return 0;
}

static int ask_and_remove(struct control *c, struct registry *r, const struct account *a)
{
	bool yes = c->yes;
	int code = registry_may_remove(r, a, &c->err);

	if (code == 0 && !yes)
		code = prompt_yes("Nobody will reach this mailbox any more. Type yes: ",
			&yes, &c->err);
	if (code == 0 && !yes)
		code = error_set(&c->err, -ECANCELED, "nothing was removed");
	return code < 0 ? code : remove_account(c, r, a);
}

enum exit_code account_remove(struct control *c)
{
	return control_on_account(c, c->arguments[1], ask_and_remove);
}
