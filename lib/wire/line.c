/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/line.h"

enum line line_next(struct str input, size_t max, struct str *ret_line, size_t *ret_used)
{
	size_t newline = str_index(input, '\n');
	struct str line = str_take(input, newline);

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len > max)
		return LINE_TOO_LONG;
	if (newline == input.len)
		return LINE_NEED_MORE;
	*ret_line = line;
	*ret_used = newline + 1;
	return LINE_COMPLETE;
}
