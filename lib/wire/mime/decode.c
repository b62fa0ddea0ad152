/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/decode.h"

enum mime_encoding mime_encoding_by_name(struct str name)
{
	name = str_trim(name);
	if (str_ieq(name, STR_LIT("quoted-printable")))
		return MIME_QUOTED_PRINTABLE;
	return str_ieq(name, STR_LIT("base64")) ? MIME_BASE64 : MIME_IDENTITY;
}

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	*d = (struct mime_decoder){ .encoding = encoding };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static int decode_base64(struct mime_decoder *d, struct str piece, struct buf *out)
{
	char *space;
	size_t len = 0;
	int r = buf_reserve(out, piece.len, &space);

	if (r < 0)
		return r;
	for (size_t i = 0; i < piece.len; i++) {
		int digit = base64_digit(piece.ptr[i]);

		if (digit < 0) {
			if (piece.ptr[i] == '=') /* another stretch may follow */
				d->n_bits = 0;
			continue;
		}
		d->bits = (d->bits << 6 | (uint32_t)digit) & 0xffffff;
		d->n_bits += 6;
		if (d->n_bits >= 8) {
			d->n_bits -= 8;
			space[len++] = (char)(d->bits >> d->n_bits & 0xff);
		}
	}
	buf_commit(out, len);
	return 0;
}

/* What the pending bytes say once c has come: a byte, a soft line break, or nothing that
   is a code. */
static int finish_code(struct mime_decoder *d, char c, struct buf *out)
{
	int high, low;
	char byte;

	if (d->n_pending == 1 && c == '\n') {
		d->n_pending = 0;
		return 0;
	}
	if (d->n_pending == 1 && (hex_digit(c) >= 0 || c == '\r')) {
		d->pending[d->n_pending++] = c;
		return 0;
	}
	high = d->n_pending == 2 ? hex_digit(d->pending[1]) : -1;
	low = hex_digit(c);
	if (high >= 0 && low >= 0) {
		byte = (char)(high << 4 | low);
		d->n_pending = 0;
		return buf_byte(out, byte);
	}
	if (d->n_pending == 2 && d->pending[1] == '\r' && c == '\n') {
		d->n_pending = 0;
		return 0;
	}
	d->pending[d->n_pending++] = c;
	high = buf_append(out, str_of(d->pending, d->n_pending));
	d->n_pending = 0;
	return high;
}

static int decode_quoted_printable(
	struct mime_decoder *d, struct str piece, struct buf *out)
{
	int r = 0;

	while (piece.len && r == 0) {
		size_t plain;

		if (d->n_pending) {
			r = finish_code(d, piece.ptr[0], out);
			piece = str_skip(piece, 1);
			continue;
		}
		plain = str_index(piece, '=');
		r = buf_append(out, str_take(piece, plain));
		if (plain < piece.len)
			d->pending[d->n_pending++] = '=';
		piece = str_skip(piece, plain + 1);
	}
	return r;
}

int mime_decode(struct mime_decoder *d, struct str piece, struct buf *out)
{
	switch (d->encoding) {
	case MIME_BASE64:
		return decode_base64(d, piece, out);
	case MIME_QUOTED_PRINTABLE:
		return decode_quoted_printable(d, piece, out);
	case MIME_IDENTITY:
		break;
	}
	return buf_append(out, piece);
}
