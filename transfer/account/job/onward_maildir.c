/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/onward_maildir.h"

#include "base/log.h"
#include "settings/maildir_path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

static bool has_writer(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(ONWARD_WRITER_SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

int onward_maildir_check(const struct onward_files *f, struct error *err)
{
	char place[PATH_MAX];
	int r = maildir_path_place(f->settings, f->login, place, sizeof(place), err);

	if (r == 0 && !has_writer())
		r = error_set(err, -EIO,
			"no writer of Maildirs was started for it; mailferry-transfer's "
			"log says why");
	return r;
}

static int open_target(struct onward_maildir *m, struct error *err)
{
	int flags;

	if (m->is_open)
		return 0;
	flags = fcntl(ONWARD_WRITER_SOCKET, F_GETFL);
	if (flags < 0 || fcntl(ONWARD_WRITER_SOCKET, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_errno(err, -errno, "no writer of the Maildir");
	maildir_target_init(&m->target, ONWARD_WRITER_SOCKET);
	m->is_open = true;
	return 0;
}

/* What the files cannot say. */
static int each_finding(void *context, const struct store_finding *f)
{
	struct error *err = context;

	if (strcmp(f->kind, "lost") == 0)
		return error_set(err, -EREMOTEIO,
			"UID %u of \"%.*s\" is damaged here: %.*s", f->uid,
			STR_ARG(f->mailbox), STR_ARG(f->text));
	if (strcmp(f->kind, "keyword") == 0)
		return error_set(err, -EREMOTEIO,
			"\"%.*s\" has more than 26 keywords, which a Maildir cannot keep",
			STR_ARG(f->mailbox));
	return 0;
}

static int write_out(struct onward_maildir *m, const struct onward_files *f,
	struct store_exported *ret, struct error *err)
{
	struct export_target to = maildir_target_begin(&m->target);
	char path[PATH_MAX];
	int r = settings_mail_path(f->settings, f->account, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", f->settings->state_dir);
	m->target.patience = f->patience;
	return store_export(path, &to, each_finding, err, ret, err);
}

int onward_maildir_pass(
	struct onward_maildir *m, const struct onward_files *f, struct error *err)
{
	struct store_exported is;
	int r = onward_maildir_check(f, err);

	if (r == 0 && m->is_broken)
		r = error_set(err, -EIO, "the writer of the Maildir has ended");
	if (r == 0)
		r = open_target(m, err);
	if (r == 0) {
		r = write_out(m, f, &is, err);
		m->is_broken = r != 0;
		m->has_other_folders |= m->target.counts.folders > 0;
	}
	if (r == 0)
		log_info(NULL, "onward",
			"account=%.*s destination=maildir messages=%" PRIu64
			" written=%" PRIu64 " renamed=%" PRIu64 " removed=%" PRIu64,
			STR_ARG(f->account), is.messages, m->target.counts.written,
			m->target.counts.renamed, m->target.counts.removed);
	return r;
}

void onward_maildir_close(struct onward_maildir *m)
{
	if (m->is_open)
		maildir_target_fini(&m->target);
	m->is_open = false;
}
