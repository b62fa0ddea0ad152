/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "users/folders.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FOLDER ".new" /* while it has no owner yet */
#define FOLDER_MODE 0700
#define RELAY_MODE 0770
/* Others pass it and see no name; a transfer makes folders, and changes nobody's. */
#define MAIL_MODE 01771

int folders_prepare(const struct settings *s, const struct users *u, struct error *err)
{
	char mail[PATH_MAX];
	int r = settings_state_path(s, MAIL_DIRECTORY, mail, sizeof(mail));

	if (r < 0)
		return error_errno(err, r, "%s", s->state_dir);
	if (mkdir(mail, FOLDER_MODE) == 0) /* of a new one nothing is to be said */
		r = lchown(mail, 0, u->of[USER_TRANSFER].gid) < 0 ||
		                    chmod(mail, MAIL_MODE) < 0
		            ? -errno
		            : 0;
	else if (errno != EEXIST)
		r = -errno;
	if (r < 0)
		return error_errno(err, r, "cannot make the directory %s", mail);
	return users_give(mail, 0, u->of[USER_TRANSFER].gid, MAIL_MODE, err);
}

static int make_given(
	const char *path, unsigned uid, unsigned gid, unsigned mode, struct error *err)
{
	int r = process_make_directory(path, mode, err);

	return r < 0 ? r : users_give(path, uid, gid, mode, err);
}

/* Root's and its group's, not its user's: root, which makes a socket in it, may have no
   right to pass over others' permissions. */
static int make_relay(const struct settings *s, unsigned group, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(s, SMART_HOST_RELAY_FOLDER, path, sizeof(path));

	return r < 0 ? error_errno(err, r, "run_dir")
	             : make_given(path, geteuid(), group, RELAY_MODE, err);
}

int folders_of_interceptor(
	const struct settings *s, const struct users *u, struct error *err)
{
	static const char *const names[] = { STAGING_DIRECTORY, REPORTS_DIRECTORY };
	const struct process_user *user = &u->of[USER_INTERCEPTOR];
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		r = settings_state_path(s, names[i], path, sizeof(path));
		r = r < 0 ? error_errno(err, r, "state_dir")
		          : make_given(path, user->uid, user->gid, FOLDER_MODE, err);
	}
	return r < 0 ? r : make_relay(s, user->gid, err);
}

int folder_owner(
	const struct users *u, const char *path, unsigned *ret_uid, struct error *err)
{
	struct stat is;

	if (lstat(path, &is) < 0)
		return error_errno(err, -errno, "cannot look at %s", path);
	if (!S_ISDIR(is.st_mode) || is.st_uid < u->first || is.st_uid > u->last)
		return error_set(err, -EPERM,
			"the mail folder %s belongs to user %u, which is none of "
			"`uid_range`; `mailferry up` gives it an owner when it starts",
			path, (unsigned)is.st_uid);
	*ret_uid = is.st_uid;
	return 0;
}

/* ── numbers ───────────────────────────────────────────────────────────────────────── */

static bool is_taken(const struct uid_pool *p, unsigned place)
{
	return p->taken[place / 8] >> place % 8 & 1;
}

bool uid_pool_claim(struct uid_pool *p, unsigned uid)
{
	unsigned place = uid - p->first;

	if (uid < p->first || place >= p->count || is_taken(p, place))
		return false;
	p->taken[place / 8] |= (unsigned char)(1u << place % 8);
	if (place >= p->next)
		p->next = place + 1;
	return true;
}

static int look_at_all(struct uid_pool *p, const char *mail, struct error *err)
{
	DIR *d = opendir(mail);
	struct dirent *entry;
	struct stat is;

	if (!d)
		return errno == ENOENT ? 0
		                       : error_errno(err, -errno, "cannot read %s", mail);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.' &&
			fstatat(dirfd(d), entry->d_name, &is, AT_SYMLINK_NOFOLLOW) == 0)
			(void)uid_pool_claim(p, is.st_uid);
	(void)closedir(d);
	return 0;
}

int uid_pool_empty(struct uid_pool *p, const struct users *u, struct error *err)
{
	*p = (struct uid_pool){ .first = u->first, .count = u->last - u->first + 1 };
	p->taken = calloc(1, p->count / 8 + 1);
	return p->taken ? 0 : error_set(err, -ENOMEM, "no memory");
}

