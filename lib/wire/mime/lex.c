/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/lex.h"

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

/* A fold and the white space around it are one space, as most servers show it. */
static size_t skip_fold(struct str s, size_t i)
{
	while (i < s.len && is_space(s.ptr[i]))
		i++;
	return i;
}

static bool is_fold(struct str s, size_t i)
{
	while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\t'))
		i++;
	return i < s.len && (s.ptr[i] == '\r' || s.ptr[i] == '\n');
}

struct str mime_unfold(struct str value, struct arena *arena, size_t most)
{
	struct str s = str_take(str_trim(value), most);
	size_t len = 0, i = 0;
	char *copy = arena_alloc(arena, s.len + 1);

	while (copy && i < s.len) {
		if (is_space(s.ptr[i]) && is_fold(s, i)) {
			copy[len++] = ' ';
			i = skip_fold(s, i);
		} else {
			copy[len] = s.ptr[i++];
			if (!copy[len])
				copy[len] = '\x80';
			len++;
		}
	}
	return str_of(copy, len);
}
