/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encoded words in header values (RFC 2047): "=?charset?B?...?=". */
#include "wire/mime/charset.h"
#include "wire/mime/decode.h"

#define PIECE ((size_t)16384) /* of a field at a time, so that long ones need no more */
#define WORD_MAX ((size_t)65536) /* RFC 2047, 2 has 75; nobody means one that is longer */

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
	if (end > WORD_MAX || !str_starts(str_skip(s, end), STR_LIT("?=")))
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

static bool is_space(char ch)
{
	return is_blank(ch) || ch == '\r' || ch == '\n';
}

static size_t spaces(struct str s)
{
	size_t n = 0;

	while (n < s.len && is_space(s.ptr[n]))
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

/* Where a text longer than a piece is cut: before white space, which a fold may follow;
   where there is none, not in a character. */
static size_t cut_length(struct str s)
{
	size_t n = PIECE - 1;

	while (n && (is_space(s.ptr[n - 1]) || !is_space(s.ptr[n])))
		n--;
	if (n)
		return n;
	n = PIECE;
	while (n < s.len && n > PIECE - 3 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* Up to where a word may begin. */
static size_t plain_length(struct str s)
{
	size_t n = 1;

	while (n < s.len && n < PIECE && s.ptr[n] != '=')
		n++;
	return n < PIECE ? n : cut_length(s);
}

/* One word, or some text. */
static int decode_some(struct mime_words *w, struct buf *out)
{
	size_t gap = w->after_word ? spaces(w->rest) : 0, plain;
	struct str ahead = str_skip(w->rest, gap);
	struct word word;
	int r;

	w->after_word = take_word(&ahead, &word);
	if (w->after_word) { /* space between two words is none */
		w->rest = ahead;
		return put_word(&word, out);
	}
	plain = plain_length(w->rest);
	r = put_plain(str_take(w->rest, plain), out);
	w->rest = str_skip(w->rest, plain);
	return r;
}

int mime_words_next(struct mime_words *w, struct buf *out)
{
	size_t before = buf_len(out);
	int r = 0;

	while (w->rest.len && r == 0 && buf_len(out) - before < PIECE)
		r = decode_some(w, out);
	return r;
}

int mime_decode_words(struct str value, struct buf *out)
{
	struct mime_words w = { .rest = value };
	int r = 0;

	while (w.rest.len && r == 0)
		r = mime_words_next(&w, out);
	return r;
}
