/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_SQL_H
#define MAILSTORE_STORE_SQL_H
/*
 * The index's statements, one enum-indexed table in sql.c, and the few steps by which
 * they are run. Inside mailstore/store only.
 *
 * A statement is prepared at its first use and kept. When it is in use already (a
 * callback walks the messages of another mailbox), a second one is prepared for that
 * time.
 */
#include "base/error.h"
#include "base/str.h"

#include <sqlite3.h>
#include <stdbool.h>

struct store;

enum sql_id {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_MODSEQ,
	SQL_SET_MODSEQ,

	SQL_EACH_MAILBOX,
	SQL_FIND_MAILBOX,
	SQL_MAILBOX,
	SQL_INSERT_MAILBOX,
	SQL_UPDATE_MAILBOX,
	SQL_SET_COUNTS,
	SQL_RENAME_MAILBOX,
	SQL_DELETE_MAILBOX,
	SQL_RESET_MAILBOX,
	SQL_UIDVALIDITY_OWNER,
	SQL_NOTE_UIDVALIDITY,
	SQL_LAST_UIDVALIDITY,

	SQL_EACH_MESSAGE,
	SQL_EACH_CHANGED,
	SQL_EACH_EXPUNGED,
	SQL_MESSAGE,
	SQL_INSERT_MESSAGE,
	SQL_COPY_MESSAGE,
	SQL_SET_FLAGS,
	SQL_SET_UIDL,
	SQL_CLEAR_RECENT,
	SQL_DELETE_MESSAGE,
	SQL_DELETE_MESSAGES,
	SQL_INSERT_EXPUNGED,
	SQL_FORGET_EXPUNGED,
	SQL_CLEAR_EXPUNGED,

	SQL_PLACE,
	SQL_INSERT_BODY,
	SQL_BODY,
	SQL_EACH_PACK_OF,
	SQL_PACK_LIVES,
	SQL_LAST_PLACE,
	SQL_INSERT_DEAD,
	SQL_EACH_DEAD,
	SQL_CLEAR_DEAD,

	SQL_INSERT_STAGED,
	SQL_STAGED,
	SQL_FIRST_STAGED,
	SQL_DELETE_STAGED,

	SQL_SUBSCRIBE,
	SQL_UNSUBSCRIBE,
	SQL_IS_SUBSCRIBED,
	SQL_EACH_SUBSCRIPTION,
	SQL_SET_CHECKPOINT,
	SQL_DELETE_CHECKPOINT,
	SQL_CHECKPOINT,

	SQL_CHECK_PAGES,
	SQL_CHECK_REFERENCES,
	SQL_CHECK_COUNTS,
	SQL_CHECK_UIDS,
	SQL_CHECK_MODSEQS,
	SQL_CHECK_EXPUNGED,
	SQL_CHECK_INLINE,
	SQL_CHECK_UNUSED,
	SQL_EACH_PLACE,
	SQL_COUNT
};

struct sql_value {
	enum { SQL_IS_NUMBER, SQL_IS_TEXT, SQL_IS_BLOB } kind;
	sqlite3_int64 number;
	struct str bytes;
};

static inline struct sql_value sql_number(uint64_t n)
{
	return (struct sql_value){ .kind = SQL_IS_NUMBER, .number = (sqlite3_int64)n };
}

static inline struct sql_value sql_signed(int64_t n)
{
	return (struct sql_value){ .kind = SQL_IS_NUMBER, .number = n };
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

/* A statement in progress. After query_begin(), call query_end() whatever happens. */
struct query {
	struct store *store;
	sqlite3_stmt *statement; /* NULL: none */
	bool once;               /* not the kept one */
};
int query_begin(struct store *s, enum sql_id id, const struct sql_value *values,
	size_t n_values, struct query *ret, struct error *err);
int query_next(struct query *q, struct error *err); /* 1: a row, 0: no more, -errno */
void query_end(struct query *q);
uint64_t query_number(const struct query *q, int column);
struct str query_bytes(const struct query *q, int column); /* until the next step */

/* A statement to its end, without rows. */
int sql_run(struct store *s, enum sql_id id, const struct sql_value *values,
	size_t n_values, struct error *err);
/* The first column of the first row; 0 when there is no row, or NULL in it. */
int sql_get(struct store *s, enum sql_id id, const struct sql_value *values,
	size_t n_values, uint64_t *ret_number, struct error *err);
/* For schema.c: several statements in one text. */
int sql_execute(struct store *s, const char *text, struct error *err);

void sql_close(struct store *s);
/* -errno for what SQLite said, with the sentence. */
int sql_error(struct store *s, int rc, struct error *err);

#endif
