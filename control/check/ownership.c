/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/ownership.h"

#include "base/fd.h"
#include "base/log.h"
#include "users/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define DEPTH_MAX 4 /* a mail folder has two levels */

/* ── the folders ───────────────────────────────────────────────────────────────────── */

/* Whoever else uses it keeps what they may: a search permission is all that we need. */
static int open_to_search(const char *path, struct error *err)
{
	struct stat is;

	if (stat(path, &is) < 0)
		return error_errno(err, -errno, "cannot look at %s", path);
	if ((is.st_mode & 0011) == 0011)
		return 0;
	if (chmod(path, (is.st_mode & 07777) | 0011) < 0)
		return error_errno(err, -errno, "cannot change the mode of %s", path);
	log_info(NULL, "owner", "path=%s mode=%o", path,
		(unsigned)(is.st_mode & 07777) | 0011);
	return 0;
}

static int mail_path(
	const struct settings *s, char path[static PATH_MAX], struct error *err)
{
	int code = settings_state_path(s, MAIL_DIRECTORY, path, PATH_MAX);

	return code < 0 ? error_errno(err, code, "%s", s->state_dir) : 0;
}

int ownership_of_directories(struct control *c)
{
	const struct settings *s = &c->settings;
	struct users users;
	int code = users_load(s, &users, &c->err);

	if (code == 0)
		code = process_make_directory(
			s->state_dir, STATE_DIRECTORY_MODE, &c->err);
	if (code == 0)
		code = open_to_search(s->state_dir, &c->err);
	if (code == 0)
		code = folders_prepare(s, &users, &c->err);
	if (code == 0)
		code = process_make_directory(s->run_dir, 0755, &c->err);
	if (code == 0)
		code = open_to_search(s->run_dir, &c->err);
	/* it itself may be one that may give none away */
	return code < 0 ? code : folders_of_interceptor(s, &users, &c->err);
}

/* ── an account's folder ───────────────────────────────────────────────────────────── */

static int give_folder(
	int parent, const char *name, unsigned uid, unsigned depth, struct error *err);

/* What lies in it was in the hands of the account's process: neither links nor what is
   elsewhere, too, is given away. */
