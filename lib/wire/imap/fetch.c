/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/fetch.h"

#include "base/buf.h"
#include "wire/imap/encode.h"

#include <inttypes.h>

static const struct item_row {
	struct str name;
	enum imap_fetch_kind kind;
	enum imap_section section;
	bool peek;
} item_rows[] = {
	{ STR("FLAGS"), IMAP_FETCH_FLAGS, IMAP_SECTION_ALL, true },
	{ STR("UID"), IMAP_FETCH_UID, IMAP_SECTION_ALL, true },
	{ STR("MODSEQ"), IMAP_FETCH_MODSEQ, IMAP_SECTION_ALL, true },
	{ STR("EMAILID"), IMAP_FETCH_EMAILID, IMAP_SECTION_ALL, true },
	{ STR("THREADID"), IMAP_FETCH_THREADID, IMAP_SECTION_ALL, true },
	{ STR("SAVEDATE"), IMAP_FETCH_SAVEDATE, IMAP_SECTION_ALL, true },
	{ STR("PREVIEW"), IMAP_FETCH_PREVIEW, IMAP_SECTION_ALL, true },
	{ STR("SNIPPET"), IMAP_FETCH_SNIPPET, IMAP_SECTION_ALL, true },
	{ STR("INTERNALDATE"), IMAP_FETCH_INTERNALDATE, IMAP_SECTION_ALL, true },
	{ STR("RFC822.SIZE"), IMAP_FETCH_SIZE, IMAP_SECTION_ALL, true },
	{ STR("ENVELOPE"), IMAP_FETCH_ENVELOPE, IMAP_SECTION_ALL, true },
	{ STR("BODYSTRUCTURE"), IMAP_FETCH_BODYSTRUCTURE, IMAP_SECTION_ALL, true },
	{ STR("BODY"), IMAP_FETCH_BODY, IMAP_SECTION_ALL, true },
	{ STR("RFC822"), IMAP_FETCH_SECTION, IMAP_SECTION_ALL, false },
	{ STR("RFC822.HEADER"), IMAP_FETCH_SECTION, IMAP_SECTION_HEADER, true },
	{ STR("RFC822.TEXT"), IMAP_FETCH_SECTION, IMAP_SECTION_TEXT, false },
};

static const struct macro_row {
	struct str name, items;
} macro_rows[] = {
	{ STR("ALL"), STR("(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)") },
	{ STR("FAST"), STR("(FLAGS INTERNALDATE RFC822.SIZE)") },
	{ STR("FULL"), STR("(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)") },
};

static const struct section_row {
	struct str name;
	enum imap_section section;
} section_rows[] = {
	{ STR("HEADER"), IMAP_SECTION_HEADER },
	{ STR("TEXT"), IMAP_SECTION_TEXT },
	{ STR("MIME"), IMAP_SECTION_MIME },
	{ STR("HEADER.FIELDS"), IMAP_SECTION_FIELDS },
	{ STR("HEADER.FIELDS.NOT"), IMAP_SECTION_FIELDS_NOT },
};
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* "1.2." or "1.2" in front of a section's name. */
static bool section_numbers(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item *item)
{
	uint32_t n;

	while (imap_number(c, &n)) {
		if (!item->numbers)
			item->numbers = arena_alloc(
				arena, IMAP_SECTION_NUMBERS_MAX * sizeof(uint32_t));
		if (!item->numbers || !n || item->n_numbers == IMAP_SECTION_NUMBERS_MAX)
			return false;
		item->numbers[item->n_numbers++] = n;
		if (!imap_char(c, '.'))
			return imap_peek(c) == ']';
	}
	return !item->n_numbers || imap_peek(c) != ']'; /* not "1." */
}

static bool section_fields(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item *item)
{
	struct imap_cursor counting;
	struct str name;
	size_t count = 0;

	if (!imap_space(c) || !imap_char(c, '('))
		return false;
	counting = *c;
	do {
		if (!imap_astring(&counting, arena, &name))
			return false;
		count++;
	} while (imap_space(&counting));
	item->fields = arena_alloc(arena, count * sizeof(struct str));
	while (item->fields && item->n_fields < count &&
		imap_astring(c, arena, &item->fields[item->n_fields])) {
		item->n_fields++;
		(void)imap_space(c);
	}
	return item->n_fields == count && imap_char(c, ')');
}

