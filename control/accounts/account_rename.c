/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_rename.h"

#include "base/fd.h"
#include "base/log.h"
#include "control/accounts/copies.h"
#include "control/accounts/store_folder.h"
#include "control/running/vault.h"
#include "control/terminal/output.h"
#include "control/views/account_view.h"
#include "control/views/report.h"
#include "mailstore/store/store.h"
#include "registry/rename.h"
#include "registry/retire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define INTENT "rename" /* in state_dir */
#define INTENT_MAX 2048 /* a number and three names of 255 bytes are half of it */

/* ── what is to be ─────────────────────────────────────────────────────────────────── */

struct intent {
	int64_t account;
	char from[256], to[256];
	char drop[256]; /* no name of it any more; "": it stays one */
};

static int path_of(const struct settings *s, const char *name, char path[static PATH_MAX],
	struct error *err)
{
	int code = settings_state_path(s, name, path, PATH_MAX);

	return code < 0 ? error_errno(err, code, "%s", s->state_dir) : 0;
}

/* One at a time. The lock lasts as long as any process of the command. */
static int lock_renames(const struct settings *s, int flags, int *ret_fd)
{
	int fd = open(s->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | flags) < 0) {
		int code = errno == EWOULDBLOCK ? -EBUSY : -errno;

		fd_closep(&fd);
		return code;
	}
	*ret_fd = fd;
	return 0;
}

static int write_and_sync(const char *path, const char *text)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	return code == 0 && fsync(fd) < 0 ? -errno : code;
}

/* A line each: no name has a control character in it (check_text()). */
static int keep_intent(struct control *c, const struct intent *i)
{
	char path[PATH_MAX], fresh[PATH_MAX], text[INTENT_MAX];
	int code = path_of(&c->settings, INTENT, path, &c->err);

	(void)snprintf(text, sizeof(text), "%lld\n%s\n%s\n%s\n", (long long)i->account,
		i->from, i->to, i->drop);
	if (code == 0)
		code = path_of(&c->settings, INTENT ".new", fresh, &c->err);
	if (code == 0)
		code = write_and_sync(fresh, text);
	if (code == 0 && rename(fresh, path) < 0)
		code = -errno;
	if (code == 0)
		code = fd_sync_directory(c->settings.state_dir);
	return code < 0 ? error_errno(&c->err, code, "cannot note the rename in %s",
				  c->settings.state_dir)
	                : 0;
}

static int forget_intent(struct control *c)
{
	char path[PATH_MAX];
	int code = path_of(&c->settings, INTENT, path, &c->err);

	if (code == 0 && unlink(path) < 0 && errno != ENOENT)
		code = -errno;
	if (code == 0)
		code = fd_sync_directory(c->settings.state_dir);
	return code < 0 ? error_errno(&c->err, code, "cannot remove %s", path) : 0;
}

static bool take_name(struct str *text, char name[static 256])
{
	struct str line = str_split(text, '\n');

	if (line.len > 255)
		return false;
	memcpy(name, line.ptr, line.len);
	name[line.len] = '\0';
	return true;
}

static bool parse_intent(struct str text, struct intent *ret)
{
	uint64_t account;

	if (!str_to_u64(str_split(&text, '\n'), &account) ||
		!take_name(&text, ret->from) || !take_name(&text, ret->to) ||
		!take_name(&text, ret->drop))
		return false;
	ret->account = (int64_t)account;
	return account && *ret->from && *ret->to;
}

/* 1: there is one. */
static int read_intent(struct control *c, struct intent *ret)
{
	char path[PATH_MAX], text[INTENT_MAX];
	CLEANUP(fd_closep) int fd = -1;
	int code = path_of(&c->settings, INTENT, path, &c->err);
	ssize_t len;

	if (code < 0)
		return code;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT
		               ? 0
		               : error_errno(&c->err, -errno, "cannot read %s", path);
	len = read(fd, text, sizeof(text));
	if (len < 0 || !parse_intent(str_of(text, (size_t)len), ret))
		return error_set(&c->err, -EUCLEAN,
			"%s is damaged; remove it, then look at `mailferry accounts`",
			path);
	return 1;
}

static bool has_intent(const struct settings *s)
{
	char path[PATH_MAX];

	return path_of(s, INTENT, path, NULL) == 0 && access(path, F_OK) == 0;
}

bool rename_is_left(const struct settings *s)
{
	CLEANUP(fd_closep) int lock = -1;

	return has_intent(s) && lock_renames(s, LOCK_NB, &lock) == 0;
}

/* ── the steps ─────────────────────────────────────────────────────────────────────── */

/* An account that was removed meanwhile is not. */
static int is_renamed(
	struct control *c, struct registry *r, const struct intent *i, bool *ret)
{
	struct arena arena;
	struct account a;
	int code;

