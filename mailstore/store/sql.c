/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/sql.h"

/* Order as mailbox.c reads it. */
#define MAILBOX_COLUMNS                                                                  \
	"id, name, separator, attributes, special_use, uidvalidity, uidnext,"            \
	" highestmodseq, modseq_base, messages, unseen, recent, deleted, bytes,"         \
	" modseq_from, source_modseq"
/* What a mailbox's range_change says (range.c): ?1 is the mailbox. Asked once for all
   rows; NULL, and hence in no row, when there is none. */
#define CHANGE(column) "(SELECT " column " FROM range_change WHERE mailbox = ?1)"
#define IN_CHANGE                                                                        \
	"(modseq < " CHANGE("modseq") " AND uid BETWEEN " CHANGE(                        \
		"first") " AND " CHANGE("last") ")"
#define CHANGED_FLAGS "((flags | " CHANGE("add_flags") ") & ~" CHANGE("take_flags") ")"
#define IS_CHANGED IN_CHANGE " AND (" CHANGE("every") " OR flags <> " CHANGED_FLAGS ")"
#define FLAGS_NOW "CASE WHEN " IN_CHANGE " THEN " CHANGED_FLAGS " ELSE flags END"
#define MODSEQ_NOW "CASE WHEN " IS_CHANGED " THEN " CHANGE("modseq") " ELSE modseq END"

/* Order as message.c reads it. */
#define MESSAGE_COLUMNS                                                                  \
	"uid, " FLAGS_NOW ", keywords, date, zone, size, len, " MODSEQ_NOW ","           \
	" uidl, pop3_order, saved, email"

/* Order as rows.c reads it. */
#define ROW_COLUMNS "uid, keywords, date, zone, size, len, saved, message.email"

/* Came after the switch, and the destination has not taken it. */
#define LATE                                                                             \
	"SELECT m.uid FROM base b JOIN message m ON m.mailbox = b.mailbox"               \
	" AND m.uid >= b.uidnext WHERE NOT EXISTS (SELECT 1 FROM counterpart c"          \
	" WHERE c.side = 1 AND c.mailbox = m.mailbox AND c.uid = m.uid"                  \
	" AND c.other_uid <> 0)"

