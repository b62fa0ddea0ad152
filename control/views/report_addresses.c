/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sums up what was counted of each address: by day, by client, and where it leads now. */
#include "control/views/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

struct summing {
	struct control *control;
	struct registry *registry;
	struct report *report;
	struct report_address now; /* the address at hand; its strings are in the arena */
	struct buf client;         /* the client at hand */
	uint64_t client_count, busiest_count;
	uint64_t days[RECIPIENT_DAYS];
};

static void day_text(uint64_t day, char text[static 16])
{
	time_t seconds = (time_t)(day * (DAY_MS / 1000));
	struct tm utc;

	if (!gmtime_r(&seconds, &utc) || !strftime(text, 16, "%Y-%m-%d", &utc))
		(void)snprintf(text, 16, "?");
}

static void end_client(struct summing *s)
{
	if (!buf_len(&s->client))
		return;
	s->now.clients++;
	if (s->client_count > s->busiest_count) {
		s->busiest_count = s->client_count;
		s->now.client = arena_str(&s->report->arena, buf_view(&s->client));
	}
	s->client_count = 0;
	buf_clear(&s->client);
}

static int put_days(struct summing *s, struct buf *text)
{
	int code = 0;

	s->now.days_json = json_array();
	for (size_t i = 0; code == 0 && i < s->report->days; i++) {
		char day[16];

		if (!s->days[i])
			continue;
		day_text(s->report->since_day + i, day);
		code = buf_printf(text, "%s%s %" PRIu64, buf_len(text) ? ", " : "", day,
			s->days[i]);
		if (json_array_append_new(
			    s->now.days_json, json_pack("{s:s, s:I}", "day", day, "count",
						      (json_int_t)s->days[i])) < 0)
			code = -ENOMEM;
	}
	return code;
}

static int end_days(struct summing *s)
{
	struct buf text;
	int code;

	buf_init(&text, 0);
	code = put_days(s, &text);
	s->now.days = arena_str(&s->report->arena, buf_view(&text));
	buf_fini(&text);
	memset(s->days, 0, sizeof(s->days));
	return code == 0 && !s->now.days.ptr ? -ENOMEM : code;
}

/* ── why it goes there ─────────────────────────────────────────────────────────────── */

static int say(struct summing *s, const struct buf *text)
{
	s->now.why = arena_str(&s->report->arena, buf_view(text));
	return s->now.why.ptr ? 0 : -ENOMEM;
}

/* With several domains nobody has proven whose a bare name's address is; the admin knows.
 */
static int explain_unknown(struct summing *s, struct buf *text)
{
	struct account_route route;
	struct str local = str_take(s->now.address, str_index(s->now.address, '@'));

	if (registry_route(s->registry, local, &route, NULL) < 0)
		return buf_append_c(text, "no account and no alias of that address");
	return buf_printf(text,
		"nobody has proven whose it is; if it is %s's: mailferry alias add %.*s "
		"%s",
		route.name, STR_ARG(s->now.address), route.name);
}

static int explain(struct summing *s, struct buf *text)
{
	struct alias a;
	int code = registry_find_alias(
		s->registry, s->now.address, &s->report->arena, &a, &s->control->err);

	if (code == -ENOENT)
		return explain_unknown(s, text);
	if (code < 0)
		return code;
	if (!a.target.len)
		return buf_printf(text, "special rule: %.*s", STR_ARG(a.rule));
	return buf_printf(text,
		"alias of %.*s, who has not logged in yet or is one with "
		"a special rule",
		STR_ARG(a.target));
}

static int lead(struct summing *s, const struct account_route *where, struct buf *why)
{
	s->now.account = arena_str(&s->report->arena, str_from(where->name));
	s->now.route = str_from(route_name(where->route));
	if (!s->now.account.ptr)
		return -ENOMEM;
	return where->route == ROUTE_LOCAL
	               ? 0
	               : buf_append_c(why, "its account is served by the source");
}

static int end_route(struct summing *s)
{
	struct account_route where;
	struct buf why;
	int code = registry_address_text(
		s->registry, s->now.address, &where, &s->control->err);

	buf_init(&why, 0);
	if (code == 0)
		code = lead(s, &where, &why);
	else if (code == -ENOENT)
		code = explain(s, &why);
	if (code == 0 && buf_len(&why)) {
		code = say(s, &why);
		s->report->n_open++;
	}
	buf_fini(&why);
	return code;
}

static int end_address(struct summing *s)
{
	int code;

	if (!s->now.address.len)
		return 0;
	end_client(s);
	code = end_days(s);
	if (code == 0)
		code = end_route(s);
	if (code == 0)
		code = buf_append(&s->report->addresses, str_of(&s->now, sizeof(s->now)));
	if (code < 0)
		json_decref(s->now.days_json);
	s->now = (struct report_address){ 0 };
	s->busiest_count = 0;
	return code;
}

/* ── counting ──────────────────────────────────────────────────────────────────────── */

static void count(struct summing *s, const struct recipients_row *row)
{
	uint64_t day = row->day - s->report->since_day;

	s->now.count += row->count;
	s->client_count += row->count;
	if (!s->now.first_at || row->first_at < s->now.first_at)
		s->now.first_at = row->first_at;
	if (row->last_at > s->now.last_at)
		s->now.last_at = row->last_at;
	if (day >= s->report->days) /* a clock that was ahead: counted with today */
		day = s->report->days - 1;
	s->days[day] += row->count;
}

static int begin_address(struct summing *s, struct str address)
{
	int code = end_address(s);

	if (code == 0)
		s->now.address = arena_str(&s->report->arena, address);
	return code == 0 && !s->now.address.ptr ? -ENOMEM : code;
}

static int take_row(void *context, const struct recipients_row *row)
{
	struct summing *s = context;
	int code = 0;

	if (str_eq(row->address, STR_LIT(RECIPIENTS_REFUSED))) {
		s->report->refused += row->count;
		return 0;
	}
	if (str_eq(row->address, STR_LIT(RECIPIENTS_MORE))) {
		s->report->more += row->count;
		return 0;
	}
	if (!str_eq(row->address, s->now.address))
		code = begin_address(s, row->address);
	if (code == 0 && !str_eq(row->client, buf_view(&s->client))) {
		end_client(s);
		code = buf_append(&s->client, row->client);
	}
	if (code == 0)
		count(s, row);
	return code;
}

int report_addresses(struct control *c, struct registry *r, struct report *p)
{
	struct summing s = { .control = c, .registry = r, .report = p };
	int code;

	buf_init(&s.client, 0);
	code = registry_each_recipients(r, p->since_day, take_row, &s, &c->err);
	if (code == 0)
		code = end_address(&s);
	buf_fini(&s.client);
	return code;
}