	arena_init(&arena);
	code = registry_find_id(r, i->account, &arena, &a, &c->err);
	*ret = code == 0 && str_eq(a.name, str_from(i->to));
	arena_fini(&arena);
	return code == -ENOENT ? 0 : code;
}

/* A refusal ends it, unless it came after the yes. */
static int change_registry(struct control *c, struct registry *r, const struct intent *i)
{
	bool done = true;
	struct error why;
	int code = vault_rename(
		c, i->account, str_from(i->from), str_from(i->to), str_from(i->drop));

	if (code != -EREMOTEIO)
		return code;
	why = c->err;
	if (is_renamed(c, r, i, &done) == 0 && !done)
		(void)forget_intent(c);
	c->err = why;
	return code;
}

static bool is_former(const struct store_identity *is, struct str name)
{
	for (size_t i = 0; i < is->n_former; i++)
		if (str_eq(is->former[i], name))
			return true;
	return false;
}

static int says_so_already(const struct store_folder *f, struct error *err)
{
	struct store_identity is = { 0 };
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_peek(f->path, &arena, &is, err);
	if (code == 0)
		code = str_eq(is.owner, f->account) && !is_former(&is, f->drop) &&
		       str_eq(is.residence, f->residence);
	arena_fini(&arena);
	return code;
}

static int say_as_user(struct control *c, const struct store_folder *f)
{
	struct store *s = NULL;
	int code = says_so_already(f, &c->err);

	if (code == 1)
		return 0;
	if (code == 0)
		code = store_open_when_free(f->path, &s, &c->err);
	if (code == 0)
		code = store_rename(s, f->account, f->drop, f->residence, &c->err);
	store_close(s);
	return code;
}

/* Its owner says the name, then it has it. One without a mail folder is fine. */
static int rename_folder(struct control *c, const struct intent *i, struct str residence)
{
	char from[PATH_MAX], to[PATH_MAX], mail[PATH_MAX];
	struct store_folder f = { .account = str_from(i->to),
		.to = -1,
		.drop = str_from(i->drop),
		.residence = residence };
	int code = settings_mail_path(&c->settings, str_from(i->from), from, PATH_MAX);

	if (code == 0)
		code = settings_mail_path(&c->settings, f.account, to, PATH_MAX);
	if (code == 0)
		code = path_of(&c->settings, MAIL_DIRECTORY, mail, &c->err);
	if (code < 0)
		return code;
	f.path = access(from, F_OK) == 0 ? from : to;
	if (access(f.path, F_OK) < 0)
		return 0;
	code = store_folder_owner(c, &f);
	if (code == 0)
		code = store_folder_run(c, &f, say_as_user);
	if (code == 0 && strcmp(f.path, to) != 0 && rename(from, to) < 0)
		code = error_errno(&c->err, -errno, "cannot rename %s to %s", from, to);
	if (code == 0 && (code = fd_sync_directory(mail)) < 0)
		error_errno(&c->err, code, "cannot sync %s", mail);
	return code;
}

static int carry_out(struct control *c, struct registry *r, const struct intent *i)
{
	const struct store_folder was = { .account = str_from(i->from), .to = -1 };
	struct str residence = STR("");
	struct arena arena;
	int code = change_registry(c, r, i);

	arena_init(&arena);
	if (code == 0)
		code = vault_residence(c, i->account, &arena, &residence);
	if (code == 0)
		code = store_folder_release(c, &was);
	if (code == 0)
		code = rename_folder(c, i, residence);
	/* a login that was on its way has it open by its old name */
	if (code == 0)
		code = store_folder_release(c, &was);
	arena_fini(&arena);
	return code < 0 ? code : forget_intent(c);
}

/* One that is refused has changed nothing: it is over, and holds up nobody. */
static int finish_left(struct control *c)
{
	struct registry *r = NULL;
	struct intent i;
	int code = read_intent(c, &i);

	if (code <= 0)
		return code;
	code = control_registry(c, &r);
	if (code == 0)
		code = carry_out(c, r, &i);
	registry_close(r);
	if (code == 0 || has_intent(&c->settings))
		return code;
	log_warning(NULL, "rename", "account=%s to=\"%s\" error=\"%s\"", i.from, i.to,
		c->err.text);
	c->err = (struct error){ 0 };
	return 0;
}

