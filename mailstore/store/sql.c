/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/sql.h"
#include "mailstore/store/internal.h"

#include <errno.h>

/* Order as mailbox.c reads it. */
#define MAILBOX_COLUMNS                                                                  \
	"id, name, separator, attributes, special_use, uidvalidity, uidnext,"            \
	" highestmodseq, modseq_base, messages, unseen, recent, deleted, bytes"
/* Order as message.c reads it. */
#define MESSAGE_COLUMNS                                                                  \
	"uid, flags, keywords, date, zone, size, len, modseq, uidl, pop3_order"

static const char *const statements[] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_MODSEQ] = "SELECT modseq FROM account",
	[SQL_SET_MODSEQ] = "UPDATE account SET modseq = ?1",

	[SQL_EACH_MAILBOX] = "SELECT " MAILBOX_COLUMNS " FROM mailbox"
			     " ORDER BY key <> 'INBOX', key",
	[SQL_FIND_MAILBOX] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE key = ?1",
	[SQL_MAILBOX] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?1",
	[SQL_INSERT_MAILBOX] =
		"INSERT INTO mailbox (key, name, separator, attributes, special_use,"
		" uidvalidity, uidnext, highestmodseq, modseq_base)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_UPDATE_MAILBOX] = "UPDATE mailbox SET separator = ?2, attributes = ?3,"
			       " special_use = ?4 WHERE id = ?1",
	[SQL_SET_COUNTS] =
		"UPDATE mailbox SET uidnext = ?2, highestmodseq = ?3, messages = ?4,"
		" unseen = ?5, recent = ?6, deleted = ?7, bytes = ?8 WHERE id = ?1",
	[SQL_RENAME_MAILBOX] =
		"UPDATE mailbox SET key = ?2, name = ?3, uidvalidity = ?4 WHERE id = ?1",
	[SQL_DELETE_MAILBOX] = "DELETE FROM mailbox WHERE id = ?1",
	[SQL_RESET_MAILBOX] = "UPDATE mailbox SET uidvalidity = ?2, modseq_base = ?3"
			      " WHERE id = ?1",
	[SQL_UIDVALIDITY_OWNER] = "SELECT mailbox FROM uidvalidity"
				  " WHERE key = ?1 AND uidvalidity = ?2",
	[SQL_NOTE_UIDVALIDITY] = "INSERT OR REPLACE INTO uidvalidity"
				 " VALUES (?1, ?2, ?3)",
	[SQL_LAST_UIDVALIDITY] = "SELECT max(uidvalidity) FROM uidvalidity",

	[SQL_EACH_MESSAGE] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE mailbox = ?1"
			     " AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
	[SQL_EACH_CHANGED] = "SELECT " MESSAGE_COLUMNS " FROM message"
			     " INDEXED BY message_modseq"
			     " WHERE mailbox = ?1 AND modseq > ?2 ORDER BY uid",
	[SQL_EACH_EXPUNGED] = "SELECT uid FROM expunged"
			      " WHERE mailbox = ?1 AND modseq > ?2 ORDER BY uid",
	[SQL_MESSAGE] = "SELECT flags, keywords, modseq, size, pack FROM message"
			" WHERE mailbox = ?1 AND uid = ?2",
	[SQL_INSERT_MESSAGE] = "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
			       " ?8, ?9, ?10, ?11, ?12, ?13)",
	[SQL_COPY_MESSAGE] =
		"INSERT INTO message SELECT ?3, ?4, flags | ?5, keywords, date, zone,"
		" size, ?6, '', 0, pack, offset, len FROM message"
		" WHERE mailbox = ?1 AND uid = ?2",
	[SQL_SET_FLAGS] = "UPDATE message SET flags = ?3, keywords = ?4, modseq = ?5"
			  " WHERE mailbox = ?1 AND uid = ?2",
	[SQL_SET_UIDL] = "UPDATE message SET uidl = ?3, pop3_order = ?4"
			 " WHERE mailbox = ?1 AND uid = ?2",
	[SQL_CLEAR_RECENT] = "UPDATE message SET flags = flags & ~?2"
			     " WHERE mailbox = ?1 AND flags & ?2",
	[SQL_DELETE_MESSAGE] = "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2",
	[SQL_DELETE_MESSAGES] = "DELETE FROM message WHERE mailbox = ?1",
	[SQL_INSERT_EXPUNGED] = "INSERT INTO expunged VALUES (?1, ?2, ?3)",
	[SQL_FORGET_EXPUNGED] = "DELETE FROM expunged WHERE mailbox = ?1 AND uid = ?2",
	[SQL_CLEAR_EXPUNGED] = "DELETE FROM expunged WHERE mailbox = ?1",

	[SQL_PLACE] = "SELECT pack, offset, len FROM message"
		      " WHERE mailbox = ?1 AND uid = ?2",
	[SQL_INSERT_BODY] = "INSERT INTO body (bytes) VALUES (?1)",
	[SQL_BODY] = "SELECT bytes FROM body WHERE id = ?1",
	[SQL_EACH_PACK_OF] = "SELECT DISTINCT pack FROM message WHERE mailbox = ?1",
	[SQL_PACK_LIVES] = "SELECT EXISTS (SELECT 1 FROM message WHERE pack = ?1)"
			   " OR EXISTS (SELECT 1 FROM staged WHERE pack = ?1)",
	[SQL_LAST_PLACE] = "SELECT pack, offset + len FROM (SELECT * FROM"
			   "  (SELECT pack, offset, len FROM message"
			   "   ORDER BY pack DESC, offset DESC LIMIT 1)"
			   " UNION ALL SELECT pack, offset, len FROM staged)"
			   " ORDER BY pack DESC, offset DESC LIMIT 1",
	[SQL_INSERT_DEAD] = "INSERT INTO dead_pack VALUES (?1)",
	[SQL_EACH_DEAD] = "SELECT number FROM dead_pack",
	[SQL_CLEAR_DEAD] = "DELETE FROM dead_pack",

	[SQL_INSERT_STAGED] = "INSERT INTO staged (date, zone, size, pack, offset, len)"
			      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_STAGED] = "SELECT date, zone, size, pack, offset, len FROM staged"
		       " WHERE id = ?1",
	[SQL_FIRST_STAGED] = "SELECT min(id) FROM staged",
	[SQL_DELETE_STAGED] = "DELETE FROM staged WHERE id = ?1",

	[SQL_SUBSCRIBE] = "INSERT OR REPLACE INTO subscription VALUES (?1, ?2)",
	[SQL_UNSUBSCRIBE] = "DELETE FROM subscription WHERE key = ?1",
	[SQL_IS_SUBSCRIBED] = "SELECT EXISTS"
			      " (SELECT 1 FROM subscription WHERE key = ?1)",
	[SQL_EACH_SUBSCRIPTION] = "SELECT name FROM subscription"
				  " ORDER BY key <> 'INBOX', key",
	[SQL_SET_CHECKPOINT] = "INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2)",
	[SQL_DELETE_CHECKPOINT] = "DELETE FROM checkpoint WHERE name = ?1",
	[SQL_CHECKPOINT] = "SELECT value FROM checkpoint WHERE name = ?1",

	/* Each of these answers with rows only when something is wrong; the first column
	   is the sentence. */
	[SQL_CHECK_PAGES] = "SELECT integrity_check FROM pragma_integrity_check(1)"
			    " WHERE integrity_check <> 'ok'",
	[SQL_CHECK_REFERENCES] =
		"SELECT format('a row of %s refers to a row of %s that is not there',"
		" \"table\", parent) FROM pragma_foreign_key_check",
	[SQL_CHECK_COUNTS] =
		"SELECT format('the counters of mailbox %d (%s) are wrong', id, name)"
		" FROM mailbox LEFT JOIN (SELECT mailbox, count(*) AS n,"
		"  sum(flags & 1 = 0) AS u, sum(flags & 32 <> 0) AS r,"
		"  sum(flags & 8 <> 0) AS d, sum(size) AS b"
		"  FROM message GROUP BY mailbox) c ON c.mailbox = id"
		" WHERE messages <> coalesce(n, 0) OR unseen <> coalesce(u, 0)"
		"  OR recent <> coalesce(r, 0) OR deleted <> coalesce(d, 0)"
		"  OR bytes <> coalesce(b, 0)",
	[SQL_CHECK_UIDS] =
		"SELECT format('mailbox %d has UID %d, but UIDNEXT %d', id, uid, uidnext)"
		" FROM message JOIN mailbox ON mailbox = id"
		" WHERE uid < 1 OR uid > 4294967295"
		" OR (uid >= uidnext AND uidnext <> 4294967295)",
	[SQL_CHECK_MODSEQS] =
		"SELECT format('mailbox %d, UID %d: modseq %d is above the highest', id,"
		" uid, message.modseq) FROM message JOIN mailbox ON mailbox = id, account"
		" WHERE message.modseq > highestmodseq OR highestmodseq > account.modseq",
	[SQL_CHECK_EXPUNGED] =
		"SELECT format('mailbox %d, UID %d is there and expunged', e.mailbox,"
		" e.uid) FROM expunged e JOIN message USING (mailbox, uid)",
	[SQL_CHECK_INLINE] =
		"SELECT format('mailbox %d, UID %d: its body in the index is missing or"
		" not %d bytes', mailbox, uid, len)"
		" FROM message LEFT JOIN body ON id = offset"
		" WHERE pack = 0 AND len <> coalesce(length(bytes), 0)"
		" UNION ALL SELECT format('staged message %d: its body in the index is"
		" missing or not %d bytes', staged.id, len)"
		" FROM staged LEFT JOIN body ON body.id = offset"
		" WHERE pack = 0 AND len <> coalesce(length(bytes), 0)",
	[SQL_CHECK_UNUSED] =
		"SELECT format('body %d belongs to no message', id) FROM body WHERE id"
		" NOT IN (SELECT offset FROM message WHERE pack = 0"
		" UNION ALL SELECT offset FROM staged WHERE pack = 0)",
	[SQL_EACH_PLACE] = "SELECT pack, offset, len FROM message WHERE pack <> 0"
			   " UNION SELECT pack, offset, len FROM staged WHERE pack <> 0"
			   " ORDER BY pack, offset, len",
};
_Static_assert(
	sizeof(statements) / sizeof(statements[0]) == SQL_COUNT, "one text a statement");

