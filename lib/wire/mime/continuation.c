/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/continuation.h"

#include "base/hex.h"

#include <ctype.h>
#include <string.h>

struct piece {
	struct str base; /* the name without number and "*" */
	uint32_t number;
	bool extended; /* its value is percent-encoded */
};

/* "filename*2*"; false: it is no piece ("filename", "filename*"). */
static bool is_piece(struct str name, struct piece *ret)
{
	struct str number = name;

	ret->base = str_split(&number, '*');
	ret->extended = number.len && number.ptr[number.len - 1] == '*';
	if (ret->extended)
		number.len--;
	return number.len && str_to_u32(number, &ret->number);
}

/* The pieces of one value by their numbers; NULL: missing. */
struct pieces {
	const struct mime_param *at[MIME_PARAMS_MAX];
	bool is_extended[MIME_PARAMS_MAX];
	size_t count; /* from 0 on without a gap */
	bool any_extended;
};

static void collect(
	const struct mime_content *content, struct str base, struct pieces *ret)
{
	struct piece piece;

	*ret = (struct pieces){ 0 };
	for (size_t i = 0; i < content->n_params; i++) {
		if (!is_piece(content->params[i].name, &piece) ||
			!str_ieq(piece.base, base) || piece.number >= MIME_PARAMS_MAX ||
			ret->at[piece.number])
			continue;
		ret->at[piece.number] = &content->params[i];
		ret->is_extended[piece.number] = piece.extended;
	}
	while (ret->count < MIME_PARAMS_MAX && ret->at[ret->count]) {
		ret->any_extended |= ret->is_extended[ret->count];
		ret->count++;
	}
}

/* RFC 2231, 7: attribute-char. */
static bool needs_no_code(char c)
{
	return isalnum((unsigned char)c) ||
	       (c && strchr("!#$&+-.^_`{|}~", c) && (unsigned char)c < 0x80);
}

static size_t encode(char *to, struct str value)
{
	size_t len = 0;

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (needs_no_code(value.ptr[i])) {
			to[len++] = value.ptr[i];
		} else {
			to[len++] = '%';
			to[len++] = HEX_UPPER[c >> 4];
			to[len++] = HEX_UPPER[c & 15];
		}
	}
	return len;
}

static struct str join_values(const struct pieces *p, struct arena *arena)
{
	size_t room = 2, len = 0;
	char *value;

	for (size_t i = 0; i < p->count; i++)
		room += 3 * p->at[i]->value.len;
	value = arena_alloc(arena, room);
	if (value && p->any_extended && !p->is_extended[0]) {
		value[len++] = '\''; /* no charset, no language */
		value[len++] = '\'';
	}
	for (size_t i = 0; value && i < p->count; i++) {
		struct str piece = p->at[i]->value;

		if (p->any_extended && !p->is_extended[i]) {
			len += encode(value + len, piece);
		} else if (piece.len) {
			memcpy(value + len, piece.ptr, piece.len);
			len += piece.len;
		}
	}
	return str_of(value, len);
}

/* "filename*" when any piece is encoded: the "*" of the name's first piece is behind it.
 */
static struct str joined_name(
	const struct pieces *p, struct str base, struct arena *arena)
{
	char *name;

	if (!p->any_extended)
		return base;
	name = arena_alloc(arena, base.len + 1);
	if (!name)
		return (struct str){ 0 };
	memcpy(name, base.ptr, base.len);
	name[base.len] = '*';
	return str_of(name, base.len + 1);
}

/* Takes out the pieces of base that stand behind `from`. */
static void drop_pieces(
	struct mime_content *content, size_t from, struct str base, size_t count)
{
	struct piece piece;
	size_t kept = from;

	for (size_t i = from; i < content->n_params; i++)
		if (!is_piece(content->params[i].name, &piece) ||
			!str_ieq(piece.base, base) || piece.number >= count)
			content->params[kept++] = content->params[i];
	content->n_params = kept;
}

bool mime_join_pieces(struct mime_content *content, struct arena *arena)
{
	struct pieces pieces;
	struct piece piece;

	for (size_t i = 0; i < content->n_params; i++) {
		struct mime_param joined;

		if (!is_piece(content->params[i].name, &piece))
			continue;
		collect(content, piece.base, &pieces);
		if (!pieces.count || piece.number >= pieces.count)
			continue;
		joined.name = joined_name(&pieces, piece.base, arena);
		joined.value = join_values(&pieces, arena);
		if (!joined.name.ptr || !joined.value.ptr)
			return false;
		content->params[i] = joined;
		drop_pieces(content, i + 1, piece.base, pieces.count);
	}
	return true;
}

struct str mime_extended_text(struct str value, struct arena *arena)
{
	struct str text = value;
	char *copy;
	size_t len = 0;

	(void)str_split(&text, '\'');
	(void)str_split(&text, '\'');
	copy = arena_alloc(arena, text.len + 1);
	for (size_t i = 0; copy && i < text.len; i++) {
		int byte = text.ptr[i] == '%' ? hex_byte(str_skip(text, i + 1)) : -1;

		if (byte >= 0) {
			copy[len++] = (char)byte;
			i += 2;
		} else {
			copy[len++] = text.ptr[i];
		}
	}
	return str_of(copy, len);
}
