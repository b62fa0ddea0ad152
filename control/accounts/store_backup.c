/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/store_backup.h"

#include "control/accounts/store_folder.h"
#include "control/terminal/output.h"
#include "mailstore/store/backup.h"
#include "registry/rescue.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct column columns[] = {
	{ "bodies", "bodies", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_backed_up, bodies) },
	{ "bytes", "bytes", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_backed_up, bytes) },
	{ "copied_bodies", "copied", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_backed_up, copied_bodies) },
	{ "copied_bytes", "copied bytes", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_backed_up, copied_bytes) },
	{ "lost", "lost", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_backed_up, lost) },
};

/* An object a line, whatever happened. */
static int print_json(
	struct control *c, const struct store_folder *f, const struct store_backed_up *is)
{
	json_t *one = output_object(columns, sizeof(columns) / sizeof(columns[0]), is);
	json_t *error =
		c->err.text[0] ? output_string(str_from(c->err.text)) : json_null();
	int code = json_object_set_new(one, "account", output_string(f->account));

	code |= json_object_set_new(one, "error", error);
	if (code == 0)
		code = output_dump(one, JSON_COMPACT, stdout);
	json_decref(one);
	return code < 0 ? -ENOMEM : 0;
}

static void print_text(const struct store_folder *f, const struct store_backed_up *is)
{
	output_clean(f->account, stdout);
	(void)printf(": %" PRIu64 " bytes in packs, %" PRIu64
		     " of them new, and the index\n",
		is->bytes, is->copied_bytes);
}

static int print_lost(void *context, const struct store_finding *f)
{
	const struct store_folder *folder = context;

	(void)fprintf(stderr, "mailferry: %s: lost: ", folder->path);
	output_clean(f->text, stderr);
	(void)fputc('\n', stderr);
	return 0;
}

/* As the account's user. */
static int back_up(struct control *c, const struct store_folder *f)
{
	struct store_folder told = *f;
	struct store_backed_up is;
	int printed = 0;
	int code = store_backup(f->path, f->backup, print_lost, &told, &is, &c->err);

	if (code == 0 && is.lost)
		code = error_set(&c->err, -EUCLEAN,
			"%s is not sound; `mailferry store check` names the messages",
			f->path);
	if (c->json)
		printed = print_json(c, f, &is);
	else if (code == 0)
		print_text(f, &is);
	return code < 0 ? code : printed;
}

/* ── where to ──────────────────────────────────────────────────────────────────────── */

/* The accounts' users pass the upper ones and have their own. */
static int make_folder(struct control *c, const char *path, unsigned mode, unsigned uid)
{
	struct stat is;
	bool made = mkdir(path, mode) == 0;

	if (!made && errno != EEXIST)
		return error_errno(&c->err, -errno, "cannot make %s", path);
	if (made && geteuid() == 0 &&
		(lchown(path, uid, uid) < 0 || chmod(path, mode) < 0))
		return error_errno(
			&c->err, -errno, "cannot give %s to user %u", path, uid);
	if (lstat(path, &is) < 0 || !S_ISDIR(is.st_mode))
		return error_set(&c->err, -ENOTDIR, "%s is no folder", path);
	if (uid && is.st_uid != uid)
		return error_set(&c->err, -EPERM,
			"%s is of another user than the account's folder; it is the "
			"backup of another one: move it away",
			path);
	return 0;
}

static int make_top(struct control *c)
{
	char path[PATH_MAX];
	int code = make_folder(c, c->arguments[1], 0711, 0);

	(void)snprintf(path, sizeof(path), "%s/" MAIL_DIRECTORY, c->arguments[1]);
	return code < 0 ? code : make_folder(c, path, 0711, 0);
}

static int back_up_folder(struct control *c, struct store_folder *f)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/" MAIL_DIRECTORY "%s", c->arguments[1],
		strrchr(f->path, '/'));
	int code;

	if (len < 0 || (size_t)len >= sizeof(path))
		return error_errno(&c->err, -ENAMETOOLONG, "%s", f->path);
	code = make_folder(c, path, 0700, f->uid);
	f->backup = path;
	if (code == 0)
		code = store_folder_run(c, f, back_up);
	f->backup = NULL;
	return code;
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static bool has_index(const char *mail, const char *folder)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s/index.sqlite", mail, folder);

	return len > 0 && (size_t)len < sizeof(path) && access(path, F_OK) == 0;
}

/* One that fails is told; the others go on. */
static int back_up_entry(struct control *c, const char *mail, const char *name)
{
	char path[PATH_MAX];
	struct store_folder f = { .account = str_from(name), .path = path, .to = -1 };
	int len, code;

	if (*name == '.' || !has_index(mail, name))
		return 0;
	c->err = (struct error){ 0 };
	len = snprintf(path, sizeof(path), "%s/%s", mail, name);
	code = len < 0 || (size_t)len >= sizeof(path)
	               ? error_errno(&c->err, -ENAMETOOLONG, "%s/%s", mail, name)
	               : store_folder_owner(c, &f);
	if (code == 0)
		code = back_up_folder(c, &f);
	if (code < 0 && c->err.text[0])
		(void)control_fail(c);
	return code;
}

static int back_up_all(struct control *c)
{
	char mail[PATH_MAX];
	int failed = 0;
	int code = settings_state_path(&c->settings, MAIL_DIRECTORY, mail, sizeof(mail));
	DIR *d = code == 0 ? opendir(mail) : NULL;

	if (!d)
		return error_errno(
			&c->err, code < 0 ? code : -errno, "%s", c->settings.state_dir);
	for (struct dirent *e; (e = readdir(d));)
		failed += back_up_entry(c, mail, e->d_name) < 0;
	(void)closedir(d);
	c->err = (struct error){ 0 };
	return failed ? error_set(&c->err, -EIO, "%d account%s could not be backed up",
				failed, failed == 1 ? "" : "s")
	              : 0;
}

static int back_up_registry(struct control *c)
{
	char path[PATH_MAX];
	struct registry *r;
	int code = control_registry(c, &r);

	if (code == -ENOENT) /* nobody was ever here */
		return 0;
	if (code < 0)
		return code;
	(void)snprintf(path, sizeof(path), "%s/" REGISTRY_FILE, c->arguments[1]);
	code = registry_copy(r, path, &c->err);
	registry_close(r);
	return code;
}

int store_backup_command(struct control *c, struct arena *arena)
{
	struct store_folder f;
	int code = make_top(c);

	if (code == 0 && c->n_arguments == 3) {
		code = store_folder_of(c, c->arguments[2], arena, &f);
		return code < 0 ? code : back_up_folder(c, &f);
	}
	if (code == 0)
		code = back_up_registry(c); /* first: it is never newer than the mail */
	return code < 0 ? code : back_up_all(c);
}
