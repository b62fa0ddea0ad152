/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/cursor.h"

#include "wire/imap/frame.h"

#define NESTING_MAX 64 /* BODYSTRUCTUREs seen in the wild stay below 20 */

struct imap_cursor imap_cursor(struct str input)
{
	return (struct imap_cursor){ .rest = input };
}

struct imap_cursor imap_lenient_cursor(struct str input)
{
	return (struct imap_cursor){ .rest = input, .lenient = true };
}

char imap_peek(const struct imap_cursor *c)
{
	return c->rest.len ? c->rest.ptr[0] : '\0';
}

static struct str after_spaces(struct str rest)
{
	while (rest.len && rest.ptr[0] == ' ')
		rest = str_skip(rest, 1);
	return rest;
}

static bool is_end(struct str rest)
{
	return !rest.len || str_eq(rest, STR_LIT("\r\n")) || str_eq(rest, STR_LIT("\n"));
}

bool imap_char(struct imap_cursor *c, char expected)
{
	struct str rest = c->lenient && expected == ')' ? after_spaces(c->rest) : c->rest;

	if (!rest.len || rest.ptr[0] != expected)
		return false;
	rest = str_skip(rest, 1);
	c->rest = c->lenient && expected == '(' ? after_spaces(rest) : rest;
	return true;
}

/* A lenient one is no space before the end or a ")": nothing follows it. */
bool imap_space(struct imap_cursor *c)
{
	struct str rest = after_spaces(c->rest);

	if (!c->lenient)
		return imap_char(c, ' ');
	if (rest.len == c->rest.len || is_end(rest) || rest.ptr[0] == ')')
		return false;
	c->rest = rest;
	return true;
}

bool imap_end(const struct imap_cursor *c)
{
	return is_end(c->lenient ? after_spaces(c->rest) : c->rest);
}

/* RFC 3501 atom-specials; 8-bit bytes are let through: clients send them, and a peer's
   odd folder name must not cost the rest. */
static bool is_word_byte(char ch)
{
	unsigned char u = (unsigned char)ch;

	return u > 0x20 && u != 0x7f && u != '(' && u != ')' && u != '{' && u != '"';
}

static bool in_set(char ch, struct str set)
{
	return str_index(set, ch) < set.len;
}

static bool take_while_not(struct imap_cursor *c, struct str stops, struct str *ret)
{
	size_t n = 0;

	while (n < c->rest.len && is_word_byte(c->rest.ptr[n]) &&
		!in_set(c->rest.ptr[n], stops))
		n++;
	if (!n)
		return false;
	*ret = str_take(c->rest, n);
	c->rest = str_skip(c->rest, n);
	return true;
}

/* "word" with quotes and nothing in it that would have to be undone. */
static bool quoted_atom(struct imap_cursor *c, struct str *ret)
{
	struct str inner = str_skip(c->rest, 1);
	size_t end = str_index(inner, '"');

	inner = str_take(inner, end);
	if (!c->lenient || !c->rest.len || c->rest.ptr[0] != '"' || !inner.len ||
		end + 1 == c->rest.len || str_index(inner, '\\') < inner.len ||
		str_index(inner, '\n') < inner.len)
		return false;
	c->rest = str_skip(c->rest, inner.len + 2);
	*ret = inner;
	return true;
}

bool imap_atom(struct imap_cursor *c, struct str *ret)
{
	return take_while_not(c, STR_LIT("%*\\]"), ret) || quoted_atom(c, ret);
}

bool imap_tag(struct imap_cursor *c, struct str *ret)
{
	return take_while_not(c, STR_LIT("%*\\+"), ret);
}

bool imap_keyword(struct imap_cursor *c, struct str word)
{
	struct imap_cursor at = *c;
	struct str found;

	if (!imap_atom(&at, &found) || !str_ieq(found, word))
		return false;
	*c = at;
	return true;
}

bool imap_word(struct imap_cursor *c, struct str *ret)
{
	size_t n = 0;

	while (n < c->rest.len && !in_set(c->rest.ptr[n], STR_LIT(" \r\n")))
		n++;
	if (!n)
		return false;
	*ret = str_take(c->rest, n);
	c->rest = str_skip(c->rest, n);
	return true;
}

static bool ends_quoted_badly(char ch)
{
	return ch == '\r' || ch == '\n' || ch == '\0';
}

