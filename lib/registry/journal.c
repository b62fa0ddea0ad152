/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of state, each with its line in the journal, in one transaction. */
#include "base/clock.h"
#include "registry/internal.h"
#include "registry/transition.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_FIRST_MS 15000u /* a source that was restarted is back by then */
#define STATE_TEXT_MAX 32     /* "source/catching-up" */
#define NAME_TEXT_MAX (REGISTRY_NAME_MAX + 1)

struct state_row {
	int64_t id;
	char name[NAME_TEXT_MAX];
	struct account_state state;
	enum pin pin;
	uint32_t attempts;
	uint64_t busy_since;
	bool is_renamed, is_arriving;
	char login[NAME_TEXT_MAX]; /* as the source took it */
};

static int read_row(
	struct registry *r, int64_t id, struct state_row *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int route, stage, pin, code = account_row(r, SQL_STATE, id, &row, err);

	if (code < 0)
		return code;
	route = word_value(query_bytes(&row, 1), route_word, ROUTE_COUNT);
	stage = word_value(query_bytes(&row, 2), stage_word, STAGE_COUNT);
	pin = word_value(query_bytes(&row, 3), pin_word, PIN_COUNT);
	*ret = (struct state_row){ .id = id,
		.state = { (enum route)route, (enum stage)stage },
		.pin = (enum pin)pin,
		.attempts = (uint32_t)query_number(&row, 4),
		.busy_since = query_number(&row, 5),
		.is_renamed = query_number(&row, 6) != 0,
		.is_arriving = query_number(&row, 8) != 0 };
	(void)snprintf(
		ret->name, sizeof(ret->name), "%.*s", STR_ARG(query_bytes(&row, 0)));
	(void)snprintf(
		ret->login, sizeof(ret->login), "%.*s", STR_ARG(query_bytes(&row, 7)));
	if (route < 0 || stage < 0 || pin < 0)
		return error_set(err, -EUCLEAN, "%s: unknown state of \"%s\"",
			database_path(r->db), ret->name);
	return 0;
}

int journal_write(
	struct registry *r, int64_t account, struct journal_line line, struct error *err)
{
	return sql_run(r->db, SQL_INSERT_JOURNAL,
		SQL_VALUES(sql_number(line.at), sql_signed(account), sql_text(line.event),
			sql_text(line.from), sql_text(line.to), sql_text(line.by),
			sql_text(line.detail)),
		err);
}

static void state_text(struct account_state s, char text[static STATE_TEXT_MAX])
{
	(void)snprintf(
		text, STATE_TEXT_MAX, "%s/%s", route_name(s.route), stage_name(s.stage));
}

int journal_change(struct registry *r, int64_t account, struct account_state from,
	struct account_state to, struct journal_line line, struct error *err)
{
	char was[STATE_TEXT_MAX], is_now[STATE_TEXT_MAX];

	state_text(from, was);
	state_text(to, is_now);
	line.from = str_from(was);
	line.to = str_from(is_now);
	return journal_write(r, account, line, err);
}

int registry_note_session(struct registry *r, int64_t account_id, uint64_t at,
	struct str how, struct str detail, struct error *err)
{
	const struct journal_line line = { .at = at,
		.event = STR_LIT("session"),
		.from = STR_LIT("source"),
		.to = how,
		.by = STR_LIT("interceptor"),
		.detail = detail };
	int code = database_begin(r->db, false, err);

	return code < 0 ? code
	                : database_finish(
				  r->db, journal_write(r, account_id, line, err), err);
}

static uint64_t retry_delay(uint32_t attempts)
{
	uint64_t delay = RETRY_FIRST_MS;

	while (attempts > 1 && delay < REGISTRY_RETRY_MOST_MS) {
		delay *= 2;
		attempts--;
	}
	return delay < REGISTRY_RETRY_MOST_MS ? delay : REGISTRY_RETRY_MOST_MS;
}

static uint32_t next_attempts(const struct state_row *row, enum account_event event)
{
	if (event == EVENT_COPY)
		return row->attempts + 1;
	return event == EVENT_DUE || event == EVENT_RETURN ? 0 : row->attempts;
}

/* last_error: kept, but for a new failure and at the end. */
static struct sql_value error_of(enum account_event event, struct str detail)
{
	if (event == EVENT_FAIL)
		return sql_text(detail);
	return event == EVENT_ARRIVE ? sql_text(STR_LIT("")) : sql_null();
}

static int write_state(struct registry *r, const struct state_row *row,
	struct account_state next, enum account_event event, struct str detail,
	uint64_t now, struct error *err)
{
	bool was_busy = row->state.route == ROUTE_BUSY,
	     is_busy = next.route == ROUTE_BUSY;
	/* the clock may have been set back meanwhile */
	uint64_t out =
		was_busy && !is_busy && now > row->busy_since ? now - row->busy_since : 0;

	return sql_run(r->db, SQL_SET_STATE,
		SQL_VALUES(sql_signed(row->id),
			sql_text(str_from(route_name(next.route))),
			sql_text(str_from(stage_name(next.stage))), sql_number(now),
			sql_number(next_attempts(row, event)),
			sql_number(event == EVENT_FAIL ? now + retry_delay(row->attempts)
						       : 0),
			sql_number(is_busy ? now : 0), sql_number(out),
			error_of(event, detail)),
		err);
}

/* Whether the source has a part in it. */
static bool needs_source(enum account_event event)
{
	return event == EVENT_DUE || event == EVENT_COPY || event == EVENT_SWITCH ||
	       event == EVENT_LEAVE || event == EVENT_RETURN;
}

