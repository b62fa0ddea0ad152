/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/recipients.h"

#include "registry/address_key.h"
#include "registry/internal.h"

#include <errno.h>

static int add(struct registry *r, struct str address, const struct recipients_seen *seen,
	uint64_t count, struct error *err)
{
	if (!count)
		return 0;
	return sql_run(r->db, SQL_COUNT_RECIPIENT,
		SQL_VALUES(sql_number(seen->last_at / DAY_MS), sql_text(address),
			sql_text(seen->client), sql_number(seen->first_at),
			sql_number(seen->last_at), sql_number(count)),
		err);
}

static int count_one(struct registry *r, const struct recipients_seen *seen, bool full,
	struct error *err)
{
	struct str address = STR_LIT(RECIPIENTS_MORE);
	struct address_key key;
	int code;

	if (!full && address_key(seen->local, seen->domain, &key) == 0)
		address = address_key_text(&key);
	code = add(r, address, seen, seen->accepted, err);
	if (code == 0)
		code = add(r, STR_LIT(RECIPIENTS_REFUSED), seen, seen->refused, err);
	return code;
}

static int count_all(struct registry *r, const struct recipients_seen *seen, size_t n,
	struct error *err)
{
	uint64_t today = seen[0].last_at / DAY_MS, rows = 0;
	uint64_t oldest = today > RECIPIENT_DAYS ? today - RECIPIENT_DAYS : 0;
	int code = sql_run(
		r->db, SQL_FORGET_RECIPIENTS, SQL_VALUES(sql_number(oldest)), err);

	if (code == 0)
		code = sql_get(r->db, SQL_DAY_IS_FULL,
			SQL_VALUES(sql_number(today), sql_number(RECIPIENT_ROWS_MAX)),
			&rows, err);
	for (size_t i = 0; code == 0 && i < n; i++)
		code = count_one(r, &seen[i], rows + i >= RECIPIENT_ROWS_MAX, err);
	return code;
}

int registry_count_recipients(struct registry *r, const struct recipients_seen *seen,
	size_t n, struct error *err)
{
	int code = n ? database_begin(r->db, false, err) : 0;

	if (code < 0 || !n)
		return code;
	return database_finish(r->db, count_all(r, seen, n, err), err);
}

int registry_each_recipients(struct registry *r, uint64_t since_day,
	recipients_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(
		r->db, SQL_EACH_RECIPIENT, SQL_VALUES(sql_number(since_day)), &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct recipients_row one = { .address = query_bytes(&row, 0),
			.client = query_bytes(&row, 1),
			.day = query_number(&row, 2),
			.first_at = query_number(&row, 3),
			.last_at = query_number(&row, 4),
			.count = query_number(&row, 5) };

		n = each(context, &one);
	}
	return n;
}
