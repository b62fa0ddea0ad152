/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_SQL_H
#define REGISTRY_SQL_H
/* The registry's statements and upgrades: two tables in sql.c. Inside lib/registry only.
 */
#include "database/database.h"
#include "registry/registry.h"

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
	SQL_LOGIN_TIME,
	SQL_SET_LOGIN_TIME,
	SQL_SET_UNCAPTURABLE,
	SQL_SET_LOGIN,
	SQL_TAKE_LOGIN,
	SQL_EACH_PASSWORD,
	SQL_FIND_PASSWORD,
	SQL_ADD_CANDIDATE,
	SQL_SEE_AGAIN,
	SQL_FORGET_CANDIDATES,
	SQL_PROVE,
	SQL_UNPROVE,
	SQL_REPLACE_VERIFIER,
	SQL_REFUSE_PASSWORD,
	SQL_STATE,
	SQL_SET_STATE,
	SQL_SET_PIN,
	SQL_SET_PROGRESS,
	SQL_SET_RESULT,
	SQL_INSERT_JOURNAL,
	SQL_JOURNAL,
	SQL_SET_FACT,
	SQL_FACT,
	SQL_FORGET_FACT,
	SQL_ANY_LOCAL,
	SQL_ANY_PASSWORD,
	SQL_COUNT_ROUTES,
	SQL_ALIAS,
	SQL_EACH_ALIAS,
	SQL_LAST_ALIAS,
	SQL_PUT_ALIAS,
	SQL_REMOVE_ALIAS,
	SQL_COUNT_RECIPIENT,
	SQL_DAY_IS_FULL,
	SQL_FORGET_RECIPIENTS,
	SQL_EACH_RECIPIENT,
	SQL_ADD_LOCAL_PASSWORD,
	SQL_DROP_LOCAL_PASSWORD,
	SQL_ANY_UNVERIFIED,
	SQL_SEEN_SERVICE,
	SQL_SEE_SERVICE,
	SQL_ERASE_SEALED,
	SQL_FORGET_UNPROVEN,
	SQL_COUNT_NEW,
	SQL_ADMIT,
	SQL_FORGET_ADMISSION,
	SQL_EACH_ADMISSION,
	SQL_STAMP_ADMISSIONS,
	SQL_ADMISSIONS_STAMP,
	SQL_COUNT
};

struct registry {
	struct database *db;
	char **domains; /* those of the configuration */
	size_t n_domains;
	char *only_domain;         /* one of domains; NULL: none, or several */
	const char *delimiters;    /* of sub-addresses; a literal */
	uint64_t new_accounts_max; /* an hour; 0: no limit */
};

extern const struct database_schema registry_schema;

#endif
