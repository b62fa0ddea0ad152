/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H
/* What the files of lib/registry share with each other and with nobody else. */
#include "base/fd.h"
#include "registry/address_key.h"
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

/* "alice", where only alice@example.com can be meant: that is the address, also when
   there is another domain some day (alias.h). false: it is none, or a whole one. */
bool name_address(const struct registry *r, struct str name, struct address_key *ret);

#define KEY_VALUES(keys) sql_text((keys)->key), sql_text((keys)->whole)

/* From a row whose first columns are those of SQL_ROUTE. */
int route_from_row(struct registry *r, const struct query *row, struct account_route *ret,
	struct error *err);

/* Fills the account from a row of ACCOUNT_COLUMNS; strings live until the next step. */
int account_from_row(struct registry *r, const struct query *row, struct account *ret,
	struct error *err);

/* -ENOENT unless the word is one of the first `count` that name_of() gives. */
typedef const char *word_fn(int value);
int word_value(struct str word, word_fn *name_of, int count);
word_fn route_word, stage_word, pin_word;

int no_such_account(int64_t id, struct error *err);

/* The one row that the statement has of that account; the caller ends it. -ENOENT. */
int account_row(struct registry *r, enum sql_id id, int64_t account,
	struct query *ret_row, struct error *err);
/* Changes the one row; the account's number is ?1. -ENOENT. */
int account_write(struct registry *r, enum sql_id id, const struct sql_value *values,
	size_t n_values, struct error *err);

/* -EPERM once the source is retired (retire.h); and that error itself. */
int refuse_when_retired(struct registry *r, struct error *err);
int source_is_retired(struct error *err);

/* registry_transition() without its transaction. */
int change_state(struct registry *r, int64_t id, enum account_event event, struct str by,
	struct str detail, struct error *err);

/* rescue.c: rows of an account that no login has made; outside the table of transitions.
 */
int account_make(struct registry *r, struct str name, uint64_t served_at, int64_t *ret_id,
	struct error *err);
int account_set_local(struct registry *r, int64_t id, uint64_t now, struct error *err);

int journal_write(
	struct registry *r, int64_t account, struct journal_line line, struct error *err);
struct account_state; /* transition.h */
/* The line of a change of state; line.from and .to are filled in. */
int journal_change(struct registry *r, int64_t account, struct account_state from,
	struct account_state to, struct journal_line line, struct error *err);

/* A candidate, and nothing else: what registry_add_candidate() begins with. */
int password_insert(struct registry *r, int64_t account, struct str login,
	struct str sealed, int64_t *ret_id, struct error *err);

#endif
