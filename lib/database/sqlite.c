/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"
#include "base/fd.h"
#include "database/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_WAIT_FIRST_US 100
#define LOCK_WAIT_MOST_US 25000
#define LOCK_PATIENCE_MS 5000

static const char *const own_statements[] = {
	[OWN_BEGIN_WRITING] = "BEGIN IMMEDIATE",
	[OWN_BEGIN_READING] = "BEGIN",
	[OWN_COMMIT] = "COMMIT",
	[OWN_ROLLBACK] = "ROLLBACK",
	[OWN_BEGIN_PART] = "SAVEPOINT part",
	[OWN_KEEP_PART] = "RELEASE part",
	[OWN_UNDO_PART] = "ROLLBACK TO part",
};
_Static_assert(sizeof(own_statements) / sizeof(own_statements[0]) == OWN_COUNT,
	"one text a statement");

/* ── errors ────────────────────────────────────────────────────────────────────────── */

static int code_of(const struct database *d, int rc)
{
	static const struct {
		int rc, code;
	} codes[] = {
		{ SQLITE_BUSY, -EBUSY },
		{ SQLITE_LOCKED, -EBUSY },
		{ SQLITE_FULL, -ENOSPC },
		{ SQLITE_NOMEM, -ENOMEM },
		{ SQLITE_CORRUPT, -EUCLEAN },
		{ SQLITE_NOTADB, -EUCLEAN },
		{ SQLITE_READONLY, -EACCES },
		{ SQLITE_PERM, -EACCES },
		{ SQLITE_CANTOPEN, -EACCES },
		{ SQLITE_CONSTRAINT, -EEXIST },
		{ SQLITE_TOOBIG, -EFBIG },
	};
	int system = d->db ? sqlite3_system_errno(d->db) : 0;

	if ((rc & 0xff) == SQLITE_IOERR)
		return system == EDQUOT || system == ENOSPC ? -ENOSPC : -EIO;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].rc == (rc & 0xff))
			return codes[i].code;
	return -EIO;
}

int database_error(struct database *d, int rc, struct error *err)
{
	int code = code_of(d, rc);
	const char *said = d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc);

	if (code == -EUCLEAN)
		return error_set(err, code, "%s is damaged (%s); %s", d->path, said,
			d->schema->cure);
	if (code == -ENOSPC)
		return error_set(err, code, "no room on the disk of %s", d->path);
	return error_set(err, code, "%s: %s", d->path, said);
}

/* ── opening ───────────────────────────────────────────────────────────────────────── */

/* SQLite would make it readable for all; its -wal and -shm take over this mode. Never
   opened and closed when it is there: that would drop the process's own locks on it. */
