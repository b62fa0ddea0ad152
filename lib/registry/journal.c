/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of state, each with its line in the journal, in one transaction. */
#include "base/clock.h"
#include "registry/internal.h"
#include "registry/transition.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_FIRST_MS 15000u /* a source that was restarted is back by then */
#define RETRY_MOST_MS 3600000u
#define STATE_TEXT_MAX 32 /* "source/catching-up" */
#define NAME_TEXT_MAX (REGISTRY_NAME_MAX + 1)

struct state_row {
	int64_t id;
	char name[NAME_TEXT_MAX];
	struct account_state state;
	enum pin pin;
	uint32_t attempts;
	uint64_t busy_since;
};

static int read_row(
	struct registry *r, int64_t id, struct state_row *ret, struct error *err)
{
	sqlite3_stmt *row;
	int route, stage, pin, code = account_row(r, SQL_STATE, id, &row, err);

	if (code < 0)
		return code;
	route = word_value(rsql_text(row, 1), route_word, ROUTE_COUNT);
	stage = word_value(rsql_text(row, 2), stage_word, STAGE_COUNT);
	pin = word_value(rsql_text(row, 3), pin_word, PIN_COUNT);
	*ret = (struct state_row){ .id = id,
		.state = { (enum route)route, (enum stage)stage },
		.pin = (enum pin)pin,
		.attempts = (uint32_t)rsql_number(row, 4),
		.busy_since = rsql_number(row, 5) };
	(void)snprintf(ret->name, sizeof(ret->name), "%.*s", STR_ARG(rsql_text(row, 0)));
	(void)sqlite3_reset(row);
	if (route < 0 || stage < 0 || pin < 0)
		return error_set(err, -EUCLEAN, "registry %s: unknown state of \"%s\"",
			r->path, ret->name);
	return 0;
}

int journal_write(
	struct registry *r, int64_t account, struct journal_line line, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_INSERT_JOURNAL, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, line.at);
	rsql_bind_number(statement, 2, (uint64_t)account);
	rsql_bind(statement, 3, line.event);
	rsql_bind(statement, 4, line.from);
	rsql_bind(statement, 5, line.to);
	rsql_bind(statement, 6, line.by);
	rsql_bind(statement, 7, line.detail);
	return rsql_run(r, statement, err);
}

static uint64_t retry_delay(uint32_t attempts)
{
	uint64_t delay = RETRY_FIRST_MS;

	while (attempts > 1 && delay < RETRY_MOST_MS) {
		delay *= 2;
		attempts--;
	}
	return delay < RETRY_MOST_MS ? delay : RETRY_MOST_MS;
}

static uint32_t next_attempts(const struct state_row *row, enum account_event event)
{
	if (event == EVENT_COPY)
		return row->attempts + 1;
	return event == EVENT_DUE || event == EVENT_RETURN ? 0 : row->attempts;
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
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_SET_STATE, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, (uint64_t)row->id);
	rsql_bind(statement, 2, str_from(route_name(next.route)));
	rsql_bind(statement, 3, str_from(stage_name(next.stage)));
	rsql_bind_number(statement, 4, now);
	rsql_bind_number(statement, 5, next_attempts(row, event));
	rsql_bind_number(
		statement, 6, event == EVENT_FAIL ? now + retry_delay(row->attempts) : 0);
	rsql_bind_number(statement, 7, is_busy ? now : 0);
	rsql_bind_number(statement, 8, out);
	if (event == EVENT_FAIL)
		rsql_bind(statement, 9, detail);
	else if (event == EVENT_ARRIVE)
		rsql_bind(statement, 9, STR_LIT(""));
	return rsql_run(r, statement, err);
}

static void state_text(struct account_state s, char text[static STATE_TEXT_MAX])
{
	(void)snprintf(
		text, STATE_TEXT_MAX, "%s/%s", route_name(s.route), stage_name(s.stage));
}

/* Whether the source has a part in it. */
static bool needs_source(enum account_event event)
{
	return event == EVENT_DUE || event == EVENT_COPY || event == EVENT_SWITCH ||
	       event == EVENT_LEAVE || event == EVENT_RETURN;
}

/* Back at the source, the user's password is the source's again. */
static int drop_local_password(struct registry *r, int64_t id, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_DROP_LOCAL_PASSWORD, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, (uint64_t)id);
	return rsql_run(r, statement, err);
}