static bool section_name(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item *item)
{
	struct str name;

	if (!imap_atom(c, &name))
		return item->n_numbers || imap_peek(c) == ']';
	for (size_t i = 0; i < COUNT(section_rows); i++) {
		if (!str_ieq(name, section_rows[i].name))
			continue;
		item->section = section_rows[i].section;
		if (item->section == IMAP_SECTION_MIME)
			return item->n_numbers > 0;
		return item->section < IMAP_SECTION_FIELDS ||
		       section_fields(c, arena, item);
	}
	return false;
}

static bool section_partial(struct imap_cursor *c, struct imap_fetch_item *item)
{
	if (!imap_char(c, '<'))
		return true;
	item->partial = true;
	return imap_number(c, &item->offset) && imap_char(c, '.') &&
	       imap_number(c, &item->length) && item->length && imap_char(c, '>');
}

static int put_label_section(struct buf *out, const struct imap_fetch_item *item)
{
	int r = 0;

	for (size_t i = 0; i < item->n_numbers && r == 0; i++)
		r = buf_printf(out, "%s%" PRIu32, i ? "." : "", item->numbers[i]);
	for (size_t i = 0; i < COUNT(section_rows) && r == 0; i++)
		if (section_rows[i].section == item->section)
			r = buf_printf(out, "%s%.*s", item->n_numbers ? "." : "",
				STR_ARG(section_rows[i].name));
	return r;
}

static int put_label_fields(struct buf *out, const struct imap_fetch_item *item)
{
	int r = 0;

	for (size_t i = 0; i < item->n_fields && r == 0; i++) {
		r = buf_append_c(out, i ? " " : " (");
		if (r == 0)
			r = imap_put_astring(out, item->fields[i]);
	}
	return r < 0 || !item->n_fields ? r : buf_byte(out, ')');
}

static const char *label_name(enum imap_fetch_kind kind)
{
	if (kind == IMAP_FETCH_BINARY)
		return "BINARY[";
	return kind == IMAP_FETCH_BINARY_SIZE ? "BINARY.SIZE[" : "BODY[";
}

static int put_label(struct buf *out, const struct imap_fetch_item *item)
{
	int r = buf_append_c(out, label_name(item->kind));

	if (r == 0)
		r = put_label_section(out, item);
	if (r == 0)
		r = put_label_fields(out, item);
	if (r == 0)
		r = buf_byte(out, ']');
	if (r < 0 || !item->partial)
		return r;
	return buf_printf(out, "<%" PRIu32 ">", item->offset);
}

static bool make_label(struct imap_fetch_item *item, struct arena *arena)
{
	struct buf text;

	buf_init(&text, 0);
	if (put_label(&text, item) == 0)
		item->label = arena_str(arena, buf_view(&text));
	buf_fini(&text);
	return item->label.ptr != NULL;
}

static bool body_section(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item *item)
{
	item->section = IMAP_SECTION_ALL;
	if (!section_numbers(c, arena, item))
		return false;
	/* RFC 3516, 7: only numbers; no part of a size */
	if (item->kind == IMAP_FETCH_SECTION && !section_name(c, arena, item))
		return false;
	return imap_char(c, ']') &&
	       (item->kind == IMAP_FETCH_BINARY_SIZE || section_partial(c, item)) &&
	       make_label(item, arena);
}

static const struct body_row {
	struct str name;
	enum imap_fetch_kind kind;
	bool peek;
} body_rows[] = {
	{ STR("BODY"), IMAP_FETCH_SECTION, false },
	{ STR("BODY.PEEK"), IMAP_FETCH_SECTION, true },
	{ STR("BINARY"), IMAP_FETCH_BINARY, false },
	{ STR("BINARY.PEEK"), IMAP_FETCH_BINARY, true },
	{ STR("BINARY.SIZE"), IMAP_FETCH_BINARY_SIZE, true },
};

