/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DATABASE_INTERNAL_H
#define DATABASE_INTERNAL_H
/* What the files of lib/database share. */
#include "database/database.h"

#include <sqlite3.h>

/* Statements of our own, kept with the user's. */
enum own_statement {
	OWN_BEGIN_WRITING,
	OWN_BEGIN_READING,
	OWN_COMMIT,
	OWN_ROLLBACK,
	OWN_BEGIN_PART,
	OWN_KEEP_PART,
	OWN_UNDO_PART,
	OWN_COUNT
};

struct database {
	sqlite3 *db;
	char *path;
	const struct database_schema *schema;
	unsigned patience_ms;      /* with a lock of somebody else */
	uint64_t waits_until;      /* monotonic: for the one that is waited for now */
	bool full_sync;            /* what PRAGMA synchronous says now */
	sqlite3_stmt **statements; /* the schema's, then ours */
	unsigned queries;          /* that have begun and not ended */
	sqlite3_file *file;        /* of database_version(); NULL: not asked for yet */
};

/* -errno for what SQLite said, with the sentence. */
int database_error(struct database *d, int rc, struct error *err);
/* Several statements in one text. */
int database_execute(struct database *d, const char *text, struct error *err);

/* Checks whose file it is and of which version; makes or upgrades the tables. */
int database_upgrade(struct database *d, bool create, struct error *err);

#endif
