/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/recipients.h"

#include "registry/address_key.h"

#include <errno.h>

static int add(struct registry *r, struct str address, const struct recipients_seen *seen,
	uint64_t count, struct error *err)
{
	sqlite3_stmt *statement;
	int code;

	if (!count)
		return 0;
	code = rsql_use(r, SQL_COUNT_RECIPIENT, &statement, err);
	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, seen->last_at / DAY_MS);
	rsql_bind(statement, 2, address);
	rsql_bind(statement, 3, seen->client);
	rsql_bind_number(statement, 4, seen->first_at);
	rsql_bind_number(statement, 5, seen->last_at);
	rsql_bind_number(statement, 6, count);
	return rsql_run(r, statement, err);
}

static int forget_old(struct registry *r, uint64_t today, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_FORGET_RECIPIENTS, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(
		statement, 1, today > RECIPIENT_DAYS ? today - RECIPIENT_DAYS : 0);
	return rsql_run(r, statement, err);
}

static int rows_of_day(
	struct registry *r, uint64_t day, uint64_t *ret_rows, struct error *err)
{
	sqlite3_stmt *row;
	int n = rsql_use(r, SQL_DAY_IS_FULL, &row, err);

	if (n < 0)
		return n;
	rsql_bind_number(row, 1, day);
	rsql_bind_number(row, 2, RECIPIENT_ROWS_MAX);
	n = rsql_step(r, row, err);
	if (n < 0)
		return n;
	*ret_rows = rsql_number(row, 0);
	(void)sqlite3_reset(row);
	return 0;
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
	int code = forget_old(r, today, err);

	if (code == 0)
		code = rows_of_day(r, today, &rows, err);
	for (size_t i = 0; code == 0 && i < n; i++)
		code = count_one(r, &seen[i], rows + i >= RECIPIENT_ROWS_MAX, err);
	return code;
}

int registry_count_recipients(struct registry *r, const struct recipients_seen *seen,
	size_t n, struct error *err)
{
	int code = n ? rsql_begin(r, false, err) : 0;

	if (code < 0 || !n)
		return code;
	return rsql_finish(r, count_all(r, seen, n, err), err);
}

int registry_each_recipients(struct registry *r, uint64_t since_day,
	recipients_each_fn *each, void *context, struct error *err)
{
	sqlite3_stmt *row;
	int n = rsql_use(r, SQL_EACH_RECIPIENT, &row, err);

	if (n < 0)
		return n;
	rsql_bind_number(row, 1, since_day);
	while ((n = rsql_step(r, row, err)) == 1) {
		struct recipients_row one = { .address = rsql_text(row, 0),
			.client = rsql_text(row, 1),
			.day = rsql_number(row, 2),
			.first_at = rsql_number(row, 3),
			.last_at = rsql_number(row, 4),
			.count = rsql_number(row, 5) };

		n = each(context, &one);
		if (n != 0)
			break;
	}
	(void)sqlite3_reset(row);
	return n;
}
