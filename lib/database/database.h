/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DATABASE_DATABASE_H
#define DATABASE_DATABASE_H
/*
 * Rows on disk: opening, upgrading, statements, transactions, and what went wrong as
 * -errno with a sentence. Below it is SQLite (sqlite.c), in WAL mode; nobody above
 * includes its header.
 *
 *   struct database_schema     what a user of this library has: texts of SQL by number,
 *                              and the rows that lead from one version to the next
 *   struct database            one open connection
 *   struct query               one statement in progress
 *
 * A statement is prepared at its first use and kept. When it is in use already (a
 * callback asks the same question), a second one is prepared for that time.
 *
 * Functions return 0 or -errno: -EBUSY locked for too long, -ENOSPC disk full, -EUCLEAN
 * damaged or not ours, -EACCES not allowed or read-only, -EEXIST a constraint, -EFBIG.
 */
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database; /* opaque */

struct database_schema {
	const char *noun;        /* "the registry": for sentences */
	const char *cure;        /* of damage: "restore it from a backup" */
	uint32_t application_id; /* for file(1), and to refuse other files; 0: none */
	bool durable;      /* a commit is on the disk, also outside database_begin() */
	const char *setup; /* more statements for each connection, "" */
	const char *const *statements;
	size_t n_statements;
	/* row i leads from user_version i to i + 1; one that was released never changes
	 */
	const char *const *upgrades;
	size_t n_upgrades;
};

/* create: makes the file (mode 0600), or the tables in an empty one; else an empty file
   is damage: its tables are gone. -ENOENT: no such file. */
int database_open(const char *path, bool create, const struct database_schema *schema,
	struct database **ret, struct error *err);
void database_close(struct database *d); /* rolls back; NULL is fine */
/* Its close writes nothing: the files under it are others now, or whoever opens it next
   goes on with its log. */
void database_abandon(struct database *d);
const char *database_path(const struct database *d);
/* How long it waits for the lock of somebody else, asleep; 5 s at first. Then -EBUSY. */
void database_set_patience(struct database *d, unsigned ms);

/* ── statements ────────────────────────────────────────────────────────────────────── */

struct sql_value {
	enum { SQL_IS_NULL, SQL_IS_NUMBER, SQL_IS_TEXT, SQL_IS_BLOB } kind;
	int64_t number;
	struct str bytes;
};

static inline struct sql_value sql_null(void)
{
	return (struct sql_value){ .kind = SQL_IS_NULL };
}

static inline struct sql_value sql_signed(int64_t n)
{
	return (struct sql_value){ .kind = SQL_IS_NUMBER, .number = n };
}

static inline struct sql_value sql_number(uint64_t n)
{
	return sql_signed((int64_t)n);
}

static inline struct sql_value sql_text(struct str s)
{
	return (struct sql_value){ .kind = SQL_IS_TEXT, .bytes = s };
}

static inline struct sql_value sql_blob(struct str s)
{
	return (struct sql_value){ .kind = SQL_IS_BLOB, .bytes = s };
}

/* The two arguments (values, count) for ?1, ?2 …; the bytes must live until the end. */
#define SQL_VALUES(...)                                                                  \
	(const struct sql_value[]){ __VA_ARGS__ },                                       \
		sizeof((const struct sql_value[]){ __VA_ARGS__ }) /                      \
			sizeof(struct sql_value)
#define SQL_NO_VALUES NULL, 0

/* A statement in progress. After query_begin(), call query_end() whatever happens; or
   declare it as `CLEANUP(query_end) struct query q = { 0 };`. */
struct query {
	struct database *database;
	void *statement; /* the engine's; NULL: none */
	bool once;       /* not the kept one */
};
int query_begin(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, struct query *ret, struct error *err);
int query_next(struct query *q, struct error *err); /* 1: a row, 0: no more, -errno */
/* Both: the first row. */
int query_first(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, struct query *ret, struct error *err);
void query_end(struct query *q);
uint64_t query_number(const struct query *q, int column);
bool query_is_null(const struct query *q, int column);
struct str query_bytes(const struct query *q, int column); /* until the next step */

/* A statement to its end, without rows. */
int sql_run(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, struct error *err);
/* The first column of the first row; 0 when there is no row, or NULL in it. */
int sql_get(struct database *d, unsigned statement, const struct sql_value *values,
	size_t n_values, uint64_t *ret_number, struct error *err);

/* Memory that only makes the next questions faster goes back: pages, kept statements.
   While a query is in progress nothing happens. */
void database_give_back(struct database *d);

/* Rows of the last statement, and of all since the file was opened. */
uint64_t database_changes(const struct database *d);
uint64_t database_total_changes(const struct database *d);
int64_t database_last_id(const struct database *d);

/* ── transactions ──────────────────────────────────────────────────────────────────── */

/* To write. durable: on the disk when the commit returns; else a power failure may take
   the last commits, never one before another that stayed. */
int database_begin(struct database *d, bool durable, struct error *err);
/* Several reads as one: of one moment, and the file is locked once. */
int database_begin_reading(struct database *d, struct error *err);
int database_commit(struct database *d, struct error *err);
void database_rollback(struct database *d); /* without one it does nothing */
/* Commits when result is 0, else rolls back; returns what happened. */
int database_finish(struct database *d, int result, struct error *err);
/* Of a transaction: what fails in it undoes itself, and the rest goes on. */
int database_begin_part(struct database *d, struct error *err);
int database_finish_part(struct database *d, int result, struct error *err);
/* The engine ends a transaction by itself after some errors (disk full …). */
bool database_in_transaction(const struct database *d);

/* ── what others write ─────────────────────────────────────────────────────────────── */

/* Which commit is the last one, of any process: as long as it is the same, a question has
   the same answer as before. Read from shared memory, without a lock or a system call. */
struct database_version {
	uint64_t words[6];
};
/* false: it cannot be told; in a transaction, too: what that wrote is no commit; and
   while an answer is read: what is asked then is of that one's moment. */
bool database_version(struct database *d, struct database_version *ret);

/* ── the file ──────────────────────────────────────────────────────────────────────── */

/* The write-ahead log is copied back into the file when it has so many pages of 4 KiB. */
void database_checkpoint_at(struct database *d, int pages);
/* Now, and the log is emptied: erased bytes are gone from it. -EBUSY: somebody reads. */
int database_empty_log(struct database *d, struct error *err);
/* Looks at every page and index entry (PRAGMA quick_check): -EUCLEAN with the first thing
   that is wrong. Some 0.3 s for 100 MB. */
int database_check(struct database *d, struct error *err);
/* A copy of it as it is now, on the disk when this returns (mode 0600); `to` is replaced
   as a whole. Others may go on meanwhile. */
int database_copy(struct database *d, const char *to, struct error *err);

#endif
