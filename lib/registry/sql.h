/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_SQL_H
#define REGISTRY_SQL_H
/*
 * The registry's statements, one enum-indexed table in sql.c, and the few steps by which
 * they are run. Inside lib/registry only (rsql: other libraries have SQL of their own).
 *
 * A statement is prepared at its first use and kept with the handle: a login costs one
 * lookup and no parsing.
 */
#include "registry/registry.h"
#include "registry/seal.h"

#include <sqlite3.h>

enum sql_id {
	SQL_ROUTE,
	SQL_FIND_KEYS,
	SQL_FIND_ID,
	SQL_EACH,
	SQL_EACH_WORK,
	SQL_NEXT_TRY,
	SQL_LEARN_LOOK,
	SQL_INSERT_ACCOUNT,
	SQL_INSERT_NAME,
	SQL_SET_PASSWORD,
	SQL_SET_LOGIN_TIME,
	SQL_SET_UNCAPTURABLE,
	SQL_SEALED,
	SQL_VERIFIER,
	SQL_SET_VERIFIER,
	SQL_STATE,
	SQL_SET_STATE,
	SQL_SET_PIN,
	SQL_SET_PROGRESS,
	SQL_SET_RESULT,
	SQL_INSERT_JOURNAL,
	SQL_JOURNAL,
	SQL_SET_FACT,
	SQL_FACT,
	SQL_ANY_LOCAL,
	SQL_ANY_SEALED,
	SQL_COUNT_ROUTES,
	SQL_BEGIN_READING,
	SQL_END_READING,
	SQL_ALIAS,
	SQL_EACH_ALIAS,
	SQL_LAST_ALIAS,
	SQL_PUT_ALIAS,
	SQL_REMOVE_ALIAS,
	SQL_COUNT_RECIPIENT,
	SQL_DAY_IS_FULL,
	SQL_FORGET_RECIPIENTS,
	SQL_EACH_RECIPIENT,
	SQL_SET_LOCAL_PASSWORD,
	SQL_DROP_LOCAL_PASSWORD,
	SQL_ANY_UNVERIFIED,
	SQL_SEEN_SERVICE,
	SQL_SEE_SERVICE,
	SQL_ERASE_SEALED,
	SQL_COUNT
};

struct registry {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	char *path;
	char **domains; /* those of the configuration */
	size_t n_domains;
	char *only_domain;      /* one of domains; NULL: none, or several */
	const char *delimiters; /* of sub-addresses; a literal */
	bool has_key;
	bool full_sync; /* what PRAGMA synchronous says now */
	uint8_t key[SEAL_KEY_SIZE];
};

/* -errno for what SQLite said, with the sentence. */
int rsql_error(struct registry *r, int rc, struct error *err);

/* The statement, reset and with nothing bound. */
int rsql_use(struct registry *r, enum sql_id id, sqlite3_stmt **ret_statement,
	struct error *err);
/* 1: a row, 0: no more (reset), -errno (reset). */
int rsql_step(struct registry *r, sqlite3_stmt *statement, struct error *err);
/* For statements without rows: 0 or -errno. */
int rsql_run(struct registry *r, sqlite3_stmt *statement, struct error *err);

/* A write transaction. durable: on disk when rsql_finish() returns. */
int rsql_begin(struct registry *r, bool durable, struct error *err);
/* Commits when result is 0, else rolls back; returns what happened. */
int rsql_finish(struct registry *r, int result, struct error *err);

void rsql_bind(sqlite3_stmt *statement, int at, struct str text);
void rsql_bind_blob(sqlite3_stmt *statement, int at, struct str bytes);
void rsql_bind_number(sqlite3_stmt *statement, int at, uint64_t number);
struct str rsql_text(sqlite3_stmt *statement, int column); /* until the next step */
uint64_t rsql_number(sqlite3_stmt *statement, int column);

/* Makes or upgrades the tables. */
int rsql_upgrade(struct registry *r, struct error *err);

#endif