static int code_of(struct store *s, int rc)
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
	int system = s->db ? sqlite3_system_errno(s->db) : 0;

	if ((rc & 0xff) == SQLITE_IOERR)
		return system == EDQUOT || system == ENOSPC ? -ENOSPC : -EIO;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].rc == (rc & 0xff))
			return codes[i].code;
	return -EIO;
}

int sql_error(struct store *s, int rc, struct error *err)
{
	int code = code_of(s, rc);
	const char *said = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);

	if (s->transaction == TRANSACTION_OPEN && sqlite3_get_autocommit(s->db))
		s->transaction = TRANSACTION_LOST;
	if (code == -EUCLEAN)
		return error_set(err, code,
			"%s/index.sqlite is damaged (%s); restore it from a backup, or "
			"move the folder away and transfer the account again",
			s->folder, said);
	if (code == -ENOSPC)
		return error_set(err, code, "no room on the disk of %s", s->folder);
	return error_set(err, code, "%s/index.sqlite: %s", s->folder, said);
}

static int prepare(struct store *s, enum sql_id id, unsigned flags,
	sqlite3_stmt **ret_statement, struct error *err)
{
	int rc =
		sqlite3_prepare_v3(s->db, statements[id], -1, flags, ret_statement, NULL);

	return rc == SQLITE_OK ? 0 : sql_error(s, rc, err);
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
		break;
	}
	return sqlite3_bind_int64(statement, at, v->number);
}

