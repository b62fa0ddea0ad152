/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/search.h"

#include "base/hash.h"
#include "wire/mime/address.h"
#include "wire/mime/content.h"
#include "wire/mime/decode.h"
#include "wire/mime/fold.h"
#include "wire/mime/header.h"

#include <unistring/version.h>

#define ADDRESSES_LOOK ((size_t)65536) /* bytes of one field, for ENVELOPE too */
#define NAME_LOOK ((size_t)1024)       /* bytes of a field's name; a line may have 998 */
#define PIECE_SIZE                                                                       \
	((size_t)16384) /* decoded at a time: the search holds no more of a body */

/* In pieces: anybody can send a field of many MiB, whose letters fold to ten times as
   much. */
static int read_field(const struct mime_field *field, bool with_name,
	struct mime_listener *l, struct buf *text)
{
	struct mime_words words = { .rest = str_trim(field->value) };
	int r = 0;

	l->pause(l);
	if (with_name)
		r = buf_append(text, str_take(field->name, NAME_LOOK));
	if (with_name && r == 0)
		r = buf_append(text, STR_LIT(": "));
	do {
		if (r == 0)
			r = mime_words_next(&words, text);
		if (r == 0)
			r = l->hear(l, buf_view(text));
		buf_clear(text);
	} while (r == 0 && !l->done && words.rest.len);
	return r;
}

/* Addresses are also found as they are read: "a (comment)@ b" is a@b. */
static int read_addresses(const struct mime_field *field, struct mime_listener *l)
{
	struct mime_addresses addresses;
	struct mime_address address;
	struct arena arena;
	struct buf text;
	int r = 0;

	arena_init(&arena);
	buf_init(&text, 0);
	mime_addresses_init(&addresses, str_take(field->value, ADDRESSES_LOOK), &arena);
	while (r == 0 && mime_next_address(&addresses, &address)) {
		if (address.kind != MIME_ADDRESS)
			continue;
		if (address.name.ptr)
			r = mime_decode_words(address.name, &text);
		if (r == 0)
			r = buf_printf(&text, " <%.*s@%.*s>\n", STR_ARG(address.mailbox),
				STR_ARG(address.host));
	}
	if (r == 0) {
		l->pause(l);
		r = l->hear(l, buf_view(&text));
	}
	buf_fini(&text);
	arena_fini(&arena);
	return r;
}

