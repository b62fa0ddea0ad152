/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A reader for each kind of charset takes a character off the front, one loop writes it.
   The tables say what glibc's iconv says; what is invalid is in the header. */
#include "wire/mime/multibyte.h"
#include "wire/mime/fold.h"

#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#define ESC 0x1b
#define SHIFT_OUT 0x0e
#define SHIFT_IN 0x0f
#define REPLACEMENT 0xfffd
#define PIECE 64    /* characters, or two of them */
#define UTF8_MAX 4  /* bytes */
#define RARE 0xd800 /* from here to 0xdfff a table has an index into rare[] */
#define RARE_END 0xe000
#define N(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Of one byte, and of two: those of each lead byte that has any stand in a row. 0: no
   character. */
struct pairs {
	const uint16_t *one; /* of 0x80 and above */
	const uint8_t *row;  /* of 0x80 and above, from 1 on */
	const uint16_t *two;
	unsigned first, last; /* second bytes */
};

/* Four bytes of GB18030, counted through: characters follow each other from here on. */
struct run {
	uint32_t first;
	uint32_t is; /* 0: there are none */
};

struct composition {
	uint32_t pair; /* a letter << 16 | the mark behind it */
	uint32_t is;
};

/* Made by cmake/multibyte_tables.c. */
#include "wire/mime/multibyte.inc"

enum set {
	SET_ASCII,
	SET_ROMAN,
	SET_KANA,
	SET_JIS_X_0208,
	SET_JIS_X_0212,
	SET_GB,
	SET_KSC
};

struct reader;
/* Takes at least one byte, or leaves a state. How many characters that is: at most 2. */
typedef size_t next_fn(struct reader *r, ucs4_t chars[static 2]);

struct kind {
	next_fn *next;
	const struct pairs *pairs;
	const struct composition *composed;
	size_t n_composed;
	bool is_ascii; /* below 0x80, where a character may begin */
	unsigned unit; /* of UTF-16 and UTF-32: bytes */
	bool has_mark; /* the byte order may be at the beginning */
	bool is_big_endian;
};

struct reader {
	const struct kind *kind;
	const uint8_t *at, *end;
	enum set set;
	ucs4_t high; /* the first half of a surrogate pair */
	bool is_big_endian;
	bool in_base64;
	uint32_t bits;
	unsigned n_bits;
};

static size_t left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static size_t take(struct reader *r, size_t len, ucs4_t is, ucs4_t chars[static 2])
{
	r->at += len;
	chars[0] = is;
	return 1;
}

static size_t invalid(struct reader *r, ucs4_t chars[static 2])
{
	return take(r, 1, REPLACEMENT, chars);
}

/* What a table says. */
static size_t take_value(
	struct reader *r, size_t len, unsigned value, ucs4_t chars[static 2])
{
	if (value < RARE || value >= RARE_END)
		return take(r, len, value, chars);
	r->at += len;
	chars[0] = rare[value - RARE][0];
	chars[1] = rare[value - RARE][1];
	return chars[1] ? 2 : 1;
}

static unsigned pair_value(const struct pairs *p, unsigned lead, unsigned trail)
{
	unsigned row = lead < 0x80 ? 0 : p->row[lead - 0x80];

	if (!row || trail < p->first || trail > p->last)
		return 0;
	return p->two[(row - 1) * (p->last - p->first + 1) + trail - p->first];
}

/* ── one or two bytes ──────────────────────────────────────────────────────────────── */

static size_t next_pair(struct reader *r, ucs4_t chars[static 2])
{
	const struct pairs *p = r->kind->pairs;
	unsigned lead = r->at[0];
	unsigned value = lead < 0x80 ? lead : p->one[lead - 0x80];

	if (value || !lead)
		return take_value(r, 1, value, chars);
	if (p->row && left(r) >= 2)
		value = pair_value(p, lead, r->at[1]);
	return value ? take_value(r, 2, value, chars) : invalid(r, chars);
}

