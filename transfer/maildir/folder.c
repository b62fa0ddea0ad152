/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/maildir/writer_parts.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE 16384
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *const part_names[MAILDIR_PARTS] = { "cur", "new", "tmp" };

int maildir_each_name(int directory, maildir_name_fn *each, void *context)
{
	int fd = openat(directory, ".", DIRECTORY_FLAGS), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!d) {
		r = -errno;
		fd_closep(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = each(context, entry->d_name);
	(void)closedir(d);
	return r;
}

/* ---- opening ---- */

void maildir_folder_close(struct maildir_folder *f)
{
	for (size_t i = 0; i < MAILDIR_PARTS; i++)
		fd_closep(&f->parts[i]);
	fd_closep(&f->fd);
}

/* Which folders there are is cached, too, and not looked at each time. */
static int drop_list_cache(void *context, const char *name)
{
	const int *root = context;

	if (strncmp(name, "dovecot.list.index", 18) == 0)
		(void)unlinkat(*root, name, 0);
	return 0;
}

static int make_directory(int at, const char *name, int *ret)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret = openat(at, name, DIRECTORY_FLAGS);
	return *ret < 0 ? -errno : 0;
}

static int remove_draft(void *context, const char *name)
{
	const struct maildir_folder *f = context;

	if (strstr(name, MAILDIR_WORD) || strncmp(name, "mailferry", 9) == 0)
		(void)unlinkat(f->parts[PART_TMP], name, 0);
	return 0;
}

