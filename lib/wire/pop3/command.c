/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/command.h"

struct pop3_command pop3_command(struct str line)
{
	struct pop3_command c = { .name = str_take(line, str_index(line, ' ')) };

	c.has_args = c.name.len < line.len;
	c.args = str_skip(line, c.name.len + 1);
	return c;
}

bool pop3_number(struct str *args, uint32_t *ret)
{
	size_t end = str_index(*args, ' ');

	if (!str_to_u32(str_take(*args, end), ret))
		return false;
	while (end < args->len && args->ptr[end] == ' ')
		end++;
	*args = str_skip(*args, end);
	return true;
}
