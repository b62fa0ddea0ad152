/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/trash.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRASH_DIRECTORY "trash"
#define DAY_S 86400u
#define TREE_FILES 16 /* open at the same time while one is erased */

int trash_put(struct control *c, struct str account, bool *ret_kept)
{
	char from[PATH_MAX], trash[PATH_MAX], to[PATH_MAX];
	int code = settings_mail_path(&c->settings, account, from, sizeof(from));
	int n;

	*ret_kept = false;
	if (code == 0)
		code = settings_state_path(
			&c->settings, TRASH_DIRECTORY, trash, sizeof(trash));
	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	code = process_make_directory(trash, 0700, &c->err);
	if (code < 0)
		return code;
	n = snprintf(to, sizeof(to), "%s%s.%" PRIu64, trash, strrchr(from, '/'),
		clock_wall_ms() / 1000);
	if (n >= (int)sizeof(to))
		return error_errno(&c->err, -ENAMETOOLONG, "%s", trash);
	if (rename(from, to) < 0)
		return errno == ENOENT ? 0
		                       : error_errno(&c->err, -errno,
						 "cannot move %s to %s", from, to);
	*ret_kept = true;
	code = fd_sync_directory(trash);
	return code < 0 ? error_errno(&c->err, code, "cannot sync %s", trash) : 0;
}

/* ── emptying ──────────────────────────────────────────────────────────────────────── */

static int erase_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path) < 0 ? -1 : 0;
}

/* false: it is nothing that trash_put() has put there. */
static bool put_at(const char *name, uint64_t *ret_s)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name && str_to_u64(str_from(dot + 1), ret_s);
}

static int empty(const struct settings *s, DIR *d, const char *trash, uint64_t now_s,
	unsigned *ret_count, struct error *err)
{
	struct dirent *entry;
	char path[PATH_MAX];
	uint64_t at;
	int len;

	while ((entry = readdir(d))) {
		if (!put_at(entry->d_name, &at) ||
			now_s < at + (uint64_t)s->trash_days * DAY_S)
			continue;
		len = snprintf(path, sizeof(path), "%s/%s", trash, entry->d_name);
		if (len < 0 || (size_t)len >= sizeof(path))
			return error_errno(err, -ENAMETOOLONG, "cannot erase %s/%s",
				trash, entry->d_name);
		if (nftw(path, erase_one, TREE_FILES, FTW_DEPTH | FTW_PHYS) != 0)
			return error_errno(err, -errno, "cannot erase %s", path);
		(*ret_count)++;
	}
	return 0;
}

int trash_empty(
	const struct settings *s, uint64_t now_s, unsigned *ret_count, struct error *err)
{
	char trash[PATH_MAX];
	int code = settings_state_path(s, TRASH_DIRECTORY, trash, sizeof(trash));
	DIR *d;

	*ret_count = 0;
	if (code < 0)
		return error_errno(err, code, "%s", s->state_dir);
	d = opendir(trash);
	if (!d)
		return errno == ENOENT
		               ? 0
		               : error_errno(err, -errno, "cannot read %s", trash);
	code = empty(s, d, trash, now_s, ret_count, err);
	(void)closedir(d);
	return code;
}
