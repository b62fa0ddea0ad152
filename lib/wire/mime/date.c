/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/date.h"

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

bool mime_day(struct str value, int64_t *ret_seconds)
{
	struct str rest = value, word;
	struct tm t = { 0 };
	int year;

	mime_skip_space(&rest, NULL);
	if (rest.len && (rest.ptr[0] < '0' || rest.ptr[0] > '9')) { /* "Mon," */
		(void)mime_atom(&rest, STR_LIT(","), &word);
		mime_skip_space(&rest, NULL);
		(void)mime_take(&rest, ',');
	}
	if (!take_number(&rest, 2, &t.tm_mday))
		return false;
	skip_dash(&rest);
	if (!take_month(&rest, &t.tm_mon))
		return false;
	skip_dash(&rest);
	if (!take_number(&rest, 4, &year) || t.tm_mday < 1 || t.tm_mday > 31)
		return false;
	t.tm_year = full_year(year) - 1900;
	*ret_seconds = (int64_t)timegm(&t);
	return true;
}