int change_state(struct registry *r, int64_t id, enum account_event event, struct str by,
	struct str detail, struct error *err)
{
	char from[STATE_TEXT_MAX], to[STATE_TEXT_MAX];
	uint64_t now = clock_wall_ms();
	struct account_state next;
	struct state_row row;
	int code = read_row(r, id, &row, err);

	if (code < 0)
		return code;
	state_text(row.state, from);
	if (!transition_next(row.state, event, &next))
		return error_set(err, -EPERM,
			"\"%s\" is %s: `%s` is not possible from there", row.name, from,
			account_event_name(event));
	state_text(next, to);
	code = needs_source(event) ? refuse_when_retired(r, err) : 0;
	if (code == 0)
		code = write_state(r, &row, next, event, detail, now, err);
	if (code == 0 && event == EVENT_RETURN)
		code = drop_local_password(r, id, err);
	if (code < 0)
		return code;
	return journal_write(r, id,
		(struct journal_line){ .at = now,
			.event = str_from(account_event_name(event)),
			.from = str_from(from),
			.to = str_from(to),
			.by = by,
			.detail = detail },
		err);
}

int registry_transition(struct registry *r, int64_t id, enum account_event event,
	struct str by, struct str detail, struct error *err)
{
	/* an account that forgets by a power failure that it was due is due again at its
	   next login; every other step is on disk before it is acted upon */
	int code = rsql_begin(r, event != EVENT_DUE, err);

	return code < 0
	               ? code
	               : rsql_finish(r, change_state(r, id, event, by, detail, err), err);
}

static int change_pin(struct registry *r, int64_t id, enum pin pin, struct error *err)
{
	sqlite3_stmt *statement;
	struct state_row row;
	int code = read_row(r, id, &row, err);

	if (code < 0 || row.pin == pin)
		return code;
	code = rsql_use(r, SQL_SET_PIN, &statement, err);
	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, (uint64_t)id);
	rsql_bind(statement, 2, str_from(pin_name(pin)));
	code = rsql_run(r, statement, err);
	if (code < 0)
		return code;
	return journal_write(r, id,
		(struct journal_line){ .at = clock_wall_ms(),
			.event = STR_LIT("pin"),
			.from = str_from(pin_name(row.pin)),
			.to = str_from(pin_name(pin)),
			.by = STR_LIT("admin") },
		err);
}

int registry_set_pin(struct registry *r, int64_t id, enum pin pin, struct error *err)
{
	int code = rsql_begin(r, true, err);

	return code < 0 ? code : rsql_finish(r, change_pin(r, id, pin, err), err);
}

static int change_password(
	struct registry *r, int64_t id, struct str verifier, struct error *err)
{
	uint64_t now = clock_wall_ms();
	sqlite3_stmt *statement;
	struct state_row row;
	int code = read_row(r, id, &row, err);

	if (code == 0 && row.state.route != ROUTE_LOCAL)
		return error_set(err, -EPERM,
			"\"%s\" is served by the source, so its password is changed "
			"there",
			row.name);
	if (code == 0)
		code = rsql_use(r, SQL_SET_LOCAL_PASSWORD, &statement, err);
	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, (uint64_t)id);
	rsql_bind(statement, 2, verifier);
	rsql_bind_number(statement, 3, now);
	code = rsql_run(r, statement, err);
	if (code < 0)
		return code;
	return journal_write(r, id,
		(struct journal_line){
			.at = now, .event = STR_LIT("password"), .by = STR_LIT("admin") },
		err);
}

int registry_set_local_password(
	struct registry *r, int64_t id, struct str verifier, struct error *err)
{
	int code = rsql_begin(r, true, err);

	return code < 0 ? code
	                : rsql_finish(r, change_password(r, id, verifier, err), err);
}

int registry_journal(struct registry *r, int64_t account_id, size_t most,
	journal_each_fn *each, void *context, struct error *err)
{
	sqlite3_stmt *row;
	int n = rsql_use(r, SQL_JOURNAL, &row, err);

	if (n < 0)
		return n;
	rsql_bind_number(row, 1, (uint64_t)account_id);
	rsql_bind_number(row, 2, most < INT64_MAX ? most : INT64_MAX);
	while ((n = rsql_step(r, row, err)) == 1) {
		struct journal_line line = { .at = rsql_number(row, 0),
			.account = rsql_text(row, 1),
			.event = rsql_text(row, 2),
			.from = rsql_text(row, 3),
			.to = rsql_text(row, 4),
			.by = rsql_text(row, 5),
			.detail = rsql_text(row, 6) };

		n = each(context, &line);
		if (n != 0)
			break;
	}
	(void)sqlite3_reset(row);
	return n;
}
