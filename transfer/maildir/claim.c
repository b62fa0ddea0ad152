/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose Maildir it is, and what is in it that we have written. */
#include "transfer/maildir/writer_parts.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "mailferry"
#define MARK_MAX 512
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct claim {
	int root;
	bool is_ours; /* the mark says so */
	maildir_say_fn *say;
	void *context;
	struct error *err;
	char found[MAILDIR_NAME_MAX + 8]; /* of others */
};

/* ---- the mark ---- */

/* 1: it says that account. 0: there is none. */
static int read_mark(int root, const char *text, struct error *err)
{
	CLEANUP(fd_closep)
	int fd = openat(root, MARK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char is[MARK_MAX] = "";

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || read(fd, is, sizeof(is) - 1) < 0)
		return error_errno(err, -errno, "cannot read the file %s", MARK);
	if (strcmp(is, text) == 0)
		return 1;
	return error_set(err, -EEXIST,
		"the Maildir is another account's already (its file %s says so)", MARK);
}

static int write_draft(int root, const char *draft, const char *text)
{
	CLEANUP(fd_closep)
	int fd = openat(
		root, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* Two accounts may have the same place (names that differ in their domain, where the path
   has no %d), and their writers run at once: link(2) lets one of them have it, and a mark
   that is there is whole. Afterwards it may be the other's. */
static int write_mark(int root, const char *text, struct error *err)
{
	char draft[32];
	int r;

	(void)snprintf(draft, sizeof(draft), MARK ".%d", (int)getpid());
	(void)unlinkat(root, draft, 0); /* of one that was killed */
	r = write_draft(root, draft, text);
	if (r == 0 && linkat(root, draft, root, MARK, 0) < 0 && errno != EEXIST)
		r = -errno;
	(void)unlinkat(root, draft, 0);
	if (r == 0 && fsync(root) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot write the file %s", MARK) : 0;
}

/* ---- mail of others ---- */

static int see_file(void *context, const char *leaf)
{
	struct claim *c = context;
	char name[MAILDIR_NAME_MAX + 8];

	(void)snprintf(name, sizeof(name), "cur/%s", leaf);
	if (c->is_ours && maildir_file_is_ours(str_from(name)))
		return 0;
	(void)snprintf(name, sizeof(name), "new/%s", leaf);
	if (c->is_ours && maildir_file_is_ours(str_from(name)))
		return 0;
	(void)snprintf(c->found, sizeof(c->found), "%s", leaf);
	return 1;
}

static int see_part(struct claim *c, int folder, const char *part)
{
	CLEANUP(fd_closep) int fd = openat(folder, part, DIRECTORY_FLAGS);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return maildir_each_name(fd, see_file, c);
}

/* Dovecot's caches say what we have not written, if anything. */
static int drop_cache(void *context, const char *name)
{
	const int *folder = context;

	if (strncmp(name, "dovecot.index", 13) == 0 ||
		strncmp(name, "dovecot.list.index", 18) == 0)
		(void)unlinkat(*folder, name, 0);
	return 0;
}

static int see_folder(void *context, const char *name)
{
	struct claim *c = context;
	CLEANUP(fd_closep) int fd = -1;
	int r;

	if (!maildir_folder_is_valid(str_from(name)))
		return 0;
	fd = openat(c->root, name, DIRECTORY_FLAGS);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP || errno == ENOENT ? 0 : -errno;
	r = see_part(c, fd, "cur");
	if (r == 0)
		r = see_part(c, fd, "new");
	if (r == 0 && c->is_ours)
		r = maildir_each_name(fd, drop_cache, &fd);
	return r;
}

int maildir_claim(int root, const char *account, struct error *err)
{
	struct claim c = { .root = root, .err = err };
	char text[MARK_MAX];
	int r;

	(void)snprintf(text, sizeof(text),
		"account %s\nmailferry moves it into this Maildir\n", account);
	r = read_mark(root, text, err);
	if (r < 0)
		return r;
	c.is_ours = r == 1;
	r = see_folder(&c, ".");
	if (r == 0)
		r = maildir_each_name(root, see_folder, &c);
	if (r == 1)
		return error_set(err, -EEXIST,
			"there is mail in the Maildir already that mailferry has not put "
			"there (%s): nothing in it is changed",
			c.found);
	if (r < 0)
		return error_errno(err, r, "cannot look through the Maildir");
	if (!c.is_ours)
		r = write_mark(root, text, err);
	if (r == 0)
		r = read_mark(root, text, err);
	return r < 0 ? r : 0;
}

/* ---- folders that we have written ---- */

static int tell_folder(void *context, const char *name)
{
	struct claim *c = context;
	CLEANUP(fd_closep) int folder = -1;
	CLEANUP(fd_closep) int list = -1;
	char head[128] = "";

	if (!maildir_folder_is_valid(str_from(name)))
		return 0;
	folder = openat(c->root, name, DIRECTORY_FLAGS);
	if (folder >= 0)
		list = openat(folder, export_file_name(EXPORT_UIDLIST),
			O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (list < 0 || read(list, head, sizeof(head) - 1) <= 0 ||
		!strstr(head, " G" EXPORT_GUID))
		return 0;
	return c->say(c->context, RECORD_IS_FOLDER, str_from(name));
}

int maildir_each_folder(int root, maildir_say_fn *say, void *context, struct error *err)
{
	struct claim c = { .root = root, .say = say, .context = context };
	int r = maildir_each_name(root, tell_folder, &c);

	return r < 0 ? error_errno(err, r, "cannot look through the Maildir") : r;
}
