/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/sql.h"

#define HAS_SEALED                                                                       \
	" EXISTS (SELECT 1 FROM password p WHERE p.account = a.id"                       \
	" AND p.sealed IS NOT NULL)"
#define COUNT_PASSWORDS(which)                                                           \
	" (SELECT count(*) FROM password p WHERE p.account = a.id AND " which ")"
#define COUNT_VERIFIED COUNT_PASSWORDS("verifier IS NOT NULL")
#define COUNT_UNPROVEN COUNT_PASSWORDS("verifier IS NULL AND sealed IS NOT NULL")
#define HAS_UNTRIED                                                                      \
	" EXISTS (SELECT 1 FROM password p WHERE p.account = a.id"                       \
	" AND p.sealed IS NOT NULL AND p.refused_at = 0)"
#define OF_MASTER(what, none)                                                            \
	" coalesce((SELECT m." what " FROM master m WHERE m.id = a.master), " none ")"
#define MASTER OF_MASTER("login", "''")
#define MASTER_TRY OF_MASTER("next_try_at", "0") "," OF_MASTER("is_taken", "0")

/* Order as account.c reads it. */
#define ACCOUNT_COLUMNS                                                                  \
	"a.id, a.name, a.login, a.route, a.stage, a.pin, a.uncapturable_why," HAS_SEALED \
	"," COUNT_VERIFIED ", a.first_login_at, a.last_login_at, a.folders,"             \
	" a.messages_total, a.messages_copied, a.bytes_copied, a.uids_kept,"             \
	" a.uidls_kept, a.busy_since, a.out_of_service_ms, a.attempts, a.next_try_at,"   \
	" a.last_error, a.certificate, coalesce((SELECT max(seen_at) FROM password"      \
	" WHERE account = a.id AND origin = 'local'), 0), a.stage_at," COUNT_UNPROVEN    \
	", a.made_here, a.disabled, a.source_name, a.home, a.arriving, a.size," MASTER   \
	"," HAS_UNTRIED "," MASTER_TRY

/* Order as passwords.c reads it. */
#define PASSWORD_COLUMNS                                                                 \
	"p.id, p.account, a.name, p.origin, p.login, p.sealed, p.verifier, p.seen_at,"   \
	" p.proven_at, p.refused_at, a.source_name"

/* A name leads to its account by its key, else by all of it (struct name_keys). */
#define ACCOUNT_OF_KEYS                                                                  \
	"coalesce((SELECT account FROM name WHERE key = ?1),"                            \
	" (SELECT account FROM name WHERE key = ?2))"

/* Order as unseen.c reads it. */
#define UNSEEN_COLUMNS                                                                   \
	"client, service, why, min(first_at) AS first_at, max(last_at) AS last_at,"      \
	" sum(count) AS count, sum(open) AS open"

/* By which mail is read. */
#define PAST_US "'direct clients'" /* UNSEEN_DIRECT */
#define READ_BY "('imap', 'pop3', 'imaps', 'pop3s')"

