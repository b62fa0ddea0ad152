/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct str str_from(const char *c_string)
{
	return c_string ? str_of(c_string, strlen(c_string)) : STR_LIT("");
}

struct str str_of(const void *ptr, size_t len)
{
	return (struct str){ .ptr = ptr, .len = len };
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_ieq(struct str a, struct str b)
{
	return a.len == b.len && str_istarts(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_take(s, prefix.len), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (lower(s.ptr[i]) != lower(prefix.ptr[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.ptr, b.ptr, common) : 0;

	if (order)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

struct str str_skip(struct str s, size_t offset)
{
	if (offset >= s.len)
		return STR_LIT("");
	return str_of(s.ptr + offset, s.len - offset);
}

struct str str_take(struct str s, size_t len)
{
	return str_of(s.ptr, len < s.len ? len : s.len);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len && is_blank(s.ptr[0]))
		s = str_skip(s, 1);
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

size_t str_index(struct str s, char c)
{
	const char *found = s.len ? memchr(s.ptr, c, s.len) : NULL;

	return found ? (size_t)(found - s.ptr) : s.len;
}

struct str str_split(struct str *s, char c)
{
	size_t at = str_index(*s, c);
	struct str head = str_take(*s, at);

	*s = str_skip(*s, at + 1);
	return head;
}

bool str_has_word(struct str words, struct str word)
{
	while (words.len)
		if (str_ieq(str_split(&words, ' '), word))
			return true;
	return false;
}

bool str_ihas(struct str s, struct str part)
{
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (str_istarts(str_skip(s, i), part))
			return true;
	return false;
}

bool str_to_u64(struct str s, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10u, &value) ||
			__builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
			return false;
	}
	*ret_value = value;
	return true;
}

bool str_to_u32(struct str s, uint32_t *ret_value)
{
	uint64_t wide;

	if (!str_to_u64(s, &wide) || wide > UINT32_MAX)
		return false;
	*ret_value = (uint32_t)wide;
	return true;
}

char *str_dup_c(struct str s)
{
	char *copy;

	if (str_index(s, '\0') < s.len)
		return NULL;
	copy = malloc(s.len + 1);
	if (!copy)
		return NULL;
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}
