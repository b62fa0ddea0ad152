/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/date.h"

#include "wire/mime/header.h"
#include "wire/mime/lex.h"

#include <time.h>

static bool take_number(struct str *rest, size_t max_digits, int *ret)
{
	struct str word;
	uint32_t n;

	mime_skip_space(rest, NULL);
	if (!mime_atom(rest, STR_LIT(",-"), &word) || word.len > max_digits ||
		!str_to_u32(word, &n))
		return false;
	*ret = (int)n;
	return true;
}

static bool take_month(struct str *rest, int *ret)
{
	static const struct str names = STR("janfebmaraprmayjunjulaugsepoctnovdec");
	struct str word;

	mime_skip_space(rest, NULL);
	if (!mime_atom(rest, STR_LIT(",-"), &word) || word.len < 3)
		return false;
	for (int i = 0; i < 12; i++) {
		if (str_ieq(str_take(word, 3),
			    str_take(str_skip(names, (size_t)i * 3), 3))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* RFC 5322, 4.3: two digits, and three from those who counted from 1900. */
static int full_year(int year)
{
	if (year < 50)
		return year + 2000;
	return year < 1000 ? year + 1900 : year;
}

static void skip_dash(struct str *rest)
{
	mime_skip_space(rest, NULL);
	(void)mime_take(rest, '-');
}

static void skip_weekday(struct str *rest)
{
	struct str word;

	mime_skip_space(rest, NULL);
	if (!rest->len || (rest->ptr[0] >= '0' && rest->ptr[0] <= '9'))
		return;
	(void)mime_atom(rest, STR_LIT(","), &word);
	mime_skip_space(rest, NULL);
	(void)mime_take(rest, ',');
}

static bool take_day(struct str *rest, struct tm *ret)
{
	int year;

	skip_weekday(rest);
	if (!take_number(rest, 2, &ret->tm_mday))
		return false;
	skip_dash(rest);
	if (!take_month(rest, &ret->tm_mon))
		return false;
	skip_dash(rest);
	if (!take_number(rest, 4, &year) || ret->tm_mday < 1 || ret->tm_mday > 31)
		return false;
	ret->tm_year = full_year(year) - 1900;
	return true;
}

bool mime_day(struct str value, int64_t *ret_seconds)
{
	struct tm t = { 0 };

	if (!take_day(&value, &t))
		return false;
	*ret_seconds = (int64_t)timegm(&t);
	return true;
}

static bool part_of_clock(struct str s, int most, int *ret)
{
	uint32_t n;

	if (s.len < 1 || s.len > 2 || !str_to_u32(s, &n) || n > (uint32_t)most)
		return false;
	*ret = (int)n;
	return true;
}

/* Seconds may be missing. */
static bool take_clock(struct str *rest, struct tm *ret)
{
	struct str word, hour, minute;

	mime_skip_space(rest, NULL);
	if (!mime_atom(rest, STR_LIT("+-(,;"), &word))
		return false;
	hour = str_split(&word, ':');
	minute = str_split(&word, ':');
	return part_of_clock(hour, 23, &ret->tm_hour) &&
	       part_of_clock(minute, 59, &ret->tm_min) &&
	       (!word.len || part_of_clock(word, 60, &ret->tm_sec));
}

/* RFC 5322, 4.3; the letters of the military were used both ways: they say nothing. */
static const struct {
	struct str name;
	int16_t minutes;
} zones[] = { { STR("EDT"), -240 }, { STR("EST"), -300 }, { STR("CDT"), -300 },
	{ STR("CST"), -360 }, { STR("MDT"), -360 }, { STR("MST"), -420 },
	{ STR("PDT"), -420 }, { STR("PST"), -480 } };

static int16_t named_zone(struct str name)
{
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (str_ieq(zones[i].name, name))
			return zones[i].minutes;
	return 0;
}

static int16_t take_zone(struct str *rest)
{
	bool west;
	struct str word;
	uint32_t n;

	mime_skip_space(rest, NULL);
	west = rest->len && rest->ptr[0] == '-';
	if (west || (rest->len && rest->ptr[0] == '+'))
		*rest = str_skip(*rest, 1);
	if (!mime_atom(rest, STR_LIT("(,;"), &word))
		return 0;
	if (word.len != 4 || !str_to_u32(word, &n))
		return named_zone(word);
	if (n / 100 > 23 || n % 100 > 59)
		return 0;
	n = n / 100 * 60 + n % 100;
	return (int16_t)(west ? -(int)n : (int)n);
}

bool mime_date_time(struct str value, struct mime_date *ret)
{
	struct tm t = { 0 };
	int16_t zone;

	if (!take_day(&value, &t) || !take_clock(&value, &t))
		return false;
	zone = take_zone(&value);
	*ret = (struct mime_date){ .seconds = (int64_t)timegm(&t) - (int64_t)zone * 60,
		.zone = zone };
	return true;
}

/* A comment may hold a semicolon, too: the first that a date follows. */
static bool received_date(struct str value, struct mime_date *ret)
{
	while (value.len) {
		(void)str_split(&value, ';');
		if (mime_date_time(value, ret))
			return true;
	}
	return false;
}

bool mime_arrival(struct str header, struct mime_date *ret)
{
	struct mime_field field;

	if (mime_find_field(header, STR_LIT("Received"), &field) &&
		received_date(field.value, ret))
		return true;
	return mime_find_field(header, STR_LIT("Date"), &field) &&
	       mime_date_time(field.value, ret);
}
