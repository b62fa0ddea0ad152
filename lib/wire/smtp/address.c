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

/* Takes a quoted string or bare bytes up to '@' off the front; false: no local part. The
   two may be mixed (RFC 5322 obs-local-part: "a b".c). */
static bool take_local(struct str *text, char *local, size_t *ret_len)
{
	size_t at = 0, len = 0;
	bool quoted = false;

	for (; at < text->len && (quoted || text->ptr[at] != '@'); at++) {
		char c = text->ptr[at];

		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (c == '\\' && ++at < text->len)
			c = text->ptr[at];
		if (len == SMTP_LOCAL_PART_MAX || at == text->len || is_control(c) ||
			(c == ' ' && !quoted))
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

	if (!take_local(&text, local, &local_len))
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
