/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry's tables, from the first version of them on. */
#include "registry/sql.h"

/* Row i leads from user_version i to i + 1. Never change one that was released. */
static const char *const upgrades[] = {
	"CREATE TABLE account ("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" login TEXT NOT NULL,"
	" route TEXT NOT NULL DEFAULT 'source' CHECK (route IN ('source', 'busy', "
	"'local')),"
	" stage TEXT NOT NULL DEFAULT 'idle' CHECK (stage IN ('idle', 'due', 'copying',"
	"  'catching-up', 'switching', 'done', 'failed')),"
	" stage_at INTEGER NOT NULL,"
	" pin TEXT NOT NULL DEFAULT 'auto' CHECK (pin IN ('auto', 'source', 'local')),"
	" uncapturable_why TEXT NOT NULL DEFAULT '',"
	" sealed BLOB,"
	" verifier TEXT,"
	" first_login_at INTEGER NOT NULL,"
	" last_login_at INTEGER NOT NULL,"
	" folders INTEGER NOT NULL DEFAULT 0,"
	" messages_total INTEGER NOT NULL DEFAULT 0,"
	" messages_copied INTEGER NOT NULL DEFAULT 0,"
	" bytes_copied INTEGER NOT NULL DEFAULT 0,"
	" uids_kept INTEGER NOT NULL DEFAULT -1,"
	" uidls_kept INTEGER NOT NULL DEFAULT -1,"
	" busy_since INTEGER NOT NULL DEFAULT 0,"
	" out_of_service_ms INTEGER NOT NULL DEFAULT 0,"
	" attempts INTEGER NOT NULL DEFAULT 0,"
	" next_try_at INTEGER NOT NULL DEFAULT 0,"
	" last_error TEXT NOT NULL DEFAULT '',"
	" certificate TEXT NOT NULL DEFAULT '');"
	/* nearly all accounts are idle or done: the scheduler's question touches few rows
	 */
	"CREATE INDEX account_work ON account (stage) WHERE stage NOT IN ('idle', "
	"'done');"
	"CREATE INDEX account_moved ON account (route) WHERE route <> 'source';"
	"CREATE TABLE name ("
	" key TEXT PRIMARY KEY,"
	" account INTEGER NOT NULL REFERENCES account (id)) WITHOUT ROWID;"
	"CREATE TABLE journal ("
	" id INTEGER PRIMARY KEY,"
	" at INTEGER NOT NULL,"
	" account INTEGER NOT NULL REFERENCES account (id),"
	" event TEXT NOT NULL, was TEXT NOT NULL, is_now TEXT NOT NULL,"
	" by TEXT NOT NULL, detail TEXT NOT NULL);"
	"CREATE INDEX journal_account ON journal (account);"
	"CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
	/* 2: addresses, what still goes to the source, passwords that were set here */
	"CREATE TABLE alias ("
	" key TEXT PRIMARY KEY," /* local@domain folded; @domain: all of a domain */
	" target TEXT,"        /* likewise, or an account's name; NULL: a special rule */
	" rule TEXT NOT NULL," /* the right side as it was written */
	" source TEXT NOT NULL CHECK (source IN ('imported', 'added')),"
	" at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE recipient ("
	" day INTEGER NOT NULL," /* since 1970, UTC */
	" address TEXT NOT NULL,"
	" client TEXT NOT NULL,"
	" first_at INTEGER NOT NULL,"
	" last_at INTEGER NOT NULL,"
	" count INTEGER NOT NULL,"
	" PRIMARY KEY (day, address, client)) WITHOUT ROWID;"
	"ALTER TABLE account ADD COLUMN local_password_at INTEGER NOT NULL DEFAULT 0;",
	/* 3: which protocols an account's owner was seen to use */
	"CREATE TABLE seen_service ("
	" account INTEGER NOT NULL REFERENCES account (id),"
	" service TEXT NOT NULL,"
	" PRIMARY KEY (account, service)) WITHOUT ROWID;",
	/* 4: several passwords of one account, and how many accounts are new */
	"CREATE TABLE password ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" account INTEGER NOT NULL REFERENCES account (id),"
	" origin TEXT NOT NULL CHECK (origin IN ('source', 'local')),"
	" login TEXT NOT NULL,"
	" sealed BLOB,"
	" verifier TEXT,"
	" seen_at INTEGER NOT NULL,"
	" proven_at INTEGER NOT NULL DEFAULT 0,"
	" refused_at INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX password_account ON password (account);"
	"CREATE INDEX password_sealed ON password (account) WHERE sealed IS NOT NULL;"
	"INSERT INTO password (account, origin, login, sealed, verifier, seen_at,"
	"  proven_at)"
	" SELECT id, 'source', login, sealed,"
	"  CASE local_password_at WHEN 0 THEN verifier END, last_login_at,"
	"  CASE WHEN local_password_at = 0 AND verifier IS NOT NULL THEN stage_at"
	"   ELSE 0 END"
	" FROM account WHERE sealed IS NOT NULL"
	"  OR (verifier IS NOT NULL AND local_password_at = 0);"
	"INSERT INTO password (account, origin, login, verifier, seen_at, proven_at)"
	" SELECT id, 'local', '', verifier, local_password_at, local_password_at"
	" FROM account WHERE local_password_at <> 0;"
	"ALTER TABLE account DROP COLUMN sealed;"
	"ALTER TABLE account DROP COLUMN verifier;"
	"ALTER TABLE account DROP COLUMN local_password_at;"
	"CREATE INDEX account_first ON account (first_login_at);",
	/* 5: who is intercepted, by client prefix */
	"CREATE TABLE admission ("
	" prefix TEXT NOT NULL,"
	" service TEXT NOT NULL," /* '': all */
	" verdict TEXT NOT NULL,"
	" at INTEGER NOT NULL,"
	" PRIMARY KEY (prefix, service)) WITHOUT ROWID;",
	/* 6: where users log in from, and what passes unseen (registry/unseen.h) */
	"CREATE TABLE client ("
	" account INTEGER NOT NULL REFERENCES account (id),"
	" address TEXT NOT NULL,"
	" seen_at INTEGER NOT NULL,"
	" PRIMARY KEY (account, address)) WITHOUT ROWID;"
	"CREATE INDEX client_address ON client (address);"
	"CREATE TABLE unseen ("
	" client TEXT NOT NULL,"
	" service TEXT NOT NULL,"
	" why TEXT NOT NULL,"
	" worker INTEGER NOT NULL," /* that writes the row */
	" first_at INTEGER NOT NULL,"
	" last_at INTEGER NOT NULL,"
	" count INTEGER NOT NULL,"
	" open INTEGER NOT NULL,"
	" PRIMARY KEY (client, service, why, worker)) WITHOUT ROWID;"
	"ALTER TABLE account ADD COLUMN unseen_allowed INTEGER NOT NULL DEFAULT 0;",
	/* 7: what still comes to the old mailboxes of those that moved (sweeps.h) */
	"CREATE TABLE sweep ("
	" account INTEGER PRIMARY KEY REFERENCES account (id),"
	" next_at INTEGER NOT NULL,"
	" looked_at INTEGER NOT NULL DEFAULT 0,"
	" last_at INTEGER NOT NULL DEFAULT 0,"
	" messages INTEGER NOT NULL DEFAULT 0,"
	" error TEXT NOT NULL DEFAULT '',"
	" state TEXT NOT NULL DEFAULT '');",
	/* 8: what the kernel has counted (counts.h), which was a fact before */
	"CREATE TABLE count ("
	" span TEXT NOT NULL,"
	" at INTEGER NOT NULL,"
	" service TEXT NOT NULL,"
	" route TEXT NOT NULL,"
	" packets_in INTEGER NOT NULL,"
	" bytes_in INTEGER NOT NULL,"
	" packets_out INTEGER NOT NULL,"
	" bytes_out INTEGER NOT NULL,"
	" PRIMARY KEY (span, at, service, route)) WITHOUT ROWID;"
	"DELETE FROM fact WHERE name = 'counters';",
	/* 9: passwords that an admin has brought, and the source has not taken yet */
	"ALTER TABLE password ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;",
	/* 10: accounts that never were at the source, and those that may not log in */
	"ALTER TABLE account ADD COLUMN made_here INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;",
	/* 11: what was carried back to the source, or would be (carries.h) */
	"CREATE TABLE carry ("
	" account INTEGER NOT NULL REFERENCES account (id),"
	" dry INTEGER NOT NULL,"
	" at INTEGER NOT NULL,"
	" result TEXT NOT NULL,"
	" PRIMARY KEY (account, dry)) WITHOUT ROWID;",
	/* 12: by which addresses mail still comes to old mailboxes (delivered.h) */
	"CREATE TABLE delivered ("
	" account INTEGER NOT NULL REFERENCES account (id),"
	" address TEXT NOT NULL,"
	" messages INTEGER NOT NULL,"
	" first_at INTEGER NOT NULL,"
	" last_at INTEGER NOT NULL,"
	" PRIMARY KEY (account, address)) WITHOUT ROWID;",
	/* 13: accounts that were renamed here: what the source calls them, bound by the
	   vault; and names that nobody has logged in with at the source */
	"ALTER TABLE account ADD COLUMN source_name TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE name ADD COLUMN made_here INTEGER NOT NULL DEFAULT 0;",
	/* 14: logins at the source that follow those of users here (pop_logins.h) */
	"CREATE TABLE pop_login ("
	" account INTEGER PRIMARY KEY REFERENCES account (id),"
	" at INTEGER NOT NULL,"
	" client TEXT NOT NULL,"
	" error TEXT NOT NULL,"
	" next_at INTEGER NOT NULL);",
	/* 15: whose mailbox is, or will be, at another server than here */
	"ALTER TABLE account ADD COLUMN home TEXT NOT NULL DEFAULT '';",
	/* 16: what was lost here and transferred anew (mendings.h) */
	"CREATE TABLE mending ("
	" account INTEGER PRIMARY KEY REFERENCES account (id),"
	" at INTEGER NOT NULL,"
	" left_over INTEGER NOT NULL,"
	" result TEXT NOT NULL);",
	/* 17: whose mail folder says, or may say, what the registry is about to say */
	"ALTER TABLE account ADD COLUMN arriving INTEGER NOT NULL DEFAULT 0;",
	/* 18: master users of the source (masters.h), and how large accounts are there */
	"CREATE TABLE master ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" login TEXT NOT NULL,"
	" is_suffix INTEGER NOT NULL,"
	" sealed BLOB NOT NULL,"
	" at INTEGER NOT NULL,"
	" UNIQUE (login, is_suffix));"
	"ALTER TABLE account ADD COLUMN master INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX account_master ON account (master) WHERE master <> 0;",
	/* 19: a master user whom the source refuses */
	"ALTER TABLE master ADD COLUMN is_taken INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE master ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE master ADD COLUMN refused_for INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE master ADD COLUMN next_try_at INTEGER NOT NULL DEFAULT 0;",
	/* 20: the same checks without IN: of more than two words SQLite makes a table at
	   each check, which cost more than to write the row */
	"DROP INDEX account_work;"
	"DROP INDEX account_moved;"
	"ALTER TABLE account ADD COLUMN new_route TEXT NOT NULL DEFAULT 'source'"
	" CHECK (new_route = 'source' OR new_route = 'busy' OR new_route = 'local');"
	"ALTER TABLE account ADD COLUMN new_stage TEXT NOT NULL DEFAULT 'idle'"
	" CHECK (new_stage = 'idle' OR new_stage = 'due' OR new_stage = 'copying'"
	"  OR new_stage = 'catching-up' OR new_stage = 'switching'"
	"  OR new_stage = 'done' OR new_stage = 'failed');"
	"ALTER TABLE account ADD COLUMN new_pin TEXT NOT NULL DEFAULT 'auto'"
	" CHECK (new_pin = 'auto' OR new_pin = 'source' OR new_pin = 'local');"
	"UPDATE account SET new_route = route, new_stage = stage, new_pin = pin;"
	"ALTER TABLE account DROP COLUMN route;"
	"ALTER TABLE account DROP COLUMN stage;"
	"ALTER TABLE account DROP COLUMN pin;"
	"ALTER TABLE account RENAME COLUMN new_route TO route;"
	"ALTER TABLE account RENAME COLUMN new_stage TO stage;"
	"ALTER TABLE account RENAME COLUMN new_pin TO pin;"
	"CREATE INDEX account_work ON account (stage)"
	" WHERE stage NOT IN ('idle', 'done');"
	"CREATE INDEX account_moved ON account (route) WHERE route <> 'source';",
	/* 21: old mailboxes that others change (sweeps.h) */
	"ALTER TABLE sweep ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;",
	/* 22: what accounts have at the source besides mail (found.h) */
	"CREATE TABLE found ("
	" account INTEGER PRIMARY KEY REFERENCES account (id),"
	" at INTEGER NOT NULL,"
	" error TEXT NOT NULL,"
	" state TEXT NOT NULL);",
};

const struct database_schema registry_schema = {
	.noun = "the registry",
	.cure = "run: mailferry registry rebuild",
	/* a password that is erased is overwritten, not only forgotten */
	.setup = "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY",
	.statements = registry_statements,
	.n_statements = SQL_COUNT,
	.upgrades = upgrades,
	.n_upgrades = sizeof(upgrades) / sizeof(upgrades[0]),
};