int query_begin(struct store *s, enum sql_id id, const struct sql_value *values,
	size_t n_values, struct query *ret, struct error *err)
{
	sqlite3_stmt **kept = &s->statements[id];
	int code = 0, rc = SQLITE_OK;

	*ret = (struct query){ .store = s };
	if (!*kept) {
		code = prepare(s, id, SQLITE_PREPARE_PERSISTENT, kept, err);
	} else if (sqlite3_stmt_busy(*kept)) {
		ret->once = true;
		code = prepare(s, id, 0, &ret->statement, err);
	}
	if (code < 0)
		return code;
	if (!ret->once)
		ret->statement = *kept;
	for (size_t i = 0; i < n_values && rc == SQLITE_OK; i++)
		rc = bind(ret->statement, (int)i + 1, &values[i]);
	return rc == SQLITE_OK ? 0 : sql_error(s, rc, err);
}

int query_next(struct query *q, struct error *err)
{
	int rc = sqlite3_step(q->statement);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sql_error(q->store, rc, err);
}

void query_end(struct query *q)
{
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

struct str query_bytes(const struct query *q, int column)
{
	const void *bytes = sqlite3_column_blob(q->statement, column);
	int len = sqlite3_column_bytes(q->statement, column);

	return bytes ? str_of(bytes, (size_t)len) : STR_LIT("");
}

int sql_run(struct store *s, enum sql_id id, const struct sql_value *values,
	size_t n_values, struct error *err)
{
	struct query q;
	int code = query_begin(s, id, values, n_values, &q, err);

	if (code == 0)
		code = query_next(&q, err);
	query_end(&q);
	return code < 0 ? code : 0;
}

int sql_get(struct store *s, enum sql_id id, const struct sql_value *values,
	size_t n_values, uint64_t *ret_number, struct error *err)
{
	struct query q;
	int code = query_begin(s, id, values, n_values, &q, err);

	if (code == 0)
		code = query_next(&q, err);
	if (code >= 0)
		*ret_number = code ? query_number(&q, 0) : 0;
	query_end(&q);
	return code < 0 ? code : 0;
}

int sql_execute(struct store *s, const char *text, struct error *err)
{
	int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sql_error(s, rc, err);
}

void sql_close(struct store *s)
{
	for (size_t i = 0; i < SQL_COUNT; i++)
		(void)sqlite3_finalize(s->statements[i]);
	(void)sqlite3_close(s->db);
	s->db = NULL;
}
