/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_home.h"

#include "control/accounts/copies.h"
#include "control/accounts/store_folder.h"
#include "control/running/vault.h"
#include "control/terminal/output.h"
#include "control/terminal/prompt.h"
#include "mailstore/store/store.h"
#include "source/destination.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char question[] =
	"Passwords and mail of this user go to that server from now on. Is their mailbox "
	"there the same one? Type yes: ";

/* ── what may be ───────────────────────────────────────────────────────────────────── */

/* Where its users are sent is `destination` alone; this says that the account is one of
   them. */
static int read_home(struct control *c, char ret[static ADDRESS_TEXT_MAX])
{
	struct destination_settings d = { 0 };

	if (strcmp(c->home, "store") == 0)
		return error_set(&c->err, -EPERM,
			"an account that lives at another server does not move to our "
			"store");
	if (destination_parse(c->home, &d) < 0 || d.kind != DESTINATION_IMAP)
		return error_set(&c->err, -EINVAL,
			"--home is the IMAP server as in `destination`, not \"%s\"",
			c->home);
	address_text(&d.server, ret);
	if (destination_is_home(&c->settings, str_from(ret)))
		return 0;
	return error_set(&c->err, -EPERM,
		"`destination` is not %s: set it first, or the user could not log in",
		ret);
}

static int check(struct control *c, const struct account *a)
{
	if (a->route != ROUTE_LOCAL)
		return error_set(&c->err, -EPERM,
			"\"%.*s\" has not moved; it will move to what `destination` says",
			STR_ARG(a->name));
	if (!a->home.len)
		return error_set(&c->err, -EPERM,
			"\"%.*s\" lives in our store, and its mail is here: nothing moves "
			"it to another server",
			STR_ARG(a->name));
	return 0;
}

static int confirm(struct control *c, const struct account *a, const char *home)
{
	bool yes = c->yes;
	int code = 0;

	if (!yes && str_eq(a->home, str_from(home)))
		return 0;
	if (!yes)
		code = prompt_yes(question, &yes, &c->err);
	return code == 0 && !yes ? error_set(&c->err, -ECANCELED, "nothing was changed")
	                         : code;
}

/* ── the steps ─────────────────────────────────────────────────────────────────────── */

static int say_as_user(struct control *c, const struct store_folder *f)
{
	struct store *s = NULL;
	int code = store_open_when_free(f->path, &s, &c->err);

	if (code == 0)
		code = store_begin(s, &c->err);
	if (code == 0)
		code = store_set_residence(s, f->residence, &c->err);
	if (code == 0)
		code = store_commit(s, &c->err);
	store_close(s);
	return code;
}

static int say_in_folder(struct control *c, const struct account *a, struct arena *arena)
{
	struct store_folder f;
	struct str residence = STR("");
	int code = vault_residence(c, a->id, arena, &residence);

	if (code == 0)
		code = store_folder_named(c, a->name, arena, &f);
	f.residence = residence;
	if (code == 0)
		code = store_folder_release(c, &f);
	return code < 0 ? code : store_folder_run(c, &f, say_as_user);
}

static int go(struct control *c, struct registry *r, const struct account *a)
{
	char home[ADDRESS_TEXT_MAX];
	struct arena arena;
	int code = check(c, a);

	if (code == 0)
		code = read_home(c, home);
	if (code == 0)
		code = confirm(c, a, home);
	if (code == 0)
		code = registry_change_home(r, a->id, str_from(home), &c->err);
	arena_init(&arena);
	if (code == 0)
		code = say_in_folder(c, a, &arena);
	arena_fini(&arena);
	if (code == 0)
		code = copies_make(c, r);
	if (code == 0) {
		output_clean(a->name, stdout);
		(void)printf(" lives at %s\n", home);
	}
	return code;
}

enum exit_code account_home(struct control *c)
{
	return control_on_account(c, c->arguments[0], go);
}
