/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/preview.h"

#include "base/hex.h"
#include "wire/mime/decode.h"
#include "wire/mime/header.h"

#include <unistr.h>

/* ── the part ──────────────────────────────────────────────────────────────────────── */

static bool is_attachment(struct mime_tree *tree, const struct mime_part *part)
{
	struct mime_content disposition;
	struct mime_field field;

	return mime_find_field(mime_part_header(tree, part),
		       STR_LIT("Content-Disposition"), &field) &&
	       mime_disposition(field.value, &tree->arena, &disposition) &&
	       str_ieq(disposition.type, STR_LIT("attachment"));
}

static const struct mime_part *find_text(struct mime_tree *tree, struct str subtype)
{
	struct mime_content type;

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct mime_part *part = &tree->parts[i];

		if (part->kind != MIME_LEAF)
			continue;
		mime_part_type(tree, part, &tree->arena, &type);
		if (mime_is_type(&type, STR_LIT("text"), subtype) &&
			!is_attachment(tree, part))
			return part;
	}
	return NULL;
}

static int decode_part(
	struct mime_tree *tree, const struct mime_part *part, struct buf *utf8)
{
	struct str header = mime_part_header(tree, part), charset;
	struct mime_decoder decoder;
	struct mime_content type;
	struct buf raw;
	int r;

	mime_part_type(tree, part, &tree->arena, &type);
	charset = mime_param_text(&type, STR_LIT("charset"), &tree->arena);
	mime_decoder_init(
		&decoder, mime_encoding_by_name(mime_transfer_encoding(header)));
	buf_init(&raw, 0);
	r = mime_decode(
		&decoder, str_take(mime_part_body(tree, part), MIME_PREVIEW_LOOK), &raw);
	if (r == 0)
		r = mime_to_utf8(
			charset.ptr ? charset : STR_LIT("utf-8"), buf_view(&raw), utf8);
	buf_fini(&raw);
	return r;
}

/* ── markup ────────────────────────────────────────────────────────────────────────── */

/* "</style>" of "<style …>": what stands between is no text. */
static bool skip_element(struct str *rest, struct str name)
{
	struct str s = str_skip(*rest, 1);

	if (!str_istarts(s, name))
		return false;
	s = str_skip(s, name.len);
	if (s.len && s.ptr[0] != '>' && s.ptr[0] != ' ' && s.ptr[0] != '\n' &&
		s.ptr[0] != '\r' && s.ptr[0] != '\t')
		return false;
	while (s.len &&
		!(str_starts(s, STR_LIT("</")) && str_istarts(str_skip(s, 2), name)))
		s = str_skip(s, 1);
	*rest = str_skip(s, str_index(s, '>') + 1);
	return true;
}

static void skip_tag(struct str *rest)
{
	static const struct str hidden[] = { STR("style"), STR("script"), STR("title"),
		STR("head") };
	struct str s = *rest;

	if (str_starts(s, STR_LIT("<!--"))) {
		while (s.len && !str_starts(s, STR_LIT("-->")))
			s = str_skip(s, 1);
		*rest = str_skip(s, 3);
		return;
	}
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (skip_element(rest, hidden[i]))
			return;
	*rest = str_skip(s, str_index(s, '>') + 1);
}

static bool number_entity(struct str name, ucs4_t *ret)
{
	uint32_t value = 0;
	bool hex = str_istarts(name, STR_LIT("#x"));

	if (!hex)
		return str_to_u32(str_skip(name, 1), ret);
	name = str_skip(name, 2);
	for (size_t i = 0; i < name.len && value < 0x110000; i++) {
		int digit = hex_digit(name.ptr[i]);

		if (digit < 0)
			return false;
		value = value * 16 + (uint32_t)digit;
	}
	*ret = value;
	return name.len > 0;
}

/* "&amp;" and its likes; an unknown one stays as it is. */
static bool take_entity(struct str *rest, ucs4_t *ret)
{
	static const struct {
		struct str name;
		ucs4_t c;
	} rows[] = {
		{ STR("amp"), '&' },
		{ STR("lt"), '<' },
		{ STR("gt"), '>' },
		{ STR("quot"), '"' },
		{ STR("apos"), '\'' },
		{ STR("nbsp"), ' ' },
	};
	struct str s = str_skip(*rest, 1),
		   name = str_take(s, str_index(str_take(s, 10), ';'));

	if (name.len >= 10 || name.len == s.len)
		return false;
	if (str_starts(name, STR_LIT("#"))) {
		if (!number_entity(name, ret))
			return false;
		*rest = str_skip(s, name.len + 1);
		return true;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_ieq(rows[i].name, name)) {
			*ret = rows[i].c;
			*rest = str_skip(s, name.len + 1);
			return true;
		}
	return false;
}

/* ── the text ──────────────────────────────────────────────────────────────────────── */

struct writer {
	struct buf *out;
	unsigned chars;
	bool gap; /* white space before the next one */
};

static bool is_blank(ucs4_t c)
{
	return c <= 0x20 || c == 0x7f || (c >= 0x80 && c <= 0xa0) || c == 0xad ||
	       (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
	       c == 0x205f || c == 0x3000 || c == 0xfeff || c == 0x34f;
}

static int put_char(struct writer *w, ucs4_t c)
{
	uint8_t bytes[6];
	int n, r = 0;

	if (is_blank(c)) {
		w->gap = w->chars > 0;
		return 0;
	}
	if (w->gap && w->chars + 2 > MIME_PREVIEW_CHARS) {
		w->chars = MIME_PREVIEW_CHARS;
		return 0;
	}
	n = u8_uctomb(bytes, c, sizeof(bytes));
	if (n <= 0)
		return 0;
	if (w->gap) {
		r = buf_byte(w->out, ' ');
		w->chars++;
	}
	w->gap = false;
	w->chars++;
	return r < 0 ? r : buf_append(w->out, str_of(bytes, (size_t)n));
}

static int write_text(struct str utf8, bool html, struct buf *out)
{
	struct writer w = { .out = out };
	int r = 0;

	while (utf8.len && w.chars < MIME_PREVIEW_CHARS && r == 0) {
		ucs4_t c;
		int n;

		if (html && utf8.ptr[0] == '<') {
			skip_tag(&utf8);
			w.gap = w.chars > 0;
			continue;
		}
		if (html && utf8.ptr[0] == '&' && take_entity(&utf8, &c)) {
			r = put_char(&w, c);
			continue;
		}
		n = u8_mbtouc(&c, (const uint8_t *)utf8.ptr, utf8.len);
		utf8 = str_skip(utf8, n > 0 ? (size_t)n : 1);
		r = put_char(&w, c);
	}
	return r;
}

int mime_preview(struct mime_tree *tree, struct buf *out)
{
	const struct mime_part *part = find_text(tree, STR_LIT("plain"));
	bool html = !part;
	struct buf utf8;
	int r;

	if (!part)
		part = find_text(tree, STR_LIT("html"));
	if (!part)
		return 0;
	buf_init(&utf8, 0);
	r = decode_part(tree, part, &utf8);
	if (r == 0)
		r = write_text(buf_view(&utf8), html, out);
	buf_fini(&utf8);
	return r;
}