static bool body_name(struct str name, struct imap_fetch_item *item)
{
	for (size_t i = 0; i < COUNT(body_rows); i++) {
		if (!str_ieq(name, body_rows[i].name))
			continue;
		item->kind = body_rows[i].kind;
		item->peek = body_rows[i].peek;
		return true;
	}
	return false;
}

/* RFC 8970, and what SNIPPET had before it. */
static bool is_hint(struct str word)
{
	return str_ieq(word, STR_LIT("LAZY")) || str_ieq(word, STR_LIT("FUZZY")) ||
	       str_ieq(word, STR_LIT("LAZY=FUZZY"));
}

/* "PREVIEW (LAZY)": a hint, since ours is made at once. */
static bool preview_hints(struct imap_cursor *c)
{
	struct imap_cursor at = *c;
	struct str word;

	if (!imap_space(&at) || !imap_char(&at, '('))
		return true;
	do {
		if (!imap_atom(&at, &word) || !is_hint(word))
			return false;
	} while (imap_space(&at));
	if (!imap_char(&at, ')'))
		return false;
	*c = at;
	return true;
}

static bool named_item(struct str name, struct imap_fetch_item *item)
{
	for (size_t i = 0; i < COUNT(item_rows); i++) {
		if (!str_ieq(name, item_rows[i].name))
			continue;
		item->kind = item_rows[i].kind;
		item->section = item_rows[i].section;
		item->peek = item_rows[i].peek;
		item->label = item_rows[i].name;
		return true;
	}
	return false;
}

/* The name of an item ends at "[", which an atom may hold. */
static bool item_name(struct imap_cursor *c, struct str *ret)
{
	struct imap_cursor at = *c;
	struct str atom;

	if (!imap_atom(&at, &atom))
		return false;
	*ret = str_take(atom, str_index(atom, '['));
	c->rest = ret->len < atom.len ? str_skip(c->rest, ret->len) : at.rest;
	return true;
}

static bool fetch_item(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item **ret)
{
	struct imap_fetch_item *item = arena_alloc(arena, sizeof(*item));
	struct str name;

	if (!item || !item_name(c, &name))
		return false;
	*ret = item;
	if (imap_char(c, '['))
		return body_name(name, item) && body_section(c, arena, item);
	return named_item(name, item) &&
	       (item->kind < IMAP_FETCH_PREVIEW || preview_hints(c));
}

static bool item_list(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item **ret_first)
{
	struct imap_fetch_item **place = ret_first;

	do {
		if (!fetch_item(c, arena, place))
			return false;
		place = &(*place)->next;
	} while (imap_space(c));
	return imap_char(c, ')');
}

bool imap_fetch_items(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item **ret_first)
{
	struct imap_cursor at = *c;

	for (size_t i = 0; i < COUNT(macro_rows); i++) {
		if (imap_keyword(&at, macro_rows[i].name)) {
			struct imap_cursor items = imap_cursor(macro_rows[i].items);

			*c = at;
			return imap_char(&items, '(') &&
			       item_list(&items, arena, ret_first);
		}
	}
	if (imap_char(&at, '(')) {
		if (!item_list(&at, arena, ret_first))
			return false;
	} else if (!fetch_item(&at, arena, ret_first)) {
		return false;
	}
	*c = at;
	return true;
}

static bool fetch_modifier(struct imap_cursor *c, struct imap_fetch_modifiers *ret)
{
	struct str name;

	if (!imap_atom(c, &name))
		return false;
	if (str_ieq(name, STR_LIT("CHANGEDSINCE"))) {
		ret->has_changedsince = true;
		return imap_space(c) && imap_number64(c, &ret->changedsince);
	}
	if (str_ieq(name, STR_LIT("PARTIAL")))
		return imap_space(c) && imap_partial(c, &ret->partial);
	ret->vanished = str_ieq(name, STR_LIT("VANISHED"));
	return ret->vanished;
}

bool imap_fetch_modifiers(struct imap_cursor *c, struct imap_fetch_modifiers *ret)
{
	*ret = (struct imap_fetch_modifiers){ .vanished = false };
	if (!imap_space(c))
		return true;
	if (!imap_char(c, '('))
		return false;
	do {
		if (!fetch_modifier(c, ret))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')');
}