static int make_private_file(const struct database *d, struct error *err)
{
	CLEANUP(fd_closep)
	int fd = open(d->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return error_errno(
			err, -errno, "cannot make %s %s", d->schema->noun, d->path);
	return 0;
}

/* SQLite's own handler sleeps a millisecond at least, where a commit elsewhere takes a
   tenth, and a sleeping worker serves nobody. */
static int wait_for_lock(void *context, int times)
{
	struct database *d = context;
	useconds_t us =
		times < 8 ? (useconds_t)LOCK_WAIT_FIRST_US << times : LOCK_WAIT_MOST_US;
	uint64_t now = clock_monotonic_ms();

	if (times == 0)
		d->waits_until = now + d->patience_ms;
	if (now >= d->waits_until)
		return 0;
	(void)usleep(us);
	return 1;
}

static int open_file(struct database *d, bool create, struct error *err)
{
	int rc, code = create ? make_private_file(d, err) : 0;

	if (code < 0)
		return code;
	if (access(d->path, F_OK) < 0)
		return error_errno(err, -errno, "cannot open %s", d->path);
	/* nobody asks how much memory it uses: before it has begun */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	rc = sqlite3_open_v2(
		d->path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return database_error(d, rc, err);
	d->patience_ms = LOCK_PATIENCE_MS;
	(void)sqlite3_busy_handler(d->db, wait_for_lock, d);
	return database_upgrade(d, create, err);
}

void database_set_patience(struct database *d, unsigned ms)
{
	d->patience_ms = ms;
}

int database_open(const char *path, bool create, const struct database_schema *schema,
	struct database **ret, struct error *err)
{
	struct database *d = calloc(1, sizeof(*d));
	int code = -ENOMEM;

	if (!d)
		return error_set(err, code, "no memory");
	d->schema = schema;
	d->path = strdup(path);
	d->statements = calloc(schema->n_statements + OWN_COUNT, sizeof(*d->statements));
	if (d->path && d->statements)
		code = open_file(d, create, err);
	else
		(void)error_set(err, code, "no memory");
	if (code < 0) {
		database_close(d);
		return code;
	}
	*ret = d;
	return 0;
}

void database_abandon(struct database *d)
{
	(void)sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void database_close(struct database *d)
{
	if (!d)
		return;
	for (size_t i = 0; d->statements && i < d->schema->n_statements + OWN_COUNT; i++)
		(void)sqlite3_finalize(d->statements[i]);
	(void)sqlite3_close(d->db);
	free(d->statements);
	free(d->path);
	free(d);
}

const char *database_path(const struct database *d)
{
	return d->path;
}

/* ── statements ────────────────────────────────────────────────────────────────────── */

static const char *text_of(const struct database *d, size_t statement)
{
	size_t n = d->schema->n_statements;

	return statement < n ? d->schema->statements[statement]
	                     : own_statements[statement - n];
}

static int bind(sqlite3_stmt *statement, int at, const struct sql_value *v)
{
	const char *bytes = v->bytes.len ? v->bytes.ptr : "";

	switch (v->kind) {
	case SQL_IS_TEXT:
		return sqlite3_bind_text64(
			statement, at, bytes, v->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
	case SQL_IS_BLOB:
		return sqlite3_bind_blob64(
			statement, at, bytes, v->bytes.len, SQLITE_STATIC);
	case SQL_IS_NUMBER:
		return sqlite3_bind_int64(statement, at, v->number);
	case SQL_IS_NULL:
		break;
	}
	return sqlite3_bind_null(statement, at);
}

/* The kept statement, or a second one while that is in use. */
static int prepare(struct database *d, size_t statement, struct query *q)
{
	sqlite3_stmt **kept = &d->statements[statement], *second = NULL;
	int rc = SQLITE_OK;

	if (!*kept)
		rc = sqlite3_prepare_v3(d->db, text_of(d, statement), -1,
			SQLITE_PREPARE_PERSISTENT, kept, NULL);
	q->once = rc == SQLITE_OK && sqlite3_stmt_busy(*kept);
	if (q->once)
		rc = sqlite3_prepare_v3(
			d->db, text_of(d, statement), -1, 0, &second, NULL);
	q->statement = q->once ? second : *kept;
	return rc;
}

int query_begin(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, struct query *ret, struct error *err)
{
	int rc;

	*ret = (struct query){ .database = d };
	rc = prepare(d, statement, ret);
	d->queries += ret->statement != NULL;
	/* a missing one would be NULL, silently: a bug of ours */
	assert(rc != SQLITE_OK ||
		(size_t)sqlite3_bind_parameter_count(ret->statement) == n_values);
	for (size_t i = 0; i < n_values && rc == SQLITE_OK; i++)
		rc = bind(ret->statement, (int)i + 1, &values[i]);
	return rc == SQLITE_OK ? 0 : database_error(d, rc, err);
}

int query_next(struct query *q, struct error *err)
{
	int rc = sqlite3_step(q->statement);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : database_error(q->database, rc, err);
}

int query_first(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, struct query *ret, struct error *err)
{
	int code = query_begin(d, statement, values, n_values, ret, err);

	return code < 0 ? code : query_next(ret, err);
}

void query_end(struct query *q)
{
	if (q->statement)
		q->database->queries--;
	if (q->once) {
		(void)sqlite3_finalize(q->statement);
	} else if (q->statement) {
		(void)sqlite3_reset(q->statement);
		(void)sqlite3_clear_bindings(q->statement);
	}
	q->statement = NULL;
}

uint64_t query_number(const struct query *q, int column)
{
	return (uint64_t)sqlite3_column_int64(q->statement, column);
}

bool query_is_null(const struct query *q, int column)
{
	return sqlite3_column_type(q->statement, column) == SQLITE_NULL;
}

struct str query_bytes(const struct query *q, int column)
{
	const void *bytes = sqlite3_column_blob(q->statement, column);
	int len = sqlite3_column_bytes(q->statement, column);

	return bytes ? str_of(bytes, (size_t)len) : STR_LIT("");
}

int sql_run(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(d, statement, values, n_values, &q, err);

	return n < 0 ? n : 0;
}

int sql_get(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, uint64_t *ret_number, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(d, statement, values, n_values, &q, err);

	if (n < 0)
		return n;
	*ret_number = n ? query_number(&q, 0) : 0;
	return 0;
}

int database_execute(struct database *d, const char *text, struct error *err)
{
	int rc = sqlite3_exec(d->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : database_error(d, rc, err);
}

void database_give_back(struct database *d)
{
	if (d->queries)
		return;
	for (size_t i = 0; i < d->schema->n_statements + OWN_COUNT; i++) {
		(void)sqlite3_finalize(d->statements[i]);
		d->statements[i] = NULL;
	}
	(void)sqlite3_db_release_memory(d->db);
}

uint64_t database_changes(const struct database *d)
{
	return (uint64_t)sqlite3_changes64(d->db);
}

uint64_t database_total_changes(const struct database *d)
{
	return (uint64_t)sqlite3_total_changes64(d->db);
}

int64_t database_last_id(const struct database *d)
{
	return sqlite3_last_insert_rowid(d->db);
}

/* ── transactions ──────────────────────────────────────────────────────────────────── */

static int run_own(struct database *d, enum own_statement own, struct error *err)
{
	return sql_run(d, (unsigned)d->schema->n_statements + own, SQL_NO_VALUES, err);
}

/* In WAL mode a commit under NORMAL may vanish with the power, not with the process; FULL
   syncs the log, and with it all that was committed before. */
int database_begin(struct database *d, bool durable, struct error *err)
{
	int code = 0;

	if (durable != d->full_sync)
		code = database_execute(d,
			durable ? "PRAGMA synchronous = FULL"
				: "PRAGMA synchronous = NORMAL",
			err);
	if (code < 0)
		return code;
	d->full_sync = durable;
	return run_own(d, OWN_BEGIN_WRITING, err);
}

int database_begin_reading(struct database *d, struct error *err)
{
	return run_own(d, OWN_BEGIN_READING, err);
}

int database_commit(struct database *d, struct error *err)
{
	return run_own(d, OWN_COMMIT, err);
}

void database_rollback(struct database *d)
{
	if (database_in_transaction(d))
		(void)run_own(d, OWN_ROLLBACK, NULL);
}

int database_finish(struct database *d, int result, struct error *err)
{
	if (result == 0)
		result = database_commit(d, err);
	if (result != 0)
		database_rollback(d);
	return result;
}

int database_begin_part(struct database *d, struct error *err)
{
	return run_own(d, OWN_BEGIN_PART, err);
}

int database_finish_part(struct database *d, int result, struct error *err)
{
	if (result != 0 && database_in_transaction(d))
		(void)run_own(d, OWN_UNDO_PART, NULL);
	if (database_in_transaction(d)) {
		int code = run_own(d, OWN_KEEP_PART, err);

		result = result ? result : code;
	}
	return result;
}

bool database_in_transaction(const struct database *d)
{
	return !sqlite3_get_autocommit(d->db);
}