const char *const store_statements[SQL_COUNT] = {
	[SQL_MODSEQ] = "SELECT modseq FROM account",
	[SQL_SET_MODSEQ] = "UPDATE account SET modseq = ?1",
	[SQL_IDENTITY] = "SELECT owner, service, served_at, residence FROM account",
	[SQL_SET_IDENTITY] = "UPDATE account SET owner = ?1, service = ?2,"
			     " served_at = ?3, residence = ?4",
	[SQL_EACH_FORMER] = "SELECT name FROM former_name ORDER BY id DESC LIMIT ?1",
	[SQL_SET_OWNER] = "UPDATE account SET owner = ?1, residence = ?2",
	[SQL_SET_RESIDENCE] = "UPDATE account SET residence = ?1",
	[SQL_ADD_FORMER] = "INSERT OR IGNORE INTO former_name (name)"
			   " SELECT owner FROM account WHERE owner NOT IN ('', ?1)",
	[SQL_FORGET_FORMER] = "DELETE FROM former_name WHERE name = ?1",

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
	[SQL_RESET_MAILBOX] = "UPDATE mailbox SET uidvalidity = ?2, modseq_base = ?3,"
			      " modseq_from = 0, source_modseq = 0 WHERE id = ?1",
	[SQL_BASE_MODSEQ] = "UPDATE mailbox SET modseq_base = ?2, modseq_from = ?3,"
			    " source_modseq = ?4 WHERE id = ?1",
	[SQL_UIDVALIDITY_OWNER] = "SELECT mailbox FROM uidvalidity"
				  " WHERE key = ?1 AND uidvalidity = ?2",
	[SQL_NOTE_UIDVALIDITY] = "INSERT OR REPLACE INTO uidvalidity"
				 " VALUES (?1, ?2, ?3)",
	[SQL_LAST_UIDVALIDITY] = "SELECT max(uidvalidity) FROM uidvalidity",

	[SQL_EACH_MESSAGE] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE mailbox = ?1"
			     " AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
	[SQL_EACH_STATE] = "SELECT uid, " FLAGS_NOW ", keywords, " MODSEQ_NOW
			   " FROM message WHERE mailbox = ?1 ORDER BY uid",
	[SQL_EACH_CHANGED] =
		"SELECT " MESSAGE_COLUMNS " FROM message"
		" INDEXED BY message_modseq"
		" WHERE mailbox = ?1 AND modseq > ?2"
		" UNION ALL SELECT " MESSAGE_COLUMNS " FROM message"
		" WHERE mailbox = ?1 AND modseq <= ?2"
		" AND " CHANGE(
			"modseq") " > ?2"
				  " AND uid BETWEEN " CHANGE("first") " AND " CHANGE(
					  "last") " AND " IS_CHANGED " ORDER BY uid",
	[SQL_EACH_EXPUNGED] = "SELECT uid FROM expunged"
			      " WHERE mailbox = ?1 AND modseq > ?2 ORDER BY uid",
	[SQL_MESSAGE] = "SELECT " FLAGS_NOW ", keywords, " MODSEQ_NOW ", size, pack"
			" FROM message WHERE mailbox = ?1 AND uid = ?2",
	[SQL_INSERT_MESSAGE] = "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
			       " ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
	[SQL_COPY_MESSAGE] =
		"INSERT INTO message SELECT ?3, ?4, ?5, keywords, date, zone,"
		" size, ?6, '', 0, pack, offset, len, checksum, ?7, email FROM message"
		" WHERE mailbox = ?1 AND uid = ?2",
	[SQL_SET_FLAGS] = "UPDATE message SET flags = ?3, keywords = ?4, modseq = ?5"
			  " WHERE mailbox = ?1 AND uid = ?2",
	[SQL_EACH_FLAGS] = "SELECT flags FROM message WHERE mailbox = ?1"
			   " AND uid BETWEEN ?2 AND ?3",
	[SQL_COUNT_NEWER] = "SELECT count(*) FROM message INDEXED BY message_modseq"
			    " WHERE mailbox = ?1 AND modseq >= ?2",
	[SQL_RANGE_CHANGE] = "SELECT first, last, add_flags, take_flags, modseq, every"
			     " FROM range_change WHERE mailbox = ?1",
	[SQL_SET_RANGE_CHANGE] = "INSERT OR REPLACE INTO range_change"
				 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_DROP_RANGE_CHANGE] = "DELETE FROM range_change WHERE mailbox = ?1",
	[SQL_REWRITE_RANGE] = "UPDATE message SET flags = (flags | ?4) & ~?5, modseq = ?6"
			      " WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3"
			      " AND modseq < ?6"
			      " AND (?7 OR flags <> (flags | ?4) & ~?5)",
	[SQL_RANGE_END] = "SELECT uid FROM message WHERE mailbox = ?1 AND uid >= ?2"
			  " ORDER BY uid LIMIT 1 OFFSET ?3",
	[SQL_FIRST_RANGE_CHANGE] = "SELECT mailbox FROM range_change LIMIT 1",
	[SQL_SET_UIDL] = "UPDATE message SET uidl = ?3, pop3_order = ?4"
			 " WHERE mailbox = ?1 AND uid = ?2",
	[SQL_EACH_RECENT] = "SELECT uid FROM message INDEXED BY message_recent"
			    " WHERE mailbox = ?1 AND flags & 32",
	[SQL_CLEAR_RECENT] = "UPDATE message INDEXED BY message_recent"
			     " SET flags = flags & ~32"
			     " WHERE mailbox = ?1 AND flags & 32",
	[SQL_DELETE_MESSAGE] = "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2",
	[SQL_DELETE_MESSAGES] = "DELETE FROM message WHERE mailbox = ?1",
	[SQL_INSERT_EXPUNGED] =
		"INSERT INTO expunged SELECT mailbox, ?2, uid, date,"
		" size, len, checksum FROM message WHERE mailbox = ?1 AND uid = ?3",
	[SQL_FORGET_EXPUNGED] = "DELETE FROM expunged WHERE mailbox = ?1 AND uid = ?2",
	[SQL_FORGET_EXPUNGED_FROM] = "DELETE FROM expunged WHERE mailbox = ?1"
				     " AND uid >= ?2",
	[SQL_CLEAR_EXPUNGED] = "DELETE FROM expunged WHERE mailbox = ?1",

	[SQL_IMAGE] = "SELECT modseq, bytes, checksum FROM image"
		      " WHERE mailbox = ?1 AND kind = ?2 AND version = ?3",
	[SQL_SET_IMAGE] = "INSERT OR REPLACE INTO image VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_DROP_IMAGES] = "DELETE FROM image WHERE mailbox = ?1",
	[SQL_FIRST_UNIMAGED] =
		"SELECT m.id FROM mailbox m LEFT JOIN image i ON i.mailbox = m.id"
		" AND i.kind = 0 AND i.version = ?1 WHERE m.messages BETWEEN ?2 AND ?3"
		" AND (i.modseq IS NULL OR m.id = ?5 OR m.highestmodseq > i.modseq AND ?4 <="
		" (SELECT count(*) FROM (SELECT 1 FROM message INDEXED BY message_modseq"
		" WHERE mailbox = m.id AND modseq > i.modseq LIMIT ?4))) LIMIT 1",

	[SQL_PLACE] = "SELECT pack, offset, len, checksum FROM message"
		      " WHERE mailbox = ?1 AND uid = ?2",
	[SQL_PLACES] = "SELECT uid, pack, offset, len, checksum FROM message"
		       " WHERE mailbox = ?1 AND uid >= ?2 ORDER BY uid LIMIT ?3",
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

	[SQL_INSERT_STAGED] =
		"INSERT INTO staged (date, zone, size, pack, offset, len, checksum)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_STAGED] = "SELECT date, zone, size, pack, offset, len, checksum FROM staged"
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

	[SQL_CLEAR_BASES] = "DELETE FROM base",
	[SQL_NOTE_BASES] = "INSERT INTO base SELECT id, name, uidvalidity, uidnext"
			   " FROM mailbox",
	[SQL_EACH_REMOVED] = "SELECT uid, date, size FROM expunged WHERE mailbox = ?1"
			     " AND modseq > ?2 AND date NOT NULL ORDER BY uid",
	[SQL_EACH_BASE] = "SELECT mailbox, name, uidvalidity, uidnext FROM base"
			  " ORDER BY name",
	[SQL_RENAME_BASE] = "UPDATE base SET name = ?2 WHERE mailbox = ?1",
	[SQL_RENAME_COUNTERPARTS] =
		"UPDATE counterpart SET folder = ?2 WHERE side = 0 AND folder ="
		" (SELECT name FROM base WHERE mailbox = ?1)",
	[SQL_RENAME_DESTINATION] =
		"UPDATE counterpart SET folder = ?2 WHERE side = 1 AND folder = ?1",
	[SQL_CLEAR_BASE_SUBSCRIPTIONS] = "DELETE FROM base_subscription",
	[SQL_NOTE_BASE_SUBSCRIPTIONS] = "INSERT INTO base_subscription"
					" SELECT key, name FROM subscription",
	[SQL_EACH_BASE_SUBSCRIPTION] = "SELECT name FROM base_subscription ORDER BY key",
	/* of an older version's switch nothing is known */
	[SQL_HAS_OTHER_NAMES] =
		"SELECT EXISTS (SELECT 1 FROM base) AND (EXISTS (SELECT id, name"
		" FROM mailbox EXCEPT SELECT mailbox, name FROM base)"
		" OR EXISTS (SELECT key FROM subscription EXCEPT SELECT key"
		" FROM base_subscription) OR EXISTS (SELECT key FROM base_subscription"
		" EXCEPT SELECT key FROM subscription))",
	[SQL_CLEAR_COUNTERPARTS] = "DELETE FROM counterpart WHERE side = 0",
	[SQL_SET_COUNTERPART] = "INSERT OR REPLACE INTO counterpart"
				" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_NOTE_KEPT_UIDS] =
		"INSERT OR IGNORE INTO counterpart SELECT 1, m.mailbox, m.uid, x.key,"
		" x.uidvalidity, m.uid, x'', 1 FROM base b"
		" JOIN message m ON m.mailbox = b.mailbox AND m.uid < b.uidnext"
		" JOIN mailbox x ON x.id = m.mailbox",
	[SQL_FORGET_FILES] = "DELETE FROM counterpart WHERE side = 1"
			     " AND uidvalidity IN (SELECT uidvalidity FROM mailbox)",
	[SQL_EACH_COUNTERPART] = "SELECT mailbox, uid, uidvalidity, other_uid, digest,"
				 " proven FROM counterpart WHERE side = ?1"
				 " AND folder = ?2 ORDER BY mailbox, uid",
	/* their UIDs will be given again: whose they were is no mailbox's any more */
	[SQL_ORPHAN_COUNTERPARTS] = "UPDATE counterpart SET mailbox = -?2"
				    " WHERE side = 1 AND mailbox = ?1 AND uid >= ?3",
	[SQL_DOUBT_COUNTERPARTS] = "UPDATE counterpart SET other_uid = 0, proven = 0"
				   " WHERE side = 1",
	[SQL_HAS_LATE] = "SELECT EXISTS (" LATE ")",
	[SQL_EACH_LATE] = LATE " AND b.mailbox = ?1 ORDER BY m.uid",
	[SQL_EACH_COUNTERPART_FOLDER] =
		"SELECT DISTINCT folder FROM counterpart WHERE side = ?1",
	[SQL_FIND_COUNTERPART] =
		"SELECT EXISTS (SELECT 1 FROM counterpart WHERE side = ?1"
		" AND folder = ?2 AND uidvalidity = ?3 AND other_uid = ?4)",
	[SQL_FIND_PLANNED] = "SELECT mailbox, uid FROM counterpart WHERE side = ?1"
			     " AND folder = ?2 AND uidvalidity = ?3"
			     " AND other_uid IN (0, 4294967295)"
			     " AND digest = ?4 ORDER BY uid LIMIT 1",
	/* those first that are not known under yet another UID; then what was moved here
	   to another mailbox, which keeps the date and the size */
	[SQL_EACH_LIKE_IN_BASE] =
		"SELECT m.mailbox, m.uid FROM base b JOIN message m"
		" ON m.mailbox = b.mailbox AND m.uid < b.uidnext"
		" WHERE (b.name = ?1 OR (?1 = 'INBOX' AND b.name = ?1 COLLATE NOCASE))"
		" AND b.uidvalidity = ?2 AND m.date = ?3 AND m.size = ?4"
		" ORDER BY EXISTS (SELECT 1 FROM counterpart c WHERE c.side = 0"
		" AND c.mailbox = m.mailbox AND c.uid = m.uid), m.uid LIMIT ?5",
	[SQL_EACH_LIKE_MOVED] =
		"SELECT DISTINCT m.mailbox, m.uid FROM base b JOIN expunged x"
		" ON x.mailbox = b.mailbox AND x.uid < b.uidnext"
		" JOIN message m ON m.date = x.date AND m.size = x.size"
		" AND m.mailbox <> b.mailbox AND NOT EXISTS (SELECT 1 FROM base o"
		" WHERE o.mailbox = m.mailbox AND m.uid < o.uidnext)"
		" WHERE (b.name = ?1 OR (?1 = 'INBOX' AND b.name = ?1 COLLATE NOCASE))"
		" AND b.uidvalidity = ?2 AND x.date = ?3 AND x.size = ?4"
		" AND NOT EXISTS (SELECT 1 FROM counterpart c WHERE c.side = 0"
		" AND c.mailbox = m.mailbox AND c.uid = m.uid)"
		" ORDER BY m.mailbox, m.uid LIMIT ?5",
	/* those first that are not known under yet another UID */
	[SQL_LIKE_REMOVED] =
		"SELECT x.mailbox, x.uid FROM base b JOIN expunged x"
		" ON x.mailbox = b.mailbox LEFT JOIN counterpart c ON c.side = 0"
		" AND c.mailbox = x.mailbox AND c.uid = x.uid"
		" WHERE (b.name = ?1 OR (?1 = 'INBOX' AND b.name = ?1 COLLATE NOCASE))"
		" AND b.uidvalidity = ?2 AND x.date = ?3 AND x.size = ?4 AND x.len = ?5"
		" AND x.checksum = ?6 AND (x.uid < b.uidnext OR c.folder = ?1)"
		" ORDER BY c.uid NOT NULL, x.uid LIMIT 1",
	/* as it is; else as what it was before it was moved here to another mailbox,
	   which keeps the date and the size */
	[SQL_SOURCE_OF] =
		"SELECT folder, uidvalidity, other_uid FROM counterpart"
		" WHERE side = 0 AND mailbox = ?1 AND uid = ?2"
		" AND other_uid NOT IN (0, 4294967295)"
		" UNION ALL SELECT name, uidvalidity, ?2 FROM base"
		" WHERE mailbox = ?1 AND uidnext > ?2"
		" UNION ALL SELECT b.name, b.uidvalidity, x.uid"
		" FROM message m JOIN expunged x ON x.date = m.date AND x.size = m.size"
		" JOIN base b ON b.mailbox = x.mailbox AND b.uidnext > x.uid"
		" WHERE m.mailbox = ?1 AND m.uid = ?2"
		" UNION ALL SELECT c.folder, c.uidvalidity, c.other_uid"
		" FROM message m JOIN expunged x ON x.date = m.date AND x.size = m.size"
		" JOIN counterpart c ON c.side = 0 AND c.mailbox = x.mailbox AND c.uid = x.uid"
		" AND c.other_uid NOT IN (0, 4294967295)"
		" WHERE m.mailbox = ?1 AND m.uid = ?2 LIMIT 1",

	[SQL_SET_METADATA] = "INSERT OR REPLACE INTO metadata VALUES (?1, ?2, ?3)",
	[SQL_DELETE_METADATA] = "DELETE FROM metadata WHERE mailbox = ?1 AND entry = ?2",
	[SQL_EACH_METADATA] = "SELECT entry, value FROM metadata WHERE mailbox = ?1"
			      " ORDER BY entry",
	[SQL_ADD_KEYWORD] = "INSERT OR IGNORE INTO keyword VALUES (?1, ?2)",
	[SQL_EACH_KEYWORD] = "SELECT word FROM keyword WHERE mailbox = ?1 ORDER BY word",
	[SQL_DELETED_BYTES] = "SELECT sum(size) FROM message WHERE mailbox = ?1"
			      " AND " FLAGS_NOW " & 8",
	[SQL_COUNTS] = "SELECT (SELECT count(*) FROM mailbox),"
		       " (SELECT count(*) FROM subscription),"
		       " (SELECT coalesce(sum(length(value)), 0) FROM metadata)",
	[SQL_USAGE] = "SELECT coalesce(sum(bytes), 0), coalesce(sum(messages), 0)"
		      " FROM mailbox",

	[SQL_QUOTA] = "SELECT quota_bytes, quota_messages FROM account",
	[SQL_QUOTA_TOLD] = "SELECT quota_told FROM account",
	[SQL_SET_QUOTA_TOLD] = "UPDATE account SET quota_told = ?1",
	[SQL_SET_QUOTA] = "UPDATE account SET quota_bytes = ?1, quota_messages = ?2",
	[SQL_EACH_ROW] = "SELECT " ROW_COLUMNS " FROM message WHERE mailbox = ?1"
			 " AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
	/* ?5: which of them are wanted, so that no other is read from its pages */
	[SQL_EACH_ROW_KEPT] =
		"SELECT " ROW_COLUMNS ", CASE WHEN ?5 & 1 THEN fields END,"
		" CASE WHEN ?5 & 2 THEN envelope END, CASE WHEN ?5 & 4 THEN structure END"
		" FROM message LEFT JOIN header ON header.email = message.email"
		" AND version = ?4 WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3"
		" ORDER BY uid",
	[SQL_SET_HEADER] = "INSERT OR REPLACE INTO header VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_READ_TO] = "SELECT read_to FROM account WHERE read_version = ?1",
	[SQL_SET_READ_TO] = "UPDATE account SET read_version = ?1, read_to = ?2",
	[SQL_EACH_UNREAD] =
		"SELECT message.email, mailbox, uid, len, header.email IS NOT NULL"
		" FROM message INDEXED BY message_email"
		" LEFT JOIN header ON header.email = message.email AND version = ?2"
		" WHERE message.email > ?1 ORDER BY message.email LIMIT ?3",

	/* a trigger empties it when the version becomes 0 */
	[SQL_GRAMS_STATE] = "SELECT grams_version, grams_to FROM account",
	[SQL_SET_GRAMS_STATE] = "UPDATE account SET grams_version = ?1, grams_to = ?2",
	[SQL_EACH_UNGRAMMED] = "SELECT email, mailbox, uid, len FROM message"
			       " INDEXED BY message_email WHERE email > ?1"
			       " ORDER BY email LIMIT ?2",
	[SQL_ADD_GRAMS] = "INSERT OR REPLACE INTO gram_new VALUES (?1, ?2)",
	[SQL_COUNT_NEW_GRAMS] = "SELECT count(*), total(length(grams)) FROM gram_new",
	[SQL_EACH_NEW_GRAMS] = "SELECT email, grams FROM gram_new ORDER BY email"
			       " LIMIT ?1",
	[SQL_DELETE_NEW_GRAMS] = "DELETE FROM gram_new WHERE email <= ?1",
	[SQL_EACH_BLOCK] = "SELECT first, emails FROM gram_block ORDER BY first",
	[SQL_BLOCK_OF] = "SELECT first, emails FROM gram_block WHERE first <= ?1"
			 " ORDER BY first DESC LIMIT 1",
	[SQL_BLOCK_BEFORE] = "SELECT first, emails FROM gram_block WHERE first < ?1"
			     " ORDER BY first DESC LIMIT 1",
	[SQL_BLOCK_AFTER] = "SELECT first, emails FROM gram_block WHERE first > ?1"
			    " ORDER BY first LIMIT 1",
	[SQL_INSERT_BLOCK] = "INSERT INTO gram_block VALUES (?1, ?2)",
	[SQL_DELETE_BLOCK] = "DELETE FROM gram_block WHERE first = ?1",
	[SQL_BLOCK_BYTES] = "SELECT total(length(lists)) FROM gram_row WHERE block = ?1",
	[SQL_EACH_GRAM_ROW] = "SELECT pair, lists FROM gram_row WHERE block = ?1"
			      " ORDER BY pair",
	[SQL_GRAM_ROW] = "SELECT lists FROM gram_row WHERE block = ?1 AND pair = ?2",
	[SQL_INSERT_GRAM_ROW] = "INSERT INTO gram_row VALUES (?1, ?2, ?3)",
	[SQL_DELETE_GRAM_ROWS] = "DELETE FROM gram_row WHERE block = ?1",
	[SQL_COUNT_GONE] = "SELECT count(*), min(since), min(email) FROM gram_gone",
	[SQL_EACH_GONE] = "SELECT email FROM gram_gone WHERE email BETWEEN ?1 AND ?2"
			  " ORDER BY email",
	[SQL_FORGET_GONE] = "DELETE FROM gram_gone WHERE email BETWEEN ?1 AND ?2",

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
		"  FROM message_now GROUP BY mailbox) c ON c.mailbox = id"
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
		" uid, m.modseq) FROM message_now m JOIN mailbox ON mailbox = id, account"
		" WHERE m.modseq > highestmodseq OR highestmodseq > account.modseq",
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
	[SQL_CHECK_HEADERS] =
		"SELECT format('what is kept of email %d belongs to no message', email)"
		" FROM header WHERE email NOT IN (SELECT email FROM message)",
	[SQL_CHECK_GRAMS] =
		"SELECT format('the text index has email %d, which belongs to no message',"
		" email) FROM gram_new WHERE email NOT IN (SELECT email FROM message)"
		" UNION ALL SELECT format('block %d of the text index is of no whole"
		" emails', first) FROM gram_block WHERE length(emails) = 0"
		" OR length(emails) % 8 OR length(emails) > 2048"
		" UNION ALL SELECT format('email %d is gone from the text index and still"
		" there', email) FROM gram_gone JOIN message USING (email)"
		" UNION ALL SELECT DISTINCT format('a row of block %d of the text index is"
		" of no block', block) FROM gram_row"
		" WHERE block NOT IN (SELECT first FROM gram_block)",
	[SQL_EACH_PLACE] = "SELECT pack, offset, len FROM message WHERE pack <> 0"
			   " UNION SELECT pack, offset, len FROM staged WHERE pack <> 0"
			   " ORDER BY pack, offset, len",
	[SQL_EACH_CHECKSUM] = "SELECT mailbox, uid FROM message"
			      " WHERE checksum IS NOT NULL ORDER BY pack, offset",
	[SQL_EACH_PACK] = "SELECT pack FROM message WHERE pack <> 0"
			  " UNION SELECT pack FROM staged WHERE pack <> 0 ORDER BY pack",
	[SQL_EACH_BODY] =
		"SELECT coalesce(name, format('(mailbox %d)', mailbox)), uid, pack,"
		" offset, len, checksum, mailbox"
		" FROM message LEFT JOIN mailbox ON id = mailbox"
		" UNION ALL SELECT '', id, pack, offset, len, checksum, 0 FROM staged"
		" ORDER BY 3, 4",

	[SQL_MOVE_MESSAGES] = "UPDATE message SET pack = ?3, offset = ?4"
			      " WHERE pack = ?1 AND offset = ?2",
	[SQL_MOVE_STAGED] = "UPDATE staged SET pack = ?3, offset = ?4"
			    " WHERE pack = ?1 AND offset = ?2",
	/* a number of `body` that was lost may have been given again */
	[SQL_MEND_MESSAGES] = "UPDATE message SET pack = ?3, offset = ?4"
			      " WHERE pack = ?1 AND offset = ?2 AND len = ?5"
			      " AND checksum = ?6",
	[SQL_MEND_STAGED] = "UPDATE staged SET pack = ?3, offset = ?4"
			    " WHERE pack = ?1 AND offset = ?2 AND len = ?5"
			    " AND checksum = ?6",
	[SQL_DROP_BODY] = "DELETE FROM body WHERE id = ?1 AND NOT EXISTS"
			  " (SELECT 1 FROM message WHERE pack = 0 AND offset = ?1)"
			  " AND NOT EXISTS"
			  " (SELECT 1 FROM staged WHERE pack = 0 AND offset = ?1)",
	[SQL_DROP_HEADERS_AT] = "DELETE FROM header WHERE email IN (SELECT email FROM"
				" message WHERE pack = ?1 AND offset = ?2)",
	[SQL_HAS_PLACE] =
		"SELECT EXISTS (SELECT 1 FROM message WHERE pack = ?1 AND offset = ?2"
		" AND len = ?3 AND checksum IS ?4) OR EXISTS (SELECT 1 FROM staged"
		" WHERE pack = ?1 AND offset = ?2 AND len = ?3 AND checksum IS ?4)",
	[SQL_EACH_RANGE] =
		"SELECT pack, offset, len, checksum FROM message WHERE pack <> 0"
		" UNION SELECT pack, offset, len, checksum FROM staged WHERE pack <> 0"
		" ORDER BY 1, 2",
	/* the last of equal ones is kept: where it lies bodies are appended, and who
	   reads what was there before the others shared it would read those */
	[SQL_EACH_EQUAL] = "SELECT pack, offset, len, checksum FROM message"
			   " WHERE pack <> 0 AND checksum NOT NULL"
			   " UNION SELECT pack, offset, len, checksum FROM staged"
			   " WHERE pack <> 0 AND checksum NOT NULL"
			   " ORDER BY 3, 4, 1 DESC, 2 DESC",
	[SQL_EACH_TO_EXPORT] =
		"SELECT uid, " FLAGS_NOW ", keywords, date, uidl, pop3_order, pack,"
		" offset, len, checksum, zone FROM message WHERE mailbox = ?1 ORDER BY uid",
	[SQL_EACH_KEYWORDS] =
		"SELECT keywords FROM (SELECT DISTINCT keywords, 0 AS place FROM message"
		" WHERE mailbox = ?1 UNION ALL SELECT word, 1 FROM keyword"
		" WHERE mailbox = ?1) ORDER BY place, keywords",

	[SQL_REPAIR_PAGES] = "REINDEX",
	[SQL_REPAIR_COUNTS] =
		"UPDATE mailbox SET (messages, unseen, recent, deleted, bytes) ="
		" (SELECT count(*), coalesce(sum(flags & 1 = 0), 0),"
		"  coalesce(sum(flags & 32 <> 0), 0), coalesce(sum(flags & 8 <> 0), 0),"
		"  coalesce(sum(size), 0) FROM message_now m WHERE m.mailbox = mailbox.id)",
	[SQL_REPAIR_UIDS] =
		"UPDATE mailbox SET uidnext = min(4294967295, max(uidnext, coalesce("
		" (SELECT max(uid) + 1 FROM message WHERE message.mailbox = mailbox.id),"
		" 0)))",
	[SQL_REPAIR_MODSEQS] =
		"UPDATE mailbox SET highestmodseq = max(highestmodseq, coalesce("
		" (SELECT max(modseq) FROM message_now m WHERE m.mailbox = mailbox.id),"
		" 0))",
	[SQL_REPAIR_MODSEQ] = "UPDATE account SET modseq = max(modseq, coalesce("
			      " (SELECT max(highestmodseq) FROM mailbox), 0))",
	[SQL_REPAIR_EXPUNGED] =
		"DELETE FROM expunged WHERE EXISTS (SELECT 1 FROM message m WHERE"
		" m.mailbox = expunged.mailbox AND m.uid = expunged.uid)",
	[SQL_REPAIR_UNUSED] =
		"DELETE FROM body WHERE id NOT IN (SELECT offset FROM message"
		" WHERE pack = 0 UNION ALL SELECT offset FROM staged WHERE pack = 0)",
	/* a trigger empties it */
	[SQL_REPAIR_GRAMS] = "UPDATE account SET grams_version = 0, grams_to = 0",
	[SQL_REPAIR_HEADERS] =
		"DELETE FROM header WHERE email NOT IN (SELECT email FROM message)",
};