/* 0: none */
static ucs4_t four_bytes(const uint8_t at[static 4])
{
	unsigned a = at[0] - 0x81u, b = at[1] - 0x30u, c = at[2] - 0x81u,
		 d = at[3] - 0x30u;
	size_t low = 0, high = N(GB18030_runs);
	uint32_t number = ((a * 10 + b) * 126 + c) * 10 + d;

	if (a >= 126 || b >= 10 || c >= 126 || d >= 10)
		return 0;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (GB18030_runs[middle].first <= number)
			low = middle;
		else
			high = middle;
	}
	return GB18030_runs[low].is
	               ? GB18030_runs[low].is + number - GB18030_runs[low].first
	               : 0;
}

static size_t next_gb18030(struct reader *r, ucs4_t chars[static 2])
{
	ucs4_t is = left(r) >= 4 ? four_bytes(r->at) : 0;

	return is ? take(r, 4, is, chars) : next_pair(r, chars);
}

/* All of EUC-KR, which has one character more than what Windows made of it. */
static size_t next_cp949(struct reader *r, ucs4_t chars[static 2])
{
	unsigned value = left(r) >= 2 ? pair_value(&EUC_KR, r->at[0], r->at[1]) : 0;

	return value ? take_value(r, 2, value, chars) : next_pair(r, chars);
}

static size_t next_euc_jp(struct reader *r, ucs4_t chars[static 2])
{
	unsigned value = 0;

	if (r->at[0] == 0x8f && left(r) >= 3)
		value = pair_value(&JIS_X_0212, r->at[1], r->at[2]);
	return value ? take_value(r, 3, value, chars) : next_pair(r, chars);
}

/* ── letters and marks ─────────────────────────────────────────────────────────────── */

static int by_pair(const void *key, const void *row)
{
	uint32_t pair = *(const uint32_t *)key,
		 other = ((const struct composition *)row)->pair;

	return (pair > other) - (pair < other);
}

/* 0: they stay two. */
static ucs4_t compose(const struct kind *k, ucs4_t letter, unsigned mark)
{
	uint32_t key = letter << 16 | mark;
	const struct composition *c =
		bsearch(&key, k->composed, k->n_composed, sizeof(*c), by_pair);

	return c ? c->is : 0;
}

static size_t next_composed(struct reader *r, ucs4_t chars[static 2])
{
	const uint16_t *one = r->kind->pairs->one;
	size_t n = next_pair(r, chars);

	while (r->at < r->end && r->at[0] >= 0x80) {
		ucs4_t both = compose(r->kind, chars[0], one[r->at[0] - 0x80]);

		if (!both)
			break;
		chars[0] = both;
		r->at++;
	}
	return n;
}

/* ── sets that are switched (ISO 2022, RFC 1468, RFC 1554, RFC 1557, RFC 1843) ─────── */

/* JIS X 0208 as it is sent: with the rows that NEC and IBM added, as CP932 has them. */
static unsigned jis_value(unsigned lead, unsigned trail)
{
	unsigned row = lead - 0xa1, cell = trail - 0xa1,
		 value = pair_value(&EUC_JP, lead, trail);

	if (value)
		return value;
	return pair_value(&CP932, row / 2 + (row < 62 ? 0x81u : 0xc1u),
		row % 2 ? cell + 0x9f : cell + (cell < 63 ? 0x40u : 0x41u));
}

static unsigned set_value(enum set set, unsigned lead, unsigned trail)
{
	switch (set) {
	case SET_JIS_X_0208:
		return jis_value(lead, trail);
	case SET_JIS_X_0212:
		return pair_value(&JIS_X_0212, lead, trail);
	case SET_GB:
		return pair_value(&GB18030, lead, trail);
	case SET_KSC:
		return pair_value(&EUC_KR, lead, trail);
	case SET_ASCII:
	case SET_ROMAN:
	case SET_KANA:
		break;
	}
	return 0;
}

static bool is_graphic(unsigned byte)
{
	return byte > 0x20 && byte < 0x7f;
}

