/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/date.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct str months[] = { STR("Jan"), STR("Feb"), STR("Mar"), STR("Apr"),
	STR("May"), STR("Jun"), STR("Jul"), STR("Aug"), STR("Sep"), STR("Oct"),
	STR("Nov"), STR("Dec") };

static bool number(
	struct str s, size_t min_digits, size_t max_digits, uint32_t most, int *ret)
{
	uint32_t value;

	if (s.len < min_digits || s.len > max_digits || !str_to_u32(s, &value) ||
		value > most)
		return false;
	*ret = (int)value;
	return true;
}

static bool month(struct str s, int *ret)
{
	for (int i = 0; i < 12; i++) {
		if (str_ieq(s, months[i])) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* timegm() makes 1 March of 29 February 2023. */
static bool has_day(struct tm t)
{
	int day = t.tm_mday;

	t.tm_hour = t.tm_min = t.tm_sec = 0;
	(void)timegm(&t);
	return t.tm_mday == day;
}

static bool day_month_year(struct str text, struct tm *ret)
{
	struct str day = str_split(&text, '-');
	struct str name = str_split(&text, '-');
	int year;

	if (!number(day, 1, 2, 31, &ret->tm_mday) || ret->tm_mday == 0 ||
		!month(name, &ret->tm_mon) || !number(text, 4, 4, 9999, &year))
		return false;
	ret->tm_year = year - 1900;
	return has_day(*ret);
}

static bool clock_time(struct str text, struct tm *ret)
{
	struct str hour = str_split(&text, ':');
	struct str minute = str_split(&text, ':');

	return number(hour, 2, 2, 23, &ret->tm_hour) &&
	       number(minute, 2, 2, 59, &ret->tm_min) &&
	       number(text, 2, 2, 60, &ret->tm_sec);
}

static bool zone_minutes(struct str text, int16_t *ret)
{
	int hours, minutes;

	if (text.len != 5 || (text.ptr[0] != '+' && text.ptr[0] != '-') ||
		!number(str_of(text.ptr + 1, 2), 2, 2, 23, &hours) ||
		!number(str_of(text.ptr + 3, 2), 2, 2, 59, &minutes))
		return false;
	*ret = (int16_t)(hours * 60 + minutes);
	if (text.ptr[0] == '-')
		*ret = (int16_t) - *ret;
	return true;
}

bool imap_date_time(struct str text, struct imap_date *ret)
{
	struct tm t = { 0 };
	struct imap_date date;
	struct str day, hour;

	if (text.len && text.ptr[0] == ' ')
		text = str_skip(text, 1);
	day = str_split(&text, ' ');
	hour = str_split(&text, ' ');
	if (!day_month_year(day, &t) || !clock_time(hour, &t) ||
		!zone_minutes(text, &date.zone))
		return false;
	date.seconds = (int64_t)timegm(&t) - (int64_t)date.zone * 60;
	*ret = date;
	return true;
}

static void put_digits(char *at, int n, size_t digits)
{
	for (; digits; n /= 10)
		at[--digits] = (char)('0' + n % 10);
}

/* One of these for each message of a list: printf would be most of its time. */
int imap_put_date_time(struct buf *out, struct imap_date date)
{
	time_t local = (time_t)(date.seconds + (int64_t)date.zone * 60);
	char text[] = "\"dd-Mmm-yyyy hh:mm:ss +zzzz\"";
	int minutes = abs((int)date.zone);
	struct tm t;

	if (!gmtime_r(&local, &t))
		return -EINVAL;
	if (t.tm_year < -1900 || t.tm_year > 9999 - 1900)
		return buf_printf(out, "\"%02d-%.*s-%04d %02d:%02d:%02d %c%02d%02d\"",
			t.tm_mday, STR_ARG(months[t.tm_mon]), t.tm_year + 1900, t.tm_hour,
			t.tm_min, t.tm_sec, date.zone < 0 ? '-' : '+', minutes / 60,
			minutes % 60);
	put_digits(text + 1, t.tm_mday, 2);
	memcpy(text + 4, months[t.tm_mon].ptr, months[t.tm_mon].len);
	put_digits(text + 8, t.tm_year + 1900, 4);
	put_digits(text + 13, t.tm_hour, 2);
	put_digits(text + 16, t.tm_min, 2);
	put_digits(text + 19, t.tm_sec, 2);
	text[22] = date.zone < 0 ? '-' : '+';
	put_digits(text + 23, minutes / 60 * 100 + minutes % 60, 4);
	return buf_append(out, str_from(text));
}

bool imap_day(struct str text, int64_t *ret_seconds)
{
	struct tm t = { 0 };

	if (!day_month_year(text, &t))
		return false;
	*ret_seconds = (int64_t)timegm(&t);
	return true;
}