const char *const registry_statements[SQL_COUNT] = {
	/* always one row: what a login needs comes with one look, also of a stranger */
	[SQL_ROUTE] = "SELECT a.id, a.route, a.stage, a.pin," HAS_SEALED ","
		      " a.name, EXISTS (SELECT 1 FROM fact WHERE name = 'retired'),"
		      " coalesce(a.home <> '', 0)"
		      " FROM (SELECT 1) LEFT JOIN account a ON a.id = " ACCOUNT_OF_KEYS,
	[SQL_FIND_KEYS] =
		"SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.id = " ACCOUNT_OF_KEYS,
	[SQL_FIND_ID] = "SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.id = ?1",
	[SQL_EACH] = "SELECT " ACCOUNT_COLUMNS " FROM account a ORDER BY a.name",
	[SQL_EACH_TROUBLED] =
		"SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.stage = 'failed'"
		" OR a.route = 'busy' OR a.stage = 'catching-up'"
		" OR a.uncapturable_why <> '' ORDER BY a.name",
	[SQL_EACH_LOGIN] = "SELECT login FROM account WHERE login <> ''",
	[SQL_EACH_WORK] =
		"SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.route = 'busy'"
		" OR (a.pin <> 'source' AND (a.stage IN ('due', 'copying', 'catching-up')"
		"   OR (a.stage = 'failed'"
		"     AND (a.next_try_at <= ?1 OR a.next_try_at > ?1 + ?2))))"
		" ORDER BY a.stage_at, a.id",
	[SQL_NEXT_TRY] = "SELECT min(next_try_at) FROM account"
			 " WHERE stage = 'failed' AND pin <> 'source'",
	/* likewise */
	[SQL_LEARN_LOOK] =
		"SELECT a.id, a.route, a.stage, a.pin," HAS_SEALED ", a.name,"
		" EXISTS (SELECT 1 FROM fact WHERE name = 'retired'),"
		" a.home <> '', a.last_login_at, a.uncapturable_why,"
		" EXISTS (SELECT 1 FROM name WHERE key = ?1),"
		" EXISTS (SELECT 1 FROM seen_service"
		"  WHERE account = a.id AND service = ?3),"
		" EXISTS (SELECT 1 FROM client"
		"  WHERE account = a.id AND address = ?4 AND seen_at >= ?5),"
		" a.master <> 0"
		" FROM (SELECT 1) LEFT JOIN account a ON a.id = " ACCOUNT_OF_KEYS,
	[SQL_INSERT_ACCOUNT] = "INSERT INTO account (name, login, first_login_at,"
			       " last_login_at, stage_at, stage)"
			       " VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
	[SQL_INSERT_NAME] = "INSERT OR IGNORE INTO name (key, account) VALUES (?1, ?2)",
	[SQL_LOGIN_SEEN] = "SELECT last_login_at, EXISTS (SELECT 1 FROM client"
			   "  WHERE account = ?1 AND address = ?2 AND seen_at >= ?3)"
			   " FROM account WHERE id = ?1",
	[SQL_SET_LOGIN_TIME] = "UPDATE account SET last_login_at = ?2, first_login_at ="
			       " CASE first_login_at WHEN 0 THEN ?2 ELSE first_login_at"
			       " END WHERE id = ?1",
	[SQL_SET_UNCAPTURABLE] = "UPDATE account SET uncapturable_why = ?2"
				 " WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM"
				 "  password WHERE account = ?1 AND sealed IS NOT NULL)",
	[SQL_SET_LOGIN] =
		"UPDATE account SET login = ?2, uncapturable_why = '' WHERE id = ?1",
	[SQL_TAKE_LOGIN] = "UPDATE account SET login ="
			   " (SELECT login FROM password WHERE id = ?2) WHERE id = ?1",
	[SQL_EACH_PASSWORD] = "SELECT " PASSWORD_COLUMNS " FROM password p"
			      " JOIN account a ON a.id = p.account WHERE p.account = ?1"
			      " ORDER BY p.refused_at <> 0, p.proven_at = 0, p.id DESC",
	[SQL_FIND_PASSWORD] = "SELECT " PASSWORD_COLUMNS " FROM password p"
			      " JOIN account a ON a.id = p.account WHERE p.id = ?1",
	[SQL_IS_GOOD] = "SELECT EXISTS (SELECT 1 FROM password WHERE id = ?1 AND"
			" account = ?2 AND sealed IS NOT NULL AND refused_at = 0)",
	[SQL_ADD_CANDIDATE] =
		"INSERT INTO password (account, origin, login, sealed, seen_at)"
		" VALUES (?1, 'source', ?2, ?3, ?4)",
	[SQL_SEE_AGAIN] = "UPDATE password SET refused_at = 0, seen_at = ?2"
			  " WHERE id = ?1",
	[SQL_MARK_MADE_HERE] = "UPDATE account SET made_here = 1 WHERE id = ?1",
	[SQL_SET_DISABLED] = "UPDATE account SET disabled = ?2 WHERE id = ?1"
			     " AND disabled <> ?2",
	[SQL_NAME_OWNER] = "SELECT account, made_here FROM name WHERE key = ?1",
	[SQL_EACH_NAME] = "SELECT key FROM name WHERE account = ?1 ORDER BY key",
	[SQL_GIVE_NAME] = "INSERT OR IGNORE INTO name (key, account, made_here)"
			  " VALUES (?1, ?2, 1)",
	[SQL_DROP_NAME] = "DELETE FROM name WHERE key = ?1 AND account = ?2",
	[SQL_RENAME_ACCOUNT] =
		"UPDATE account SET name = ?2, source_name = ?3 WHERE id = ?1",
	[SQL_REBIND_PASSWORD] = "UPDATE password SET sealed = ?2, verifier = ?3"
				" WHERE id = ?1",
	[SQL_DROP_OWN_ALIAS] = "DELETE FROM alias WHERE key = ?1 AND target = ?2",
	[SQL_RETARGET_ALIASES] = "UPDATE alias SET target = ?2 WHERE target = ?1",
	[SQL_REMOVE_ITS_ALIASES] =
		"DELETE FROM alias WHERE target IN (SELECT key FROM name"
		" WHERE account = ?1)",
	[SQL_REMOVE_ITS_PASSWORDS] = "DELETE FROM password WHERE account = ?1",
	[SQL_REMOVE_ITS_SERVICES] = "DELETE FROM seen_service WHERE account = ?1",
	[SQL_REMOVE_ITS_CLIENTS] = "DELETE FROM client WHERE account = ?1",
	[SQL_REMOVE_ITS_SWEEP] = "DELETE FROM sweep WHERE account = ?1",
	[SQL_REMOVE_ITS_CARRIES] = "DELETE FROM carry WHERE account = ?1",
	[SQL_REMOVE_ITS_POP_LOGIN] = "DELETE FROM pop_login WHERE account = ?1",
	[SQL_REMOVE_ITS_MENDING] = "DELETE FROM mending WHERE account = ?1",
	[SQL_REMOVE_ITS_FOUND] = "DELETE FROM found WHERE account = ?1",
	[SQL_REMOVE_ITS_DELIVERED] = "DELETE FROM delivered WHERE account = ?1",
	[SQL_REMOVE_ITS_JOURNAL] = "DELETE FROM journal WHERE account = ?1",
	[SQL_REMOVE_ITS_NAMES] = "DELETE FROM name WHERE account = ?1",
	[SQL_REMOVE_ITS_ACCOUNT] = "DELETE FROM account WHERE id = ?1",
	[SQL_MARK_IMPORTED] = "UPDATE password SET imported = 1 WHERE id = ?1",
	[SQL_FORGET_IMPORTED] =
		"DELETE FROM password WHERE account = ?1 AND id = ?2 AND imported",
	[SQL_FORGET_CANDIDATES] =
		"DELETE FROM password WHERE account = ?1 AND proven_at = 0"
		" AND id NOT IN (SELECT id FROM password WHERE account = ?1"
		"  AND proven_at = 0 ORDER BY refused_at <> 0, id DESC LIMIT ?2)",
	[SQL_PROVE] = "UPDATE password SET verifier = ?3, proven_at = ?4,"
		      " refused_at = 0, imported = 0, sealed = coalesce(?5, sealed)"
		      " WHERE account = ?1 AND id = ?2 AND origin = 'source'",
	[SQL_UNPROVE] = "UPDATE password SET verifier = NULL, proven_at = 0"
			" WHERE account = ?1 AND origin = 'source' AND proven_at <> 0",
	[SQL_REPLACE_VERIFIER] = "UPDATE password SET verifier = ?3"
				 " WHERE id = ?1 AND verifier = ?2",
	[SQL_REFUSE_PASSWORD] =
		"UPDATE password SET verifier = NULL, proven_at = 0, refused_at = ?3"
		" WHERE account = ?1 AND id = ?2 AND origin = 'source'",
	[SQL_STATE] = "SELECT name, route, stage, pin, attempts, busy_since,"
		      " source_name <> '', login, arriving FROM account WHERE id = ?1",
	[SQL_TRY_SOON] = "UPDATE account SET next_try_at = min(next_try_at, ?2)"
			 " WHERE id = ?1 AND stage = 'failed' AND attempts <= 1",
	[SQL_SET_STATE] =
		"UPDATE account SET route = ?2, stage = ?3, stage_at = ?4, attempts = ?5,"
		" next_try_at = ?6, busy_since = ?7, arriving = 0,"
		" master = CASE ?2 WHEN 'local' THEN 0 ELSE master END,"
		" out_of_service_ms = out_of_service_ms + ?8,"
		" last_error = coalesce(?9, last_error) WHERE id = ?1",
	[SQL_SET_HOME] =
		"UPDATE account SET home = ?2 WHERE id = ?1 AND route = 'source'",
	[SQL_CHANGE_HOME] = "UPDATE account SET home = ?2 WHERE id = ?1"
			    " AND route = 'local' AND home <> ''",
	[SQL_SET_ARRIVING] = "UPDATE account SET arriving = ?2 WHERE id = ?1"
			     " AND route = 'busy' AND stage = 'switching'",
	[SQL_ADOPT] = "UPDATE account SET home = ?2, login = ?3, source_name = ?4"
		      " WHERE id = ?1",
	[SQL_SET_PIN] = "UPDATE account SET pin = ?2 WHERE id = ?1",
	[SQL_SET_PROGRESS] = "UPDATE account SET folders = ?2, messages_total = ?3,"
			     " messages_copied = ?4, bytes_copied = ?5 WHERE id = ?1",
	[SQL_SET_RESULT] = "UPDATE account SET uids_kept = ?2, uidls_kept = ?3,"
			   " certificate = ?4 WHERE id = ?1",
	[SQL_INSERT_JOURNAL] = "INSERT INTO journal (at, account, event, was, is_now, by,"
			       " detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_JOURNAL] = "SELECT j.at, a.name, j.event, j.was, j.is_now, j.by, j.detail"
			" FROM journal j JOIN account a ON a.id = j.account"
			" WHERE ?1 = 0 OR j.account = ?1 ORDER BY j.id DESC LIMIT ?2",
	[SQL_SET_FACT] = "INSERT INTO fact (name, value) VALUES (?1, ?2)"
			 " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[SQL_FORGET_FACT] = "DELETE FROM fact WHERE name = ?1",
	[SQL_FACT] = "SELECT value FROM fact WHERE name = ?1",
	/* written so that each half is read from its own small index */
	[SQL_ANY_LOCAL] = "SELECT EXISTS (SELECT 1 FROM account WHERE route <> 'source')"
			  " OR EXISTS (SELECT 1 FROM account"
			  "  WHERE stage NOT IN ('idle', 'done')"
			  "  AND stage IN ('copying', 'catching-up', 'switching'))",
	[SQL_ANY_PASSWORD] = "SELECT EXISTS (SELECT 1 FROM password)"
			     " OR EXISTS (SELECT 1 FROM master)",
	[SQL_COUNT_ROUTES] = "SELECT route, stage, pin, uncapturable_why <> '', count(*)"
			     " FROM account GROUP BY 1, 2, 3, 4",
	[SQL_ALIAS] = "SELECT key, target, rule, source, at FROM alias"
		      " WHERE key = ?1",
	[SQL_EACH_ALIAS] = "SELECT key, target, rule, source, at FROM alias"
			   " ORDER BY key",
	[SQL_LAST_ALIAS] = "SELECT coalesce(max(at), 0) FROM alias",
	[SQL_PUT_ALIAS] = "INSERT INTO alias (key, target, rule, source, at)"
			  " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE SET"
			  " target = excluded.target, rule = excluded.rule,"
			  " source = excluded.source, at = excluded.at",
	[SQL_REMOVE_ALIAS] = "DELETE FROM alias WHERE key = ?1",
	[SQL_COUNT_RECIPIENT] =
		"INSERT INTO recipient (day, address, client, first_at, last_at, count)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
		" first_at = min(first_at, excluded.first_at),"
		" last_at = max(last_at, excluded.last_at),"
		" count = count + excluded.count",
	[SQL_DAY_IS_FULL] = "SELECT count(*) FROM (SELECT 1 FROM recipient"
			    " WHERE day = ?1 LIMIT ?2)",
	[SQL_FORGET_RECIPIENTS] = "DELETE FROM recipient WHERE day < ?1",
	[SQL_EACH_RECIPIENT] = "SELECT address, client, day, first_at, last_at, count"
			       " FROM recipient WHERE day >= ?1"
			       " ORDER BY address, client, day",
	/* today, or the day before: mail waits in a queue over midnight, too */
	[SQL_IS_RECIPIENT] = "SELECT EXISTS (SELECT 1 FROM recipient"
			     " WHERE day IN (?1, ?1 - 1) AND address = ?2)",
	[SQL_COUNT_DELIVERED] =
		"INSERT INTO delivered (account, address, messages, first_at, last_at)"
		" SELECT ?2, ?1, 1, ?3, ?3 WHERE EXISTS (SELECT 1 FROM delivered"
		"  WHERE account = ?2 AND address = ?1)"
		" OR (SELECT count(*) FROM delivered WHERE account = ?2) < ?4"
		" ON CONFLICT DO UPDATE SET messages = messages + 1,"
		" last_at = excluded.last_at",
	[SQL_FORGET_DELIVERED] = "DELETE FROM delivered WHERE last_at < ?1",
	[SQL_EACH_DELIVERED] =
		"SELECT d.address, d.account, a.name, d.messages, d.first_at, d.last_at,"
		" count(*) OVER (PARTITION BY d.account),"
		" count(*) OVER (PARTITION BY d.address)"
		" FROM delivered d JOIN account a ON a.id = d.account"
		" ORDER BY d.address, a.name",
	[SQL_POP_LOGIN] = "SELECT at, client, error, next_at FROM pop_login"
			  " WHERE account = ?1",
	[SQL_SET_POP_LOGIN] =
		"INSERT INTO pop_login (account, at, client, error, next_at)"
		" VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"
		" at = excluded.at, client = excluded.client,"
		" error = excluded.error, next_at = excluded.next_at",
	[SQL_ADD_LOCAL_PASSWORD] =
		"INSERT INTO password (account, origin, login, verifier, seen_at,"
		" proven_at) VALUES (?1, 'local', '', ?2, ?3, ?3)",
	[SQL_DROP_LOCAL_PASSWORD] =
		"DELETE FROM password WHERE account = ?1 AND origin = 'local'",
	[SQL_ANY_UNVERIFIED] =
		"SELECT EXISTS (SELECT 1 FROM account a WHERE a.route = 'local' "
		"AND" HAS_SEALED " AND NOT EXISTS (SELECT 1 FROM password p"
		"  WHERE p.account = a.id AND p.verifier IS NOT NULL))",
	[SQL_SEEN_SERVICE] = "SELECT EXISTS (SELECT 1 FROM seen_service"
			     " WHERE account = ?1 AND service = ?2)",
	[SQL_SEE_SERVICE] = "INSERT OR IGNORE INTO seen_service (account, service)"
			    " VALUES (?1, ?2)",
	[SQL_ERASE_SEALED] = "UPDATE password SET sealed = NULL WHERE sealed IS NOT NULL",
	[SQL_FORGET_UNPROVEN] = "DELETE FROM password WHERE verifier IS NULL",
	/* at most so many are newer: numbers follow each other. Read from two ends, where
	   the count reads all of an hour */
	[SQL_SPAN_NEW] = "SELECT coalesce((SELECT max(id) FROM account) - (SELECT id"
			 " FROM account WHERE first_login_at > ?1"
			 " ORDER BY first_login_at LIMIT 1) + 1, 0)",
	[SQL_COUNT_NEW] = "SELECT count(*) FROM (SELECT 1 FROM account"
			  " WHERE first_login_at > ?1 LIMIT ?2)",
	[SQL_ADMIT] = "INSERT INTO admission (prefix, service, verdict, at)"
		      " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (prefix, service) DO UPDATE"
		      " SET verdict = excluded.verdict, at = excluded.at",
	[SQL_FORGET_ADMISSION] =
		"DELETE FROM admission WHERE prefix = ?1 AND service = ?2",
	[SQL_EACH_ADMISSION] = "SELECT prefix, service, verdict, at FROM admission"
			       " ORDER BY at, prefix, service",
	[SQL_STAMP_ADMISSIONS] =
		"INSERT INTO fact (name, value) VALUES ('admissions-stamp', 1)"
		" ON CONFLICT (name) DO UPDATE SET value = value + 1",
	[SQL_ADMISSIONS_STAMP] = "SELECT value FROM fact WHERE name = 'admissions-stamp'",
	[SQL_SEE_CLIENT] = "INSERT INTO client (account, address, seen_at)"
			   " VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET"
			   " seen_at = excluded.seen_at",
	[SQL_SEE_CLIENT_AGAIN] = "UPDATE client SET seen_at = ?3"
				 " WHERE account = ?1 AND address = ?2",
	[SQL_EACH_CLIENT] = "SELECT address FROM (SELECT address, max(seen_at) AS at"
			    "  FROM client WHERE seen_at >= ?1 GROUP BY address"
			    "  ORDER BY at DESC LIMIT ?2) ORDER BY at",
	[SQL_EACH_ACCOUNT_CLIENT] =
		"SELECT account, address FROM (SELECT account, address, seen_at"
		"  FROM client WHERE seen_at >= ?1 ORDER BY seen_at DESC LIMIT ?2)"
		" ORDER BY seen_at",
	[SQL_FORGET_CLIENTS] = "DELETE FROM client WHERE account = ?1 AND address NOT IN"
			       " (SELECT address FROM client WHERE account = ?1"
			       "  ORDER BY seen_at DESC LIMIT ?2)",
	[SQL_WRITE_UNSEEN] =
		"INSERT INTO unseen (client, service, why, worker, first_at, last_at,"
		" count, open) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT DO UPDATE SET last_at = max(last_at, excluded.last_at),"
		" count = count + excluded.count, open = excluded.open",
	[SQL_UNSEEN_OVER] = "UPDATE unseen SET open = 0, last_at = max(last_at, ?3)"
			    " WHERE open > 0 AND worker BETWEEN ?1 AND ?2",
	/* who comes by as many names as there are drives out neither another client that
	   may be somebody's, nor what says that one comes again */
	[SQL_FORGET_UNSEEN] = "DELETE FROM unseen WHERE open = 0 AND (last_at < ?1 OR"
			      " (last_at < (SELECT last_at FROM unseen WHERE open = 0"
			      "   ORDER BY last_at DESC LIMIT 1 OFFSET ?2)"
			      "  AND client NOT IN (SELECT address FROM client)))",
	[SQL_FORGET_NAMES] =
		"DELETE FROM unseen WHERE client = ?1 AND service = ?2 AND open = 0"
		" AND (why, worker) NOT IN (SELECT why, worker FROM unseen"
		"  WHERE client = ?1 AND service = ?2 AND open = 0"
		"  ORDER BY count > 1 DESC, last_at DESC LIMIT ?3)",
	[SQL_EACH_UNSEEN] = "SELECT " UNSEEN_COLUMNS " FROM unseen"
			    " GROUP BY client, service, why"
			    " HAVING sum(open) > 0 OR max(last_at) >= ?1"
			    " ORDER BY sum(open) > 0 DESC, max(last_at) DESC",
	/* of one account: from its few addresses, and past us; ?4: also what was there
	   since it switched, although it is over */
	[SQL_IS_HELD] =
		"SELECT a.name, a.route, a.stage, " UNSEEN_COLUMNS
		" FROM account a JOIN unseen u ON u.client IN"
		"  (SELECT address FROM client WHERE account = ?3 AND seen_at >= ?2"
		"   UNION ALL SELECT " PAST_US ")"
		" WHERE a.id = ?3 AND NOT a.unseen_allowed"
		" AND u.service IN " READ_BY " GROUP BY client, service, why"
		" HAVING sum(open) > 0 OR (u.client <> " PAST_US
		"  AND (sum(count) > 1 AND max(last_at) > ?1"
		"   OR ?4 AND a.route = 'busy' AND max(last_at) >= a.busy_since))"
		" ORDER BY sum(open) > 0 DESC, max(last_at) DESC LIMIT 1",
	/* by max() SQLite takes the other columns from the same row; who lives here has
	   the admin's word for what goes past us */
	[SQL_EACH_UNSEEN_READER] =
		"SELECT a.name, a.route, a.stage, u.*,"
		" max((u.open > 0) << 50 | u.last_at)"
		" FROM (SELECT " UNSEEN_COLUMNS " FROM unseen"
		"  WHERE service IN " READ_BY " GROUP BY client, service, why) u"
		" JOIN (SELECT account, address, seen_at FROM client UNION ALL"
		"  SELECT id, " PAST_US ", ?2 FROM account WHERE route <> 'local') c"
		"  ON c.address = u.client"
		" JOIN account a ON a.id = c.account"
		" WHERE (u.open > 0 OR (u.client <> " PAST_US
		"  AND u.count > 1 AND u.last_at > ?1))"
		" AND c.seen_at >= ?2 AND NOT a.unseen_allowed"
		" GROUP BY a.id ORDER BY a.name",
	[SQL_ALLOW_UNSEEN] = "UPDATE account SET unseen_allowed = ?2 WHERE id = ?1",
	[SQL_EACH_SWEEP_DUE] =
		"SELECT a.id, a.name FROM account a LEFT JOIN sweep s ON s.account = a.id"
		" WHERE a.route = 'local' AND a.stage = 'done'"
		" AND (a.uids_kept >= 0 OR a.uidls_kept > 0)"
		" AND (coalesce(s.next_at, a.stage_at + ?3) <= ?1"
		"  OR coalesce(s.next_at, a.stage_at + ?3) > ?1 + ?4) AND" HAS_SEALED
		" AND NOT EXISTS (SELECT 1 FROM fact WHERE name = 'retired')"
		" ORDER BY coalesce(s.next_at, a.stage_at + ?3), a.id LIMIT ?2",
	[SQL_PLAN_SWEEP] = "INSERT INTO sweep (account, next_at) VALUES (?1, ?2)"
			   " ON CONFLICT (account) DO UPDATE SET"
			   " next_at = excluded.next_at",
	/* by max() SQLite takes the name from the same row */
	[SQL_CHANGED_THERE] =
		"SELECT count(*), a.name, max(s.changed_at) FROM sweep s"
		" JOIN account a ON a.id = s.account"
		" WHERE s.changed_at >= ?1 AND s.changed_at > 0 AND a.route = 'local'",
	[SQL_SWEEP] = "SELECT next_at, looked_at, last_at, messages, error, state,"
		      " changed_at"
		      " FROM sweep WHERE account = ?1",
	[SQL_SET_SWEEP] =
		"INSERT INTO sweep (account, next_at, looked_at, last_at, messages, error,"
		" state, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT (account) DO UPDATE SET next_at = excluded.next_at,"
		" looked_at = excluded.looked_at, last_at = excluded.last_at,"
		" messages = excluded.messages, error = excluded.error,"
		" state = excluded.state, changed_at = excluded.changed_at",
	[SQL_MENDING] = "SELECT at, left_over, result FROM mending WHERE account = ?1",
	[SQL_SET_MENDING] = "INSERT OR REPLACE INTO mending VALUES (?1, ?2, ?3, ?4)",
	[SQL_FOUND] = "SELECT at, error, state FROM found WHERE account = ?1",
	[SQL_SET_FOUND] = "INSERT OR REPLACE INTO found VALUES (?1, ?2, ?3, ?4)",
	[SQL_CARRY] = "SELECT at, result FROM carry WHERE account = ?1 AND dry = ?2",
	[SQL_SET_CARRY] = "INSERT OR REPLACE INTO carry VALUES (?1, ?2, ?3, ?4)",
	[SQL_FIND_MASTER] = "SELECT id, login, is_suffix, sealed FROM master"
			    " WHERE login = ?1 AND is_suffix = ?2",
	[SQL_ACCOUNT_MASTER] = "SELECT m.id, m.login, m.is_suffix, m.sealed"
			       " FROM account a JOIN master m ON m.id = a.master"
			       " WHERE a.id = ?1 AND a.route <> 'local'",
	[SQL_PUT_MASTER] = "INSERT INTO master (login, is_suffix, sealed, at)"
			   " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (login, is_suffix)"
			   " DO UPDATE SET sealed = excluded.sealed, at = excluded.at,"
			   " is_taken = 0, refusals = 0, next_try_at = 0",
	[SQL_MASTER_REFUSED] =
		"UPDATE master SET is_taken = 0, refusals = refusals + 1,"
		" refused_for = ?1, next_try_at = ?2 + min(?3 << min(refusals, 16), ?4)"
		" WHERE id = (SELECT master FROM account WHERE id = ?1)"
		" AND (next_try_at <= ?2 OR next_try_at > ?2 + 2 * ?4)",
	[SQL_MASTER_TAKEN] =
		"UPDATE master SET is_taken = 1, refusals = 0, next_try_at = 0"
		" WHERE id = (SELECT master FROM account WHERE id = ?1) AND NOT is_taken",
	[SQL_TRY_MASTER] = "UPDATE master SET next_try_at = min(next_try_at, 1)"
			   " WHERE id = (SELECT master FROM account WHERE id = ?1)",
	[SQL_EACH_REFUSED_MASTER] =
		"SELECT m.login, m.refusals, m.next_try_at,"
		" coalesce((SELECT name FROM account WHERE id = m.refused_for), ''),"
		" (SELECT count(*) FROM account a WHERE a.master = m.id"
		"  AND a.master <> 0 AND a.pin <> 'source'"
		"  AND a.stage IN ('due', 'copying', 'failed') AND NOT" HAS_UNTRIED ")"
		" FROM master m WHERE m.refusals > 0 ORDER BY m.login",
	[SQL_USE_MASTER] = "UPDATE account SET master = ?2 WHERE id = ?1",
	[SQL_FORGET_MASTERS] =
		"DELETE FROM master WHERE NOT EXISTS (SELECT 1 FROM account a"
		" WHERE a.master <> 0 AND a.master = master.id)",
	[SQL_ERASE_MASTERS] = "DELETE FROM master",
	[SQL_LEAVE_MASTERS] = "UPDATE account SET master = 0 WHERE master <> 0",
	[SQL_SET_SIZE] = "UPDATE account SET size = ?2 WHERE id = ?1",
	/* as it was before they had a file of their own (counts_sql.c) */
	[SQL_EACH_OLD_COUNT] = "SELECT span, at, service, route, packets_in, bytes_in,"
			       " packets_out, bytes_out FROM count",
};