static bool has_addresses(struct str name)
{
	static const struct str names[] = { STR("From"), STR("To"), STR("Cc"), STR("Bcc"),
		STR("Sender"), STR("Reply-To") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

static int read_fields(struct str header, struct str name, struct mime_listener *l)
{
	struct mime_field field;
	struct buf text;
	int r = 0;

	buf_init(&text, 0);
	while (r == 0 && !l->done && mime_next_field(&header, &field))
		if (!name.len || str_ieq(field.name, name)) {
			r = read_field(&field, !name.len, l, &text);
			if (r == 0 && !l->done && name.len && has_addresses(name))
				r = read_addresses(&field, l);
		}
	buf_fini(&text);
	return r;
}

int mime_search_header(
	struct str header, struct str name, struct str folded_needle, bool *ret_found)
{
	struct mime_finder finder;
	int r;

	mime_finder_init(&finder, folded_needle);
	r = read_fields(header, name, &finder.listener);
	*ret_found = finder.listener.done;
	mime_finder_fini(&finder);
	return r;
}

struct text_part {
	struct mime_decoder decoder;
	struct str charset;
	struct buf decoded;
};

/* Whole lines go on, so that no character is cut. */
static int pass_lines(struct text_part *t, bool last, struct mime_listener *l)
{
	struct str text = buf_view(&t->decoded);
	struct buf utf8;
	size_t len = text.len;
	int r;

	if (mime_charset_unit(t->charset) > 1)
		len -= last ? 0 : len % 4;
	else
		while (!last && len && text.len < PIECE_SIZE * 2 &&
			text.ptr[len - 1] != '\n')
			len--;
	if (!len)
		return 0;
	buf_init(&utf8, 0);
	r = mime_to_utf8(t->charset, str_take(text, len), &utf8);
	if (r == 0)
		r = l->hear(l, buf_view(&utf8));
	buf_fini(&utf8);
	buf_consume(&t->decoded, len);
	return r;
}

static int read_text(struct text_part *t, struct str body, struct mime_listener *l)
{
	int r = 0;

	buf_init(&t->decoded, 0);
	l->pause(l);
	while (body.len && r == 0 && !l->done) {
		r = mime_decode(&t->decoder, str_take(body, PIECE_SIZE), &t->decoded);
		body = str_skip(body, PIECE_SIZE);
		if (r == 0)
			r = pass_lines(t, !body.len, l);
	}
	buf_fini(&t->decoded);
	return r;
}

/* Reports about messages (message/delivery-status and its likes) are text: somebody who
   looks for a bounce types the address in it. */
static bool is_searched(const struct mime_content *content)
{
	return str_ieq(content->type, STR_LIT("text")) ||
	       str_ieq(content->type, STR_LIT("message"));
}

static int read_leaf(
	struct mime_tree *tree, const struct mime_part *part, struct mime_listener *l)
{
	struct text_part text = { .charset = STR("utf-8") };
	struct mime_content content;
	struct str header = mime_part_header(tree, part), charset;

	mime_part_type(tree, part, &tree->arena, &content);
	if (!is_searched(&content))
		return 0;
	charset = mime_param_text(&content, STR_LIT("charset"), &tree->arena);
	if (charset.ptr)
		text.charset = charset;
	mime_decoder_init(
		&text.decoder, mime_encoding_by_name(mime_transfer_encoding(header)));
	return read_text(&text, mime_part_body(tree, part), l);
}

static int read_part(
	struct mime_tree *tree, uint32_t index, bool with_header, struct mime_listener *l)
{
	const struct mime_part *part = &tree->parts[index];
	int r = 0;

	if (index || with_header)
		r = read_fields(mime_part_header(tree, part), STR_LIT(""), l);
	if (r < 0 || l->done || part->kind != MIME_LEAF)
		return r;
	return read_leaf(tree, part, l);
}

static int read_parts(struct str message, bool with_header, struct mime_listener *l)
{
	struct mime_tree tree;
	int r = mime_scan(message, &tree);

	for (uint32_t i = 0; r == 0 && i < tree.count && !l->done; i++)
		r = read_part(&tree, i, with_header, l);
	mime_tree_fini(&tree);
	return r;
}

int mime_search_message(
	struct str message, bool with_header, struct str folded_needle, bool *ret_found)
{
	struct mime_finder finder;
	int r;

	mime_finder_init(&finder, folded_needle);
	r = read_parts(message, with_header, &finder.listener);
	*ret_found = finder.listener.done || !folded_needle.len;
	mime_finder_fini(&finder);
	return r;
}

/* Each field as it is read when its name is given. */
static int read_named_fields(struct str header, struct mime_listener *l)
{
	struct mime_field field;
	struct buf text;
	int r = 0;

	buf_init(&text, 0);
	while (r == 0 && !l->done && mime_next_field(&header, &field)) {
		r = read_field(&field, false, l, &text);
		if (r == 0 && has_addresses(field.name))
			r = read_addresses(&field, l);
	}
	buf_fini(&text);
	return r;
}

int mime_read_message(struct str message, struct mime_listener *l)
{
	struct str header = str_take(message, mime_header_length(message));
	int r = read_named_fields(header, l);

	return r < 0 ? r : read_parts(message, true, l);
}

uint64_t mime_text_version(void)
{
	uint64_t parts[] = { MIME_TEXT_VERSION, (uint64_t)_libunistring_version,
		mime_charsets_version() };
	uint64_t hash = HASH_FIRST;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		hash = hash_mix(hash, parts[i]);
	return hash >> 1 | 1; /* a positive number of SQLite, and not 0 */
}
