/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/utf8.h"

#include <string.h>

uint32_t utf8_next(struct str *s)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s->ptr[0];
	size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	uint32_t c = more ? first & (0x3fU >> more) : first;

	*s = str_skip(*s, 1);
	if (first >= 0x80 && (first < 0xc2 || first > 0xf4))
		return UTF8_BAD;
	for (size_t i = 0; i < more; i++) {
		if (!s->len || ((unsigned char)s->ptr[0] & 0xc0) != 0x80)
			return UTF8_BAD;
		c = c << 6 | ((unsigned char)s->ptr[0] & 0x3f);
		*s = str_skip(*s, 1);
	}
	/* written longer than it is, half of a pair of UTF-16, beyond Unicode */
	return c < least[more] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? UTF8_BAD
	                                                                      : c;
}

bool utf8_is_harmless(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} bad[] = {
		{ 0, 0x1f },
		{ 0x7f, 0x9f },
		{ 0x61c, 0x61c }, /* Unicode Bidirectional Algorithm (UAX 9), 2 */
		{ 0x200e, 0x200f },
		{ 0x2028, 0x202e }, /* line and paragraph separator before it */
		{ 0x2066, 0x2069 },
		{ UTF8_BAD, UTF8_BAD },
	};

	if (c >= ' ' && c < 0x7f) /* nearly all */
		return true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (c >= bad[i].first && c <= bad[i].last)
			return false;
	return true;
}

#define WORD sizeof(uint64_t)

/* Whether so many bytes are all from ' ' to '~', as nearly all are. */
static bool is_plain(const char *bytes)
{
	const uint64_t each = UINT64_MAX / 0xff, high = each << 7;
	uint64_t word;

	memcpy(&word, bytes, WORD);
	/* none is 0x7f or more, and then no sum carries; none is less than 0x20 */
	return !((word | (word + each)) & high) && !(~(word + each * 0x60) & high);
}

void utf8_make_harmless(char *text, size_t len)
{
	struct str rest = str_of(text, len);

	while (rest.len) {
		size_t at = len - rest.len;

		if (rest.len >= WORD && is_plain(rest.ptr))
			rest = str_skip(rest, WORD);
		else if (!utf8_is_harmless(utf8_next(&rest)))
			memset(text + at, '?', len - rest.len - at);
	}
}
