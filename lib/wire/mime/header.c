/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/header.h"

#include <string.h>

size_t mime_line(struct str s)
{
	const char *newline = s.len ? memchr(s.ptr, '\n', s.len) : NULL;

	return newline ? (size_t)(newline - s.ptr) + 1 : s.len;
}

bool mime_is_blank(struct str line)
{
	return str_eq(line, STR_LIT("\r\n")) || str_eq(line, STR_LIT("\n"));
}

/* `len`: of its first line. */
static size_t field_length(struct str header, size_t len)
{
	while (len < header.len && (header.ptr[len] == ' ' || header.ptr[len] == '\t'))
		len += mime_line(str_skip(header, len));
	return len;
}

static struct str without_line_end(struct str s)
{
	if (s.len && s.ptr[s.len - 1] == '\n')
		s.len--;
	if (s.len && s.ptr[s.len - 1] == '\r')
		s.len--;
	return s;
}

bool mime_next_field(struct str *header, struct mime_field *ret)
{
	struct str line = str_take(*header, mime_line(*header)), all;
	size_t colon = str_index(line, ':');

	if (!line.len || mime_is_blank(line))
		return false;
	all = str_take(*header, field_length(*header, line.len));
	*header = str_skip(*header, all.len);
	if (colon == line.len) {
		*ret = (struct mime_field){ STR_LIT(""), without_line_end(all), all };
		return true;
	}
	*ret = (struct mime_field){ str_trim(str_take(all, colon)),
		without_line_end(str_skip(all, colon + 1)), all };
	return true;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Fields that begin otherwise are not taken apart: anybody can send millions of them. */
static void skip_others(struct str *header, struct str name)
{
	while (header->len && is_alnum(header->ptr[0]) && !str_istarts(*header, name))
		*header = str_skip(*header, field_length(*header, mime_line(*header)));
}

static bool next_named(struct str *header, struct str name, struct mime_field *ret)
{
	for (;;) {
		skip_others(header, name);
		if (!mime_next_field(header, ret))
			return false;
		if (str_ieq(ret->name, name))
			return true;
	}
}

bool mime_find_field(struct str header, struct str name, struct mime_field *ret)
{
	struct mime_field field;
	bool found = next_named(&header, name, &field);

	if (found)
		*ret = field;
	return found;
}

bool mime_find_last_field(struct str header, struct str name, struct mime_field *ret)
{
	struct mime_field field;
	bool found = false;

	while (next_named(&header, name, &field)) {
		if (!found || str_trim(field.value).len)
			*ret = field;
		found = true;
	}
	return found;
}