int rename_finish(struct control *c)
{
	CLEANUP(fd_closep) int lock = -1;
	int code = lock_renames(&c->settings, LOCK_NB, &lock);

	if (code == -ENOENT) /* no state_dir */
		return 0;
	if (code < 0)
		return error_errno(&c->err, code, "another rename is at work in %s",
			c->settings.state_dir);
	return finish_left(c);
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

/* What is typed by mistake, and what a line of a file or a log could not hold. */
static int check_text(struct control *c, struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return error_set(&c->err, -EINVAL,
				"a name with control characters is not given");
	return 0;
}

static int check_folder(struct control *c, const struct intent *i)
{
	char path[PATH_MAX];
	int code = settings_mail_path(&c->settings, str_from(i->to), path, sizeof(path));

	if (code < 0)
		return error_errno(&c->err, code, "no folder can be named \"%s\"", i->to);
	if (access(path, F_OK) == 0 && strcmp(i->from, i->to) != 0)
		return error_set(&c->err, -EEXIST,
			"there is a mail folder %s already; move it away first", path);
	return 0;
}

/* A user of the source with that name could not log in any more, and their mail would
   come here. */
static int check_source(struct control *c, struct registry *r, const struct intent *i)
{
	struct account_route route = { 0 };
	uint64_t retired_at = 0;
	bool is_known = false;
	int code = registry_retired(r, &retired_at, &c->err);

	if (code == 0)
		code = registry_route(r, str_from(i->to), &route, &c->err);
	if (code == -ENOENT && !retired_at)
		code = report_knows_user(c, r, str_from(i->to), &is_known);
	else if (code == -ENOENT)
		code = 0;
	if (code == 0 && is_known)
		return error_set(&c->err, -EEXIST,
			"\"%s\" has a mailbox at the source (`report --users` said so)",
			i->to);
	return code;
}

static int plan(struct control *c, struct registry *r, const struct account *a,
	struct intent *ret)
{
	const char *typed = c->arguments[1];
	const struct rename order = { .account = a->id,
		.from = a->name,
		.to = str_from(c->arguments[2]),
		.drop = c->drop_old ? str_from(typed) : STR_LIT("") };
	int code = check_text(c, order.to);

	if (code == 0)
		code = check_text(c, a->name);
	if (code == 0)
		code = check_text(c, order.drop);
	if (code == 0)
		code = registry_may_rename(r, &order, ret->to, &c->err);
	if (code < 0)
		return code;
	ret->account = a->id;
	(void)snprintf(ret->from, sizeof(ret->from), "%.*s", STR_ARG(a->name));
	(void)snprintf(ret->drop, sizeof(ret->drop), "%.*s", STR_ARG(order.drop));
	code = check_folder(c, ret);
	return code < 0 ? code : check_source(c, r, ret);
}

static void print_text(
	const struct account *a, const struct intent *i, uint64_t retired_at)
{
	output_clean(a->name, stdout);
	(void)fputs(": is called ", stdout);
	output_clean(str_from(i->to), stdout);
	(void)puts(
		*i->drop ? " from now on, and by the old name no more"
			 : " from now on; logins and mail by the old name reach it, too");
	if (!retired_at)
		(void)puts("a mailbox of the new name at the source is not reached any "
			   "more through mailferry");
}

static int print(struct control *c, struct registry *r, const struct account *was,
	const struct intent *i)
{
	struct account_view view;
	struct account a;
	struct arena arena;
	uint64_t retired_at = 0;
	int code = registry_retired(r, &retired_at, &c->err);

	arena_init(&arena);
	if (code == 0)
		code = registry_find_id(r, i->account, &arena, &a, &c->err);
	if (code == 0 && c->json) {
		account_view(&a, STR_LIT(""), &view);
		code = output_json(
			output_object(account_columns, account_column_count, &view),
			stdout);
	} else if (code == 0) {
		print_text(was, i, retired_at);
	}
	arena_fini(&arena);
	return code;
}

/* The copy that a rebuild would take knows the new name, too. */
static int rename_account(struct control *c, struct registry *r, const struct account *a)
{
	struct intent i = { 0 };
	int code = plan(c, r, a, &i);

	if (code == 0)
		code = keep_intent(c, &i);
	if (code == 0)
		code = carry_out(c, r, &i);
	if (code == 0)
		code = copies_make(c, r);
	return code < 0 ? code : print(c, r, a, &i);
}

static int begin(struct control *c, int *ret_lock)
{
	int code = lock_renames(&c->settings, 0, ret_lock);

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	return finish_left(c);
}

enum exit_code account_rename(struct control *c)
{
	CLEANUP(fd_closep) int lock = -1;
	int code = c->resume ? rename_finish(c) : begin(c, &lock);

	if (code == 0 && !c->resume)
		return control_on_account(c, c->arguments[1], rename_account);
	if (code < 0 && c->err.text[0]) /* else the user's process has said it */
		return control_fail(c);
	return code < 0 ? EXIT_FAILED : EXIT_DONE;
}
