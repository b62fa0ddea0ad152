/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/schema.h"
#include "mailstore/store/sql.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define APPLICATION_ID 1835431521 /* "mfra": mailferry account, for file(1) */

/* Row n brings version n to n + 1. Rows are never changed once released. */
static const char *const upgrades[] = {
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

	/* whose folder it is and whether it is served; a checksum for each body (NULL: it
	   was written before) */
	"ALTER TABLE account ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE account ADD COLUMN service TEXT NOT NULL DEFAULT 'copying'"
	" CHECK (service IN ('copying', 'served', 'leaving', 'left'));"
	"ALTER TABLE account ADD COLUMN served_at INTEGER NOT NULL DEFAULT 0;"
	"UPDATE account SET service = coalesce((SELECT CASE CAST(value AS TEXT)"
	"  WHEN 'left' THEN 'left' ELSE 'served' END FROM checkpoint"
	"  WHERE name = 'switch-modseq'), 'copying');"
	"ALTER TABLE message ADD COLUMN checksum INTEGER;"
	"ALTER TABLE staged ADD COLUMN checksum INTEGER;",

	/* when a message came to its mailbox; what its copies have in common (an old one:
	   their place); what clients note about mailboxes, and the keywords that they
	   showed at the source without a message that has them */
	"ALTER TABLE message ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE message ADD COLUMN email INTEGER NOT NULL DEFAULT 0;"
	"UPDATE message SET saved = date, email = CASE WHEN pack = 0 AND offset = 0"
	" THEN modseq ELSE (SELECT min(m.modseq) FROM message m"
	"  WHERE m.pack = message.pack AND m.offset = message.offset) END;"
	"CREATE TABLE metadata ("
	" mailbox INTEGER NOT NULL," /* 0: of the account */
	" entry TEXT NOT NULL,"
	" value BLOB NOT NULL,"
	" PRIMARY KEY (mailbox, entry)) WITHOUT ROWID;"
	"CREATE TABLE keyword ("
	" mailbox INTEGER NOT NULL,"
	" word TEXT NOT NULL,"
	" PRIMARY KEY (mailbox, word)) WITHOUT ROWID;"
	"CREATE TRIGGER mailbox_gone AFTER DELETE ON mailbox BEGIN"
	" DELETE FROM metadata WHERE mailbox = old.id;"
	" DELETE FROM keyword WHERE mailbox = old.id;"
	" END;",

	/* so that modseqs which clients have of the source go on: store_base_modseq() */
	"ALTER TABLE mailbox ADD COLUMN modseq_from INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE mailbox ADD COLUMN source_modseq INTEGER NOT NULL DEFAULT 0;",

	/* what is kept of headers, so that their messages need not be read: rows.h */
	"CREATE TABLE header ("
	" email INTEGER PRIMARY KEY,"
	" version INTEGER NOT NULL,"
	" fields BLOB,"
	" envelope BLOB,"
	" structure BLOB);"
	"CREATE INDEX message_email ON message (email);"
	"ALTER TABLE account ADD COLUMN read_version INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN read_to INTEGER NOT NULL DEFAULT 0;"
	"CREATE TRIGGER email_gone AFTER DELETE ON message"
	" WHEN NOT EXISTS (SELECT 1 FROM message WHERE email = old.email) BEGIN"
	" DELETE FROM header WHERE email = old.email;"
	" END;",

	/* NULL: the one of mailferry.conf; 0: none */
	"ALTER TABLE account ADD COLUMN quota_bytes INTEGER;"
	"ALTER TABLE account ADD COLUMN quota_messages INTEGER;",

	/* which texts may be in which message: grams.h */
	"CREATE TABLE gram_block ("
	" first INTEGER PRIMARY KEY," /* the email of the first */
	" emails BLOB NOT NULL);"
	"CREATE TABLE gram_row ("
	" block INTEGER NOT NULL,"
	" pair INTEGER NOT NULL,"
	" lists BLOB NOT NULL,"
	" PRIMARY KEY (block, pair)) WITHOUT ROWID;"
	"CREATE TABLE gram_new (email INTEGER PRIMARY KEY, grams BLOB NOT NULL);"
	"CREATE TABLE gram_gone (email INTEGER PRIMARY KEY, since INTEGER NOT NULL);"
	"ALTER TABLE account ADD COLUMN grams_version INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN grams_to INTEGER NOT NULL DEFAULT 0;"
	"CREATE TRIGGER grams_void AFTER UPDATE OF grams_version ON account"
	" WHEN new.grams_version = 0 BEGIN"
	" DELETE FROM gram_row; DELETE FROM gram_block; DELETE FROM gram_new;"
	" DELETE FROM gram_gone;"
	" END;"
	"DROP TRIGGER email_gone;"
	"CREATE TRIGGER email_gone AFTER DELETE ON message"
	" WHEN NOT EXISTS (SELECT 1 FROM message WHERE email = old.email) BEGIN"
	" DELETE FROM header WHERE email = old.email;"
	" DELETE FROM gram_new WHERE email = old.email;"
	" INSERT OR IGNORE INTO gram_gone"
	"  SELECT old.email, CAST(strftime('%s') AS INTEGER) FROM account"
	"  WHERE grams_to >= old.email;"
	" END;",

	/* whoever selects the mailbox takes \Recent from these few, not from all */
	"CREATE INDEX message_recent ON message (mailbox) WHERE flags & 32;",

	/* the source's side of an account that lives here: source_side.h */
	"CREATE TABLE base ("
	" mailbox INTEGER PRIMARY KEY," /* may be gone */
	" name TEXT NOT NULL,"
	" uidvalidity INTEGER NOT NULL,"
	" uidnext INTEGER NOT NULL);"
	"CREATE TABLE base_subscription ("
	" key TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE counterpart ("
	" mailbox INTEGER NOT NULL,"
	" uid INTEGER NOT NULL," /* may be gone, both */
	" folder TEXT NOT NULL," /* a name's key */
	" uidvalidity INTEGER NOT NULL,"
	" source_uid INTEGER NOT NULL,"
	" digest BLOB NOT NULL,"
	" PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;"
	"ALTER TABLE expunged ADD COLUMN date INTEGER;" /* NULL: not kept then */
	"ALTER TABLE expunged ADD COLUMN size INTEGER;"
	"CREATE INDEX counterpart_source ON counterpart (folder, uidvalidity, source_uid);",

	/* names that the account had before, and still has */
	"CREATE TABLE former_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);",

	/* the per cent that the user was last told of; 0: of none */
	"ALTER TABLE account ADD COLUMN quota_told INTEGER NOT NULL DEFAULT 0;",

	/* counterparts at the source (side 0) and where mail moves to (side 1) */
	"CREATE TABLE counterpart_now ("
	" side INTEGER NOT NULL,"
	" mailbox INTEGER NOT NULL,"
	" uid INTEGER NOT NULL," /* may be gone, both */
	" folder TEXT NOT NULL," /* a name's key */
	" uidvalidity INTEGER NOT NULL,"
	" other_uid INTEGER NOT NULL,"
	" digest BLOB NOT NULL,"
	" proven INTEGER NOT NULL," /* its bytes there were compared */
	" PRIMARY KEY (side, mailbox, uid)) WITHOUT ROWID;"
	"INSERT INTO counterpart_now SELECT 0, mailbox, uid, folder, uidvalidity,"
	" source_uid, digest, 0 FROM counterpart;"
	"DROP TABLE counterpart;"
	"ALTER TABLE counterpart_now RENAME TO counterpart;"
	"CREATE INDEX counterpart_other"
	" ON counterpart (side, folder, uidvalidity, other_uid);",

	/* what became of many messages at once, and what all are with it: range.c */
	"CREATE TABLE range_change ("
	" mailbox INTEGER PRIMARY KEY REFERENCES mailbox (id),"
	" first INTEGER NOT NULL,"
	" last INTEGER NOT NULL,"
	" add_flags INTEGER NOT NULL,"
	" take_flags INTEGER NOT NULL,"
	" modseq INTEGER NOT NULL,"
	" every INTEGER NOT NULL);"
	"CREATE VIEW message_now AS SELECT m.mailbox AS mailbox, m.uid AS uid,"
	" CASE WHEN c.modseq THEN (flags | add_flags) & ~take_flags ELSE flags END"
	"  AS flags, CASE WHEN c.modseq AND"
	"  (every OR flags <> (flags | add_flags) & ~take_flags)"
	"  THEN c.modseq ELSE m.modseq END AS modseq, keywords, size"
	" FROM message m LEFT JOIN range_change c ON c.mailbox = m.mailbox"
	" AND m.uid BETWEEN c.first AND c.last AND m.modseq < c.modseq;",

	/* where the account lives, bound by the vault (registry/residence.h); "": it is not
	   said */
	"ALTER TABLE account ADD COLUMN residence TEXT NOT NULL DEFAULT '';",

	/* mailboxes as SELECT reads them: image.h. Void where it is not known any more
	   what was expunged since */
	"CREATE TABLE image ("
	" mailbox INTEGER PRIMARY KEY,"
	" version INTEGER NOT NULL,"
	" modseq INTEGER NOT NULL," /* as of it */
	" checksum INTEGER NOT NULL,"
	" bytes BLOB NOT NULL);"
	"CREATE TRIGGER image_gone AFTER DELETE ON mailbox BEGIN"
	" DELETE FROM image WHERE mailbox = old.id;"
	" END;"
	"CREATE TRIGGER image_void AFTER DELETE ON expunged BEGIN"
	" DELETE FROM image WHERE mailbox = old.mailbox;"
	" END;",

	/* of several kinds; the triggers go on */
	"DROP TABLE image;"
	"CREATE TABLE image ("
	" mailbox INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" version INTEGER NOT NULL,"
	" modseq INTEGER NOT NULL," /* as of it */
	" checksum INTEGER NOT NULL,"
	" bytes BLOB NOT NULL,"
	" PRIMARY KEY (mailbox, kind));",

	/* by which a message that was removed here is known when the source gives it
	   another UID; NULL: not kept then */
	"ALTER TABLE expunged ADD COLUMN len INTEGER;"
	"ALTER TABLE expunged ADD COLUMN checksum INTEGER;",
};

const struct database_schema store_schema = {
	.noun = "an index",
	.cure = "restore it from a backup, or move the folder away and transfer the "
		"account again",
	.application_id = APPLICATION_ID,
	.durable = true,
	.setup = "",
	.statements = store_statements,
	.n_statements = SQL_COUNT,
	.upgrades = upgrades,
	.n_upgrades = sizeof(upgrades) / sizeof(upgrades[0]),
};

int index_open(const char *folder, struct database **ret, struct error *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/index.sqlite", folder);

	if (len < 0 || (size_t)len >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG, "%s", folder);
	return database_open(path, false, &store_schema, ret, err);
}
