/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/address.h"

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	return c;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Those that mean something outside of quotes (RFC 5322, 3.2.3). */
static bool is_special(char c)
{
	return c == ' ' || str_index(STR_LIT("()<>[]:;,"), c) < 9;
}

/* Takes a comment off the front, with those inside it; false: it has no end. */
static bool take_comment(struct str *text)
{
	size_t at = 0, depth = 0;

	do {
		if (at >= text->len || is_control(text->ptr[at]))
			return false;
		if (text->ptr[at] == '\\')
			at++; /* it may be the last */
		else if (text->ptr[at] == '(')
			depth++;
		else if (text->ptr[at] == ')')
			depth--;
		at++;
	} while (depth);
	*text = str_skip(*text, at);
	return true;
}

/* A copy without comments, which stand outside of quotes; false: one has no end. */
static bool without_comments(struct str text, struct arena *arena, struct str *ret)
{
	char *copy = arena_alloc(arena, text.len + 1);
	bool is_quoted = false;
	size_t len = 0;

	if (!copy)
		return false;
	while (text.len) {
		bool is_escape = text.ptr[0] == '\\' && text.len > 1;

		if (text.ptr[0] == '(' && !is_quoted) {
			if (!take_comment(&text))
				return false;
			continue;
		}
		if (text.ptr[0] == '"')
			is_quoted = !is_quoted;
		if (is_escape)
			copy[len++] = text.ptr[0];
		copy[len++] = text.ptr[is_escape];
		text = str_skip(text, is_escape ? 2 : 1);
	}
	*ret = str_trim(str_of(copy, len));
	return true;
}

/* Takes a quoted string or bare bytes up to '@' off the front; false: no local part. The
   two may be mixed (RFC 5322 obs-local-part: "a b".c). */
static bool take_local(struct str *text, char *local, size_t *ret_len)
{
	size_t at = 0, len = 0;
	bool quoted = false;

	for (; at < text->len && (quoted || text->ptr[at] != '@'); at++) {
		char c = text->ptr[at];
		bool escaped = c == '\\' && ++at < text->len;

		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (escaped)
			c = text->ptr[at];
		if (len == SMTP_LOCAL_PART_MAX || at == text->len || is_control(c) ||
			(!quoted && !escaped && is_special(c)))
			return false;
		local[len++] = fold(c);
	}
	*ret_len = len;
	*text = str_skip(*text, at);
	return !quoted && len > 0;
}

static bool is_domain_byte(char c, bool literal)
{
	if (literal) /* [IPv6:2001:db8::1] */
		return !is_control(c) && c != ' ' && c != '@' && c != '[';
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.' || (unsigned char)c >= 0x80;
}

static bool take_domain(struct str text, char *domain, size_t *ret_len)
{
	bool literal = text.len && text.ptr[0] == '[';

	if (!literal && text.len && text.ptr[text.len - 1] == '.')
		text.len--;
	if (!text.len || text.len > SMTP_DOMAIN_MAX ||
		(literal && str_index(text, ']') != text.len - 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		domain[i] = fold(text.ptr[i]);
		if (!(literal && i == 0) && !is_domain_byte(domain[i], literal))
			return false;
		if (!literal && domain[i] == '.' &&
			(i == 0 || domain[i - 1] == '.' || i == text.len - 1))
			return false;
	}
	*ret_len = text.len;
	return true;
}

bool smtp_address_parse(struct str text, struct arena *arena, struct smtp_address *ret)
{
	char local[SMTP_LOCAL_PART_MAX], domain[SMTP_DOMAIN_MAX];
	size_t local_len, domain_len = 0;
	struct smtp_address a;

	if (!without_comments(text, arena, &text) ||
		!take_local(&text, local, &local_len))
		return false;
	if (text.len && !take_domain(str_skip(text, 1), domain, &domain_len))
		return false;
	a.local = arena_str(arena, str_of(local, local_len));
	a.domain = arena_str(arena, str_of(domain, domain_len));
	if (!a.local.ptr || !a.domain.ptr)
		return false;
	*ret = a;
	return true;
}

/* The last c in s, or s.len. */
static size_t last_index(struct str s, char c)
{
	for (size_t i = s.len; i > 0; i--)
		if (s.ptr[i - 1] == c)
			return i - 1;
	return s.len;
}

bool smtp_address_inner(
	const struct smtp_address *a, struct arena *arena, struct smtp_address *ret)
{
	char domain[SMTP_DOMAIN_MAX];
	size_t at = last_index(a->local, '@'), len = 0;
	struct str local, rest;

	if (at == a->local.len)
		at = last_index(a->local, '%');
	local = str_take(a->local, at);
	rest = str_skip(a->local, at + 1);
	if (at == a->local.len) {
		at = str_index(a->local, '!');
		local = str_skip(a->local, at + 1);
		rest = str_take(a->local, at);
	}
	if (at == a->local.len || !local.len || !take_domain(rest, domain, &len))
		return false;
	ret->local = local;
	ret->domain = arena_str(arena, str_of(domain, len));
	return ret->domain.ptr != NULL;
}