static size_t next_in_set(struct reader *r, ucs4_t chars[static 2])
{
	unsigned value;

	if (left(r) < 2 || !is_graphic(r->at[0]) || !is_graphic(r->at[1]))
		return invalid(r, chars);
	value = set_value(r->set, r->at[0] | 0x80u, r->at[1] | 0x80u);
	return take_value(r, 2, value ? value : REPLACEMENT, chars);
}

/* An escape sequence of Japanese mail. */
static bool designate(struct reader *r)
{
	static const struct {
		struct str sequence;
		enum set set;
	} rows[] = {
		{ STR("\x1b(B"), SET_ASCII },
		{ STR("\x1b(J"), SET_ROMAN },
		{ STR("\x1b(I"), SET_KANA },
		{ STR("\x1b$@"), SET_JIS_X_0208 },
		{ STR("\x1b$B"), SET_JIS_X_0208 },
		{ STR("\x1b$(D"), SET_JIS_X_0212 },
		{ STR("\x1b$A"), SET_GB },
		{ STR("\x1b$(C"), SET_KSC },
	};

	for (size_t i = 0; i < N(rows); i++)
		if (str_starts(str_of(r->at, left(r)), rows[i].sequence)) {
			r->set = rows[i].set;
			r->at += rows[i].sequence.len;
			return true;
		}
	return false;
}

static size_t next_roman(struct reader *r, ucs4_t chars[static 2])
{
	unsigned byte = r->at[0];

	if (byte == '\\' || byte == '~')
		byte = byte == '~' ? 0x203e : 0xa5;
	return take(r, 1, byte, chars);
}

static size_t next_kana(struct reader *r, ucs4_t chars[static 2])
{
	return r->at[0] < 0x60 ? take(r, 1, 0xff61u - 0x21 + r->at[0], chars)
	                       : invalid(r, chars);
}

static size_t next_iso_2022_jp(struct reader *r, ucs4_t chars[static 2])
{
	uint8_t byte = r->at[0];

	if (byte == ESC && designate(r))
		return 0;
	if (byte >= 0x80 || (byte == ESC && left(r) < 3))
		return invalid(r, chars);
	if (r->set == SET_ASCII || !is_graphic(byte))
		return take(r, 1, byte, chars);
	if (r->set == SET_ROMAN)
		return next_roman(r, chars);
	return r->set == SET_KANA ? next_kana(r, chars) : next_in_set(r, chars);
}

static size_t next_iso_2022_kr(struct reader *r, ucs4_t chars[static 2])
{
	const struct str announcer = STR_LIT("\x1b$)C");
	struct str rest = str_of(r->at, left(r));
	uint8_t byte = r->at[0];

	if (str_starts(rest, announcer)) {
		r->at += announcer.len;
		return 0;
	}
	if (byte == SHIFT_OUT || byte == SHIFT_IN) {
		r->set = byte == SHIFT_OUT ? SET_KSC : SET_ASCII;
		r->at++;
		return 0;
	}
	if (byte >= 0x80 || str_starts(announcer, rest))
		return invalid(r, chars);
	return r->set == SET_ASCII ? take(r, 1, byte, chars) : next_in_set(r, chars);
}

static bool switch_hz(struct reader *r, ucs4_t chars[static 2], size_t *ret_n)
{
	if (r->at[0] != '~' || left(r) < 2)
		return false;
	switch (r->at[1]) {
	case '{':
	case '}':
		r->set = r->at[1] == '{' ? SET_GB : SET_ASCII;
		r->at += 2;
		*ret_n = 0;
		return true;
	case '\n': /* the line goes on */
		r->at += 2;
		*ret_n = 0;
		return true;
	case '~':
		*ret_n = take(r, 2, '~', chars);
		return true;
	default:
		return false;
	}
}

