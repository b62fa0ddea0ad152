/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/retire.h"

#include "base/clock.h"
#include "registry/internal.h"
#include "registry/recent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define RETIRED STR_LIT("retired")
#define CLEAR_MAIL STR_LIT("clear-mail")
#define NOTE_EVERY_MS 60000
#define ERASED STR_LIT("passwords-erased")

/* 0: there is no such fact. */
static int read_time(
	struct registry *r, struct str fact, uint64_t *ret_at, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	uint64_t at = 0;
	int n = query_first(r->db, SQL_FACT, SQL_VALUES(sql_text(fact)), &row, err);

	if (n == 1 && !str_to_u64(query_bytes(&row, 0), &at))
		return error_set(err, -EUCLEAN, "%s: the fact `%.*s` is not a time",
			database_path(r->db), STR_ARG(fact));
	if (n < 0)
		return n;
	*ret_at = at;
	return 0;
}

static int write_time(struct registry *r, struct str fact, struct error *err)
{
	char now[24];

	(void)snprintf(now, sizeof(now), "%" PRIu64, clock_wall_ms());
	return registry_set_fact(r, fact, str_from(now), err);
}

int registry_retired(struct registry *r, uint64_t *ret_since, struct error *err)
{
	struct recent_question q;
	int code;

	if (recent_fact(r->recent, r->db, "retired", &q, ret_since))
		return 0;
	code = read_time(r, RETIRED, ret_since, err);
	if (code == 0)
		recent_keep_fact(r->recent, r->db, &q, *ret_since);
	return code;
}

static int note(struct registry *r, struct str fact, struct error *err)
{
	uint64_t at = 0;
	int code = read_time(r, fact, &at, err);

	if (code < 0 || clock_wall_ms() < at + NOTE_EVERY_MS)
		return code;
	return write_time(r, fact, err);
}

int registry_clear_mail(struct registry *r, uint64_t *ret_at, struct error *err)
{
	return read_time(r, CLEAR_MAIL, ret_at, err);
}

int registry_note_clear_mail(struct registry *r, struct error *err)
{
	return note(r, CLEAR_MAIL, err);
}

int source_is_retired(struct error *err)
{
	return error_set(err, -EPERM,
		"the source is retired; nothing goes back to it or comes from it");
}

int refuse_when_retired(struct registry *r, struct error *err)
{
	uint64_t since = 0;
	int code = registry_retired(r, &since, err);

	return code == 0 && since ? source_is_retired(err) : code;
}

static int retire(struct registry *r, struct error *err)
{
	uint64_t since = 0;
	int code = registry_retired(r, &since, err);

	return code < 0 || since ? code : write_time(r, RETIRED, err);
}

int registry_retire(struct registry *r, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, retire(r, err), err);
}

int registry_passwords_erased(struct registry *r, bool *ret_erased, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_FACT, SQL_VALUES(sql_text(ERASED)), &row, err);

	if (n < 0)
		return n;
	*ret_erased = n == 1;
	return 0;
}

static int unretire(struct registry *r, struct error *err)
{
	bool erased = false;
	int code = registry_passwords_erased(r, &erased, err);

	if (code == 0 && erased)
		return error_set(err, -EPERM,
			"the sealed passwords are erased, so nothing can be moved from or "
			"to the source any more");
	if (code == 0)
		code = sql_run(
			r->db, SQL_FORGET_FACT, SQL_VALUES(sql_text(RETIRED)), err);
	if (code == 0 && database_changes(r->db) == 0)
		code = error_set(err, -EPERM, "the source is not retired");
	return code;
}

int registry_unretire(struct registry *r, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, unretire(r, err), err);
}

static int erase(struct registry *r, struct error *err)
{
	uint64_t since = 0, unverified = 0;
	int code = registry_retired(r, &since, err);

	if (code == 0 && !since)
		return error_set(err, -EPERM,
			"the source is not retired: its passwords are still needed");
	if (code == 0)
		code = sql_get(
			r->db, SQL_ANY_UNVERIFIED, SQL_NO_VALUES, &unverified, err);
	if (code == 0 && unverified)
		return error_set(err, -EAGAIN,
			"an account here has no password of its own yet; set one: "
			"mailferry passwd");
	if (code == 0)
		code = sql_run(r->db, SQL_FORGET_UNPROVEN, SQL_NO_VALUES, err);
	if (code == 0)
		code = sql_run(r->db, SQL_ERASE_SEALED, SQL_NO_VALUES, err);
	if (code == 0)
		code = sql_run(r->db, SQL_LEAVE_MASTERS, SQL_NO_VALUES, err);
	if (code == 0)
		code = sql_run(r->db, SQL_ERASE_MASTERS, SQL_NO_VALUES, err);
	return code < 0 ? code : registry_set_fact(r, ERASED, STR_LIT("yes"), err);
}

int registry_erase_passwords(struct registry *r, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, erase(r, err), err);
}

int registry_erase_log(struct registry *r, struct error *err)
{
	return database_empty_log(r->db, err);
}