static int give_entry(
	int folder, const char *name, unsigned uid, unsigned depth, struct error *err)
{
	struct stat is;

	if (fstatat(folder, name, &is, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
		               ? 0
		               : error_errno(err, -errno, "cannot look at %s", name);
	if (S_ISDIR(is.st_mode))
		return give_folder(folder, name, uid, depth + 1, err);
	if (!S_ISREG(is.st_mode) || is.st_nlink > 1) {
		log_warning(NULL, "owner",
			"file=%s uid=%u left: it is no plain file of its own", name, uid);
		return 0;
	}
	if (is.st_uid == uid && is.st_gid == uid)
		return 0;
	return fchownat(folder, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0
	               ? error_errno(err, -errno, "cannot give %s to user %u", name, uid)
	               : 0;
}

static int give_entries(int fd, unsigned uid, unsigned depth, struct error *err)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	int code = 0;

	if (!d) {
		close(fd);
		return error_errno(err, -ENOMEM, "cannot read a mail folder");
	}
	while (code == 0 && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			code = give_entry(dirfd(d), entry->d_name, uid, depth, err);
	(void)closedir(d);
	return code;
}

static int give_folder(
	int parent, const char *name, unsigned uid, unsigned depth, struct error *err)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat is;

	if (fd < 0)
		return error_errno(err, -errno, "cannot open the mail folder %s", name);
	if (depth > DEPTH_MAX || fstat(fd, &is) < 0 ||
		((is.st_uid != uid || is.st_gid != uid) && fchown(fd, uid, uid) < 0) ||
		((is.st_mode & 07777) != FOLDER_MODE && fchmod(fd, FOLDER_MODE) < 0)) {
		int code = depth > DEPTH_MAX ? -ELOOP : -errno;

		close(fd);
		return error_errno(err, code, "cannot give the folder %s away", name);
	}
	return give_entries(fd, uid, depth, err);
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

struct walk {
	struct uid_pool taken; /* of all folders */
	struct uid_pool seen;  /* of those before this one */
	size_t folders, given;
	enum walk_how {
		WALK_COUNTS,  /* and changes nothing */
		WALK_FOLLOWS, /* only those without an owner: processes run */
		WALK_ALL      /* what lies in each of them, too */
	} how;
	struct error *err;
};

/* One that has no owner of the range, or one that another has, too, gets its own. */
static int look_at(struct walk *w, int mail, const char *name)
{
	struct stat is;
	unsigned uid;
	int code = 0;

	if (fstatat(mail, name, &is, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(is.st_mode))
		return 0;
	w->folders++;
	uid = is.st_uid;
	if (!uid_pool_claim(&w->seen, uid)) {
		w->given++;
		if (w->how == WALK_COUNTS ||
			(w->how == WALK_FOLLOWS && uid >= w->seen.first &&
				uid - w->seen.first < w->seen.count))
			return 0;
		code = uid_pool_take(&w->taken, &uid, w->err);
		if (code == 0)
			log_info(NULL, "owner", "folder=%s user=%u was=%u", name, uid,
				(unsigned)is.st_uid);
	} else if (w->how != WALK_ALL)
		return 0;
	if (code == 0)
		code = give_folder(mail, name, uid, 0, w->err);
	return code;
}

static int walk_folders(struct walk *w, const struct settings *s, const struct users *u)
{
	char path[PATH_MAX];
	DIR *d = NULL;
	struct dirent *entry;
	int code = mail_path(s, path, w->err);

	if (code == 0)
		code = uid_pool_open(&w->taken, s, u, w->err);
	if (code < 0)
		return code;
	code = uid_pool_empty(&w->seen, u, w->err);
	if (code == 0 && !(d = opendir(path)) && errno != ENOENT)
		code = error_errno(w->err, -errno, "cannot read %s", path);
	while (code == 0 && d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			code = look_at(w, dirfd(d), entry->d_name);
	if (d)
		(void)closedir(d);
	uid_pool_close(&w->seen);
	uid_pool_close(&w->taken);
	return code;
}

int ownership_of_files(struct control *c)
{
	struct walk w = { .how = WALK_ALL, .err = &c->err };
	struct users users;
	int code = users_load(&c->settings, &users, &c->err);

	if (code == 0)
		code = users_share_registry(&c->settings, &users, &c->err);
	if (code == 0)
		code = walk_folders(&w, &c->settings, &users);
	if (code == 0 && w.given)
		log_info(NULL, "owner", "folders=%zu given=%zu", w.folders, w.given);
	return code;
}

int ownership_follow(struct control *c, struct timespec *seen)
{
	struct walk w = { .how = WALK_FOLLOWS, .err = &c->err };
	char path[PATH_MAX];
	struct users users;
	struct stat mail;
	int code = mail_path(&c->settings, path, &c->err);

	if (code < 0 || stat(path, &mail) < 0)
		return code;
	if (mail.st_mtim.tv_sec == seen->tv_sec && mail.st_mtim.tv_nsec == seen->tv_nsec)
		return 0;
	*seen = mail.st_mtim;
	code = users_load(&c->settings, &users, &c->err);
	return code < 0 ? code : walk_folders(&w, &c->settings, &users);
}

/* ── whether it works ──────────────────────────────────────────────────────────────── */

struct visit {
	const struct process_user *user;
	const char *path;
};

/* In a copy of this process. */
static int visit(void *context)
{
	const struct visit *v = context;

	if (process_become(v->user, NULL) < 0)
		return -EINVAL;
	if (process_keep_capabilities(NULL, 0, NULL) < 0)
		return -EIO;
	return access(v->path, X_OK) < 0 ? -errno : 0;
}

static int try_visit(const struct process_user *user, const char *path)
{
	struct visit v = { user, path };

	return process_run_as(0, visit, &v);
}

/* Up to `len` bytes of a path, the first that the user cannot pass. */
static void find_closed(const struct process_user *user, const char *path, char *closed)
{
	size_t len = 1;

	do {
		len += strcspn(path + len, "/");
		(void)snprintf(closed, PATH_MAX, "%.*s", (int)len, path);
	} while (try_visit(user, closed) == 0 && path[len++]);
}

/* Of what is not there yet, as far as it is. */
static int reach(const struct users *u, const char *path, struct error *err)
{
	const struct process_user account = folder_mover(u, u->last);
	char part[PATH_MAX], closed[PATH_MAX];
	int code;

	(void)snprintf(part, sizeof(part), "%s", path);
	while (access(part, F_OK) < 0 && errno == ENOENT && strrchr(part, '/') > part)
		*strrchr(part, '/') = '\0';
	code = try_visit(&account, part);
	if (code == 0)
		return 0;
	if (code == -EINVAL)
		return error_set(err, code,
			"there can be no user %u here (is this a container?); set "
			"`uid_range` to numbers that /proc/self/uid_map has",
			account.uid);
	find_closed(&account, part, closed);
	return error_set(err, code,
		"our programs are no root and cannot pass %s to reach %s; run: chmod o+x "
		"%s, or set another directory",
		closed, path, closed);
}

static int reach_all(struct control *c, const struct users *u)
{
	int code = reach(u, c->settings.state_dir, &c->err);

	return code < 0 ? code : reach(u, c->settings.run_dir, &c->err);
}

int ownership_is_reachable(struct control *c)
{
	struct users users;
	int code = users_load(&c->settings, &users, &c->err);

	return code < 0 ? code : reach_all(c, &users);
}

/* ── check ─────────────────────────────────────────────────────────────────────────── */

static void check_users(struct control *c, const struct users *u, struct findings *f)
{
	for (int id = 0; id < USER_COUNT; id++)
		finding(f, FINDING_OK, "users", user_name((enum user_id)id),
			"user %u%s%s%s", u->of[id].uid,
			u->is_named[id] ? "" : ": there is no system user ",
			u->is_named[id] ? "" : c->settings.user_prefix,
			u->is_named[id] ? "" : user_name((enum user_id)id));
}

/* Whoever else has one of the numbers could read that account's mail. */
static void check_range(const struct users *u, struct findings *f)
{
	const struct passwd *somebody;

	setpwent();
	while ((somebody = getpwent()))
		if (somebody->pw_uid >= u->first && somebody->pw_uid <= u->last)
			break;
	if (somebody)
		finding(f, FINDING_PROBLEM, "users", "uid_range",
			"the user %s has the number %u of it and could read an account's "
			"mail; set a range that nobody has",
			somebody->pw_name, (unsigned)somebody->pw_uid);
	else
		finding(f, FINDING_OK, "users", "uid_range",
			"%u to %u, one for each account", u->first, u->last);
	endpwent();
}

static void check_folders(struct control *c, const struct users *u, struct findings *f)
{
	struct walk w = { .err = &c->err };
	int code = walk_folders(&w, &c->settings, u);

	if (code < 0)
		finding(f, FINDING_PROBLEM, "users", "folders", "%s", c->err.text);
	else if (w.given)
		finding(f, FINDING_NOTE, "users", "folders",
			"%zu of %zu mail folders have no owner of their own; `mailferry "
			"up` gives them one when it starts",
			w.given, w.folders);
	else
		finding(f, FINDING_OK, "users", "folders",
			"each of %zu mail folders has an owner of its own", w.folders);
}

static void check_writers(const char *name, const char *path, struct findings *f)
{
	struct stat is;

	if (stat(path, &is) == 0 && (is.st_uid != 0 || is.st_mode & 0022))
		finding(f, FINDING_PROBLEM, "users", name,
			"others than root can change %s; run: chown root %s; chmod go-w "
			"%s",
			path, path, path);
}

void check_ownership(struct control *c, struct findings *f)
{
	struct users users;

	if (users_load(&c->settings, &users, &c->err) < 0) {
		finding(f, FINDING_PROBLEM, "users", "user_prefix", "%s", c->err.text);
		return;
	}
	check_users(c, &users, f);
	check_range(&users, f);
	check_writers("state_dir", c->settings.state_dir, f);
	check_writers("run_dir", c->settings.run_dir, f);
	if (geteuid() != 0)
		return;
	check_folders(c, &users, f);
	if (reach_all(c, &users) < 0)
		finding(f, FINDING_PROBLEM, "users", "path", "%s", c->err.text);
	else
		finding(f, FINDING_OK, "users", "path",
			"they reach state_dir and run_dir");
}
