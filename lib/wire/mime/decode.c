/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/decode.h"

#include "base/hex.h"

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

/* ── quoted-printable ──────────────────────────────────────────────────────────────── */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int flush_held(struct mime_decoder *d, struct buf *out)
{
	int r = buf_append(out, str_of(d->held, d->n_held));

	d->n_held = 0;
	return r;
}

/* White space that may end a line (RFC 2045, 6.7 (3): then it is not part of it), with
   the CR that may follow it. */
static int hold(struct mime_decoder *d, char c, struct buf *out)
{
	bool after_cr = d->n_held && d->held[d->n_held - 1] == '\r';
	int r = after_cr || d->n_held == sizeof(d->held) ? flush_held(d, out) : 0;

	d->held[d->n_held++] = c;
	return r;
}

static int end_line(struct mime_decoder *d, struct buf *out)
{
	bool cr = d->n_held && d->held[d->n_held - 1] == '\r';

	d->n_held = 0;
	return buf_append_c(out, cr ? "\r\n" : "\n");
}

/* It was no code: all of it is text. */
static int give_up_code(struct mime_decoder *d, struct buf *out)
{
	int r = buf_append(out, str_of(d->pending, d->n_pending));

	d->n_pending = 0;
	return r < 0 ? r : flush_held(d, out);
}

/* Behind a "=": a byte, a soft line break (with white space before its end), or nothing
   that is a code. *ret_taken: c belongs to it. */
static int finish_code(struct mime_decoder *d, char c, struct buf *out, bool *ret_taken)
{
	bool alone = d->n_pending == 1 && !d->n_held;
	int high = d->n_pending == 2 ? hex_digit(d->pending[1]) : -1, low = hex_digit(c);

	*ret_taken = true;
	if (d->n_pending == 1 && c == '\n') {
		d->n_pending = d->n_held = 0;
		return 0;
	}
	if (d->n_pending == 1 && (is_blank(c) || c == '\r') &&
		d->n_held < sizeof(d->held)) {
		d->held[d->n_held++] = c;
		return 0;
	}
	if (alone && low >= 0) {
		d->pending[d->n_pending++] = c;
		return 0;
	}
	if (high >= 0 && low >= 0) {
		d->n_pending = 0;
		return buf_byte(out, (char)(high << 4 | low));
	}
	*ret_taken = false;
	return give_up_code(d, out);
}

static size_t plain_length(struct str s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] != '=' && s.ptr[n] != '\r' && s.ptr[n] != '\n' &&
		!is_blank(s.ptr[n]))
		n++;
	return n;
}

static int take_byte(struct mime_decoder *d, char c, struct buf *out)
{
	bool taken = false;
	int r = d->n_pending ? finish_code(d, c, out, &taken) : 0;

	if (taken || r < 0)
		return r;
	if (c == '\n')
		return end_line(d, out);
	if (is_blank(c) || c == '\r')
		return hold(d, c, out);
	r = flush_held(d, out);
	if (c == '=')
		d->pending[d->n_pending++] = c;
	else if (r == 0)
		r = buf_byte(out, c);
	return r;
}

static int decode_quoted_printable(
	struct mime_decoder *d, struct str piece, struct buf *out)
{
	int r = 0;

	while (piece.len && r == 0) {
		size_t plain = d->n_pending || d->n_held ? 0 : plain_length(piece);

		r = buf_append(out, str_take(piece, plain));
		piece = str_skip(piece, plain);
		if (r == 0 && piece.len)
			r = take_byte(d, piece.ptr[0], out);
		piece = str_skip(piece, 1);
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
