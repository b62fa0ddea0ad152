/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/image_number.h"

int image_put_number(struct buf *out, uint64_t n)
{
	char bytes[10];
	size_t len = 0;

	for (; n > 0x7f; n >>= 7)
		bytes[len++] = (char)(n | 0x80);
	bytes[len++] = (char)n;
	return buf_append(out, str_of(bytes, len));
}

bool image_take_number(struct str *bytes, uint64_t most, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; bytes->len && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)bytes->ptr[0];

		*bytes = str_skip(*bytes, 1);
		n |= (uint64_t)(c & 0x7f) << shift;
		if (c & 0x80)
			continue;
		*ret = n;
		return n <= most;
	}
	return false;
}

int image_put_difference(struct buf *out, uint64_t n, uint64_t before)
{
	uint64_t difference = n - before;

	return image_put_number(
		out, (difference << 1) ^ (difference >> 63 ? UINT64_MAX : 0));
}

bool image_take_difference(struct str *bytes, uint64_t before, uint64_t *ret)
{
	uint64_t n;

	if (!image_take_number(bytes, UINT64_MAX, &n))
		return false;
	*ret = before + ((n >> 1) ^ (n & 1 ? UINT64_MAX : 0));
	return true;
}
