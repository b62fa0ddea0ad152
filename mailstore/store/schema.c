/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/schema.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <stdio.h>

#define APPLICATION_ID "1835431521" /* "mfra": mailferry account, for file(1) */
#define BUSY_WAIT_MS 5000           /* somebody reads with the sqlite3 shell */

/* temp_store: an account's process may be in a chroot without /tmp. cell_size_check:
   damage is found where it is, not later. */
static const char connection_setup[] = "PRAGMA journal_mode = WAL;"
				       "PRAGMA synchronous = FULL;"
				       "PRAGMA foreign_keys = ON;"
				       "PRAGMA temp_store = MEMORY;"
				       "PRAGMA cell_size_check = ON;"
				       "PRAGMA journal_size_limit = 16777216;";

/* Row n brings version n to n + 1. Rows are never changed once released. */
static const char *const upgrades[] = {
	"PRAGMA application_id = " APPLICATION_ID ";"

	"CREATE TABLE account (modseq INTEGER NOT NULL);" /* one row */
	"INSERT INTO account VALUES (1);"

	"CREATE TABLE mailbox ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" key TEXT NOT NULL UNIQUE,"
	" name TEXT NOT NULL,"
	" separator TEXT NOT NULL,"
	" attributes INTEGER NOT NULL,"
	" special_use TEXT NOT NULL,"
	" uidvalidity INTEGER NOT NULL,"
	" uidnext INTEGER NOT NULL,"
	" highestmodseq INTEGER NOT NULL,"
	" modseq_base INTEGER NOT NULL,"
	" messages INTEGER NOT NULL DEFAULT 0,"
	" unseen INTEGER NOT NULL DEFAULT 0,"
	" recent INTEGER NOT NULL DEFAULT 0,"
	" deleted INTEGER NOT NULL DEFAULT 0,"
	" bytes INTEGER NOT NULL DEFAULT 0);"

	"CREATE TABLE uidvalidity ("
	" key TEXT NOT NULL,"
	" uidvalidity INTEGER NOT NULL,"
	" mailbox INTEGER NOT NULL," /* may be gone */
	" PRIMARY KEY (key, uidvalidity)) WITHOUT ROWID;"

	"CREATE TABLE message ("
	" mailbox INTEGER NOT NULL REFERENCES mailbox (id),"
	" uid INTEGER NOT NULL,"
	" flags INTEGER NOT NULL,"
	" keywords TEXT NOT NULL,"
	" date INTEGER NOT NULL,"
	" zone INTEGER NOT NULL,"
	" size INTEGER NOT NULL,"
	" modseq INTEGER NOT NULL,"
	" uidl TEXT NOT NULL,"
	" pop3_order INTEGER NOT NULL,"
	" pack INTEGER NOT NULL,"
	" offset INTEGER NOT NULL,"
	" len INTEGER NOT NULL,"
	" PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;"
	"CREATE INDEX message_modseq ON message (mailbox, modseq);"
	"CREATE INDEX message_place ON message (pack, offset);"

	"CREATE TABLE body ("
	" id INTEGER PRIMARY KEY,"
	" bytes BLOB NOT NULL);"
	"CREATE TRIGGER message_gone AFTER DELETE ON message"
	" WHEN old.pack = 0 AND old.offset <> 0 BEGIN"
	" DELETE FROM body WHERE id = old.offset AND NOT EXISTS"
	"  (SELECT 1 FROM message WHERE pack = 0 AND offset = old.offset);"
	" END;"

	"CREATE TABLE expunged ("
	" mailbox INTEGER NOT NULL REFERENCES mailbox (id),"
	" modseq INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" PRIMARY KEY (mailbox, modseq)) WITHOUT ROWID;"

	"CREATE TABLE subscription ("
	" key TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE checkpoint ("
	" name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE dead_pack (number INTEGER PRIMARY KEY);",

	/* ids are never used again: an old one that comes late hits nothing */
	"CREATE TABLE staged ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" date INTEGER NOT NULL,"
	" zone INTEGER NOT NULL,"
	" size INTEGER NOT NULL,"
	" pack INTEGER NOT NULL,"
	" offset INTEGER NOT NULL,"
	" len INTEGER NOT NULL);"
	"DROP TRIGGER message_gone;"
	"CREATE TRIGGER message_gone AFTER DELETE ON message"
	" WHEN old.pack = 0 AND old.offset <> 0 BEGIN"
	" DELETE FROM body WHERE id = old.offset AND NOT EXISTS"
	"  (SELECT 1 FROM message WHERE pack = 0 AND offset = old.offset)"
	" AND NOT EXISTS"
	"  (SELECT 1 FROM staged WHERE pack = 0 AND offset = old.offset);"
	" END;"
	"CREATE TRIGGER staged_gone AFTER DELETE ON staged"
	" WHEN old.pack = 0 AND old.offset <> 0 BEGIN"
	" DELETE FROM body WHERE id = old.offset AND NOT EXISTS"
	"  (SELECT 1 FROM message WHERE pack = 0 AND offset = old.offset)"
	" AND NOT EXISTS"
	"  (SELECT 1 FROM staged WHERE pack = 0 AND offset = old.offset);"
	" END;",
};
#define VERSION (int)(sizeof(upgrades) / sizeof(upgrades[0]))