static size_t next_hz(struct reader *r, ucs4_t chars[static 2])
{
	uint8_t byte = r->at[0];
	size_t n;

	if (switch_hz(r, chars, &n))
		return n;
	if (byte >= 0x80)
		return invalid(r, chars);
	if (byte == '\n')
		r->set = SET_ASCII;
	return r->set == SET_ASCII || !is_graphic(byte) ? take(r, 1, byte, chars)
	                                                : next_in_set(r, chars);
}

/* ── Unicode ───────────────────────────────────────────────────────────────────────── */

/* 16 bits, which have been taken. */
static size_t put_unit(struct reader *r, ucs4_t unit, ucs4_t chars[static 2])
{
	ucs4_t high = r->high;
	size_t n = 0;

	r->high = 0;
	if (high && unit >= 0xdc00 && unit < 0xe000) {
		chars[0] = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
		return 1;
	}
	if (high)
		chars[n++] = REPLACEMENT;
	if (unit >= 0xd800 && unit < 0xdc00)
		r->high = unit;
	else
		chars[n++] = unit;
	return n;
}

static size_t next_unit(struct reader *r, ucs4_t chars[static 2])
{
	unsigned size = r->kind->unit;
	ucs4_t unit = 0;

	if (left(r) < size)
		return invalid(r, chars);
	for (unsigned i = 0; i < size; i++)
		unit |= (ucs4_t)r->at[i] << 8 * (r->is_big_endian ? size - 1 - i : i);
	if (size == 4)
		return take(r, size, unit, chars);
	r->at += size;
	return put_unit(r, unit, chars);
}

static void read_mark(struct reader *r)
{
	static const uint8_t big[] = { 0, 0, 0xfe, 0xff },
			     little[] = { 0xff, 0xfe, 0, 0 };
	unsigned size = r->kind->unit;

	if (left(r) < size)
		return;
	r->is_big_endian = memcmp(r->at, big + 4 - size, size) == 0;
	if (r->is_big_endian || memcmp(r->at, little, size) == 0)
		r->at += size;
}

/* -1: none */
static int base64_value(uint8_t c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The byte behind it is no part of it, unless it is "-". */
static size_t end_base64(struct reader *r, ucs4_t chars[static 2])
{
	bool is_whole = r->n_bits < 6 && r->bits == 0 && !r->high;

	r->in_base64 = false;
	r->high = 0;
	if (r->at[0] == '-')
		r->at++;
	chars[0] = REPLACEMENT;
	return is_whole ? 0 : 1;
}

static size_t next_base64(struct reader *r, ucs4_t chars[static 2])
{
	int value = base64_value(r->at[0]);
	ucs4_t unit;

	if (value < 0)
		return end_base64(r, chars);
	r->at++;
	r->bits = r->bits << 6 | (unsigned)value;
	r->n_bits += 6;
	if (r->n_bits < 16)
		return 0;
	r->n_bits -= 16;
	unit = r->bits >> r->n_bits;
	r->bits &= (1u << r->n_bits) - 1;
	return put_unit(r, unit, chars);
}

/* RFC 2152: what may stand for itself. */
static bool is_direct(uint8_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= ' ' && c < '~' && c != '\\');
}

static size_t next_utf_7(struct reader *r, ucs4_t chars[static 2])
{
	uint8_t byte = r->at[0];

	if (r->in_base64)
		return next_base64(r, chars);
	if (!is_direct(byte) || (byte == '+' && left(r) < 2))
		return invalid(r, chars);
	if (byte != '+')
		return take(r, 1, byte, chars);
	if (r->at[1] == '-')
		return take(r, 2, '+', chars);
	r->at++;
	r->in_base64 = true;
	r->bits = 0;
	r->n_bits = 0;
	return 0;
}

/* ── all ───────────────────────────────────────────────────────────────────────────── */

