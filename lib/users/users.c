/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "users/users.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define USERS_RESERVED 16 /* of the range, for programs */
#define REGISTRY_MODE 0660
#define SOCKET_MODE 0660
#define NAME_SIZE 256

/* In the range, of those that the system does not know. They stay when more come: an
   upgrade finds files and processes that have them. */
enum { PLACE_REGISTRY = 6, PLACE_SOCKETS = 7, PLACES = 9 };
static const unsigned places[] = {
	[USER_ADMISSION] = 0,
	[USER_INTERCEPTOR] = 1,
	[USER_MAILSTORE] = 2,
	[USER_TRANSFER] = 3,
	[USER_VAULT] = 4,
	[USER_METRICS] = 5,
	[USER_DASHBOARD] = 8,
};
_Static_assert(sizeof(places) / sizeof(places[0]) == USER_COUNT, "a place for each");

static const char *const names[] = {
	[USER_ADMISSION] = "admission",
	[USER_INTERCEPTOR] = "interceptor",
	[USER_MAILSTORE] = "mailstore",
	[USER_TRANSFER] = "transfer",
	[USER_VAULT] = "vault",
	[USER_METRICS] = "metrics",
	[USER_DASHBOARD] = "dashboard",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == USER_COUNT, "a name for each");
_Static_assert(PLACES <= USERS_RESERVED, "room for all");

const char *user_name(enum user_id id)
{
	return names[id];
}

/* ── who is who ────────────────────────────────────────────────────────────────────── */

static int full_name(const struct settings *s, const char *name, char full[NAME_SIZE],
	struct error *err)
{
	int len = snprintf(full, NAME_SIZE, "%s%s", s->user_prefix, name);

	return len < 0 || len >= NAME_SIZE
	               ? error_set(err, -EINVAL, "`user_prefix` is too long")
	               : 0;
}

static int find_user(
	const struct settings *s, enum user_id id, struct users *u, struct error *err)
{
	char full[NAME_SIZE];
	const struct passwd *found;
	int r = full_name(s, names[id], full, err);

	if (r < 0)
		return r;
	errno = 0;
	found = getpwnam(full);
	u->is_named[id] = found != NULL;
	u->of[id].uid = found ? found->pw_uid : s->uid_range.first + places[id];
	u->of[id].gid = found ? found->pw_gid : s->uid_range.first + places[id];
	if (!u->of[id].uid || !u->of[id].gid)
		return error_set(err, -EPERM,
			"the system user %s is root, or in its group; it is to be one of "
			"its own",
			full);
	return 0;
}

static int find_group(const struct settings *s, const char *name, unsigned place,
	unsigned *ret, struct error *err)
{
	char full[NAME_SIZE];
	const struct group *found;
	int r = full_name(s, name, full, err);

	if (r < 0)
		return r;
	found = getgrnam(full);
	*ret = found ? found->gr_gid : s->uid_range.first + place;
	if (!*ret)
		return error_set(
			err, -EPERM, "the system group %s has root's number", full);
	return 0;
}

static bool is_account(const struct users *u, unsigned uid)
{
	return uid >= u->first && uid <= u->last;
}

/* Two that are one could do to each other what they like. */
static int check_apart(const struct users *u, struct error *err)
{
	for (size_t i = 0; i < USER_COUNT; i++) {
		if (is_account(u, u->of[i].uid))
			return error_set(err, -EINVAL,
				"the number of our %s's system user, %u, is one of "
				"`uid_range`; set another range",
				names[i], u->of[i].uid);
		for (size_t k = 0; k < i; k++)
			if (u->of[i].uid == u->of[k].uid)
				return error_set(err, -EINVAL,
					"%s and %s have one system user (%u); each needs "
					"its own",
					names[k], names[i], u->of[i].uid);
	}
	return 0;
}

static void join(struct process_user *user, unsigned group)
{
	user->groups[user->n_groups++] = group;
}

int users_load(const struct settings *s, struct users *ret, struct error *err)
{
	struct users u = { .first = s->uid_range.first + USERS_RESERVED,
		.last = s->uid_range.last };
	int r = find_group(s, "registry", PLACE_REGISTRY, &u.registry, err);

	if (r == 0)
		r = find_group(s, "sockets", PLACE_SOCKETS, &u.sockets, err);

	for (int id = 0; r == 0 && id < USER_COUNT; id++)
		r = find_user(s, (enum user_id)id, &u, err);
	if (r == 0)
		r = check_apart(&u, err);
	if (r < 0)
		return r;
	join(&u.of[USER_INTERCEPTOR], u.registry);
	join(&u.of[USER_INTERCEPTOR], u.sockets);
	join(&u.of[USER_TRANSFER], u.registry);
	join(&u.of[USER_TRANSFER], u.sockets);
	join(&u.of[USER_ADMISSION], u.sockets);
	*ret = u;
	return 0;
}

/* ── whose is what ─────────────────────────────────────────────────────────────────── */

/* 1: it was otherwise. */
static int give(
	const char *path, unsigned uid, unsigned gid, unsigned mode, struct error *err)
{
	struct stat is;

	if (geteuid() != 0)
		return 0;
	if (lstat(path, &is) < 0)
		return error_errno(err, -errno, "cannot look at %s", path);
	if (is.st_uid == uid && is.st_gid == gid && (is.st_mode & 07777) == mode)
		return 0;
	if (S_ISLNK(is.st_mode) || lchown(path, uid, gid) < 0 || chmod(path, mode) < 0)
		return error_errno(err, S_ISLNK(is.st_mode) ? -ELOOP : -errno,
			"cannot give %s to user %u, group %u", path, uid, gid);
	return 1;
}

int users_give(
	const char *path, unsigned uid, unsigned gid, unsigned mode, struct error *err)
{
	int r = give(path, uid, gid, mode, err);

	if (r > 0)
		log_info(NULL, "owner", "path=%s user=%u group=%u mode=%o", path, uid,
			gid, mode);
	return r < 0 ? r : 0;
}

int users_share_registry(
	const struct settings *s, const struct users *u, struct error *err)
{
	static const char *const files[] = { REGISTRY_FILE, REGISTRY_FILE "-wal",
		REGISTRY_FILE "-shm" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int r = settings_state_path(s, files[i], path, sizeof(path));

		if (r < 0)
			return error_errno(err, r, "%s", s->state_dir);
		if (i && access(path, F_OK) < 0)
			continue;
		r = users_give(path, 0, u->registry, REGISTRY_MODE, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int users_share_socket(
	const struct settings *s, const char *name, unsigned gid, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(s, name, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", s->run_dir);
	r = give(path, 0, gid, SOCKET_MODE, err);
	return r < 0 ? r : 0;
}