static int read_number(struct store *s, const char *sql, int *ret, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? 0 : sql_error(s, rc, err);
}

/* An index that lost its tables looks like a new one. Serving it would show the user an
   empty mailbox, so only somebody who may create gets one, and never beside bodies. */
static int check_new(struct store *s, bool create, struct error *err)
{
	int tables = 0;
	int code = read_number(s, "SELECT count(*) FROM sqlite_schema", &tables, err);

	if (code < 0)
		return code;
	if (tables)
		return error_set(err, -EUCLEAN,
			"%s/index.sqlite is not an index of mailferry", s->folder);
	if (!create || s->packs.newest)
		return error_set(err, -EUCLEAN,
			"%s/index.sqlite is empty; restore it from a backup, or move the "
			"folder away and transfer the account again",
			s->folder);
	return 0;
}

static int upgrade_from(struct store *s, int version, struct error *err)
{
	char set_version[64];
	int code = sql_execute(s, "BEGIN IMMEDIATE", err);

	for (int i = version; code == 0 && i < VERSION; i++)
		code = sql_execute(s, upgrades[i], err);
	(void)snprintf(
		set_version, sizeof(set_version), "PRAGMA user_version = %d", VERSION);
	if (code == 0)
		code = sql_execute(s, set_version, err);
	if (code == 0)
		code = sql_execute(s, "COMMIT", err);
	if (code < 0)
		(void)sql_execute(s, "ROLLBACK", NULL);
	return code;
}

int schema_upgrade(struct store *s, bool create, struct error *err)
{
	int version = 0, id = 0, code;

	(void)sqlite3_busy_timeout(s->db, BUSY_WAIT_MS);
	code = read_number(s, "PRAGMA user_version", &version, err);
	if (code == 0)
		code = read_number(s,
			"SELECT application_id = " APPLICATION_ID
			" FROM pragma_application_id",
			&id, err);
	if (code == 0 && version == 0)
		code = check_new(s, create, err);
	else if (code == 0 && !id)
		code = error_set(err, -EUCLEAN,
			"%s/index.sqlite is not an index of mailferry", s->folder);
	if (code == 0 && version > VERSION)
		code = error_set(err, -EUCLEAN,
			"%s/index.sqlite is of a newer mailferry (%d, this one knows "
			"%d); install that one",
			s->folder, version, VERSION);
	if (code == 0)
		code = sql_execute(s, connection_setup, err);
	if (code == 0 && version < VERSION)
		code = upgrade_from(s, version, err);
	return code;
}
