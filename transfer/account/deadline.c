/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/deadline.h"

#include "base/clock.h"

#include <time.h>

#define JOURNAL_MAX 1000 /* lines of one account; a switch in vain writes two */
#define DAY_MINUTES (24 * 60)
#define MINUTE_MS 60000u

/* ---- the window ---- */

struct window {
	unsigned from, to; /* minutes of the day; equal: always */
};

static bool minutes_of(struct str text, unsigned *ret)
{
	struct str hour = str_split(&text, ':');
	uint32_t h, m;

	if (!str_to_u32(hour, &h) || !str_to_u32(text, &m) || h > 24 || m > 59)
		return false;
	*ret = h * 60 + m;
	return true;
}

/* settings_load() has refused what is no window. */
static struct window window_of(const char *text)
{
	struct str rest = str_from(text);
	struct str from = str_split(&rest, '-');
	struct window w = { 0, 0 };

	if (!minutes_of(from, &w.from) || !minutes_of(rest, &w.to))
		w.from = w.to = 0;
	return w;
}

static unsigned minute_of_day(uint64_t at)
{
	time_t seconds = (time_t)(at / 1000);
	struct tm t;

	if (!localtime_r(&seconds, &t))
		return 0;
	return (unsigned)(t.tm_hour * 60 + t.tm_min);
}

static bool is_inside(const struct window *w, unsigned minute)
{
	if (w->from == w->to)
		return true;
	if (w->from < w->to)
		return minute >= w->from && minute < w->to;
	return minute >= w->from || minute < w->to; /* over midnight */
}

/* A change of the clocks in between moves it by an hour: looked at again then. */
static uint64_t into_window(const struct window *w, uint64_t at)
{
	unsigned minute = minute_of_day(at);
	unsigned wait = (w->from + DAY_MINUTES - minute) % DAY_MINUTES;

	if (is_inside(w, minute))
		return at;
	return at - at % MINUTE_MS + (uint64_t)wait * MINUTE_MS;
}

uint64_t deadline_next(const struct settings *s, uint64_t since, uint64_t now)
{
	struct window w = window_of(s->window);
	uint64_t wait = (uint64_t)s->deadline_s * 1000;

	if (!wait)
		return 0;
	return into_window(
		&w, clock_is_over(since + wait, now, wait) ? now : since + wait);
}

/* ---- since when ---- */

struct search {
	uint64_t since;
};

static int look_at(void *context, const struct journal_line *line)
{
	struct search *search = context;

	if (str_eq(line->event, str_from(account_event_name(EVENT_DUE))))
		return 1;
	if (str_eq(line->event, str_from(account_event_name(EVENT_CATCH_UP))))
		search->since = line->at;
	return 0;
}

int deadline_since(struct registry *r, int64_t account, uint64_t now, uint64_t *ret_since,
	struct error *err)
{
	struct search search = { .since = now };
	int code = registry_journal(r, account, JOURNAL_MAX, look_at, &search, err);

	if (code < 0)
		return code;
	*ret_since = search.since;
	return 0;
}