int uid_pool_open(struct uid_pool *p, const struct settings *s, const struct users *u,
	struct error *err)
{
	char mail[PATH_MAX];
	int r = uid_pool_empty(p, u, err);

	if (r < 0)
		return r;
	r = settings_state_path(s, MAIL_DIRECTORY, mail, sizeof(mail));
	r = r < 0 ? error_errno(err, r, "%s", s->state_dir) : look_at_all(p, mail, err);
	if (r < 0)
		uid_pool_close(p);
	return r;
}

void uid_pool_close(struct uid_pool *p)
{
	free(p->taken);
	*p = (struct uid_pool){ 0 };
}

/* Behind the highest first: a number of a folder that was removed comes last. */
int uid_pool_take(struct uid_pool *p, unsigned *ret_uid, struct error *err)
{
	for (unsigned i = 0; i < p->count; i++) {
		unsigned place = (p->next + i) % p->count;

		if (is_taken(p, place))
			continue;
		*ret_uid = p->first + place;
		(void)uid_pool_claim(p, *ret_uid);
		return 0;
	}
	return error_set(err, -ENOSPC,
		"each number of `uid_range` has a mail folder; make the range longer at "
		"its end");
}

/* ── folders ───────────────────────────────────────────────────────────────────────── */

static int sync_parent(const char *path)
{
	char parent[PATH_MAX];

	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	return fd_sync_directory(parent);
}

static int make(void *path)
{
	return mkdir(path, FOLDER_MODE) < 0 ? -errno : sync_parent(path);
}

/* Under its name it has its owner from the first: a folder that a kill left between the
   two would be nobody's. All who look pass over names with a dot; we hold the lock. */
static int make_as_root(const char *path, unsigned uid)
{
	char new[PATH_MAX];
	int n = snprintf(new, sizeof(new), "%.*s/" NEW_FOLDER,
		(int)(strrchr(path, '/') - path), path);

	if (n < 0 || (size_t)n >= sizeof(new))
		return -ENAMETOOLONG;
	if (rmdir(new) < 0 && errno != ENOENT)
		return -errno;
	if (mkdir(new, FOLDER_MODE) < 0 || lchown(new, uid, uid) < 0 ||
		rename(new, path) < 0)
		return -errno;
	return sync_parent(path);
}

struct process_user folder_mover(const struct users *u, unsigned uid)
{
	return (struct process_user){ .uid = uid,
		.gid = uid,
		.groups = { u->registry, u->sockets },
		.n_groups = 2 };
}

/* Others give numbers, too (`mailferry account add` beside a transfer): one at a time,
   and each sees what the others gave. The descriptor holds the lock. */
static int look_again(
	struct uid_pool *p, const char *path, int *ret_fd, struct error *err)
{
	char parent[PATH_MAX];
	int fd;

	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		int r = error_errno(err, -errno, "cannot lock %s", parent);

		fd_closep(&fd);
		return r;
	}
	*ret_fd = fd;
	return look_at_all(p, parent, err);
}

static int make_with_number(
	struct uid_pool *p, const char *path, unsigned *ret_uid, struct error *err)
{
	char copy[PATH_MAX];
	unsigned uid;
	int r = uid_pool_take(p, &uid, err);

	if (r < 0)
		return r;
	(void)snprintf(copy, sizeof(copy), "%s", path);
	r = geteuid() == 0 ? make_as_root(copy, uid) : process_run_as(uid, make, copy);
	if (r < 0)
		return error_errno(err, r, "cannot make the mail folder %s", path);
	*ret_uid = uid;
	return 0;
}

int folder_owner_or_make(const struct users *u, struct uid_pool *p, const char *path,
	unsigned *ret_uid, struct error *err)
{
	CLEANUP(fd_closep) int lock = -1;
	int r = folder_owner(u, path, ret_uid, err);

	if (r != -ENOENT)
		return r;
	r = look_again(p, path, &lock, err);
	if (r == 0)
		r = folder_owner(u, path, ret_uid, err); /* somebody was faster */
	return r == -ENOENT ? make_with_number(p, path, ret_uid, err) : r;
}
