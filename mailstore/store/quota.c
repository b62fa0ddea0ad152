/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/quota.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/schema.h"

#include <errno.h>
#include <inttypes.h>

#define QUOTA_PERCENT_MAX 999u /* of one that was lowered far below */

static int read_quota(struct database *db, const struct quota *usual, struct quota *ret,
	bool *ret_own, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(db, SQL_QUOTA, SQL_NO_VALUES, &q, err);

	if (n < 0)
		return n;
	*ret_own = n && !query_is_null(&q, 0);
	*ret = *usual;
	if (*ret_own)
		*ret = (struct quota){ query_number(&q, 0), query_number(&q, 1) };
	return 0;
}

int quota_of(
	struct store *s, const struct quota *usual, struct quota *ret, struct error *err)
{
	bool own;

	return read_quota(s->db, usual, ret, &own, err);
}

static bool is_too_much(uint64_t limit, uint64_t used, uint64_t more)
{
	return limit && (used > limit || more > limit - used);
}

int quota_check(struct store *s, const struct quota *usual, uint64_t bytes,
	uint64_t messages, struct error *err)
{
	struct quota quota;
	uint64_t used_bytes, used_messages;
	int code = quota_of(s, usual, &quota, err);

	if (code < 0 || (!quota.bytes && !quota.messages))
		return code;
	if (messages == 1 && is_too_much(quota.bytes, 0, bytes))
		return error_set(err, -EMSGSIZE,
			"a message of %" PRIu64 " bytes; the quota is %" PRIu64, bytes,
			quota.bytes);
	code = store_usage(s, &used_bytes, &used_messages, err);
	if (code < 0)
		return code;
	if (is_too_much(quota.bytes, used_bytes, bytes))
		return error_set(
			err, -EDQUOT, "over the quota of %" PRIu64 " bytes", quota.bytes);
	if (is_too_much(quota.messages, used_messages, messages))
		return error_set(err, -EDQUOT, "over the quota of %" PRIu64 " messages",
			quota.messages);
	return 0;
}

/* ── warnings ──────────────────────────────────────────────────────────────────────── */

static uint64_t percent_of(uint64_t used, uint64_t limit)
{
	if (!limit)
		return 0;
	return used > UINT64_MAX / 100 ? used / (limit / 100 + 1) : used * 100 / limit;
}

unsigned quota_percent(const struct quota_use *use)
{
	uint64_t bytes = percent_of(use->bytes, use->quota.bytes);
	uint64_t messages = percent_of(use->messages, use->quota.messages);
	uint64_t most = bytes > messages ? bytes : messages;

	return most > QUOTA_PERCENT_MAX ? QUOTA_PERCENT_MAX : (unsigned)most;
}

static unsigned threshold_at(const struct quota_warnings *w, unsigned percent)
{
	unsigned at = 0;

	for (size_t i = 0; i < w->n && w->percents[i] <= percent; i++)
		at = w->percents[i];
	return at;
}

int quota_told(struct store *s, unsigned percent, struct error *err)
{
	int code = store_writing(s, err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_SET_QUOTA_TOLD,
				  SQL_VALUES(sql_number(percent)), err);
}

/* Who was clearly below hears of it again. */
static int forget_told(struct store *s, unsigned percent, struct error *err)
{
	int code = store_begin(s, err);

	if (code < 0)
		return code;
	code = quota_told(s, percent, err);
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

int quota_warning_due(struct store *s, const struct quota *usual,
	const struct quota_warnings *warnings, struct quota_use *ret_use,
	unsigned *ret_percent, struct error *err)
{
	struct quota_use use = { 0 };
	unsigned percent, reached;
	uint64_t told = 0;
	int code = quota_of(s, usual, &use.quota, err);

	if (code == 0)
		code = store_usage(s, &use.bytes, &use.messages, err);
	if (code == 0)
		code = sql_get(s->db, SQL_QUOTA_TOLD, SQL_NO_VALUES, &told, err);
	if (code < 0)
		return code;
	percent = quota_percent(&use);
	reached = threshold_at(warnings, percent);
	if (told && percent + QUOTA_SLACK < told)
		code = forget_told(s, reached, err);
	if (code < 0)
		return code;
	*ret_use = use;
	*ret_percent = reached > told ? reached : 0;
	return 0;
}

/* ── for commands ──────────────────────────────────────────────────────────────────── */

int quota_look(const char *folder, const struct quota *usual, struct quota_use *ret,
	struct error *err)
{
	struct database *db;
	int code = index_open(folder, &db, err);

	if (code < 0)
		return code;
	code = usage_read(db, &ret->bytes, &ret->messages, err);
	if (code == 0)
		code = read_quota(db, usual, &ret->quota, &ret->is_own, err);
	database_close(db);
	return code;
}

int quota_set(const char *folder, const struct quota *own, struct error *err)
{
	struct database *db;
	int code = index_open(folder, &db, err);

	if (code < 0)
		return code;
	if (own)
		code = sql_run(db, SQL_SET_QUOTA,
			SQL_VALUES(sql_number(own->bytes), sql_number(own->messages)),
			err);
	else
		code = sql_run(
			db, SQL_SET_QUOTA, SQL_VALUES(sql_null(), sql_null()), err);
	database_close(db);
	return code;
}
