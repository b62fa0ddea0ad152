/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SQLite writes each page to its log in two pieces: the frame's header of 24 bytes, then
 * the page (sqlite.org/walformat.html). While it commits they are held, and written as
 * one when the frame is there that ends the transaction:
 *
 *   header page │ header page │ header ("this is a commit") page     one pwrite()
 *
 * Only then SQLite syncs it, or lets others know of it; so nobody misses what is held.
 * What is no such frame is written at once, behind what is held. Before the commit, when
 * pages leave a full cache, nothing is held: the transaction may be undone, and the place
 * in the log be somebody else's. After it neither: SQLite may correct checksums in frames
 * that are there, and let others know at once. SQLite's own file lies behind this one in
 * memory, and does the work.
 *
 * A log that grows has its inode to sync with each commit. So it grows in steps, by
 * zeros, which are no frames.
 */
#include "database/internal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME "mailferry"
#define FRAME_HEADER 24
#define COMMIT_AT 4 /* in it: how many pages the file has after a commit; 4 bytes, or 0 */
#define GROWS_MAX ((sqlite3_int64)512 * 1024)
#define HELD_MAX ((size_t)16 * (FRAME_HEADER + 4096))

struct log_file {
	sqlite3_file is; /* first: what SQLite has a pointer to */
	sqlite3_file *file;
	char *held; /* NULL: nothing was held since memory was given back */
	size_t len;
	sqlite3_int64 at;  /* where it belongs */
	bool commits;      /* the frames that come now end with the commit's */
	bool awaits_page;  /* the last that is held is a header */
	bool is_of_commit; /* … and says so */
};

static sqlite3_vfs *engine(void)
{
	return sqlite3_vfs_find("unix");
}

/* ── what is held ──────────────────────────────────────────────────────────────────── */

static int write_held(struct log_file *f)
{
	int len = (int)f->len;

	f->len = 0;
	f->awaits_page = false;
	return len ? f->file->pMethods->xWrite(f->file, f->held, len, f->at) : SQLITE_OK;
}

/* false: it has to be written as it is. */
static bool hold(struct log_file *f, const char *bytes, size_t n, sqlite3_int64 at)
{
	if (!f->held)
		f->held = malloc(HELD_MAX);
	if (!f->held || f->len + n > HELD_MAX)
		return false;
	if (!f->len)
		f->at = at;
	memcpy(f->held + f->len, bytes, n);
	f->len += n;
	return true;
}

/* To twice its length, or by GROWS_MAX. Nobody else writes while a commit is written.
   What there is no room for is not needed either. */
static void grow(struct log_file *f, sqlite3_int64 end)
{
	const sqlite3_io_methods *m = f->file->pMethods;
	sqlite3_int64 size, to = end + (end < GROWS_MAX ? end : GROWS_MAX);
	int rc = m->xFileSize(f->file, &size);

	if (rc != SQLITE_OK || size > end)
		return;
	memset(f->held, 0, HELD_MAX);
	for (; rc == SQLITE_OK && end < to; end += (sqlite3_int64)HELD_MAX)
		rc = m->xWrite(f->file, f->held, (int)HELD_MAX, end);
}

/* It ends with a commit. */
static int write_transaction(struct log_file *f)
{
	sqlite3_int64 end = f->at + (sqlite3_int64)f->len;
	int rc = write_held(f);

	f->commits = false;
	if (rc == SQLITE_OK)
		grow(f, end);
	return rc;
}

static bool says_commit(const char header[static FRAME_HEADER])
{
	static const char none[4];

	return memcmp(header + COMMIT_AT, none, sizeof(none)) != 0;
}

static int log_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	struct log_file *f = (struct log_file *)(void *)file;
	bool goes_on = f->len && at == f->at + (sqlite3_int64)f->len;
	bool is_page = f->awaits_page && goes_on;
	bool is_header = !is_page && n == FRAME_HEADER && f->commits;
	int rc = SQLITE_OK;

	/* a header that finds no room for its page begins anew */
	if (!is_page && (!goes_on || !is_header || f->awaits_page ||
				f->len + (size_t)n + 4096 > HELD_MAX))
		rc = write_held(f);
	if (rc != SQLITE_OK)
		return rc;
	if (!(is_page || is_header) || !hold(f, bytes, (size_t)n, at)) {
		rc = write_held(f);
		return rc == SQLITE_OK ? f->file->pMethods->xWrite(f->file, bytes, n, at)
		                       : rc;
	}
	f->awaits_page = is_header;
	if (is_header)
		f->is_of_commit = says_commit(bytes);
	return is_page && f->is_of_commit ? write_transaction(f) : SQLITE_OK;
}