static const struct kind kinds[] = {
	[MIME_GB18030] = { .next = next_gb18030, .pairs = &GB18030, .is_ascii = true },
	[MIME_BIG5] = { .next = next_pair, .pairs = &BIG5, .is_ascii = true },
	[MIME_BIG5_HKSCS] = { .next = next_pair, .pairs = &BIG5_HKSCS, .is_ascii = true },
	[MIME_CP932] = { .next = next_pair, .pairs = &CP932, .is_ascii = true },
	[MIME_CP949] = { .next = next_cp949, .pairs = &CP949, .is_ascii = true },
	[MIME_EUC_JP] = { .next = next_euc_jp, .pairs = &EUC_JP, .is_ascii = true },
	[MIME_ISO_2022_JP] = { .next = next_iso_2022_jp },
	[MIME_ISO_2022_KR] = { .next = next_iso_2022_kr },
	[MIME_HZ] = { .next = next_hz },
	[MIME_UTF_7] = { .next = next_utf_7 },
	[MIME_UTF_16] = { .next = next_unit, .unit = 2, .has_mark = true },
	[MIME_UTF_16LE] = { .next = next_unit, .unit = 2 },
	[MIME_UTF_16BE] = { .next = next_unit, .unit = 2, .is_big_endian = true },
	[MIME_UTF_32] = { .next = next_unit, .unit = 4, .has_mark = true },
	[MIME_UTF_32LE] = { .next = next_unit, .unit = 4 },
	[MIME_UTF_32BE] = { .next = next_unit, .unit = 4, .is_big_endian = true },
	[MIME_CP1255] = { .next = next_composed,
		.pairs = &CP1255,
		.composed = CP1255_composed,
		.n_composed = N(CP1255_composed) },
	[MIME_CP1258] = { .next = next_composed,
		.pairs = &CP1258,
		.composed = CP1258_composed,
		.n_composed = N(CP1258_composed) },
};
_Static_assert(N(kinds) == MIME_MULTIBYTES, "a reader for each");

static bool is_at_ascii(const struct reader *r)
{
	return r->kind->is_ascii && r->at[0] < 0x80;
}

static int put_ascii(struct reader *r, struct buf *out)
{
	struct str bytes = str_of(r->at, left(r));
	size_t plain = mime_ascii_length(bytes);

	r->at += plain;
	return buf_append(out, str_take(bytes, plain));
}

static size_t encode(ucs4_t is, char *to)
{
	int n = u8_uctomb((uint8_t *)to, is, UTF8_MAX);

	if (n < 0) /* a surrogate, or beyond the last plane */
		n = u8_uctomb((uint8_t *)to, REPLACEMENT, UTF8_MAX);
	return (size_t)n;
}

static int put_piece(struct reader *r, struct buf *out)
{
	ucs4_t chars[2];
	size_t len = 0;
	char *to;
	int code = buf_reserve(out, (size_t)(PIECE * 2 + 1) * UTF8_MAX, &to);

	if (code < 0)
		return code;
	for (size_t i = 0; i < PIECE && r->at < r->end && !is_at_ascii(r); i++) {
		size_t n = r->kind->next(r, chars);

		for (size_t k = 0; k < n; k++)
			len += encode(chars[k], to + len);
	}
	if (r->at == r->end && r->high && !r->in_base64) /* half a pair */
		len += encode(REPLACEMENT, to + len);
	buf_commit(out, len);
	return 0;
}

int mime_put_multibyte(enum mime_multibyte charset, struct str bytes, struct buf *out)
{
	struct reader r = { .kind = &kinds[charset],
		.at = (const uint8_t *)bytes.ptr,
		.end = (const uint8_t *)bytes.ptr + bytes.len,
		.is_big_endian = kinds[charset].is_big_endian };
	int code = 0;

	if (r.kind->has_mark)
		read_mark(&r);
	while (r.at < r.end && code == 0)
		code = is_at_ascii(&r) ? put_ascii(&r, out) : put_piece(&r, out);
	return code;
}

size_t mime_multibyte_unit(enum mime_multibyte charset)
{
	return kinds[charset].unit ? kinds[charset].unit : 1;
}

uint64_t mime_multibyte_sum(void)
{
	return TABLES_SUM;
}