static int mark_folder(const struct maildir_folder *f)
{
	CLEANUP(fd_closep)
	int fd = openat(f->fd, "maildirfolder",
		O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

int maildir_folder_open(
	int root, struct str name, struct maildir_folder *f, struct error *err)
{
	char path[MAILDIR_NAME_MAX + 1];
	int r;

	maildir_folder_close(f);
	(void)snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
	if (faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		(void)maildir_each_name(root, drop_list_cache, &root);
	r = make_directory(root, path, &f->fd);
	for (size_t i = 0; r == 0 && i < MAILDIR_PARTS; i++)
		r = make_directory(f->fd, part_names[i], &f->parts[i]);
	if (r == 0 && strcmp(path, ".") != 0)
		r = mark_folder(f);
	if (r == 0) {
		maildir_lists_unlock(f, root);
		r = maildir_each_name(f->parts[PART_TMP], remove_draft, f);
	}
	if (r == 0)
		return 0;
	maildir_folder_close(f);
	return error_errno(err, r, "cannot make the folder %s of the Maildir", path);
}

/* ---- what is there ---- */

struct listing {
	enum maildir_part part;
	maildir_say_fn *say;
	void *context;
	struct error *err;
};

static int list_one(void *context, const char *leaf)
{
	struct listing *l = context;
	char name[MAILDIR_NAME_MAX + 8];

	(void)snprintf(name, sizeof(name), "%s/%s", part_names[l->part], leaf);
	if (!maildir_file_is_ours(str_from(name)))
		return error_set(l->err, -EEXIST,
			"there is mail of others in the Maildir (%s): nothing in it is "
			"changed",
			name);
	return l->say(l->context, RECORD_HAS, str_from(name));
}

int maildir_folder_list(const struct maildir_folder *f, maildir_say_fn *say,
	void *context, struct error *err)
{
	int r = 0;

	for (enum maildir_part part = PART_CUR; r == 0 && part <= PART_NEW; part++) {
		struct listing l = { part, say, context, err };

		r = maildir_each_name(f->parts[part], list_one, &l);
	}
	return r < 0 && !err->code ? error_errno(err, r, "cannot list the Maildir") : r;
}

/* ---- messages ---- */

/* In which directory, and as what; the names are checked (record.c). */
struct place {
	int directory;
	char leaf[MAILDIR_NAME_MAX + 1];
};

static struct place place_of(const struct maildir_folder *f, struct str name)
{
	struct place p = { .directory =
				   f->parts[name.ptr[0] == 'n' ? PART_NEW : PART_CUR] };
	struct str leaf = str_skip(name, 4);

	(void)snprintf(p.leaf, sizeof(p.leaf), "%.*s", STR_ARG(leaf));
	return p;
}

int maildir_folder_draft(
	const struct maildir_folder *f, struct str name, int *ret_fd, struct error *err)
{
	struct place p = place_of(f, name);

	*ret_fd = openat(f->parts[PART_TMP], p.leaf,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? error_errno(err, -errno, "cannot write %s", p.leaf) : 0;
}

/* As it is on the disk. */
static int is_whole(int fd, const unsigned char *digest)
{
	unsigned char is[MAILDIR_DIGEST_SIZE];
	char bytes[READ_SIZE];
	crypto_generichash_state state;
	ssize_t n;

	crypto_generichash_init(&state, NULL, 0, sizeof(is));
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		crypto_generichash_update(
			&state, (const unsigned char *)bytes, (size_t)n);
	if (n < 0)
		return -errno;
	crypto_generichash_final(&state, is, sizeof(is));
	return memcmp(is, digest, sizeof(is)) == 0 ? 0 : -EIO;
}

int maildir_folder_publish(const struct maildir_folder *f,
	const struct maildir_pending *p, struct error *err)
{
	struct place to = place_of(f, str_from(p->name));
	CLEANUP(fd_closep)
	int fd = openat(f->parts[PART_TMP], to.leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : is_whole(fd, p->digest);

	if (r < 0)
		return error_errno(err, r, "%s is not as it was written", p->name);
	if (renameat2(f->parts[PART_TMP], to.leaf, to.directory, to.leaf,
		    RENAME_NOREPLACE) < 0)
		return error_errno(err, -errno, "cannot name %s", p->name);
	return 0;
}

int maildir_folder_rename(
	const struct maildir_folder *f, struct str from, struct str to, struct error *err)
{
	struct place a = place_of(f, from), b = place_of(f, to);

	if (renameat2(a.directory, a.leaf, b.directory, b.leaf, RENAME_NOREPLACE) < 0)
		return error_errno(err, -errno, "cannot rename %s", a.leaf);
	return 0;
}

int maildir_folder_remove(
	const struct maildir_folder *f, struct str name, struct error *err)
{
	struct place p = place_of(f, name);

	if (unlinkat(p.directory, p.leaf, 0) < 0 && errno != ENOENT)
		return error_errno(err, -errno, "cannot remove %s", p.leaf);
	return 0;
}

/* ---- a folder that goes ---- */

static bool is_list_or_cache(const char *name)
{
	return strncmp(name, "dovecot", 7) == 0 || strcmp(name, "maildirfolder") == 0;
}

static int remove_ours(void *context, const char *name)
{
	const int *directory = context;
	char full[MAILDIR_NAME_MAX + 8];

	(void)snprintf(full, sizeof(full), "cur/%s", name);
	if (!maildir_file_is_ours(str_from(full))) {
		(void)snprintf(full, sizeof(full), "new/%s", name);
		if (!maildir_file_is_ours(str_from(full)))
			return 0; /* the directory then stays, and is told */
	}
	return unlinkat(*directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_list(void *context, const char *name)
{
	const int *directory = context;

	if (!is_list_or_cache(name))
		return 0;
	return unlinkat(*directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int maildir_folder_drop(int root, struct str name, struct error *err)
{
	struct maildir_folder f = { .fd = -1, .parts = { -1, -1, -1 } };
	char path[MAILDIR_NAME_MAX + 1];
	int r = str_eq(name, STR_LIT(".")) ? -EBUSY
	                                   : maildir_folder_open(root, name, &f, err);

	(void)snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
	for (size_t i = 0; r == 0 && i < MAILDIR_PARTS; i++) {
		r = maildir_each_name(f.parts[i], remove_ours, &f.parts[i]);
		if (r == 0 && unlinkat(f.fd, part_names[i], AT_REMOVEDIR) < 0)
			r = -errno;
	}
	if (r == 0)
		r = maildir_each_name(f.fd, remove_list, &f.fd);
	if (r == 0)
		r = maildir_each_name(root, drop_list_cache, &root);
	maildir_folder_close(&f);
	if (r == 0 && unlinkat(root, path, AT_REMOVEDIR) < 0)
		r = -errno;
	return r < 0 && !err->code
	               ? error_errno(err, r,
				 "%s is gone at the old server, and cannot be removed from "
				 "the Maildir",
				 path)
	               : r;
}