/* ── all else finds the file as if nothing were held ───────────────────────────────── */

static sqlite3_file *written(sqlite3_file *file, int *ret_rc)
{
	struct log_file *f = (struct log_file *)(void *)file;

	*ret_rc = write_held(f);
	return f->file;
}

/* What is held, if anything, is of no commit. */
static int log_close(sqlite3_file *file)
{
	struct log_file *f = (struct log_file *)(void *)file;

	free(f->held);
	return f->file->pMethods->xClose(f->file);
}

static int log_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
	int rc;
	sqlite3_file *under = written(file, &rc);

	return rc == SQLITE_OK ? under->pMethods->xRead(under, bytes, n, at) : rc;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc;
	sqlite3_file *under = written(file, &rc);

	return rc == SQLITE_OK ? under->pMethods->xTruncate(under, size) : rc;
}

static int log_sync(sqlite3_file *file, int flags)
{
	int rc;
	sqlite3_file *under = written(file, &rc);

	return rc == SQLITE_OK ? under->pMethods->xSync(under, flags) : rc;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	int rc;
	sqlite3_file *under = written(file, &rc);

	return rc == SQLITE_OK ? under->pMethods->xFileSize(under, ret) : rc;
}

static int log_control(sqlite3_file *file, int what, void *value)
{
	int rc;
	sqlite3_file *under = written(file, &rc);

	return rc == SQLITE_OK ? under->pMethods->xFileControl(under, what, value) : rc;
}

static int log_sector_size(sqlite3_file *file)
{
	sqlite3_file *under = ((struct log_file *)(void *)file)->file;

	return under->pMethods->xSectorSize(under);
}

static int log_characteristics(sqlite3_file *file)
{
	sqlite3_file *under = ((struct log_file *)(void *)file)->file;

	return under->pMethods->xDeviceCharacteristics(under);
}

/* Locks and shared memory are the database's, not its log's. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = log_close,
	.xRead = log_read,
	.xWrite = log_write,
	.xTruncate = log_truncate,
	.xSync = log_sync,
	.xFileSize = log_size,
	.xFileControl = log_control,
	.xSectorSize = log_sector_size,
	.xDeviceCharacteristics = log_characteristics,
};

/* ── opening ───────────────────────────────────────────────────────────────────────── */

/* The database itself is SQLite's own file. */
static int open_file(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct log_file *f = (struct log_file *)(void *)file;
	int rc;

	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return engine()->xOpen(engine(), name, file, flags, ret_flags);
	*f = (struct log_file){ .file = (sqlite3_file *)(void *)&f[1] };
	rc = engine()->xOpen(engine(), name, f->file, flags, ret_flags);
	f->is.pMethods = f->file->pMethods ? &methods : NULL; /* without: no xClose */
	return rc;
}

const char *log_file_vfs(void)
{
	static sqlite3_vfs vfs;

	if (vfs.zName || !engine())
		return vfs.zName;
	vfs = *engine();
	vfs.pNext = NULL;
	vfs.zName = NAME;
	vfs.szOsFile += (int)sizeof(struct log_file);
	vfs.xOpen = open_file;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		vfs.zName = NULL; /* then as SQLite does it */
	return vfs.zName;
}

/* ── what the connection says ──────────────────────────────────────────────────────── */

static struct log_file *log_of(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) !=
			SQLITE_OK ||
		!file || file->pMethods != &methods)
		return NULL;
	return (struct log_file *)(void *)file;
}

static int commit_begins(void *db)
{
	struct log_file *f = log_of(db);

	if (f)
		f->commits = true;
	return 0;
}

static void is_undone(void *db)
{
	struct log_file *f = log_of(db);

	if (f) {
		f->len = 0;
		f->commits = f->awaits_page = false;
	}
}

void log_file_follow(sqlite3 *db)
{
	(void)sqlite3_commit_hook(db, commit_begins, db);
	(void)sqlite3_rollback_hook(db, is_undone, db);
}

void log_file_give_back(sqlite3 *db)
{
	struct log_file *f = log_of(db);

	if (!f || f->len)
		return;
	free(f->held);
	f->held = NULL;
}
