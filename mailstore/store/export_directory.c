/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/export_directory.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 256 /* our names of files: numbers and flags */

struct directory {
	int to;      /* the caller's */
	int mailbox; /* -1: none yet */
};

static int write_file(int directory, const char *name, struct str bytes, int64_t date,
	struct error *err)
{
	struct timespec times[2] = { { .tv_sec = date }, { .tv_sec = date } };
	CLEANUP(fd_closep)
	int fd = openat(directory, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code = fd < 0 ? -errno : fd_write_all(fd, bytes.ptr, bytes.len);

	if (code == 0 && date && futimens(fd, times) < 0)
		code = -errno;
	return code < 0 ? error_errno(err, code, "cannot write %s", name) : 0;
}

static int begin_folder(void *self, const char *name, struct error *err)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	struct directory *d = self;
	bool is_inbox = strcmp(name, ".") == 0;

	fd_closep(&d->mailbox);
	if (!is_inbox && mkdirat(d->to, name, 0700) < 0)
		return error_errno(err, -errno, "cannot make %s", name);
	d->mailbox = openat(d->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->mailbox < 0)
		return error_errno(err, -errno, "cannot open %s", name);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (mkdirat(d->mailbox, parts[i], 0700) < 0)
			return error_errno(
				err, -errno, "cannot make %s/%s", name, parts[i]);
	return is_inbox ? 0
	                : write_file(d->mailbox, "maildirfolder", STR_LIT(""), 0, err);
}

static int want_message(void *self, const struct export_message *m, struct error *err)
{
	(void)self;
	(void)m;
	(void)err;
	return 1;
}

static int write_body(
	void *self, const struct export_message *m, struct str bytes, struct error *err)
{
	const struct directory *d = self;
	char name[FILE_MAX];

	(void)snprintf(name, sizeof(name), m->is_new ? "new/%s" : "cur/%s:2,%s", m->base,
		m->flags);
	return write_file(d->mailbox, name, bytes, m->date, err);
}

static int write_list(void *self, enum export_file f, struct str bytes, struct error *err)
{
	const struct directory *d = self;

	return write_file(f == EXPORT_SUBSCRIPTIONS ? d->to : d->mailbox,
		export_file_name(f), bytes, 0, err);
}

static int finish(void *self, struct error *err)
{
	const struct directory *d = self;

	return syncfs(d->to) < 0
	               ? error_errno(err, -errno, "cannot sync what was written")
	               : 0;
}

static const struct export_target_ops operations = { .folder = begin_folder,
	.message = want_message,
	.body = write_body,
	.file = write_list,
	.finish = finish };

int store_export_directory(const char *folder, int to, store_finding_fn *each,
	void *context, struct store_exported *ret, struct error *err)
{
	struct directory d = { .to = to, .mailbox = -1 };
	const struct export_target target = { &operations, &d };
	int code = store_export(folder, &target, each, context, ret, err);

	fd_closep(&d.mailbox);
	return code;
}
