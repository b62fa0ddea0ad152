/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/delivered.h"

#include "base/clock.h"
#include "registry/address_key.h"
#include "registry/alias.h"
#include "registry/internal.h"

#include <errno.h>
#include <string.h>

/* It may be typed into a shell: letters and digits, and never an option. */
static bool is_plain(struct str address)
{
	for (size_t i = 0; i < address.len; i++) {
		char c = address.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
			!memchr("@._+=-", c, 6))
			return false;
	}
	return address.len && address.ptr[0] != '-' && address.ptr[0] != '@';
}

/* 1: nobody is known to have it, and it is worth a row. */
static int is_news(
	struct registry *r, struct str address, uint64_t now, struct error *err)
{
	struct account_route where;
	struct str local, domain;
	uint64_t asked = 0;
	int code;

	address_split(address, &local, &domain);
	if (!is_plain(address) || !domain_is_ours(r, domain))
		return 0;
	code = registry_address(r, local, domain, &where, err);
	if (code != -ENOENT)
		return code;
	code = sql_get(r->db, SQL_IS_RECIPIENT,
		SQL_VALUES(sql_number(now / DAY_MS), sql_text(address)), &asked, err);
	return code < 0 ? code : asked != 0;
}

static int write_row(struct registry *r, int64_t account, struct str address,
	uint64_t now, struct error *err)
{
	return sql_run(r->db, SQL_COUNT_DELIVERED,
		SQL_VALUES(sql_text(address), sql_signed(account), sql_number(now),
			sql_number(DELIVERED_MAX)),
		err);
}

static int forget_old(struct registry *r, uint64_t now, struct error *err)
{
	uint64_t kept = RECIPIENT_DAYS * DAY_MS;

	return sql_run(r->db, SQL_FORGET_DELIVERED,
		SQL_VALUES(sql_number(now > kept ? now - kept : 0)), err);
}

static int note(struct registry *r, int64_t account, struct str text, struct error *err)
{
	uint64_t now = clock_wall_ms();
	struct address_key key;
	struct str local, domain;
	int code;

	address_split(text, &local, &domain);
	if (!local.len || !domain.len || address_key(local, domain, &key) < 0)
		return 0;
	code = is_news(r, address_key_text(&key), now, err);
	if (code != 1)
		return code;
	code = database_begin(r->db, false, err);
	if (code < 0)
		return code;
	code = forget_old(r, now, err);
	if (code == 0)
		code = write_row(r, account, address_key_text(&key), now, err);
	return database_finish(r->db, code, err);
}

int registry_note_delivered(struct registry *r, int64_t account,
	const struct str *addresses, size_t n, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < n && code == 0; i++)
		code = note(r, account, addresses[i], err);
	return code;
}

int registry_each_delivered(
	struct registry *r, delivered_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_EACH_DELIVERED, SQL_NO_VALUES, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct delivered_row one = { .address = query_bytes(&row, 0),
			.account = (int64_t)query_number(&row, 1),
			.name = query_bytes(&row, 2),
			.messages = query_number(&row, 3),
			.first_at = query_number(&row, 4),
			.last_at = query_number(&row, 5),
			.of_account = query_number(&row, 6),
			.of_address = query_number(&row, 7) };

		n = each(context, &one);
	}
	return n;
}