/* Length of the quoted string including its quotes, 0: none or unfinished. */
static size_t quoted_length(struct str s, bool *ret_escaped)
{
	*ret_escaped = false;
	if (!s.len || s.ptr[0] != '"')
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '"')
			return i + 1;
		if (s.ptr[i] == '\\') {
			*ret_escaped = true;
			i++;
		}
		if (i == s.len || ends_quoted_badly(s.ptr[i]))
			return 0;
	}
	return 0;
}

bool imap_quoted(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	bool escaped;
	size_t len = quoted_length(c->rest, &escaped), out = 0;
	struct str inner;
	char *copy;

	if (!len)
		return false;
	inner = str_of(c->rest.ptr + 1, len - 2);
	if (escaped) {
		copy = arena_alloc(arena, inner.len);
		if (!copy)
			return false;
		for (size_t i = 0; i < inner.len; i++) {
			if (inner.ptr[i] == '\\')
				i++;
			copy[out++] = inner.ptr[i];
		}
		inner = str_of(copy, out);
	}
	c->rest = str_skip(c->rest, len);
	*ret = inner;
	return true;
}

bool imap_literal_bytes(struct imap_cursor *c, struct str *ret)
{
	size_t newline = str_index(c->rest, '\n');
	struct str line = str_take(c->rest, newline), before;
	struct imap_literal literal;

	if (newline == c->rest.len)
		return false;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len && line.ptr[0] == '~')
		line = str_skip(line, 1);
	if (!line.len || line.ptr[0] != '{' ||
		imap_literal_announced(line, &literal, &before) != IMAP_FRAME_LITERAL ||
		before.len || literal.size > c->rest.len - newline - 1)
		return false;
	*ret = str_of(c->rest.ptr + newline + 1, (size_t)literal.size);
	c->rest = str_skip(c->rest, newline + 1 + (size_t)literal.size);
	return true;
}

bool imap_string(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	return imap_quoted(c, arena, ret) || imap_literal_bytes(c, ret);
}

bool imap_astring(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	return imap_string(c, arena, ret) || take_while_not(c, STR_LIT("%*\\"), ret);
}

bool imap_list_mailbox(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	return imap_string(c, arena, ret) || take_while_not(c, STR_LIT("\\"), ret);
}

bool imap_nstring(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	if (imap_keyword(c, STR_LIT("NIL"))) {
		*ret = (struct str){ 0 };
		return true;
	}
	return imap_string(c, arena, ret);
}

bool imap_number64(struct imap_cursor *c, uint64_t *ret)
{
	size_t n = 0;

	while (n < c->rest.len && c->rest.ptr[n] >= '0' && c->rest.ptr[n] <= '9')
		n++;
	if (!str_to_u64(str_take(c->rest, n), ret))
		return false;
	c->rest = str_skip(c->rest, n);
	return true;
}

bool imap_number(struct imap_cursor *c, uint32_t *ret)
{
	struct imap_cursor at = *c;
	uint64_t wide;

	if (!imap_number64(&at, &wide) || wide > UINT32_MAX)
		return false;
	*ret = (uint32_t)wide;
	*c = at;
	return true;
}

static bool skip_string(struct imap_cursor *c)
{
	bool escaped;
	size_t len = quoted_length(c->rest, &escaped);
	struct str bytes;

	if (!len)
		return imap_literal_bytes(c, &bytes);
	c->rest = str_skip(c->rest, len);
	return true;
}

bool imap_skip_value(struct imap_cursor *c)
{
	struct imap_cursor at = *c;
	struct str word;
	unsigned depth = 0;

	do {
		if (imap_char(&at, '(')) {
			if (++depth > NESTING_MAX)
				return false;
		} else if (depth && imap_char(&at, ')')) {
			depth--;
		} else if (depth && imap_space(&at)) {
			continue;
		} else if (!skip_string(&at) &&
			   !take_while_not(&at, STR_LIT(""), &word)) {
			return false;
		}
	} while (depth);
	*c = at;
	return true;
}

bool imap_optional_list(struct imap_cursor *c, struct str *ret)
{
	struct imap_cursor at = *c;

	if (!imap_space(&at) || imap_peek(&at) != '(')
		return true;
	*c = at;
	if (!imap_skip_value(&at))
		return false;
	*ret = str_take(c->rest, c->rest.len - at.rest.len);
	*c = at;
	return true;
}
