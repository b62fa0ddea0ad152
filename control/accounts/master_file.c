/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/master_file.h"

#include "control/accounts/account_file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 4096 /* a line, and some that explain it */

void master_file_fini(struct master_file *f)
{
	if (f->text)
		explicit_bzero(f->text, f->len);
	free(f->text);
	*f = (struct master_file){ 0 };
}

/* ---- its lines ---- */

struct reading {
	struct account_line first, wrong;
	size_t n;
};

static int take_line(void *context, const struct account_line *line)
{
	struct reading *r = context;

	if (line->wrong && !r->wrong.wrong)
		r->wrong = *line;
	if (!r->n++)
		r->first = *line;
	return 0;
}

int master_file_parse(
	struct master_file *f, const char *name, const char *separator, struct error *err)
{
	struct str between = str_from(separator);
	struct reading r = { .n = 0 };

	(void)account_file_each(ACCOUNT_FILE_PASSWORDS, f->text, f->len, take_line, &r);
	if (r.wrong.wrong)
		return error_set(
			err, -EINVAL, "%s:%zu: %s", name, r.wrong.number, r.wrong.wrong);
	if (r.n != 1)
		return error_set(err, -EINVAL,
			"%s has %zu lines; one is wanted: name:password", name, r.n);
	f->login = r.first.name;
	f->password = r.first.password;
	f->is_suffix = between.len && str_starts(f->login, between);
	if (f->is_suffix && f->login.len == between.len)
		return error_set(err, -EINVAL, "%s:%zu: no master user behind \"%s\"",
			name, r.first.number, separator);
	return 0;
}

/* ---- the file ---- */

static int check_readers(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "cannot read %s", path);
	if (S_ISREG(st.st_mode) && st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(err, -EPERM,
			"%s with the master user's password is another user's (uid %u): "
			"chown root %s",
			path, (unsigned)st.st_uid, path);
	if (S_ISREG(st.st_mode) && (st.st_mode & 077))
		return error_set(err, -EPERM,
			"others can read %s and the master user's password (mode %03o): "
			"chmod 600 %s",
			path, (unsigned)(st.st_mode & 0777), path);
	return 0;
}

static int read_text(int fd, const char *path, struct master_file *f, struct error *err)
{
	ssize_t n = 1;

	f->text = malloc(FILE_MAX + 1);
	if (!f->text)
		return error_set(err, -ENOMEM, "no memory");
	while (n > 0 && f->len <= FILE_MAX) {
		n = read(fd, f->text + f->len, FILE_MAX + 1 - f->len);
		if (n < 0)
			return error_errno(err, -errno, "cannot read %s", path);
		f->len += (size_t)n;
	}
	if (f->len > FILE_MAX)
		return error_set(
			err, -EFBIG, "%s has more than %d bytes", path, FILE_MAX);
	return 0;
}

int master_file_read(const char *path, const char *separator, struct master_file *ret,
	struct error *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct master_file f = { 0 };
	int code;

	if (fd < 0)
		return error_errno(err, -errno, "cannot open %s", path);
	code = check_readers(fd, path, err);
	if (code == 0)
		code = read_text(fd, path, &f, err);
	if (code == 0)
		code = master_file_parse(&f, path, separator, err);
	if (code < 0)
		master_file_fini(&f);
	else
		*ret = f;
	return code;
}
