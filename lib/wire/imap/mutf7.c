/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/mutf7.h"

#include <unistr.h>

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_plain(ucs4_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

static int digit_value(char c)
{
	struct str all = str_from(digits);
	size_t at = str_index(all, c);

	return at < all.len ? (int)at : -1;
}

/* ── to UTF-8 ──────────────────────────────────────────────────────────────────────── */

/* UTF-16 as it comes out of the digits. */
struct units {
	struct buf *out;
	uint16_t high; /* the first half of a pair; 0: none */
	bool plain;    /* one of them should have been written as itself */
};

static bool put_char(struct buf *out, ucs4_t c)
{
	uint8_t bytes[6];
	int n = u8_uctomb(bytes, c, sizeof(bytes));

	return n > 0 && buf_append(out, str_of(bytes, (size_t)n)) == 0;
}

static bool put_unit(struct units *u, uint16_t unit)
{
	bool high = unit >= 0xd800 && unit < 0xdc00,
	     low = unit >= 0xdc00 && unit < 0xe000;

	if (low != (u->high != 0))
		return false;
	if (high) {
		u->high = unit;
		return true;
	}
	if (low) {
		ucs4_t c = 0x10000u + (((ucs4_t)u->high - 0xd800u) << 10) +
		           ((ucs4_t)unit - 0xdc00u);

		u->high = 0;
		return put_char(u->out, c);
	}
	u->plain |= is_plain(unit);
	return put_char(u->out, unit);
}

/* What stands between "&" and "-". */
static bool decode_run(struct str run, struct buf *out)
{
	struct units u = { .out = out };
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < run.len; i++) {
		int value = digit_value(run.ptr[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		if (!put_unit(&u, (uint16_t)(bits >> n)))
			return false;
		bits &= (1u << n) - 1;
	}
	return !u.high && !u.plain && n < 6 && !bits;
}

static bool decode(struct str name, struct buf *out)
{
	while (name.len) {
		struct str plain = str_take(name, str_index(name, '&')), run;

		for (size_t i = 0; i < plain.len; i++)
			if (!is_plain((unsigned char)plain.ptr[i]))
				return false;
		if (buf_append(out, plain) < 0)
			return false;
		name = str_skip(name, plain.len);
		if (!name.len)
			break;
		name = str_skip(name, 1);
		run = str_take(name, str_index(name, '-'));
		if (run.len == name.len)
			return false;
		name = str_skip(name, run.len + 1);
		if (run.len ? !decode_run(run, out) : buf_byte(out, '&') < 0)
			return false;
	}
	return true;
}

bool imap_mutf7_decode(struct str name, struct buf *out)
{
	size_t before = buf_len(out);

	if (decode(name, out))
		return true;
	out->end = out->start + before;
	return false;
}

/* ── from UTF-8 ────────────────────────────────────────────────────────────────────── */

struct encoder {
	struct buf *out;
	uint32_t bits;
	unsigned n;
	bool in_run;
	int result;
};

static void put(struct encoder *e, char c)
{
	if (e->result == 0)
		e->result = buf_byte(e->out, c);
}

static void encode_unit(struct encoder *e, uint16_t unit)
{
	e->bits = e->bits << 16 | unit;
	e->n += 16;
	while (e->n >= 6) {
		e->n -= 6;
		put(e, digits[e->bits >> e->n & 63]);
		e->bits &= (1u << e->n) - 1;
	}
}

static void end_run(struct encoder *e)
{
	if (!e->in_run)
		return;
	if (e->n)
		put(e, digits[e->bits << (6 - e->n) & 63]);
	put(e, '-');
	*e = (struct encoder){ .out = e->out, .result = e->result };
}

static void encode_char(struct encoder *e, ucs4_t c)
{
	if (is_plain(c)) {
		end_run(e);
		put(e, (char)c);
		if (c == '&')
			put(e, '-');
		return;
	}
	if (!e->in_run)
		put(e, '&');
	e->in_run = true;
	if (c >= 0x10000) {
		encode_unit(e, (uint16_t)(0xd800 + ((c - 0x10000) >> 10)));
		encode_unit(e, (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff)));
	} else {
		encode_unit(e, (uint16_t)c);
	}
}

bool imap_mutf7_encode(struct str utf8, struct buf *out)
{
	struct encoder e = { .out = out };
	size_t before = buf_len(out);

	if (utf8.len && u8_check((const uint8_t *)utf8.ptr, utf8.len))
		return false;
	while (utf8.len) {
		ucs4_t c;
		int n = u8_mbtouc(&c, (const uint8_t *)utf8.ptr, utf8.len);

		encode_char(&e, c);
		utf8 = str_skip(utf8, (size_t)n);
	}
	end_run(&e);
	if (e.result == 0)
		return true;
	out->end = out->start + before;
	return false;
}
