/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encoded words in header values (RFC 2047): "=?charset?B?...?=". */
#include "wire/mime/charset.h"
#include "wire/mime/decode.h"

struct word {
	struct str charset, text;
	enum mime_encoding encoding;
};

/* "Q" is quoted-printable with "_" for a space (RFC 2047, 4.2). */
static int put_word(const struct word *word, struct buf *out)
{
	struct mime_decoder decoder;
	struct buf raw;
	int r;

	buf_init(&raw, 0);
	mime_decoder_init(&decoder, word->encoding);
	r = mime_decode(&decoder, word->text, &raw);
	if (word->encoding == MIME_QUOTED_PRINTABLE)
		for (size_t i = raw.start; i < raw.end; i++)
			if (raw.data[i] == '_')
				raw.data[i] = ' ';
	if (r == 0)
		r = mime_to_utf8(word->charset, buf_view(&raw), out);
	buf_fini(&raw);
	return r;
}

static bool take_word(struct str *rest, struct word *ret)
{
	struct str s = *rest, letter;
	size_t end;

	if (!str_starts(s, STR_LIT("=?")))
		return false;
	s = str_skip(s, 2);
	ret->charset = str_split(&s, '?');
	ret->charset = str_take(ret->charset, str_index(ret->charset, '*'));
	letter = str_split(&s, '?');
	end = str_index(s, '?');
	if (!str_starts(str_skip(s, end), STR_LIT("?=")))
		return false;
	if (str_ieq(letter, STR_LIT("Q")))
		ret->encoding = MIME_QUOTED_PRINTABLE;
	else if (str_ieq(letter, STR_LIT("B")))
		ret->encoding = MIME_BASE64;
	else
		return false;
	ret->text = str_take(s, end);
	*rest = str_skip(s, end + 2);
	return true;
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

static size_t spaces(struct str s)
{
	size_t n = 0;

	while (n < s.len && (is_blank(s.ptr[n]) || s.ptr[n] == '\r' || s.ptr[n] == '\n'))
		n++;
	return n;
}

/* A fold and the white space around it are one space, as ENVELOPE shows it. */
static int put_plain(struct str s, struct buf *out)
{
	int r = 0;

	while (s.len && r == 0) {
		size_t line = 0, text;

		while (line < s.len && s.ptr[line] != '\r' && s.ptr[line] != '\n')
			line++;
		text = line;
		while (line < s.len && text && is_blank(s.ptr[text - 1]))
			text--;
		r = mime_to_utf8(STR_LIT("utf-8"), str_take(s, text), out);
		if (r == 0 && line < s.len)
			r = buf_append(out, STR_LIT(" "));
		s = str_skip(s, line);
		s = str_skip(s, spaces(s));
	}
	return r;
}

int mime_decode_words(struct str value, struct buf *out)
{
	struct word word;
	bool after_word = false;
	int r = 0;

	while (value.len && r == 0) {
		size_t gap = after_word ? spaces(value) : 0;
		struct str ahead = str_skip(value, gap);
		size_t plain = 0;

		if (take_word(&ahead, &word)) { /* space between two words is none */
			r = put_word(&word, out);
			value = ahead;
			after_word = true;
			continue;
		}
		while (plain < value.len && (plain == 0 || value.ptr[plain] != '='))
			plain++;
		r = put_plain(str_take(value, plain), out);
		value = str_skip(value, plain);
		after_word = false;
	}
	return r;
}
