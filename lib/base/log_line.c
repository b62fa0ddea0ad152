/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log_line.h"

#include <string.h>
#include <time.h>

#define PART_LEN 5 /* ".345Z" */

bool log_line_read(struct str line, struct log_line *ret)
{
	struct log_line l;

	line = str_trim(line);
	l.time = str_split(&line, ' ');
	l.program = str_split(&line, ' ');
	l.level = str_split(&line, ' ');
	l.session = str_split(&line, ' ');
	l.event = str_split(&line, ' ');
	l.text = line;
	/* "2026-03-01T10:11:12.345Z" */
	if (l.time.len != 24 || l.time.ptr[10] != 'T' || l.time.ptr[23] != 'Z' ||
		!l.program.len || !l.level.len || !l.session.len || !l.event.len)
		return false;
	*ret = l;
	return true;
}

/* "2026-03-01T10:11:12": made once a second, since it costs more than the rest. */
static const char *second_text(time_t second)
{
	static time_t made_for = -1;
	static char text[LOG_TIME_MAX];
	struct tm utc;

	if (second != made_for && gmtime_r(&second, &utc)) {
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
		made_for = second;
	}
	return text;
}

struct str log_time_text(uint64_t ms, char text[static LOG_TIME_MAX])
{
	struct str second = str_from(second_text((time_t)(ms / 1000)));
	unsigned part = (unsigned)(ms % 1000);
	char *at = text + str_take(second, LOG_TIME_MAX - PART_LEN - 1).len;

	memcpy(text, second.ptr, (size_t)(at - text));
	*at++ = '.';
	*at++ = (char)('0' + part / 100);
	*at++ = (char)('0' + part / 10 % 10);
	*at++ = (char)('0' + part % 10);
	*at++ = 'Z';
	*at = '\0';
	return str_of(text, (size_t)(at - text));
}

static struct str value_at(struct str rest)
{
	if (!str_starts(rest, STR_LIT("\"")))
		return str_split(&rest, ' ');
	rest = str_skip(rest, 1);
	return str_split(&rest, '"');
}

/* Where `key=` begins a word at or behind `from`; text.len: nowhere. */
static size_t key_at(struct str text, struct str key, size_t from)
{
	for (size_t i = from; i + key.len < text.len; i++)
		if ((i == 0 || text.ptr[i - 1] == ' ') && text.ptr[i + key.len] == '=' &&
			memcmp(text.ptr + i, key.ptr, key.len) == 0)
			return i;
	return text.len;
}

struct str log_value(struct str text, struct str key)
{
	size_t account = key_at(text, STR_LIT("account"), 0), at = key_at(text, key, 0);

	for (size_t i = at; at > account && i < text.len; i = key_at(text, key, i + 1))
		at = i;
	return value_at(str_skip(text, at + key.len + 1));
}

bool log_value_is(struct str text, struct str key, struct str value)
{
	struct str rest = str_skip(text, key_at(text, key, 0) + key.len + 1);
	bool quoted = str_starts(rest, STR_LIT("\""));
	struct str behind = str_skip(rest, value.len + quoted);

	return value.len && str_starts(str_skip(rest, quoted), value) &&
	       (!behind.len || behind.ptr[0] == (quoted ? '"' : ' '));
}
