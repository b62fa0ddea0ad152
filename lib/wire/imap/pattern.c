/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/pattern.h"

#include <string.h>

bool imap_is_inbox(struct str name)
{
	return str_ieq(name, STR_LIT("INBOX"));
}

static bool is_wild(char c)
{
	return c == '*' || c == '%';
}

/* How much of the name is compared without case. */
static size_t caseless_length(struct str name, char separator)
{
	if (!str_istarts(name, STR_LIT("INBOX")))
		return 0;
	return name.len == 5 || (separator && name.ptr[5] == separator) ? 5 : 0;
}

/* reached[i]: the pattern so far can match the first i bytes. One pass for each byte of
   the pattern, so that no row of stars makes it slow. */
static void step_wild(bool *reached, struct str name, char forbidden)
{
	bool on = false;

	for (size_t i = 0; i <= name.len; i++) {
		if (reached[i])
			on = true;
		reached[i] = on;
		if (on && i < name.len && forbidden && name.ptr[i] == forbidden)
			on = false;
	}
}

static void step_byte(bool *reached, struct str name, size_t caseless, char c)
{
	for (size_t i = name.len; i-- > 0;) {
		char n = name.ptr[i];
		bool same = i < caseless ? str_ieq(str_of(&n, 1), str_of(&c, 1)) : n == c;

		reached[i + 1] = reached[i] && same;
	}
	reached[0] = false;
}

bool imap_pattern_match(struct str pattern, struct str name, char separator)
{
	bool reached[IMAP_PATTERN_MAX + 1] = { true };
	size_t caseless = caseless_length(name, separator);

	if (name.len > IMAP_PATTERN_MAX || pattern.len > IMAP_PATTERN_MAX)
		return false;
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.ptr[i], forbidden = '\0';

		if (c == '%')
			forbidden = separator;
		if (i && is_wild(c) && c == pattern.ptr[i - 1])
			continue;
		if (is_wild(c))
			step_wild(reached, name, forbidden);
		else
			step_byte(reached, name, caseless, c);
	}
	return reached[name.len];
}
