/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file as a whole: its log, whether it is sound, a copy of it. */
#include "base/fd.h"
#include "database/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void database_checkpoint_at(struct database *d, int pages)
{
	(void)sqlite3_wal_autocheckpoint(d->db, pages);
}

int database_empty_log(struct database *d, struct error *err)
{
	int rc = sqlite3_wal_checkpoint_v2(
		d->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : database_error(d, rc, err);
}

/* What SQLite says has several lines. */
static int say_damage(struct database *d, const char *said, struct error *err)
{
	char line[160];

	(void)snprintf(line, sizeof(line), "%s", said);
	for (char *c = line; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return error_set(
		err, -EUCLEAN, "%s is damaged (%s); %s", d->path, line, d->schema->cure);
}

int database_check(struct database *d, struct error *err)
{
	sqlite3_stmt *row = NULL;
	const char *said;
	int code, rc = sqlite3_prepare_v2(d->db, "PRAGMA quick_check(1)", -1, &row, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(row);
	said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
	if (!said)
		code = database_error(d, rc, err);
	else if (strcmp(said, "ok") == 0)
		code = 0;
	else
		code = say_damage(d, said, err);
	(void)sqlite3_finalize(row);
	return code;
}

static int sync_file(const char *path)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_names(const char *to)
{
	char directory[PATH_MAX];
	char *slash;

	(void)snprintf(directory, sizeof(directory), "%s", to);
	slash = strrchr(directory, '/');
	if (!slash)
		return fd_sync_directory(".");
	slash[slash == directory ? 1 : 0] = '\0';
	return fd_sync_directory(directory);
}

/* In one step: it is of one moment, and no writer makes it begin anew. */
static int copy_pages(struct database *d, const char *to, struct error *err)
{
	sqlite3 *copy = NULL;
	sqlite3_backup *backup;
	int rc = sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE, NULL);

	if (rc == SQLITE_OK) {
		backup = sqlite3_backup_init(copy, "main", d->db, "main");
		if (backup) {
			(void)sqlite3_backup_step(backup, -1);
			(void)sqlite3_backup_finish(backup);
		}
		rc = sqlite3_errcode(copy);
	}
	if (rc != SQLITE_OK)
		rc = error_set(err, rc == SQLITE_FULL ? -ENOSPC : -EIO,
			"cannot copy %s to %s: %s", d->path, to, sqlite3_errmsg(copy));
	(void)sqlite3_close(copy);
	return rc;
}

int database_copy(struct database *d, const char *to, struct error *err)
{
	char part[PATH_MAX];
	int fd, code = 0, len = snprintf(part, sizeof(part), "%s.new", to);

	if (len < 0 || (size_t)len >= sizeof(part))
		return error_errno(err, -ENAMETOOLONG, "%s", to);
	(void)unlink(part);
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, -errno, "cannot make %s", part);
	fd_closep(&fd);
	code = copy_pages(d, part, err);
	if (code == 0 && ((code = sync_file(part)) < 0 ||
				 (code = rename(part, to) < 0 ? -errno : 0) < 0 ||
				 (code = sync_names(to)) < 0))
		error_errno(err, code, "cannot write %s", to);
	if (code < 0)
		(void)unlink(part);
	return code;
}
