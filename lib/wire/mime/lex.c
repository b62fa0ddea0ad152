/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/lex.h"

#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Comments nest; an unfinished one reaches to the end. */
static bool take_comment(struct str *rest, struct str *ret)
{
	size_t depth = 0, i;

	if (!rest->len || rest->ptr[0] != '(')
		return false;
	for (i = 0; i < rest->len; i++) {
		if (rest->ptr[i] == '\\')
			i++;
		else if (rest->ptr[i] == '(')
			depth++;
		else if (rest->ptr[i] == ')' && --depth == 0)
			break;
	}
	*ret = str_take(str_skip(*rest, 1), i - 1);
	*rest = str_skip(*rest, i + 1);
	return true;
}

void mime_skip_space(struct str *rest, struct str *ret_comment)
{
	struct str comment;

	for (;;) {
		size_t n = 0;

		while (n < rest->len && is_space(rest->ptr[n]))
			n++;
		*rest = str_skip(*rest, n);
		if (!take_comment(rest, &comment))
			return;
		if (ret_comment)
			*ret_comment = comment;
	}
}

bool mime_take(struct str *rest, char c)
{
	if (!rest->len || rest->ptr[0] != c)
		return false;
	*rest = str_skip(*rest, 1);
	return true;
}

bool mime_atom(struct str *rest, struct str stops, struct str *ret)
{
	size_t n = 0;

	while (n < rest->len && (unsigned char)rest->ptr[n] > 0x20 &&
		rest->ptr[n] != 0x7f && str_index(stops, rest->ptr[n]) == stops.len)
		n++;
	if (!n)
		return false;
	*ret = str_take(*rest, n);
	*rest = str_skip(*rest, n);
	return true;
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\\' || s.ptr[i] == '\r' || s.ptr[i] == '\n')
			return false;
	return true;
}

static struct str unquote(struct str inner, struct arena *arena)
{
	char *copy = arena_alloc(arena, inner.len);
	size_t len = 0;

	for (size_t i = 0; copy && i < inner.len; i++) {
		char c = inner.ptr[i];

		if (c == '\\' && i + 1 < inner.len)
			c = inner.ptr[++i];
		if (c != '\r' && c != '\n')
			copy[len++] = c;
	}
	return str_of(copy, len);
}

bool mime_quoted(struct str *rest, struct arena *arena, struct str *ret)
{
	struct str inner;
	size_t i;

	if (!rest->len || rest->ptr[0] != '"')
		return false;
	for (i = 1; i < rest->len && rest->ptr[i] != '"'; i++)
		if (rest->ptr[i] == '\\' && i + 1 < rest->len)
			i++;
	inner = str_take(str_skip(*rest, 1), i - 1);
	if (!is_plain(inner)) {
		inner = unquote(inner, arena);
		if (!inner.ptr)
			return false;
	}
	*ret = inner;
	*rest = str_skip(*rest, i + 1);
	return true;
}

struct str mime_comment_text(struct str comment, struct arena *arena)
{
	return is_plain(comment) ? comment : unquote(comment, arena);
}

/* Length of the white space at i; *ret_folds: a line ends in it. */
static size_t space_length(struct str s, size_t i, bool *ret_folds)
{
	size_t n = 0;

	*ret_folds = false;
	for (; i + n < s.len && is_space(s.ptr[i + n]); n++)
		if (s.ptr[i + n] == '\r' || s.ptr[i + n] == '\n')
			*ret_folds = true;
	return n;
}

/* A fold and the white space around it are one space, as most servers show it. */
struct str mime_flatten(struct str value, struct arena *arena, size_t most)
{
	struct str s = str_take(value, most);
	size_t len = 0, i = 0;
	char *copy = arena_alloc(arena, s.len + 1);

	while (copy && i < s.len) {
		bool folds;
		size_t n = space_length(s, i, &folds);

		if (folds) {
			copy[len++] = ' ';
		} else if (n) {
			memcpy(copy + len, s.ptr + i, n);
			len += n;
		} else {
			copy[len++] = s.ptr[i] ? s.ptr[i] : '\x80';
			n = 1;
		}
		i += n;
	}
	return str_of(copy, len);
}

struct str mime_unfold(struct str value, struct arena *arena, size_t most)
{
	return mime_flatten(str_trim(value), arena, most);
}
