/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/hex.h"

#include <string.h>

int hex_digit_of(const char *digits, char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_byte(struct str s)
{
	int high = s.len > 1 ? hex_digit(s.ptr[0]) : -1;
	int low = high < 0 ? -1 : hex_digit(s.ptr[1]);

	return low < 0 ? -1 : high << 4 | low;
}

int hex_byte_of(const char *digits, struct str s)
{
	int high = s.len > 1 ? hex_digit_of(digits, s.ptr[0]) : -1;
	int low = high < 0 ? -1 : hex_digit_of(digits, s.ptr[1]);

	return low < 0 ? -1 : high << 4 | low;
}

bool hex_to_u64(struct str text, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < text.len; i++) {
		int digit = hex_digit_of(HEX_LOWER, text.ptr[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return text.len && text.len <= 16;
}

bool hex_read(struct str text, unsigned char *bytes, size_t len)
{
	if (text.len != len * 2)
		return false;
	for (size_t i = 0; i < len; i++) {
		int byte = hex_byte_of(HEX_LOWER, str_skip(text, 2 * i));

		if (byte < 0)
			return false;
		bytes[i] = (unsigned char)byte;
	}
	return true;
}

void hex_write(const unsigned char *bytes, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++) {
		*ret++ = HEX_LOWER[bytes[i] >> 4];
		*ret++ = HEX_LOWER[bytes[i] & 15];
	}
	*ret = '\0';
}