/* There the user has another name, and this one may be somebody else's. */
static int refuse_when_renamed(
	const struct state_row *row, enum account_event event, struct error *err)
{
	if (event != EVENT_LEAVE || !row->is_renamed)
		return 0;
	return error_set(err, -EPERM,
		"\"%s\" was renamed here; the source knows it as \"%s\": first "
		"`mailferry account rename` it to that",
		row->name, row->login);
}

/* Else its folder would say that it lives here while the source serves it. */
static int refuse_when_arriving(
	const struct state_row *row, struct account_state next, struct error *err)
{
	if (!row->is_arriving || next.route != ROUTE_SOURCE)
		return 0;
	return error_set(err, -EPERM,
		"\"%s\" arrives at this moment; the transfer takes it back, or brings it "
		"to its end",
		row->name);
}

/* What opens the mailbox here is proven in each attempt anew; back at the source, the
   user's password is the source's again. */
static int change_passwords(
	struct registry *r, int64_t id, enum account_event event, struct error *err)
{
	int code = 0;

	if (event == EVENT_COPY || event == EVENT_RETURN)
		code = sql_run(r->db, SQL_UNPROVE, SQL_VALUES(sql_signed(id)), err);
	if (code == 0 && event == EVENT_RETURN)
		code = sql_run(
			r->db, SQL_DROP_LOCAL_PASSWORD, SQL_VALUES(sql_signed(id)), err);
	return code;
}

/* What the admin has said since it began to go back is newer. */
static int refuse_when_pinned(
	const struct state_row *row, enum account_event event, struct error *err)
{
	if (row->pin != PIN_LOCAL || (event != EVENT_LEAVE && event != EVENT_RETURN))
		return 0;
	return error_set(err, -ECANCELED, "the admin lets \"%s\" stay", row->name);
}

static int not_possible(
	const struct state_row *row, enum account_event event, struct error *err)
{
	char text[STATE_TEXT_MAX];

	state_text(row->state, text);
	return error_set(err, -EPERM, "\"%s\" is %s: `%s` is not possible from there",
		row->name, text, account_event_name(event));
}

static int refuse_change(const struct state_row *row, struct account_state next,
	enum account_event event, struct error *err)
{
	int code = refuse_when_renamed(row, event, err);

	if (code == 0)
		code = refuse_when_pinned(row, event, err);
	return code == 0 ? refuse_when_arriving(row, next, err) : code;
}

int change_state(struct registry *r, int64_t id, enum account_event event, struct str by,
	struct str detail, struct error *err)
{
	uint64_t now = clock_wall_ms();
	struct account_state next;
	struct state_row row;
	int code = read_row(r, id, &row, err);

	if (code < 0)
		return code;
	if (!transition_next(row.state, event, &next))
		return not_possible(&row, event, err);
	code = needs_source(event) ? refuse_when_retired(r, err) : 0;
	if (code == 0)
		code = refuse_change(&row, next, event, err);
	if (code == 0)
		code = write_state(r, &row, next, event, detail, now, err);
	if (code == 0)
		code = change_passwords(r, id, event, err);
	if (code == 0 && next.route == ROUTE_LOCAL)
		code = sql_run(r->db, SQL_FORGET_MASTERS, SQL_NO_VALUES, err);
	if (code < 0)
		return code;
	return journal_change(r, id, row.state, next,
		(struct journal_line){ .at = now,
			.event = str_from(account_event_name(event)),
			.by = by,
			.detail = detail },
		err);
}

int registry_transition(struct registry *r, int64_t id, enum account_event event,
	struct str by, struct str detail, struct error *err)
{
	/* an account that forgets by a power failure that it was due is due again at its
	   next login; every other step is on disk before it is acted upon */
	int code = database_begin(r->db, event != EVENT_DUE, err);

	if (code == 0)
		code = database_finish(
			r->db, change_state(r, id, event, by, detail, err), err);
	return code;
}

static int change_pin(struct registry *r, int64_t id, enum pin pin, struct error *err)
{
	struct str word = str_from(pin_name(pin));
	struct state_row row;
	int code = read_row(r, id, &row, err);

	if (code < 0 || row.pin == pin)
		return code;
	code = sql_run(
		r->db, SQL_SET_PIN, SQL_VALUES(sql_signed(id), sql_text(word)), err);
	if (code < 0)
		return code;
	return journal_write(r, id,
		(struct journal_line){ .at = clock_wall_ms(),
			.event = STR_LIT("pin"),
			.from = str_from(pin_name(row.pin)),
			.to = word,
			.by = STR_LIT("admin") },
		err);
}

int registry_set_pin(struct registry *r, int64_t id, enum pin pin, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, change_pin(r, id, pin, err), err);
}

int registry_return(struct registry *r, int64_t id, struct str detail, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	code = change_state(r, id, EVENT_RETURN, STR_LIT("admin"), detail, err);
	if (code == 0)
		code = change_pin(r, id, PIN_SOURCE, err);
	return database_finish(r->db, code, err);
}

int registry_journal(struct registry *r, int64_t account_id, size_t most,
	journal_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_JOURNAL,
		SQL_VALUES(sql_signed(account_id),
			sql_number(most < INT64_MAX ? most : INT64_MAX)),
		&row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct journal_line line = { .at = query_number(&row, 0),
			.account = query_bytes(&row, 1),
			.event = query_bytes(&row, 2),
			.from = query_bytes(&row, 3),
			.to = query_bytes(&row, 4),
			.by = query_bytes(&row, 5),
			.detail = query_bytes(&row, 6) };

		n = each(context, &line);
	}
	return n;
}
