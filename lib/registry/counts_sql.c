/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/sql.h"

/* Order as counts.c reads and writes it. */
#define COUNT_COLUMNS "packets_in, bytes_in, packets_out, bytes_out"
#define INSERT_COUNT                                                                     \
	"INSERT INTO count (span, at, service, route, " COUNT_COLUMNS ")"                \
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"                                       \
	" ON CONFLICT (span, at, service, route) DO UPDATE SET "

static const char *const statements[] = {
	[COUNTS_SQL_ANY] = "SELECT EXISTS (SELECT 1 FROM count)",
	[COUNTS_SQL_TAKE_OLD] = "INSERT OR IGNORE INTO count (span, at, service, route,"
				" " COUNT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
				" ?8)",
	[COUNTS_SQL_ADD] = INSERT_COUNT "packets_in = packets_in + ?5,"
					" bytes_in = bytes_in + ?6,"
					" packets_out = packets_out + ?7,"
					" bytes_out = bytes_out + ?8",
	[COUNTS_SQL_SET] = INSERT_COUNT "packets_in = ?5, bytes_in = ?6,"
					" packets_out = ?7, bytes_out = ?8",
	[COUNTS_SQL_ONE] = "SELECT " COUNT_COLUMNS " FROM count WHERE span = ?1"
			   " AND at = ?2 AND service = ?3 AND route = ?4",
	[COUNTS_SQL_EACH] = "SELECT at, service, route, " COUNT_COLUMNS " FROM count"
			    " WHERE span = ?1 AND at >= ?2 ORDER BY at, service, route",
	[COUNTS_SQL_SUM] = "SELECT min(at), service, route, sum(packets_in),"
			   " sum(bytes_in), sum(packets_out), sum(bytes_out)"
			   " FROM count WHERE span = ?1 AND at >= ?2"
			   " GROUP BY service, route",
	[COUNTS_SQL_FORGET] = "DELETE FROM count WHERE span = ?1 AND at < ?2",
};
_Static_assert(
	sizeof(statements) / sizeof(statements[0]) == COUNTS_SQL_COUNT, "one for each");

static const char *const upgrades[] = {
	"CREATE TABLE count ("
	" span TEXT NOT NULL,"
	" at INTEGER NOT NULL,"
	" service TEXT NOT NULL,"
	" route TEXT NOT NULL,"
	" packets_in INTEGER NOT NULL,"
	" bytes_in INTEGER NOT NULL,"
	" packets_out INTEGER NOT NULL,"
	" bytes_out INTEGER NOT NULL,"
	" PRIMARY KEY (span, at, service, route)) WITHOUT ROWID;",
};

/* Not durable: the kernel goes on counting, and after a power cut it begins at 0 too. */
const struct database_schema counts_schema = {
	.noun = "the file of counters",
	.cure = "remove it: counters begin anew",
	.setup = "",
	.statements = statements,
	.n_statements = COUNTS_SQL_COUNT,
	.upgrades = upgrades,
	.n_upgrades = sizeof(upgrades) / sizeof(upgrades[0]),
};
