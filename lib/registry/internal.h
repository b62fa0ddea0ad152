/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H
/* What the files of lib/registry share with each other and with nobody else. */
#include "registry/sql.h"

/* The two keys of a name: what it shares with its other spellings, and all of it folded.
   Views into bytes. */
struct name_keys {
	char bytes[REGISTRY_NAME_MAX];
	struct str key;   /* without the only domain */
	struct str whole; /* with it: found even after a second domain was configured */
};
/* -EINVAL: empty, too long, holds a NUL. */
int name_keys(const struct registry *r, struct str name, struct name_keys *ret);

/* The statement, with the keys as its first two parameters. */
int rsql_use_keys(struct registry *r, enum sql_id id, const struct name_keys *keys,
	sqlite3_stmt **ret_statement, struct error *err);

/* From a row whose first columns are those of SQL_ROUTE. */
int route_from_row(struct registry *r, sqlite3_stmt *row, struct account_route *ret,
	struct error *err);

/* Fills the account from a row of ACCOUNT_COLUMNS; strings live until the next step. */
int account_from_row(
	struct registry *r, sqlite3_stmt *row, struct account *ret, struct error *err);

/* -ENOENT unless the word is one of the first `count` that name_of() gives. */
typedef const char *word_fn(int value);
int word_value(struct str word, word_fn *name_of, int count);
word_fn route_word, stage_word, pin_word;

int no_such_account(int64_t id, struct error *err);

/* The one row that the statement has of that account; the caller resets it. -ENOENT. */
int account_row(struct registry *r, enum sql_id id, int64_t account,
	sqlite3_stmt **ret_row, struct error *err);

/* -EPERM once the source is retired (retire.h). */
int refuse_when_retired(struct registry *r, struct error *err);

/* registry_transition() without its transaction. */
int change_state(struct registry *r, int64_t id, enum account_event event, struct str by,
	struct str detail, struct error *err);

int journal_write(
	struct registry *r, int64_t account, struct journal_line line, struct error *err);

#endif
