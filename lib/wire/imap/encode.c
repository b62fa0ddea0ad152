/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/encode.h"

#include <unistr.h>

#define QUOTED_MAX 1000 /* longer ones go as literals: some clients cap a line */

static bool has_no_line_end(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\0' || s.ptr[i] == '\r' || s.ptr[i] == '\n')
			return false;
	return s.len <= QUOTED_MAX;
}

bool imap_is_quotable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return has_no_line_end(s);
}

bool imap_is_atom(struct str s)
{
	const struct str specials = STR("(){%*\"\\]");

	if (!s.len || s.len > QUOTED_MAX || str_ieq(s, STR_LIT("NIL")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char u = (unsigned char)s.ptr[i];

		if (u <= 0x20 || u >= 0x7f ||
			str_index(specials, s.ptr[i]) < specials.len)
			return false;
	}
	return true;
}

int imap_put_quoted(struct buf *out, struct str s)
{
	int r = buf_byte(out, '"');

	for (size_t i = 0; i < s.len && r == 0; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			r = buf_byte(out, '\\');
		if (r == 0)
			r = buf_byte(out, s.ptr[i]);
	}
	return r < 0 ? r : buf_byte(out, '"');
}

int imap_put_literal(struct buf *out, struct str s, bool plus)
{
	int r = buf_printf(out, "{%zu%s}\r\n", s.len, plus ? "+" : "");

	return r < 0 ? r : buf_append(out, s);
}

int imap_put_nstring(struct buf *out, struct str s)
{
	if (!s.ptr)
		return buf_append_c(out, "NIL");
	return imap_is_quotable(s) ? imap_put_quoted(out, s)
	                           : imap_put_literal(out, s, false);
}

int imap_put_utf8(struct buf *out, struct str s)
{
	bool valid = !s.len || !u8_check((const uint8_t *)s.ptr, s.len);

	return valid && has_no_line_end(s) ? imap_put_quoted(out, s)
	                                   : imap_put_literal(out, s, false);
}

int imap_put_astring(struct buf *out, struct str s)
{
	return imap_is_atom(s) ? buf_append(out, s) : imap_put_nstring(out, s);
}
